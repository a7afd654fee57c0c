"""The forward pass, whole: image and question to an answer and mask logits in every view."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ivlm_core.config import IvlmConfig
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.model.localize import Localizer
from ivlm_core.model.sam import build_image_encoder
from ivlm_core.model.tokens import ContactTokens, locate_contact_token
from ivlm_core.model.view_encoder import TokenSplitter, build_view_encoder
from ivlm_core.model.vlm import Generated, Scored, Vlm


@dataclass(frozen=True)
class ContactPrompt:
    """What the language model asks of one sample's views."""

    token: int
    """Id of the contact token."""
    embedding: Tensor
    """`[embed_dim]` token embedding in SAM's space (the projection Γ)."""


class IvlmModel(nn.Module):
    """VLM -> token embedding -> Γ -> FeatLift -> splitter -> SAM decoder; lifting comes after."""

    def __init__(self, config: IvlmConfig, tokens: ContactTokens) -> None:
        super().__init__()
        self.config = config
        self.tokens = tokens
        self.vlm = Vlm(config.vision, config.language)
        hidden, dim = config.language.hidden_size, config.sam.embed_dim
        self.projection = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )
        human, condition = get_rig(config.views.human_rig), get_rig(config.views.object_condition)
        self.view_encoder = build_view_encoder(
            config.views, dim, max(len(human.views), len(condition.views))
        )
        self.splitter = TokenSplitter(dim, dim // 2) if config.tokens.splitter else None
        self.image_encoder = build_image_encoder(config.sam)
        self.localizer = Localizer(config.sam)
        self.register_buffer(
            "human_cameras", torch.from_numpy(human.normalised_parameters()), persistent=False
        )
        self.register_buffer(
            "object_cameras", torch.from_numpy(condition.normalised_parameters()), persistent=False
        )

    def answer(self, pixel_values: Tensor, prompts: Sequence[Sequence[int]]) -> Generated:
        """Read images `[batch, 3, height, width]` and questions; decode answers greedily."""
        return self.answer_features(self.vlm.tower(pixel_values), prompts)

    def answer_features(self, features: Tensor, prompts: Sequence[Sequence[int]]) -> Generated:
        """Like `answer`, from tower features `[batch, patch, hidden]` that are known."""
        image_tokens = self.vlm.image_tokens(features, prompts)
        stop = [self.vlm.language.config.eos_token_id]
        if self.config.prompt.stop_at_contact:
            stop += self.tokens.all
        return self.vlm.generate(image_tokens, prompts, self.config.prompt.max_new_tokens, stop)

    def contact_prompts(
        self, result: Generated | Scored, ids: Sequence[Sequence[int]]
    ) -> list[ContactPrompt | None]:
        """Project the token embedding of every sample; None where the answer has no token."""
        padding = result.padding if isinstance(result, Generated) else [0] * len(ids)
        found = [
            locate_contact_token(
                row,
                self.tokens.all,
                self.config.num_image_tokens,
                self.config.tokens.position,
            )
            for row in ids
        ]
        prompts: list[ContactPrompt | None] = [None] * len(ids)
        asked = [(i, *place) for i, place in enumerate(found) if place is not None]
        if asked:
            states = torch.stack([result.hidden[i, padding[i] + index] for i, _, index in asked])
            for (i, token, _), embedding in zip(asked, self.projection(states), strict=True):
                prompts[i] = ContactPrompt(token, embedding)
        return prompts

    def embed_views(self, views: Tensor) -> Tensor:
        """Encode rendered views `[view, 3, size, size]` to `[view, embed_dim, grid, grid]`."""
        return self.image_encoder(views)

    def localize(
        self, prompts: Sequence[ContactPrompt], view_embeddings: Tensor, on_object: bool
    ) -> tuple[Tensor, Tensor]:
        """Decode the masks of queries about one surface.

        Args:
            prompts: one per query.
            view_embeddings: `[view, embed_dim, grid, grid]` of that surface.
            on_object: the surface is an object's, seen by the object rig.

        Returns:
            Low-resolution mask logits `[query, view, 4 grid, 4 grid]`, mask IoU `[query, view]`.
        """
        cameras = self.object_cameras if on_object else self.human_cameras
        embeddings = torch.stack([p.embedding for p in prompts])
        per_view = self.view_encoder(embeddings, cameras)  # [query, view, embed_dim]
        if self.splitter is not None:
            per_view = self._split(self.splitter, per_view, [p.token for p in prompts])
        return self.localizer(per_view, view_embeddings, on_object)

    def _split(self, splitter: TokenSplitter, per_view: Tensor, tokens: Sequence[int]) -> Tensor:
        """Send each prompt through the branch of its token; a generic token's stays as it is."""
        rows = []
        for row, token in zip(per_view.split(1), tokens, strict=True):
            keep = token == self.tokens.generic
            rows.append(row if keep else splitter(row, token == self.tokens.object))
        return torch.cat(rows)

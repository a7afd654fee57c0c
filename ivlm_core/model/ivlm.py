"""The forward pass, whole: image and question to an answer and mask logits in every view."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ivlm_core.config import IvlmConfig
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.model.body_head import BodyHead
from ivlm_core.model.drafts import Drafter
from ivlm_core.model.localize import Localizer, PromptKind
from ivlm_core.model.photo_decoder import PhotoDecoder
from ivlm_core.model.prompts import Task
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
        self.view_encoder = build_view_encoder(
            config.views, dim, max(len(get_rig(name).views) for name in _rigs(config).values())
        )
        self.splitter = TokenSplitter(dim, dim // 2) if config.tokens.splitter else None
        self.image_encoder = build_image_encoder(config.sam)
        self.photo_decoder = (
            PhotoDecoder(config, self.vlm.tower.fine_channels)
            if config.sam.photos == "tower"
            else None
        )
        self.localizer = Localizer(config.sam)
        self.body_head = BodyHead(config.body_head, dim) if config.body_head else None
        for task, name in _rigs(config).items():
            cameras = torch.from_numpy(get_rig(name).normalised_parameters())
            self.register_buffer(f"{task}_cameras", cameras, persistent=False)

    def cameras(self, task: Task) -> Tensor:
        """Return the normalised cameras `[view, 5]` that condition prompts of a task."""
        return self.get_buffer(f"{task}_cameras")

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer."""
        end = [self.vlm.language.config.eos_token_id]
        return [*end, *self.tokens.all] if self.config.prompt.stop_at_contact else end

    def answer(self, pixel_values: Tensor, prompts: Sequence[Sequence[int]]) -> Generated:
        """Read images `[batch, 3, height, width]` and questions; decode answers greedily."""
        return self.answer_features(self.vlm.tower(pixel_values), prompts)

    def answer_features(
        self,
        features: Tensor,
        prompts: Sequence[Sequence[int]],
        drafters: Sequence[Drafter] | None = None,
        boxes: Tensor | None = None,
    ) -> Generated:
        """Like `answer`, from tower features `[batch, patch, hidden]` that are known.

        Drafters, one per prompt, make it faster and change nothing (`Vlm.generate`). Boxes
        `[batch, 4]` tell where the objects are (`Vlm.image_tokens`).
        """
        image_tokens = self.vlm.image_tokens(features, prompts, boxes)
        limit = self.config.prompt.max_new_tokens
        return self.vlm.generate(image_tokens, prompts, limit, self.stop_ids, drafters)

    def contact_prompts(
        self, result: Generated | Scored, ids: Sequence[Sequence[int]]
    ) -> list[ContactPrompt | None]:
        """Project the token embedding of every sample; None where the answer has no token."""
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
            states = result.hidden[[i for i, _, _ in asked], [index for _, _, index in asked]]
            for (i, token, _), embedding in zip(asked, self.projection(states), strict=True):
                prompts[i] = ContactPrompt(token, embedding)
        return prompts

    def embed_views(self, views: Tensor) -> Tensor:
        """Encode rendered views `[view, 3, size, size]` to `[view, embed_dim, grid, grid]`."""
        return self.image_encoder(views.to(next(self.image_encoder.parameters()).dtype))

    def view_prompts(self, prompts: Sequence[ContactPrompt], cameras: Tensor) -> Tensor:
        """Make camera-aware prompts `[query, view, embed_dim]` (FeatLift, then the splitter).

        Args:
            prompts: one per query.
            cameras: `[view, 5]` normalised parameters (`ViewRig.normalised_parameters`).
        """
        embeddings = torch.stack([p.embedding for p in prompts])
        return self._split(prompts, self.view_encoder(embeddings, cameras.to(embeddings.dtype)))

    def _split(self, prompts: Sequence[ContactPrompt], per_view: Tensor) -> Tensor:
        """Make prompts `[query, view, embed_dim]` the human's or the object's."""
        if self.splitter is None:
            return per_view
        rows = [
            row if kind == "generic" else self.splitter(row, kind == "object")
            for row, kind in zip(per_view.split(1), map(self._kind, prompts), strict=True)
        ]
        return torch.cat(rows)

    def localize(
        self,
        prompts: Sequence[ContactPrompt],
        view_embeddings: Tensor,
        on_object: bool,
        cameras: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode the masks of queries about one surface.

        Args:
            prompts: one per query.
            view_embeddings: `[view, embed_dim, grid, grid]` of that surface.
            on_object: the surface is an object's, seen by the object rig.
            cameras: `[view, 5]` normalised parameters that condition the prompts; None takes
                those of contact on the human or on objects.

        Returns:
            Low-resolution mask logits `[query, view, 4 grid, 4 grid]`, mask IoU `[query, view]`.
        """
        if cameras is None:
            cameras = self.cameras("object_contact" if on_object else "human_contact")
        per_view = self.view_prompts(prompts, cameras)
        kinds = [self._kind(p) for p in prompts]
        if len(set(kinds)) == 1:
            return self.localizer(per_view, view_embeddings, kinds[0])
        decoded = [
            self.localizer(row, view_embeddings, kind)
            for row, kind in zip(per_view.split(1), kinds, strict=True)
        ]
        return torch.cat([m for m, _ in decoded]), torch.cat([i for _, i in decoded])

    def body_logits(self, prompts: Sequence[ContactPrompt]) -> Tensor | None:
        """Read the body's vertices `[query, vertex]` off the tokens; None without a `body_head`."""
        if self.body_head is None:
            return None
        return self.body_head(torch.stack([p.embedding for p in prompts]))  # type: ignore[no-any-return]

    def embed_photos(self, pixel_values: Tensor, features: Tensor) -> Tensor:
        """Describe photographs for the `photo_decoder`, which the model must have.

        The stem learns nothing from it.

        Args:
            pixel_values: `[photo, 3, height, width]`, as the vision tower reads them.
            features: `[photo, patch, hidden]`, what it makes of them.

        Returns:
            `[photo, photo_channels, 4 grid, 4 grid]`.
        """
        assert self.photo_decoder is not None
        with torch.no_grad():
            maps = self.vlm.tower.fine_maps(pixel_values)
        return self.photo_decoder.embed(features, maps)

    def localize_photos(
        self, prompts: Sequence[ContactPrompt], embeddings: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode masks on photographs, each asked for by one query.

        Models with a `photo_decoder` are asked by the token alone. Published ones are asked by all
        prompts of the body's views: their code shows the photograph once per view and decodes the
        same mask every time, since all prompts enter every view.

        Args:
            prompts: one per query.
            embeddings: of the photograph of every query: of `embed_photos` where the model has a
                `photo_decoder`, `[query, embed_dim, grid, grid]` of `embed_views` otherwise.

        Returns:
            Low-resolution mask logits `[query, side, side]` and predicted mask IoU `[query]`.
        """
        if self.photo_decoder is not None:
            tokens = torch.stack([p.embedding for p in prompts])
            return self.photo_decoder(tokens, embeddings)  # type: ignore[no-any-return]
        asked = self.view_prompts(prompts, self.cameras("human_contact"))
        kinds = [self._kind(p) for p in prompts]
        if len(set(kinds)) == 1:
            return self.localizer.each(asked, embeddings, kinds[0])
        decoded = [
            self.localizer.each(row, picture, kind)
            for row, picture, kind in zip(asked.split(1), embeddings.split(1), kinds, strict=True)
        ]
        return torch.cat([m for m, _ in decoded]), torch.cat([i for _, i in decoded])

    def _kind(self, prompt: ContactPrompt) -> PromptKind:
        """What a prompt's token asks for; one token for both counts as the human's."""
        if prompt.token == self.tokens.generic:
            return "generic"
        return "human" if prompt.token == self.tokens.human else "object"


def _rigs(config: IvlmConfig) -> dict[Task, str]:
    """Rig that conditions prompts of each task."""
    views = config.views
    return {
        "human_contact": views.human_rig,
        "object_contact": views.object_condition,
        "object_affordance": views.affordance_condition,
    }

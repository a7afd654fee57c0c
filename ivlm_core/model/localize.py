"""Localize: prompts and view embeddings to mask logits, by SAM's mask decoder or a cheaper one."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from ivlm_core.config import SamConfig
from ivlm_core.model.query_decoder import QueryMaskDecoder
from ivlm_core.model.sam import build_mask_decoder, build_prompt_encoder

PromptKind = Literal["human", "object", "generic"]
"""What a prompt asks for: its contact token's surface."""


_CELLS = 4096
"""Cells of view embeddings that are decoded at once: small views cost mostly the calls, large ones
(64 x 64) are no faster together and take memory."""


class Localizer(nn.Module):
    """One prompt per view; in SAM's decoder all of them enter every view together.

    That is the reference's arrangement: a view's mask is decided knowing what the other views
    were asked for. `QueryMaskDecoder` asks each view for its own.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.prompt_encoder = build_prompt_encoder(config)
        make = QueryMaskDecoder if config.decoder == "queries" else build_mask_decoder
        separate = config.separate_decoders
        # SAM's stands in the published checkpoints even where nothing asks it.
        self.mask_decoder = None if separate and config.decoder == "queries" else make(config)
        self.human_mask_decoder = make(config) if separate else None
        self.object_mask_decoder = make(config) if separate else None

    def forward(
        self, prompts: Tensor, view_embeddings: Tensor, kind: PromptKind = "generic"
    ) -> tuple[Tensor, Tensor]:
        """Decode masks of one surface for several queries.

        Args:
            prompts: `[batch, view, embed_dim]` camera-aware token embeddings.
            view_embeddings: `[view, embed_dim, grid, grid]` of the surface all queries are about;
                SAM's decoder also takes some of the views only.
            kind: which decoder to use where there are several.

        Returns:
            Low-resolution mask logits `[batch, view, 4 grid, 4 grid]` and predicted mask IoU
            `[batch, view]`.
        """
        decoder = self._decoder(kind)
        if isinstance(decoder, QueryMaskDecoder):
            return decoder(prompts, view_embeddings, self._places(view_embeddings))
        batch = len(prompts)
        at_once = max(1, _CELLS // (batch * view_embeddings[0, 0].numel()))
        found = []
        for some in view_embeddings.split(at_once):
            repeated = prompts.repeat_interleave(len(some), dim=0)
            masks, iou = self._decode(repeated, some.repeat(batch, 1, 1, 1), kind)
            found.append((masks.unflatten(0, (batch, -1)), iou.unflatten(0, (batch, -1))))
        return torch.cat([mask for mask, _ in found], dim=1), torch.cat(
            [i for _, i in found], dim=1
        )

    def each(
        self, prompts: Tensor, embeddings: Tensor, kind: PromptKind = "generic"
    ) -> tuple[Tensor, Tensor]:
        """Decode one mask of each picture, by prompts of its own.

        Args:
            prompts: `[picture, prompt, embed_dim]`.
            embeddings: `[picture, embed_dim, grid, grid]`.
            kind: which decoder to use where there are several.

        Returns:
            Low-resolution mask logits `[picture, 4 grid, 4 grid]` and predicted mask IoU
            `[picture]`.
        """
        at_once = max(1, _CELLS // embeddings[0, 0].numel())
        found = [
            self._decode(asked, some, kind)
            for asked, some in zip(prompts.split(at_once), embeddings.split(at_once), strict=True)
        ]
        return torch.cat([mask for mask, _ in found]), torch.cat([i for _, i in found])

    def _decode(
        self, prompts: Tensor, embeddings: Tensor, kind: PromptKind
    ) -> tuple[Tensor, Tensor]:
        """Run SAM's mask decoder on several pictures at once; its own `forward` takes one.

        Of the four masks it can give only the first is asked for, and only that is made. See
        `each` for arguments and result.
        """
        # SAM's own classes, which have no types
        decoder: Any = self._decoder(kind)
        encoder: Any = self.prompt_encoder
        count = len(prompts)
        dense = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        positions = self._places(embeddings)
        tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        states, cells = decoder.transformer(
            embeddings + dense,
            positions.expand(count, -1, -1, -1),
            torch.cat([tokens.expand(count, -1, -1), prompts], dim=1),
        )
        fine = decoder.output_upscaling(cells.transpose(1, 2).unflatten(2, embeddings.shape[2:]))
        weights = decoder.output_hypernetworks_mlps[0](states[:, 1])
        masks = torch.einsum("bc,bchw->bhw", weights, fine)
        return masks, decoder.iou_prediction_head(states[:, 0])[:, 0]

    def _decoder(self, kind: PromptKind) -> nn.Module | None:
        """Return the decoder of a kind of prompt: its own, where there is one."""
        own = {
            "human": self.human_mask_decoder,
            "object": self.object_mask_decoder,
        }.get(kind)
        return self.mask_decoder if own is None else own

    def _places(self, embeddings: Tensor) -> Tensor:
        """Return SAM's positional encoding `[1, embed_dim, grid, grid]` of embeddings' cells."""
        encoder: Any = self.prompt_encoder
        places: Tensor = encoder.pe_layer(embeddings.shape[-2:])[None]
        return places.to(embeddings.dtype)  # made in float32

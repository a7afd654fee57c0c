"""Localize: prompts and view embeddings to mask logits, with SAM's prompt encoder and decoder."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from ivlm_core.config import SamConfig
from ivlm_core.model.sam import build_mask_decoder, build_prompt_encoder

PromptKind = Literal["human", "object", "generic"]
"""What the contact token of a prompt asks for."""


class Localizer(nn.Module):
    """One prompt per view, all of which enter the decoder of every view together.

    That is the reference's arrangement: a view's mask is decided knowing what the other views
    were asked for.
    """

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.prompt_encoder = build_prompt_encoder(config)
        self.mask_decoder = build_mask_decoder(config)
        separate = config.separate_decoders
        self.human_mask_decoder = build_mask_decoder(config) if separate else None
        self.object_mask_decoder = build_mask_decoder(config) if separate else None

    def forward(
        self, prompts: Tensor, view_embeddings: Tensor, kind: PromptKind = "generic"
    ) -> tuple[Tensor, Tensor]:
        """Decode masks of one surface for several queries.

        Args:
            prompts: `[batch, view, embed_dim]` camera-aware token embeddings.
            view_embeddings: `[view, embed_dim, grid, grid]` of the surface all queries are about.
            kind: which decoder to use where there are several.

        Returns:
            Low-resolution mask logits `[batch, view, 4 grid, 4 grid]` and predicted mask IoU
            `[batch, view]`.
        """
        own = {"human": self.human_mask_decoder, "object": self.object_mask_decoder}.get(kind)
        decoder = self.mask_decoder if own is None else own
        encoder: Any = self.prompt_encoder  # SAM's own class, which has no types
        dense = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        positions = encoder.get_dense_pe().to(view_embeddings.dtype)  # made in float32
        masks, ious = [], []
        for view in view_embeddings:  # SAM's decoder takes many prompts for one image
            mask, iou = decoder(
                image_embeddings=view.unsqueeze(0),
                image_pe=positions,
                sparse_prompt_embeddings=prompts,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            masks.append(mask)
            ious.append(iou)
        return torch.cat(masks, dim=1), torch.cat(ious, dim=1)

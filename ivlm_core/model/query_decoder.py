"""Masks as products of what is asked and of what a pixel shows (MaskFormer, Cheng et al. 2021).

SAM's decoder makes the features of all pixels anew for every query, which is most of what a query
costs, and of what learning one costs. Here they are made once a surface, however many are asked.
"""

import torch
from torch import Tensor, nn

from ivlm_core.config import SamConfig

RARE_LOGIT = -4.0
"""Of contact before anything is learned: about one pixel or vertex in fifty."""


class _Look(nn.Module):
    """Queries look at the cells of their view, then think; residual, normalised first."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, config.decoder_heads, batch_first=True)
        self.think = nn.Sequential(nn.LayerNorm(dim), *_two_layers(config, dim))

    def forward(self, queries: Tensor, keys: Tensor, cells: Tensor) -> Tensor:
        """Map `[view, query, dim]`; keys and cells are `[view, cell, dim]`."""
        found, _ = self.attention(self.norm(queries), keys, cells, need_weights=False)
        queries = queries + found
        return queries + self.think(queries)


class QueryMaskDecoder(nn.Module):
    """One query per view, which is that view's camera-aware prompt."""

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        dim, width = config.embed_dim, config.decoder_channels
        self.start = nn.Linear(dim, dim)
        self.look = nn.ModuleList(_Look(config) for _ in range(config.decoder_depth))
        self.norm = nn.LayerNorm(dim)
        self.pixels = nn.Sequential(
            nn.ConvTranspose2d(dim, dim, kernel_size=2, stride=2),
            nn.GELU(),
            nn.ConvTranspose2d(dim, width, kernel_size=2, stride=2),
        )
        self.mask = nn.Sequential(*_two_layers(config, width + 1))
        self.iou = nn.Sequential(*_two_layers(config, 1))

    def forward(self, prompts: Tensor, cells: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Decode masks of one surface for several queries.

        Args:
            prompts: `[batch, view, dim]`, one for each of the views.
            cells: `[view, dim, grid, grid]` embeddings of the views.
            places: `[1, dim, grid, grid]` positional encoding.

        Returns:
            Mask logits `[batch, view, 4 grid, 4 grid]` and predicted mask IoU `[batch, view]`.

        Raises:
            ValueError: there is not one prompt for every view.
        """
        if prompts.shape[1] != len(cells):
            raise ValueError(
                f"this decoder takes one prompt per view, got {prompts.shape[1]} prompts for "
                f"{len(cells)} views; decode all views of a rig together"
            )
        pixels = self.pixels(cells)
        values = cells.flatten(2).transpose(1, 2)
        keys = values + places.flatten(2).transpose(1, 2)
        queries = self.start(prompts).transpose(0, 1)
        for look in self.look:
            queries = look(queries, keys, values)
        queries = self.norm(queries)  # [view, batch, dim]
        weights, bias = self.mask(queries).split((pixels.shape[1], 1), dim=-1)
        masks = torch.einsum("vbc,vchw->bvhw", weights, pixels) / pixels.shape[1] ** 0.5
        masks = masks + (bias.transpose(0, 1)[..., None] + RARE_LOGIT)
        return masks, self.iou(queries)[..., 0].transpose(0, 1)


def _two_layers(config: SamConfig, out: int) -> tuple[nn.Module, ...]:
    dim, hidden = config.embed_dim, config.decoder_mlp_dim
    return nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, out)

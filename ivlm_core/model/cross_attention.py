"""Layers of resamplers: learned queries that look at something else, and think about it."""

import torch
from torch import Tensor, nn


class Attend(nn.Module):
    """Residual cross-attention, normalised first; queries see the context and themselves."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, batch_first=True)

    def forward(
        self, queries: Tensor, context: Tensor, absent: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the queries and how much each looks at each of the context, mean of the heads."""
        normed = self.norm(queries)
        keys = torch.cat([context, normed], dim=1)
        if absent is not None:
            absent = nn.functional.pad(absent, (0, queries.shape[1]), value=False)
        found, looks = self.attention(normed, keys, keys, key_padding_mask=absent)
        return queries + found, looks[..., : context.shape[1]]


def thought(size: int) -> nn.Sequential:
    """Return a feed-forward layer, normalised first; what it gives is added to what it is given."""
    return nn.Sequential(
        nn.LayerNorm(size), nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size)
    )

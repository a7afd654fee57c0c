"""SAM's attention with relative positions, through torch's fused kernel.

Same weights and same result as `segment_anything`'s own `Attention`, which writes every attention
map to memory several times; at 1024 pixels these maps are most of what a view costs on a CPU.
"""

from typing import Any

import torch
from torch import Tensor, nn

BIAS_VALUES = 2**24
"""Most entries of the position bias that are made at a time (64 MB in float32)."""


class FusedAttention(nn.Module):
    """Stands in for `segment_anything`'s `Attention` and takes over its parameters and names."""

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.num_heads: int = plain.num_heads
        self.qkv: nn.Linear = plain.qkv
        self.proj: nn.Linear = plain.proj
        self.rel_pos_h: nn.Parameter = plain.rel_pos_h
        self.rel_pos_w: nn.Parameter = plain.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """Map `[batch, height, width, channel]` to the same shape."""
        batch, height, width, _ = x.shape
        cells = height * width
        qkv = self.qkv(x).reshape(batch, cells, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.flatten(1, 2)  # each [batch * head, cell, channel of a head]
        grid = query.unflatten(1, (height, width))
        by_row = torch.einsum("bhwc,hkc->bhwk", grid, _relative(self.rel_pos_h, height))
        by_column = torch.einsum("bhwc,wkc->bhwk", grid, _relative(self.rel_pos_w, width))
        rows = max(1, BIAS_VALUES // cells**2)
        found = [
            nn.functional.scaled_dot_product_attention(
                q[None],
                k[None],
                v[None],
                attn_mask=(r[..., :, None] + c[..., None, :]).reshape(1, -1, cells, cells),
            )[0]
            for q, k, v, r, c in zip(
                *(t.split(rows) for t in (query, key, value, by_row, by_column)), strict=True
            )
        ]
        mixed = torch.cat(found).unflatten(0, (batch, self.num_heads)).transpose(1, 2)
        return self.proj(mixed.reshape(batch, height, width, -1))


def _relative(table: Tensor, size: int) -> Tensor:
    """Look up `[query, key, channel]` in a table `[2 size - 1, channel]` of offsets."""
    places = torch.arange(size, device=table.device)
    return table[places[:, None] - places[None] + size - 1]

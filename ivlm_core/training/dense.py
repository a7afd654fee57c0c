"""Stage 1: dense supervision that teaches the vision tower pose, side and what touches what.

Contact labels alone teach a small tower nothing about pose; body parts, objects, contact in the
image and joints do. The heads live in training only and are dropped afterwards.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

IGNORE = 255
"""Cells outside the picture."""


@dataclass(frozen=True)
class DenseTargets:
    """What the heads learn; `cell` is the side of the supervised grid."""

    parts: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the i-th body part, `IGNORE` outside."""
    objects: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the i-th category."""
    contacts: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the category that touches there, the last the
    ground."""
    joints: Tensor
    """float32 `[batch, joint, 5]`: root-relative metres in the camera frame, then image x, y in
    [-1, 1]."""
    touched: Tensor
    """float32 `[batch, label, part]`: 1 where that label touches that part, -1 where not asked."""


@dataclass(frozen=True)
class DenseSizes:
    """Sizes of the heads."""

    hidden: int
    grid: int
    cells_per_patch: int
    parts: int
    categories: int
    joints: int


class DenseHeads(nn.Module):
    """Linear heads per patch, and attention-pooled heads for joints and touched parts."""

    def __init__(self, sizes: DenseSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.channels = (sizes.parts + 1, sizes.categories + 1, sizes.categories + 2)
        self.cells = nn.Linear(sizes.hidden, sum(self.channels) * sizes.cells_per_patch**2)
        labels = sizes.categories + 1  # the last is the scene
        self.queries = nn.Parameter(torch.randn(labels + 1, sizes.hidden) * 0.02)
        self.attention = nn.MultiheadAttention(sizes.hidden, 4, batch_first=True)
        self.norm = nn.LayerNorm(sizes.hidden)
        self.mlp = nn.Sequential(nn.Linear(sizes.hidden, 256), nn.GELU())
        self.joints = nn.Linear(256, sizes.joints * 5)
        self.touched = nn.Linear(256, sizes.parts)

    def forward(self, features: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Map tower features `[batch, patch, hidden]` to predictions.

        Returns:
            Cell logits for parts, objects and contacts `[batch, class, cell, cell]`, joints
            `[batch, joint, 5]`, and touched-part logits `[batch, label, part]`.
        """
        s, batch = self.sizes, features.shape[0]
        cells = self.cells(features).view(
            batch, s.grid, s.grid, -1, s.cells_per_patch, s.cells_per_patch
        )
        side = s.grid * s.cells_per_patch
        cells = cells.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, side, side)
        pooled, _ = self.attention(
            self.queries.expand(batch, -1, -1), features, features, need_weights=False
        )
        pooled = self.mlp(self.norm(pooled))
        joints = self.joints(pooled[:, -1]).view(batch, s.joints, 5)
        return list(cells.split(self.channels, dim=1)), joints, self.touched(pooled[:, :-1])

    def losses(self, features: Tensor, targets: DenseTargets) -> dict[str, Tensor]:
        """Return the named loss parts."""
        (parts, objects, contacts), joints, touched = self(features)
        asked = targets.touched >= 0
        touch = binary_cross_entropy_with_logits(
            touched, targets.touched.clamp(min=0), reduction="none"
        )
        return {
            "parts": cross_entropy(parts, targets.parts, ignore_index=IGNORE),
            "objects": cross_entropy(objects, targets.objects, ignore_index=IGNORE),
            "contacts": cross_entropy(contacts, targets.contacts, ignore_index=IGNORE),
            "joints": 3 * smooth_l1_loss(joints, targets.joints, beta=0.05),
            "touched": 2 * touch[asked].mean() if bool(asked.any()) else touch.sum() * 0,
        }

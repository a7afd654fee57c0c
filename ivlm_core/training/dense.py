"""Stage 1: supervision that teaches the tower pose and side, the resampler what touches what.

Contact labels alone teach a small tower nothing about pose; body parts, objects, contact in the
image and joints do. The heads live in training only and are dropped afterwards.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

IGNORE = 255
"""Cells outside the picture."""


@dataclass(frozen=True)
class _Targets:
    def to(self, device: torch.device) -> Self:
        """Return the same targets on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class DenseTargets(_Targets):
    """What the heads learn; `cell` is the side of the supervised grid."""

    parts: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the i-th body part, `IGNORE` outside."""
    objects: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the i-th category."""
    contacts: Tensor
    """int64 `[batch, cell, cell]`: 0 none, i + 1 the category that touches there, the last the
    ground."""
    holders: Tensor
    """int64 `[batch, cell, cell]`: 0 no object, i + 1 an object in contact with the i-th kind of
    side."""


@dataclass(frozen=True)
class QuestionTargets(_Targets):
    """What is to be known of a question about the body before the language model reads it."""

    parts: Tensor
    """float32 `[question, part]`: 1 where touched."""
    regions: Tensor
    """float32 `[question, region]`: share of the region's vertices that is touched."""
    contact: Tensor
    """float32 `[question, vertex]`: 1 where touched."""
    joints: Tensor
    """float32 `[question, joint, 5]`: root-relative metres in the camera frame, then image x, y in
    [-1, 1]."""
    looks: Tensor
    """float32 `[question, patch]`: share of what the question is about that each patch shows;
    all 0 where it is not to be seen."""


@dataclass(frozen=True)
class DenseSizes:
    """Sizes of the heads."""

    hidden: int
    grid: int
    cells_per_patch: int
    parts: int
    categories: int
    holders: int


class DenseHeads(nn.Module):
    """Linear heads per patch."""

    def __init__(self, sizes: DenseSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.channels = (
            sizes.parts + 1,
            sizes.categories + 1,
            sizes.categories + 2,
            sizes.holders,
        )
        self.cells = nn.Linear(sizes.hidden, sum(self.channels) * sizes.cells_per_patch**2)

    def forward(self, features: Tensor) -> list[Tensor]:
        """Map tower features `[batch, patch, hidden]` to cell logits.

        Returns:
            Those of parts, objects, contacts and holders, each `[batch, class, cell, cell]`.
        """
        s, batch = self.sizes, features.shape[0]
        cells = self.cells(features).view(
            batch, s.grid, s.grid, -1, s.cells_per_patch, s.cells_per_patch
        )
        side = s.grid * s.cells_per_patch
        cells = cells.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, side, side)
        return list(cells.split(self.channels, dim=1))

    def losses(self, features: Tensor, targets: DenseTargets) -> dict[str, Tensor]:
        """Return the named loss parts."""
        parts, objects, contacts, holders = self(features)
        held = (targets.holders > 0) & (targets.holders != IGNORE)
        sides = torch.where(held, targets.holders - 1, IGNORE)
        named = cross_entropy(objects, targets.objects, ignore_index=IGNORE, reduction="none")
        sided = cross_entropy(holders, sides, ignore_index=IGNORE, reduction="none")
        shown = (targets.objects > 0) & (targets.objects != IGNORE)
        return {
            "cells": cross_entropy(parts, targets.parts, ignore_index=IGNORE),
            # By cell, which tells an object from what is around it, and by object: of all cells a
            # bottle has too few to be worth finding.
            "objects": named.sum() / (targets.objects != IGNORE).sum().clamp(min=1)
            + 0.2 * mean_by_object(named, targets.objects, shown),
            # Few cells are in contact, and they say which hand holds the object.
            "contacts": 10 * cross_entropy(contacts, targets.contacts, ignore_index=IGNORE),
            # Asked of the object's own cells: contact itself is mostly hidden between the two.
            "holders": 0.5 * mean_by_object(sided, targets.objects, held),
        }


class QuestionHeads(nn.Module):
    """What the image tokens of a question about the body tell of its answer.

    Pose and contact are read from one vector: contact alone does not teach pose, and given the
    pose the touching side follows easily. Half of a resampler's queries are shown where to look.
    """

    def __init__(self, tokens: int, hidden: int, parts: int, regions: int, joints: int) -> None:
        super().__init__()
        width = 2 * hidden
        self.shared = nn.Sequential(nn.Flatten(), nn.Linear(tokens * hidden, width), nn.GELU())
        self.parts = nn.Linear(width, parts)
        self.regions = nn.Linear(width, regions)
        self.joints = nn.Linear(width, joints * 5)

    def forward(self, image_tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map `[question, token, hidden]` to logits of parts and of regions, and joints."""
        shared = self.shared(image_tokens)
        joints = self.joints(shared).unflatten(1, (-1, 5))
        return self.parts(shared), self.regions(shared), joints

    def losses(
        self, image_tokens: Tensor, looked: Tensor | None, targets: QuestionTargets
    ) -> dict[str, Tensor]:
        """Return the named loss parts.

        Args:
            image_tokens: `[question, token, hidden]`.
            looked: a resampler's attention `[question, layer, query, patch]`, or None.
            targets: what is to be known.
        """
        parts, regions, joints = self(image_tokens)
        losses = {
            "touched": 2 * binary_cross_entropy_with_logits(parts, targets.parts),
            "regions": 4 * binary_cross_entropy_with_logits(regions, targets.regions),
            "joints": 4 * smooth_l1_loss(joints, targets.joints, beta=0.05),
        }
        if looked is not None:
            losses["looks"] = look_loss(looked, targets.looks)
        return losses


def look_loss(looked: Tensor, shown: Tensor) -> Tensor:
    """Return how far half of a resampler's queries look from where they are shown to look.

    Args:
        looked: attention `[question, layer, query, patch]`.
        shown: `[question, patch]`, shares of the object; 0 everywhere where it is not in sight,
            and such questions do not count.
    """
    guided = looked[:, :, : looked.shape[2] // 2].float()
    entropy = -(shown[:, None, None] * (guided + 1e-6).log()).sum(dim=-1)
    counted = (shown.sum(dim=1) > 0)[:, None, None].expand_as(entropy)
    return 0.2 * entropy.where(counted, 0.0).sum() / counted.sum().clamp(min=1)


def mean_by_object(values: Tensor, objects: Tensor, counted: Tensor) -> Tensor:
    """Return the mean over objects of the mean over each one's cells; 0 without any.

    Args:
        values: `[batch, cell, cell]`.
        objects: int64 `[batch, cell, cell]`, which object a cell shows; those of different images
            are different ones.
        counted: bool `[batch, cell, cell]`, the cells that count.
    """
    image = torch.arange(len(objects), device=objects.device)[:, None, None]
    which = (image * (IGNORE + 1) + objects)[counted]
    _, which, cells = which.unique(return_inverse=True, return_counts=True)
    return (values[counted] / cells[which]).sum() / max(1, len(cells))

"""Mask and vertex losses as pure functions; their weighting belongs to the training recipe."""

import torch
from torch import Tensor

_EPS = 1e-6


def focal_bce(logits: Tensor, target: Tensor, valid: Tensor, gamma: float = 2.0) -> Tensor:
    """Return focal binary cross-entropy per sample.

    `(1 - exp(-b))^gamma b` with `b` the plain cross-entropy (Lin et al. 2017), averaged over the
    valid pixels of a view and then over views.

    Args:
        logits: `[batch, view, height, width]`.
        target: same shape, in [0, 1].
        valid: bool, broadcastable: pixels on the surface.
        gamma: 0 gives plain cross-entropy.

    Returns:
        `[batch]`.
    """
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma:
        loss = (1 - torch.exp(-loss)) ** gamma * loss
    weight = valid.to(loss.dtype).expand_as(loss)
    per_view = (loss * weight).sum(dim=(-2, -1)) / weight.sum(dim=(-2, -1)).clamp(min=1)
    return per_view.mean(dim=1)


def dice(probabilities: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return `1 - 2 |p t| / (|p| + |t|)` per sample; 0 where the target is empty.

    Args:
        probabilities: `[batch, ...]` in [0, 1].
        target: same shape.
        weight: broadcastable weights, for instance vertex areas or a validity mask.
    """
    if weight is not None:
        probabilities, target = probabilities * weight, target * weight
    dims = tuple(range(1, probabilities.ndim))
    overlap = (probabilities * target).sum(dim=dims)
    total = probabilities.sum(dim=dims) + target.sum(dim=dims)
    loss = 1 - (2 * overlap + _EPS) / (total + _EPS)
    return torch.where(target.sum(dim=dims) > 0, loss, torch.zeros_like(loss))


def vertex_bce(scores: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Return the cross-entropy of scores `[batch, vertex]` over the seen vertices, per sample."""
    clamped = scores.clamp(_EPS, 1 - _EPS)
    loss = torch.nn.functional.binary_cross_entropy(clamped, target, reduction="none")
    return loss[:, seen].mean(dim=1)

"""Mask and vertex losses as pure functions; their weighting belongs to the training recipe."""

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import binary_cross_entropy_with_logits

_EPS = 1e-6


def binary_cross_entropy(probabilities: Tensor, target: Tensor) -> Tensor:
    """Return torch's, with autocast off, which refuses it on GPUs, and NaN passed on.

    Torch's refuses what is not a number, of which training tells by itself.
    """
    undefined = probabilities.isnan()
    defined = probabilities.where(~undefined, 0.5)
    with torch.autocast(probabilities.device.type, enabled=False):
        loss = functional.binary_cross_entropy(defined, target, reduction="none")
    return torch.where(undefined, probabilities, loss)


def focal_bce(
    values: Tensor,
    target: Tensor,
    valid: Tensor,
    gamma: float = 2.0,
    probabilities: bool = False,
) -> Tensor:
    """Return focal binary cross-entropy per sample.

    `(1 - exp(-b))^gamma b` with `b` the plain cross-entropy (Lin et al. 2017), averaged over the
    valid pixels of a view and then over views; a view without valid pixels counts as 0.

    Args:
        values: logits `[batch, view, height, width]`.
        target: same shape, in [0, 1] where valid.
        valid: bool, broadcastable: pixels on the surface. Others may hold anything.
        gamma: 0 gives plain cross-entropy.
        probabilities: `values` are probabilities in [0, 1] where valid, not logits.

    Returns:
        `[batch]`.
    """
    valid = valid.expand_as(values)
    values, target = values.where(valid, 0.0), target.where(valid, 0.0)
    if probabilities:
        loss = binary_cross_entropy(values, target)
    else:
        loss = binary_cross_entropy_with_logits(values, target, reduction="none")
    if gamma:
        loss = (1 - torch.exp(-loss)) ** gamma * loss
    return _view_mean(loss, valid)


def masked_mse(values: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the squared error per sample `[batch]`, averaged like `focal_bce`."""
    valid = valid.expand_as(values)
    return _view_mean((values.where(valid, 0.0) - target.where(valid, 0.0)) ** 2, valid)


def _view_mean(loss: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of a view, then over views: `[batch]`."""
    weight = valid.to(loss.dtype)
    per_view = (loss * weight).sum(dim=(-2, -1)) / weight.sum(dim=(-2, -1)).clamp(min=1)
    return per_view.mean(dim=1)


def dice(
    probabilities: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    eps: float = _EPS,
    skip_empty: bool = True,
) -> Tensor:
    """Return `1 - (2 |p t| + eps) / (|p| + |t| + eps)` per sample.

    Args:
        probabilities: `[batch, ...]` in [0, 1].
        target: same shape.
        weight: broadcastable weights, for instance vertex areas or a validity mask.
        eps: keeps an empty prediction of an empty target at 0.
        skip_empty: give 0 where the target is empty, whatever is predicted.
    """
    if weight is not None:
        probabilities, target = probabilities * weight, target * weight
    dims = tuple(range(1, probabilities.ndim))
    overlap = (probabilities * target).sum(dim=dims)
    total = probabilities.sum(dim=dims) + target.sum(dim=dims)
    loss = 1 - (2 * overlap + eps) / (total + eps)
    if not skip_empty:
        return loss
    return torch.where(target.sum(dim=dims) > 0, loss, torch.zeros_like(loss))


def iou_error(probabilities: Tensor, masks: Tensor, valid: Tensor, iou: Tensor) -> Tensor:
    """Return the squared error of the predicted mask IoU `[batch, view]`, per sample.

    Args:
        probabilities: `[batch, view, height, width]`; contact above one half.
        masks: same shape, the target.
        valid: bool, broadcastable: pixels that count.
        iou: predicted; where both masks are empty, 1 is right.
    """
    predicted, wanted = (probabilities > 0.5) & valid, (masks > 0.5) & valid
    overlap = (predicted & wanted).sum(dim=(-2, -1))
    union = (predicted | wanted).sum(dim=(-2, -1))
    actual = torch.where(union > 0, overlap / union.clamp(min=1), torch.ones_like(iou))
    return (iou - actual).square().mean(dim=1)


def contact_bce(scores: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Return the cross-entropy over the seen vertices by vertex in contact, per sample.

    Of thousands of vertices a hand touches with a hundred: by the mean of all, none would be worth
    finding. Where nothing is touched, a hundredth of the vertices counts in their place.

    Args:
        scores: `[batch, vertex]` in [0, 1]; clamped to [1e-6, 1 - 1e-6].
        target: same shape, 0 or 1.
        seen: bool `[vertex]`.

    Returns:
        `[batch]`.
    """
    loss = binary_cross_entropy(scores.clamp(_EPS, 1 - _EPS), target)
    return (loss * seen).sum(dim=1) / ((target * seen).sum(dim=1) + 0.01 * seen.sum()).clamp(min=1)


def vertex_focal(
    scores: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0, sparsity: float = 0.01
) -> Tensor:
    """Return the focal loss of vertex scores plus a price on contact, per sample (InteractVLM).

    `alpha (1 - exp(-b))^gamma b` averaged over vertices, plus `sparsity` times the mean score.

    Args:
        scores: `[batch, vertex]` in [0, 1]; clamped to [1e-6, 1 - 1e-6].
        target: same shape, in [0, 1].
        alpha: of contact and no contact alike.
        gamma: 0 gives plain cross-entropy.
        sparsity: price of the mean score.

    Returns:
        `[batch]`.
    """
    clamped = scores.clamp(_EPS, 1 - _EPS)
    loss = binary_cross_entropy(clamped, target)
    focal = alpha * (1 - torch.exp(-loss)) ** gamma * loss
    return focal.mean(dim=1) + sparsity * clamped.mean(dim=1)


def affordance_loss(scores: Tensor, target: Tensor) -> Tensor:
    """Return the loss of affordances on points, `0.5 F + 0.3 D + 0.8 L2 + 0.4 L1`, per sample.

    F is a focal loss with 0.75 on absence and 0.25 on presence, D the dice of presence plus that
    of absence (each without the usual factor 2, so D is 0.5 at best), L2 and L1 the mean squared
    and absolute error (InteractVLM).

    Args:
        scores: `[batch, point]` in [0, 1]; clamped to [1e-6, 1 - 1e-6].
        target: same shape, in [0, 1].

    Returns:
        `[batch]`.
    """
    p, q = scores.clamp(_EPS, 1 - _EPS), 1 - scores.clamp(_EPS, 1 - _EPS)
    absence = 0.75 * p**2 * (1 - target) * torch.log(q)
    presence = 0.25 * q**2 * target * torch.log(p)
    overlap = ((p * target).sum(1) + _EPS) / ((p + target).sum(1) + _EPS)
    free = ((q * (1 - target)).sum(1) + _EPS) / ((2 - p - target).sum(1) + _EPS)
    error = p - target
    return (
        -0.5 * (absence + presence).mean(1)
        + 0.3 * (1.5 - overlap - free)
        + 0.8 * (error**2).mean(1)
        + 0.4 * error.abs().mean(1)
    )

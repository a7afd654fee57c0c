"""The published training loss: masks of every sample, lifted contact, lifted affordance.

The parts are the pure functions of `ivlm_core.model.losses`; this module says which sample gets
which of them and with what weight. What the published code does by mistake is off unless
`ReferenceQuirks` names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ivlm_core.lift.lift import LiftOperator
from ivlm_core.model.losses import affordance_loss, dice, focal_bce, masked_mse, vertex_focal
from ivlm_core.official.quirks import ReferenceQuirks

IGNORED = -1.0
"""Truth of pixels beside the surface."""
OBJECT_GATE = 0.3
"""Only pixels above this probability are lifted to an object mesh."""
_DICE_EPS = 1e-5

Branch = Literal["human", "object", "affordance", "flat"]


def branch_of(dataset: str) -> Branch:
    """Return how a data set's masks are scored, decided by its name as the reference does.

    `flat` (text only, 2D contact, referring segmentation) takes all views together and has no
    vertices.
    """
    for part, branch in _BRANCHES.items():
        if part in dataset:
            return branch
    return "flat"


_BRANCHES: dict[str, Branch] = {
    "hcontact": "human",
    "ocontact": "object",
    "oafford": "affordance",
}


@dataclass(frozen=True)
class LossWeights:
    """Weights of the parts; the defaults are those of every published training."""

    mask_bce: float = 2.0
    mask_alpha: float = 0.5
    """Factor of the focal loss, for contact and no contact alike."""
    mask_dice: float = 1.0
    dice_scale: float = 1.0
    """Divides the sums of the dice, which leaves only their epsilon changed."""
    mask_mse: float = 2.0
    """Squared error of heat maps."""
    human: float = 3.0
    object: float = 3.0
    """Object contact and affordance."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0 or (name == "dice_scale" and value == 0):
                raise ValueError(f"LossWeights.{name} must be positive, got {value}")


@dataclass(frozen=True)
class LossSample:
    """One sample's prediction and truth.

    Attributes:
        dataset: its name decides the branch, see `branch_of`.
        masks: logits `[view, height, width]`; for affordance probabilities where the truth is not
            ignored (`heat_map_probabilities`). No views where the sample has no masks.
        target: same shape: contact 0 or 1, heat map in [0, 1], -1 ignored.
        vertices: truth on vertices or points `[vertex]`, if there is one.
        lift: takes masks to those vertices; needed with `vertices`.
    """

    dataset: str
    masks: Tensor
    target: Tensor
    vertices: Tensor | None = None
    lift: LiftOperator | None = None
    branch: Branch = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "branch", branch_of(self.dataset))
        if self.masks.ndim != 3 or self.masks.shape != self.target.shape:
            raise ValueError(
                f"{self.dataset}: masks and target must be [view, height, width] of one shape, got "
                f"{tuple(self.masks.shape)} and {tuple(self.target.shape)}; an answer without a "
                "contact token has no masks and cannot be scored against some"
            )
        if self.vertices is not None and self.branch != "flat" and self.lift is None:
            raise ValueError(f"{self.dataset}: a truth on vertices needs the lift to them")

    @property
    def has_masks(self) -> bool:
        """False for text-only samples."""
        return len(self.masks) > 0


@dataclass(frozen=True)
class Losses:
    """Weighted parts, scalars; without the language model's cross-entropy."""

    mask_bce: Tensor
    mask_dice: Tensor
    mask_mse: Tensor
    human: Tensor
    object: Tensor
    affordance: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        masks = self.mask_bce + self.mask_dice + self.mask_mse
        return masks + self.human + self.object + self.affordance


def heat_map_probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """Return the sigmoid of `logits` where the truth is not ignored, the logits elsewhere."""
    return torch.where(target == IGNORED, logits, logits.sigmoid())


def mask_focal(sample: LossSample, alpha: float = 0.5) -> Tensor:
    """Focal cross-entropy of a sample's masks times `alpha`, scalar."""
    masks, target = _views(sample)
    heat = sample.branch == "affordance"
    return alpha * focal_bce(masks, target, target != IGNORED, probabilities=heat)[0]


def mask_dice(
    sample: LossSample, scale: float = 1.0, quirks: ReferenceQuirks | None = None
) -> Tensor:
    """Dice of a sample's masks, mean over views; a view with an empty truth counts as 0. Scalar.

    In the `flat` branch, the views are one and an empty truth is no exception.
    """
    if not sample.has_masks:
        return sample.masks.new_zeros(())
    masks, target = (x[0].flatten(1) for x in _views(sample))
    flat = sample.branch == "flat"
    valid = target != IGNORED
    if flat and quirks is not None and quirks.flat_dice_counts_ignored:
        valid = torch.ones_like(valid)
    masks, truth = masks.where(valid, 0.0), target.where(valid, 0.0)
    probabilities = masks if sample.branch == "affordance" else masks.sigmoid() * valid
    return dice(probabilities, truth, eps=_DICE_EPS * scale, skip_empty=not flat).mean()


def human_loss(samples: Sequence[LossSample]) -> Tensor:
    """Mean of `vertex_focal` of the human samples that have a truth; 0 without one."""
    return _mean(
        [
            vertex_focal(_lift(s, s.masks.sigmoid()), _truth(s))[0]
            for s in samples
            if s.branch == "human" and s.vertices is not None
        ],
        samples,
    )


def object_loss(samples: Sequence[LossSample]) -> Tensor:
    """Mean of `vertex_focal` of the object samples; 0 without one.

    A sample without a pixel above `OBJECT_GATE` on its mesh has nothing to lift and is left out.
    """
    kept = []
    for sample in samples:
        if sample.branch == "object" and sample.vertices is not None:
            scores = _lift(sample, sample.masks.sigmoid(), OBJECT_GATE)
            if scores.sum() != 0:
                kept.append(vertex_focal(scores, _truth(sample))[0])
    return _mean(kept, samples)


def affordance_points_loss(
    samples: Sequence[LossSample], quirks: ReferenceQuirks | None = None
) -> Tensor:
    """Mean of `affordance_loss` of the affordance samples; 0 without one."""
    blind = quirks is not None and quirks.constant_affordance_loss
    losses = []
    for sample in samples:
        if sample.branch == "affordance" and sample.vertices is not None:
            truth = _truth(sample)
            scores = torch.zeros_like(truth) if blind else _lift(sample, sample.masks)
            losses.append(affordance_loss(scores, truth)[0])
    return _mean(losses, samples)


def combine(
    samples: Sequence[LossSample],
    weights: LossWeights | None = None,
    quirks: ReferenceQuirks | None = None,
) -> Losses:
    """Return the published loss of a batch.

    Args:
        samples: at least one.
        weights: of the parts.
        quirks: deviations to reproduce, see `ReferenceQuirks`; None for none.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("combine needs at least one sample")
    weights, quirks = weights or LossWeights(), quirks or ReferenceQuirks()
    masked = [s for s in samples if s.has_masks]
    count = len(samples) if quirks.vqa_dilutes_masks else max(len(masked), 1)
    zero = samples[0].masks.new_zeros(())

    focal = sum((mask_focal(s, weights.mask_alpha) for s in masked), zero)
    overlap = sum((mask_dice(s, weights.dice_scale, quirks) for s in masked), zero)
    heat_maps = [s for s in masked if s.branch == "affordance"]
    errors = [masked_mse(*_views(s), (s.target != IGNORED)[None])[0] for s in heat_maps]
    mse_weight = weights.mask_bce if quirks.mse_uses_bce_weight else weights.mask_mse
    return Losses(
        mask_bce=weights.mask_bce * focal / count,
        mask_dice=weights.mask_dice * overlap / count,
        mask_mse=mse_weight * _mean(errors, samples),
        human=weights.human * human_loss(masked),
        object=weights.object * object_loss(masked),
        affordance=weights.object * affordance_points_loss(masked, quirks),
    )


def _views(sample: LossSample) -> tuple[Tensor, Tensor]:
    """Masks and truth `[1, view, height, width]`; the `flat` branch has one view of all pixels."""
    if sample.branch == "flat":
        return sample.masks.reshape(1, 1, 1, -1), sample.target.reshape(1, 1, 1, -1)
    return sample.masks[None], sample.target[None]


def _lift(sample: LossSample, values: Tensor, gate: float | None = None) -> Tensor:
    """Scores `[1, vertex]`."""
    assert sample.lift is not None  # checked when the sample was made
    return sample.lift.lift(values[None], gate=gate).scores


def _truth(sample: LossSample) -> Tensor:
    """Truth `[1, vertex]`, float."""
    assert sample.vertices is not None
    return sample.vertices.to(sample.masks.device, torch.float32)[None]


def _mean(losses: Sequence[Tensor], samples: Sequence[LossSample]) -> Tensor:
    """Mean, or 0 on the device of the samples."""
    if losses:
        return torch.stack(list(losses)).mean()
    return samples[0].masks.new_zeros(()) if samples else torch.zeros(())

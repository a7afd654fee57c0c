"""IoU of the masks in the views: gIoU and cIoU of referring segmentation (LISA)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.evaluation.meter import AverageMeter
from ivlm_core.official.quirks import ReferenceQuirks

_UNION_EPS = 1e-5
IGNORED = -1


@dataclass(frozen=True)
class MaskOverlap:
    """One sample's masks against the truth; float64 `[2]`: background, contact.

    Attributes:
        intersection: pixels, mean over views.
        union: pixels, mean over views.
        iou: mean over views; a view where both are empty counts as 1.
    """

    intersection: NDArray[np.float64]
    union: NDArray[np.float64]
    iou: NDArray[np.float64]


def mask_overlap(
    masks: ArrayLike,
    truth: ArrayLike,
    heat_map: bool = False,
    quirks: ReferenceQuirks | None = None,
) -> MaskOverlap:
    """Compare predicted with true masks.

    Args:
        masks: `[view, height, width]`: logits, contact where above 0; for heat maps
            probabilities, contact from one half. No views (an answer without a contact token)
            count as no contact anywhere.
        truth: same shape, also `[view, 1, height, width]`; -1 is ignored; contact from one half.
        heat_map: see `masks`.
        quirks: `floored_heatmap_iou` and `meter_epsilon` change the published numbers.

    Raises:
        ValueError: the shapes differ, or the truth has no views.
    """
    quirks = quirks or ReferenceQuirks()
    true, found = np.asarray(truth), np.asarray(masks)
    if true.ndim == 4 and true.shape[1] == 1:
        true = true[:, 0]
    if true.ndim != 3 or not len(true) or (len(found) and found.shape != true.shape):
        raise ValueError(
            "masks and truth must be [view, height, width] of one shape, got "
            f"{list(found.shape)} and {list(true.shape)}"
        )
    valid = true != IGNORED
    if heat_map and quirks.floored_heatmap_iou:
        contact, predicted = true.astype(int) >= 1, found > 0
    else:
        contact, predicted = true >= 0.5, found >= 0.5 if heat_map else found > 0
    if not len(found):
        predicted = np.zeros_like(contact)
    overlaps = [
        (np.sum(valid & p & t, axis=(1, 2)), np.sum(valid & (p | t), axis=(1, 2)))
        for p, t in ((~predicted, ~contact), (predicted, contact))
    ]
    intersection, union = np.array(overlaps, dtype=float).transpose(1, 2, 0)  # [view, 2] each
    divisor = union + (_UNION_EPS if quirks.meter_epsilon else 0)
    iou = np.where(union > 0, intersection / np.where(union > 0, divisor, 1), 1.0)
    return MaskOverlap(intersection.mean(0), union.mean(0), iou.mean(0))


class MaskMeter:
    """gIoU and cIoU over the samples of a data set."""

    def __init__(self) -> None:
        self._intersection, self._union, self._iou = (AverageMeter() for _ in range(3))

    def add(self, overlap: MaskOverlap) -> None:
        """Take in a sample."""
        self._intersection.add(overlap.intersection)
        self._union.add(overlap.union)
        self._iou.add(overlap.iou)

    def giou(self, quirks: ReferenceQuirks | None = None) -> float:
        """Return the mean of the samples' IoU of contact; NaN without samples."""
        return float(self._iou.mean(quirks)[1]) if self._iou.count else np.nan

    def ciou(self) -> float:
        """Return all intersections over all unions; 1 where no union has a pixel."""
        if not self._union.count:
            return np.nan
        union = self._union.total[1]
        return float(self._intersection.total[1] / union) if union else 1.0

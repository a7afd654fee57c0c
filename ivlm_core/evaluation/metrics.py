"""Contact and affordance metrics: pure functions on arrays `[sample, vertex]`.

Every function returns one value per sample; tables are plain means over samples, so a table's F1 is
not the harmonic mean of its precision and recall.

Two conventions:

- `plain` (default), DECO's (Tripathi et al. 2023) with a sensible end: what is not predicted is not
  wrong, what is not there is not missed. An empty prediction has precision 1, an empty truth recall
  1; F1 is 1 where both are empty and 0 where one is.
- `reference`, InteractVLM's evaluator: 1e-10 in every denominator, so all three are 0 as soon as
  prediction or truth is empty. Affordance: the absolute error is divided by 2048 points whatever
  the mesh, and samples whose binary truth is constant have no AUC and IoU.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Convention = Literal["plain", "reference"]
Values = NDArray[np.float64]

THRESHOLD = 0.5
REFERENCE_POINTS = 2048
_IOU_THRESHOLDS = 20
_RATIO_EPS = 1e-10
_SUM_EPS = 1e-12


@dataclass(frozen=True)
class ContactScores:
    """F1, precision and recall per sample, float64 `[sample]` in [0, 1]."""

    f1: Values
    precision: Values
    recall: Values


def contact_scores(
    truth: ArrayLike,
    scores: ArrayLike,
    threshold: float = THRESHOLD,
    weights: ArrayLike | None = None,
    convention: Convention = "plain",
) -> ContactScores:
    """Compare predicted with true contact.

    Args:
        truth: `[sample, vertex]`, in contact where above 0.
        scores: `[sample, vertex]`, in contact where at or above `threshold`.
        threshold: see `scores`.
        weights: `[vertex]`, for instance the area of each vertex; None counts vertices.
        convention: see the module.

    Raises:
        ValueError: the shapes differ or are not `[sample, vertex]`.
    """
    true, found = _pair(truth, scores)
    return scores_from_counts(*contact_counts(true > 0, found >= threshold, weights), convention)


def f1_score(truth: ArrayLike, scores: ArrayLike, threshold: float = THRESHOLD) -> Values:
    """Return the F1 of `contact_scores`, float64 `[sample]`."""
    return contact_scores(truth, scores, threshold).f1


def contact_counts(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], weights: ArrayLike | None = None
) -> tuple[Values, Values, Values]:
    """Return per sample how much is in both, predicted, and true: float64 `[sample]` each."""
    both = truth & predicted
    per_vertex = np.ones(truth.shape[1]) if weights is None else np.asarray(weights, float)
    both, found, true = (
        np.einsum("sv,v->s", x, per_vertex) for x in (truth & predicted, predicted, truth)
    )
    return both, found, true


def scores_from_counts(
    both: Values, predicted: Values, true: Values, convention: Convention = "plain"
) -> ContactScores:
    """Turn the counts of `contact_counts`, of any shape, into scores of that shape."""
    if convention == "reference":
        precision = both / (predicted + _RATIO_EPS)
        recall = both / (true + _RATIO_EPS)
        f1 = 2 * precision * recall / (precision + recall + _RATIO_EPS)
        return ContactScores(f1, precision, recall)
    return ContactScores(
        f1=_ratio(2 * both, predicted + true),
        precision=_ratio(both, predicted),
        recall=_ratio(both, true),
    )


def vertex_sides(vertices: ArrayLike, middle: float = 1e-3) -> NDArray[np.int8]:
    """Return the body's side of each vertex in its canonical frame: +1 left, -1 right, 0 middle.

    Args:
        vertices: `[vertex, 3]`, +x anatomical left, metres.
        middle: half the width of the strip that belongs to neither, metres.
    """
    x = np.asarray(vertices)[:, 0]
    return np.where(np.abs(x) <= middle, 0, np.sign(x)).astype(np.int8)


def larger_side(contact: ArrayLike, sides: ArrayLike) -> NDArray[np.int8]:
    """Return the side with more vertices in contact, int8 `[sample]`: +1 left, -1 right, 0 tie."""
    return np.sign(np.asarray(contact, bool) @ np.asarray(sides, np.int64)).astype(np.int8)


def one_sided(truth: ArrayLike, sides: ArrayLike, share: float = 0.9) -> NDArray[np.bool_]:
    """Return which samples have at least `share` of their true sided vertices on one side."""
    contact = np.asarray(truth) > 0
    side = np.asarray(sides)
    left = np.count_nonzero(contact[:, side > 0], axis=1)
    right = np.count_nonzero(contact[:, side < 0], axis=1)
    return (left + right > 0) & (np.maximum(left, right) >= share * (left + right))


def side_matches(
    truth: ArrayLike, scores: ArrayLike, sides: ArrayLike, threshold: float = THRESHOLD
) -> Values:
    """Return 1 where the side with more predicted vertices is the true one, else 0.

    NaN where the truth is not one-sided. A tie, and so an empty prediction, does not match.
    """
    true, found = _pair(truth, scores)
    match = larger_side(found >= threshold, sides) == larger_side(true > 0, sides)
    return np.where(one_sided(true, sides), match.astype(float), np.nan)


def roc_auc(truth: ArrayLike, scores: ArrayLike) -> Values:
    """Area under the ROC curve against the truth cut at 0.5; ties count half.

    NaN where the cut truth is all one value, or a score is NaN.
    """
    from scipy.stats import rankdata  # here: it takes 0.7 s to import and only this needs it

    true, found = _pair(truth, scores)
    positive = true >= 0.5
    count = np.count_nonzero(positive, axis=1).astype(float)
    others = positive.shape[1] - count
    ranks = rankdata(found, axis=1)
    above = (ranks * positive).sum(axis=1) - count * (count + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((count > 0) & (others > 0), above / (count * others), np.nan)


def similarity(truth: ArrayLike, scores: ArrayLike) -> Values:
    """SIM: sum of the minima of the two maps, each divided by its sum.

    1 where both are empty; 0 where one is.
    """
    true, found = _pair(truth, scores)
    empty = (true.sum(axis=1) == 0) & (found.sum(axis=1) == 0)
    return np.where(empty, 1.0, _similarity(true, found))


def mean_absolute_error(truth: ArrayLike, scores: ArrayLike) -> Values:
    """MAE: mean over vertices of the absolute difference."""
    true, found = _pair(truth, scores)
    return np.abs(true - found).mean(axis=1)


def average_iou(truth: ArrayLike, scores: ArrayLike) -> Values:
    """aIoU: mean IoU over 20 thresholds from 0 to 1, both included; truth cut at 0.5.

    NaN where the cut truth is empty or a score is NaN (the lowest threshold takes every vertex, so
    the measure says nothing about an empty truth).
    """
    true, found = _pair(truth, scores)
    positive = true >= 0.5
    total = np.zeros(len(true))
    for threshold in np.linspace(0, 1, _IOU_THRESHOLDS):
        predicted = found >= threshold
        union = np.count_nonzero(positive | predicted, axis=1)
        total += np.count_nonzero(positive & predicted, axis=1) / np.maximum(union, 1)
    bad = ~positive.any(axis=1) | np.isnan(found).any(axis=1)
    return np.where(bad, np.nan, total / _IOU_THRESHOLDS)


@dataclass(frozen=True)
class ReferenceAffordance:
    """Means over a batch, as the reference's validation computes them."""

    similarity: float
    mean_absolute_error: float
    auc: float
    average_iou: float
    valid_samples: int
    """Samples that AUC and aIoU are means over; both are 0 without any."""


def reference_affordance(truth: ArrayLike, scores: ArrayLike) -> ReferenceAffordance:
    """Score affordance maps as the reference does; see the module for what differs."""
    true, found = _pair(truth, scores)
    positive = true >= 0.5
    constant = positive.all(axis=1) | ~positive.any(axis=1)
    valid = ~constant & ~np.isnan(found).any(axis=1)
    count = int(valid.sum())
    return ReferenceAffordance(
        similarity=float(_similarity(true, found).mean()),
        mean_absolute_error=float((np.abs(true - found).sum(axis=1) / REFERENCE_POINTS).mean()),
        auc=float(roc_auc(true[valid], found[valid]).mean()) if count else 0.0,
        average_iou=float(average_iou(true[valid], found[valid]).mean()) if count else 0.0,
        valid_samples=count,
    )


def nan_mean(values: Values) -> float:
    """Mean of the values that are numbers; NaN without one."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan


def _similarity(true: Values, found: Values) -> Values:
    shares = [x / (x.sum(axis=1, keepdims=True) + _SUM_EPS) for x in (true, found)]
    return np.minimum(*shares).sum(axis=1)


def _ratio(part: Values, whole: Values) -> Values:
    """Divide, with 1 for nothing out of nothing."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 1.0)


def _pair(truth: ArrayLike, scores: ArrayLike) -> tuple[Values, Values]:
    true, found = np.asarray(truth, float), np.asarray(scores, float)
    if true.ndim != 2 or true.shape != found.shape:
        raise ValueError(
            "truth and scores must both be [sample, vertex] of one shape, got "
            f"{true.shape} and {found.shape}; add an axis for a single sample"
        )
    return true, found

"""Scores on DAMON (Tripathi et al. 2023): contact of whatever kind, and contact per object.

DAMON lists several objects for an image. The binary task asks where the body is in contact with
anything: the contacts of an image's objects are united. The semantic task asks per object, and is
reported by object class and by category of classes, weighted by samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.evaluation.metrics import (
    THRESHOLD,
    ContactScores,
    Convention,
    Values,
    contact_counts,
    nan_mean,
    scores_from_counts,
)
from ivlm_core.official.quirks import ReferenceQuirks

CATEGORIES: dict[str, tuple[str, ...]] = {
    "transport": (*("motorcycle", "bicycle", "boat", "car", "truck", "bus", "train", "airplane"),),
    "accessory": ("backpack", "tie", "handbag", "baseball_glove"),
    "furniture": ("bench", "chair", "couch", "bed", "toilet", "dining_table"),
    "everyday-objects": (
        *("book", "umbrella", "cell_phone", "laptop", "kite", "suitcase", "bottle", "remote"),
        *("toothbrush", "teddy_bear", "scissors", "keyboard", "hair drier", "traffic light"),
        *("fire_hydrant", "stop sign", "tv", "vase", "parking meter", "clock", "potted plant"),
        "mouse",
    ),
    "sports": (
        *("frisbee", "sports_ball", "tennis_racket", "baseball_bat", "skateboard", "snowboard"),
        *("skis", "surfboard"),
    ),
    "food": (
        *("banana", "cake", "apple", "carrot", "pizza", "donut", "hot_dog", "sandwich"),
        *("broccoli", "orange"),
    ),
    "kitchen": (
        *("knife", "spoon", "cup", "wine_glass", "oven", "fork", "bowl", "refrigerator"),
        *("toaster", "sink", "microwave"),
    ),
}
"""Object classes of DAMON's test set by category; spaces as in the published table."""


@dataclass(frozen=True)
class BinaryReport:
    """Contact of whatever kind.

    Attributes:
        images: in the order of their first sample.
        image_f1: float64 `[image]`.
        f1: mean of `image_f1`.
        precision: over the vertices of all images together.
        recall: likewise.
        geodesic: mean over images of the largest error among an image's objects; NaN without one.
    """

    images: tuple[str, ...]
    image_f1: Values
    f1: float
    precision: float
    recall: float
    geodesic: float


@dataclass(frozen=True)
class GroupScores:
    """A class of objects, or a category.

    Attributes:
        samples: how many.
        f1: mean over samples.
        precision: over the vertices of all samples together.
        recall: likewise.
        geodesic: mean over the samples that have one; NaN without.
    """

    samples: int
    f1: float
    precision: float
    recall: float
    geodesic: float


@dataclass(frozen=True)
class SemanticReport:
    """Contact per object; classes and categories without samples do not appear."""

    per_object: dict[str, GroupScores]
    per_category: dict[str, GroupScores]
    f1: float
    geodesic: float


def binary_report(
    images: Sequence[str],
    truth: ArrayLike,
    scores: ArrayLike,
    geodesic: ArrayLike | None = None,
    quirks: ReferenceQuirks | None = None,
) -> BinaryReport:
    """Score contact of whatever kind.

    Args:
        images: of every sample; samples of one image are united.
        truth: `[sample, vertex]`, in contact where above 0.
        scores: `[sample, vertex]`, in contact from one half.
        geodesic: `[sample]` errors (`GeodesicError.false_positive`), NaN where there is none.
        quirks: deviations to reproduce.

    Raises:
        ValueError: no samples, or lengths that differ.
    """
    true, found, errors = _checked(images, truth, scores, geodesic)
    rows = _rows_by_name(images)
    united = [
        np.array([x[index].any(axis=0) for index in rows.values()])
        for x in (true > 0, found >= THRESHOLD)
    ]
    counts = contact_counts(*united)
    convention = _convention(quirks)
    per_image = scores_from_counts(*counts, convention).f1
    whole = _pooled(counts, np.arange(len(rows)), convention)
    largest = np.array([_nan_max(errors[index]) for index in rows.values()])
    return BinaryReport(
        images=tuple(rows),
        image_f1=per_image,
        f1=float(per_image.mean()),
        precision=float(whole.precision),
        recall=float(whole.recall),
        geodesic=nan_mean(largest),
    )


def semantic_report(
    labels: Sequence[str],
    truth: ArrayLike,
    scores: ArrayLike,
    geodesic: ArrayLike | None = None,
    categories: Mapping[str, Sequence[str]] = CATEGORIES,
    quirks: ReferenceQuirks | None = None,
) -> SemanticReport:
    """Score contact per object.

    Args:
        labels: object class of every sample, in any case.
        truth: see `binary_report`.
        scores: likewise.
        geodesic: likewise.
        categories: classes of every category.
        quirks: deviations to reproduce.

    Raises:
        ValueError: no samples, or lengths that differ.
    """
    true, found, errors = _checked(labels, truth, scores, geodesic)
    quirks = quirks or ReferenceQuirks()
    convention = _convention(quirks)
    contact, predicted = true > 0, found >= THRESHOLD
    counts = contact_counts(contact, predicted)
    f1 = scores_from_counts(*counts, convention).f1
    if quirks.semantic_soft_counts:
        counts = (contact_counts(contact, found != 0)[0], found.sum(axis=1), counts[2])

    def scored(index: NDArray[np.int64]) -> GroupScores:
        whole = _pooled(counts, index, convention)
        return GroupScores(
            samples=len(index),
            f1=float(f1[index].mean()),
            precision=float(whole.precision),
            recall=float(whole.recall),
            geodesic=nan_mean(errors[index]),
        )

    def spelling(name: str) -> str:
        return name if quirks.category_spaces else name.replace(" ", "_")

    rows = _rows_by_name([spelling(label.lower()) for label in labels])
    per_category = {}
    for category, classes in categories.items():
        found_rows = [rows[name] for name in map(spelling, classes) if name in rows]
        if found_rows:
            per_category[category] = scored(np.concatenate(found_rows))
    return SemanticReport(
        per_object={name: scored(index) for name, index in rows.items()},
        per_category=per_category,
        f1=float(f1.mean()),
        geodesic=nan_mean(errors),
    )


def _convention(quirks: ReferenceQuirks | None) -> Convention:
    return "reference" if quirks is not None and quirks.empty_scores_zero else "plain"


def _pooled(
    counts: tuple[Values, Values, Values], index: NDArray[np.int64], convention: Convention
) -> ContactScores:
    """Scores over the vertices of the given samples together."""
    both, found, true = (np.asarray(count[index].sum()) for count in counts)
    return scores_from_counts(both, found, true, convention)


def _checked(
    names: Sequence[str], truth: ArrayLike, scores: ArrayLike, geodesic: ArrayLike | None
) -> tuple[Values, Values, Values]:
    true, found = np.asarray(truth, float), np.asarray(scores, float)
    errors = np.full(len(names), np.nan) if geodesic is None else np.asarray(geodesic, float)
    if (
        not len(names)
        or true.ndim != 2
        or true.shape != found.shape
        or not len(names) == len(true) == len(errors)
    ):
        raise ValueError(
            "names, truth, scores and geodesic errors must be of one length above 0, got "
            f"{len(names)} names, truth {list(true.shape)}, scores {list(found.shape)} and "
            f"{len(errors)} errors"
        )
    return true, found, errors


def _rows_by_name(names: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Rows of every name, in the order of first occurrence."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return {name: np.array(index) for name, index in rows.items()}


def _nan_max(values: Values) -> float:
    return float(np.nanmax(values)) if not np.isnan(values).all() else np.nan

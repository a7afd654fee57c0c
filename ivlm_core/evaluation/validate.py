"""The published validation loop: masks in the views and contact on vertices, one sample a time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivlm_core.evaluation.geodesic import geodesic_error
from ivlm_core.evaluation.meter import AverageMeter
from ivlm_core.evaluation.metrics import (
    REFERENCE_POINTS,
    Convention,
    average_iou,
    contact_scores,
    mean_absolute_error,
    reference_affordance,
    roc_auc,
    similarity,
)
from ivlm_core.evaluation.segmentation import MaskMeter, mask_overlap
from ivlm_core.model.prompts import Task
from ivlm_core.official.quirks import ReferenceQuirks


@dataclass(frozen=True)
class ValidationSample:
    """Prediction and truth of one sample.

    Attributes:
        masks: float `[view, height, width]`, logits; probabilities for affordance.
        true_masks: same shape, -1 ignored.
        scores: float `[vertex]`.
        truth: `[vertex]`.
    """

    masks: NDArray[np.floating]
    true_masks: NDArray[np.floating]
    scores: NDArray[np.floating]
    truth: NDArray[np.generic]


@dataclass(frozen=True)
class ValidationScores:
    """Means over a data set.

    Attributes:
        figures: by the published names: `giou`, `ciou`, and `C_f1`, `C_precision`, `C_recall`,
            `C_geo` (human contact with distances) of contact or `O_sim`, `O_mae`, `O_auc`, `O_iou`
            of affordance; NaN where no sample has one.
        selection: the figure that decides which checkpoint is best.
    """

    figures: dict[str, float]
    selection: float


def validate(
    task: Task,
    samples: Iterable[ValidationSample],
    distances: NDArray[np.floating] | None = None,
    quirks: ReferenceQuirks | None = None,
) -> ValidationScores:
    """Score a data set of one task.

    Args:
        task: of all samples.
        samples: read once, one at a time.
        distances: `[vertex, vertex]` geodesic distances on the body, for `C_geo`.
        quirks: deviations to reproduce; all of them give the published figures.
    """
    quirks = quirks or ReferenceQuirks()
    masks = MaskMeter()
    meters: dict[str, AverageMeter] = {}
    is_affordance = task == "object_affordance"
    for sample in samples:
        if is_affordance:
            values = _affordance(sample, quirks)
            if quirks.skip_degenerate_batches and np.isnan(values["O_auc"]):
                continue
        else:
            values = _contact(sample, distances if task == "human_contact" else None, quirks)
        masks.add(mask_overlap(sample.masks, sample.true_masks, is_affordance, quirks))
        for name, value in values.items():
            meter = meters.setdefault(name, AverageMeter())
            if name not in _UNDEFINED or not np.isnan(value):
                meter.add(value)
    figures = {"giou": masks.giou(quirks), "ciou": masks.ciou()}
    figures |= {name: float(meter.mean(quirks)) for name, meter in meters.items()}
    selection = figures.get("O_iou" if is_affordance else "C_f1", np.nan)
    return ValidationScores(figures=figures, selection=selection)


_UNDEFINED = ("C_geo", "O_auc", "O_iou")
"""Figures that some samples do not have; NaN anywhere else is an error worth seeing."""


def _contact(
    sample: ValidationSample, distances: NDArray[np.floating] | None, quirks: ReferenceQuirks
) -> dict[str, float]:
    truth, scores = sample.truth[None], sample.scores[None]
    convention: Convention = "reference" if quirks.empty_scores_zero else "plain"
    found = contact_scores(truth, scores, convention=convention)
    values = {"C_f1": found.f1, "C_precision": found.precision, "C_recall": found.recall}
    if distances is not None:
        error = geodesic_error(truth, scores, distances, quirks=quirks)
        values["C_geo"] = error.false_positive
    return {name: float(value[0]) for name, value in values.items()}


def _affordance(sample: ValidationSample, quirks: ReferenceQuirks) -> dict[str, float]:
    truth, scores = sample.truth[None], sample.scores[None]
    error = mean_absolute_error(truth, scores)
    if quirks.affordance_fixed_points:
        error = error * truth.shape[1] / REFERENCE_POINTS
    values = {
        "O_sim": similarity(truth, scores),
        "O_mae": error,
        "O_auc": roc_auc(truth, scores),
        "O_iou": average_iou(truth, scores),
    }
    named = {name: float(value[0]) for name, value in values.items()}
    if quirks.empty_scores_zero:
        named["O_sim"] = reference_affordance(truth, scores).similarity
    return named

"""How sure the model's key figures are: 95 % intervals, images drawn again (bootstrap)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ivlm_core.evaluation.figures import (
    LABEL_ONLY,
    TRUE_TEMPLATE,
    bootstrap_interval,
    hand_and_object_visible,
)
from ivlm_core.evaluation.outcomes import MODEL, PairOutcome
from ivlm_core.model.prompts import SCENE_LABEL

Interval = tuple[float, float]
_Value = Callable[[PairOutcome], float]


def key_intervals(pairs: Sequence[PairOutcome]) -> dict[str, Interval]:
    """Return key figure to interval, of those whose questions were asked.

    Figures are means over questions, but for the share of a gap that is closed, which is a mean
    over another; both are drawn together.
    """
    body = [p for p in pairs if p.task == "human_contact"]
    touched = [p for p in body if not p.is_empty]
    undecided = [p for p in touched if not p.side_decided_by_label]
    things = [p for p in body if p.label != SCENE_LABEL]
    objects = [p for p in pairs if p.task == "object_contact" and not p.is_empty]
    unseen = [
        p
        for p in pairs
        if p.task == "object_affordance" and not p.is_empty and p.circumstances.instance_unseen
    ]
    means: dict[str, tuple[Sequence[PairOutcome], _Value]] = {
        "human_contact_f1": (touched, _f1),
        "human_contact_f1_side_undecided": (undecided, _f1),
        "side_accuracy_hand_and_object_visible": (
            [p for p in touched if hand_and_object_visible(p)],
            lambda p: p.by[MODEL].side_match,
        ),
        "object_contact_f1": (objects, _f1),
        "affordance_auc_unseen_instances": (unseen, lambda p: p.by[MODEL].auc),
        "affordance_aiou_unseen_instances": (unseen, lambda p: p.by[MODEL].average_iou),
        "absence_precision": ([p for p in things if _says_nothing(p)], lambda p: p.is_empty),
        "absence_recall": ([p for p in things if p.is_empty], _says_nothing),
        "body_part_f1": (body, lambda p: p.details_f1),
        "body_part_f1_touched": (touched, lambda p: p.details_f1),
    }
    gaps = {"": touched, "_side_undecided": undecided}
    found = {name: _interval(chosen, value) for name, (chosen, value) in means.items()}
    for suffix, chosen in gaps.items():
        if chosen and {LABEL_ONLY, TRUE_TEMPLATE} <= chosen[0].by.keys():
            name = f"gap_closed_to_true_side_and_template{suffix}"
            found[name] = _interval(chosen, partial(_lead, MODEL), partial(_lead, TRUE_TEMPLATE))
    return {name: interval for name, interval in found.items() if interval is not None}


def _f1(pair: PairOutcome) -> float:
    return pair.by[MODEL].f1


def _says_nothing(pair: PairOutcome) -> bool:
    return pair.by[MODEL].predicted == 0


def _lead(predictor: str, pair: PairOutcome) -> float:
    return pair.by[predictor].f1 - pair.by[LABEL_ONLY].f1


def _interval(
    pairs: Sequence[PairOutcome], value: _Value, weight: _Value | None = None
) -> Interval | None:
    """Return the interval of the mean of `value`, or of its sum over that of `weight`."""
    values = np.array([value(p) for p in pairs], float)
    known = ~np.isnan(values)
    if not known.any():
        return None
    images = np.array([p.image_index for p in pairs])[known]
    weights = None if weight is None else np.array([weight(p) for p in pairs], float)[known]
    return bootstrap_interval(values[known], images, weights)

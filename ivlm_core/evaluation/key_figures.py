"""The few figures that a model is judged by, under fixed names: what a model card gives.

Each is one row of a table: which questions count, and what is averaged over them. The 95 % interval
of the model's value is taken from the same row, by drawing the images again (bootstrap).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ivlm_core.evaluation.figures import (
    LABEL_ONLY,
    SMALLEST_GAP,
    TRUE_TEMPLATE,
    bootstrap_interval,
    hand_and_object_visible,
)
from ivlm_core.evaluation.outcomes import MODEL, PairOutcome
from ivlm_core.evaluation.photo_masks import NEAR, PhotoFigures
from ivlm_core.model.prompts import SCENE_LABEL

Interval = tuple[float, float]
Pairs = Sequence[PairOutcome]


@dataclass(frozen=True)
class KeyFigure:
    """One figure.

    Attributes:
        meaning: in words.
        pairs: questions it is taken from.
        by: predictor to value; None where the predictor has none.
        interval: 95 % of the model's value; None where it has none.
    """

    meaning: str
    pairs: int
    by: dict[str, float | None]
    interval: Interval | None = None


def key_figures(pairs: Pairs) -> dict[str, KeyFigure]:
    """Return name to figure, those that the questions allow."""
    found = {name: row.figure(row.chosen(pairs)) for name, row in _ROWS.items()}
    return {name: figure for name, figure in found.items() if figure is not None}


def photo_figures(photos: PhotoFigures | None) -> dict[str, KeyFigure]:
    """Return the same of masks on the pictures."""
    if photos is None or "all" not in photos.groups:
        return {}
    group = photos.groups["all"]
    return {
        "photo_contact_giou": KeyFigure(
            "mean IoU of masks of contact on the picture itself",
            group.questions,
            {name: scores.giou for name, scores in group.by.items()},
            group.intervals.get("giou"),
        ),
        "photo_contact_f1": KeyFigure(
            "mean F1 of their pixels",
            group.questions,
            {name: scores.f1 for name, scores in group.by.items()},
            group.intervals.get("f1"),
        ),
        "photo_contact_near_f1": KeyFigure(
            f"the same within {NEAR:.0%} of the picture's side",
            group.questions,
            {name: scores.near_f1 for name, scores in group.by.items()},
            group.intervals.get("near_f1"),
        ),
    }


@dataclass(frozen=True)
class _Row:
    """A key figure's questions, and its value: a mean, or a mean as a share of another.

    Attributes:
        meaning: in words.
        chosen: the questions that count, of all.
        value: of one question and a predictor; NaN where it does not apply.
        share_of: the same of what the mean of `value` is a share of; None takes the mean itself.
        of_all: whether every predictor has it, or the model alone.
    """

    meaning: str
    chosen: Callable[[Pairs], list[PairOutcome]]
    value: Callable[[PairOutcome, str], float]
    share_of: Callable[[PairOutcome], float] | None = None
    of_all: bool = True

    def figure(self, pairs: Pairs) -> KeyFigure | None:
        """Return the figure of the chosen questions; None where they have none."""
        if not pairs:
            return None
        whole = None if self.share_of is None else np.array([self.share_of(p) for p in pairs])
        if whole is not None and whole.mean() < SMALLEST_GAP:
            return None
        names = pairs[0].by if self.of_all else (MODEL,)
        by = {name: self._mean(pairs, name, whole) for name in names}
        if all(value is None for value in by.values()):
            return None
        return KeyFigure(self.meaning, len(pairs), by, self._interval(pairs, whole))

    def _values(self, pairs: Pairs, name: str) -> np.ndarray:
        return np.array([self.value(p, name) for p in pairs], float)

    def _mean(self, pairs: Pairs, name: str, whole: np.ndarray | None) -> float | None:
        values = self._values(pairs, name)
        if np.isnan(values).all():
            return None
        return float(np.nanmean(values) / (1 if whole is None else whole.mean()))

    def _interval(self, pairs: Pairs, whole: np.ndarray | None) -> Interval | None:
        values, images = self._values(pairs, MODEL), np.array([p.image_index for p in pairs])
        known = ~np.isnan(values)
        if not known.any():
            return None
        found = bootstrap_interval(
            values[known], images[known], None if whole is None else whole[known]
        )
        return None if np.isnan(found).any() else found


def _touched(pairs: Pairs) -> list[PairOutcome]:
    return [p for p in pairs if p.task == "human_contact" and not p.is_empty]


def _undecided(pairs: Pairs) -> list[PairOutcome]:
    return [p for p in _touched(pairs) if not p.side_decided_by_label]


def _with_guesses(pairs: list[PairOutcome]) -> list[PairOutcome]:
    """The questions, where the guesses that bound a gap were asked too."""
    return pairs if pairs and {LABEL_ONLY, TRUE_TEMPLATE} <= pairs[0].by.keys() else []


def _things(pairs: Pairs) -> list[PairOutcome]:
    """Questions about things, where some of them are not touched or not there."""
    things = [p for p in pairs if p.task == "human_contact" and p.label != SCENE_LABEL]
    return things if any(p.is_empty for p in things) else []


def _unseen(pairs: Pairs) -> list[PairOutcome]:
    of_task = [p for p in pairs if p.task == "object_affordance" and not p.is_empty]
    return [p for p in of_task if p.circumstances.instance_unseen]


def _told(pairs: Pairs) -> list[PairOutcome]:
    """Questions about the body that were answered in words."""
    return [p for p in pairs if p.task == "human_contact" and not np.isnan(p.details_f1)]


def _f1(pair: PairOutcome, name: str) -> float:
    return pair.by[name].f1


def _says_nothing(pair: PairOutcome, name: str) -> bool:
    return pair.by[name].predicted == 0


def _lead(pair: PairOutcome, name: str = TRUE_TEMPLATE) -> float:
    return pair.by[name].f1 - pair.by[LABEL_ONLY].f1


_GAP = "share of the way in F1 from the label-only guess to one that is told side and interaction"
_ABSENT = "questions about objects that are not there or not touched"
_ROWS = {
    "human_contact_f1": _Row("F1 of contact on the body", _touched, _f1),
    "human_contact_f1_side_undecided": _Row(
        "the same where the label does not tell the side", _undecided, _f1
    ),
    "side_accuracy_hand_and_object_visible": _Row(
        "right side of the body, of contact by one hand, where hand and object are in view",
        lambda pairs: [p for p in _touched(pairs) if hand_and_object_visible(p)],
        lambda p, name: p.by[name].side_match,
    ),
    "object_contact_f1": _Row(
        "F1 of contact on the object",
        lambda pairs: [p for p in pairs if p.task == "object_contact" and not p.is_empty],
        _f1,
    ),
    "affordance_auc_unseen_instances": _Row(
        "AUC of affordance on objects that training never showed, where not all of them affords",
        _unseen,
        lambda p, name: p.by[name].auc,
    ),
    "affordance_aiou_unseen_instances": _Row(
        "aIoU of affordance on objects that training never showed",
        _unseen,
        lambda p, name: p.by[name].average_iou,
    ),
    "gap_closed_to_true_side_and_template": _Row(
        _GAP, lambda pairs: _with_guesses(_touched(pairs)), _lead, share_of=_lead
    ),
    "gap_closed_to_true_side_and_template_side_undecided": _Row(
        f"{_GAP} where the label does not tell the side",
        lambda pairs: _with_guesses(_undecided(pairs)),
        _lead,
        share_of=_lead,
    ),
    "absence_precision": _Row(
        f"share of the answers without contact that are right; {_ABSENT} are positive",
        _things,
        lambda p, name: float(p.is_empty) if _says_nothing(p, name) else np.nan,
    ),
    "absence_recall": _Row(
        f"share of the {_ABSENT} that are answered with no contact",
        lambda pairs: [p for p in _things(pairs) if p.is_empty],
        _says_nothing,
    ),
    "body_part_f1": _Row(
        "F1 of the body parts that the answer's text names",
        _told,
        lambda p, _: p.details_f1,
        of_all=False,
    ),
    "body_part_f1_touched": _Row(
        "the same, of questions with contact",
        lambda pairs: [p for p in _told(pairs) if not p.is_empty],
        lambda p, _: p.details_f1,
        of_all=False,
    ),
}
"""In the order of reports."""

"""The few figures that a model is judged by, under fixed names: what a model card gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ivlm_core.evaluation.absence import AbsenceFigures
from ivlm_core.evaluation.figures import (
    LABEL_ONLY,
    SMALLEST_GAP,
    TRUE_TEMPLATE,
    Figures,
    Group,
    TextFigures,
)
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photo_masks import PhotoFigures

Groups = Mapping[str, Mapping[str, Group]]


@dataclass(frozen=True)
class KeyFigure:
    """One figure.

    Attributes:
        meaning: in words.
        pairs: questions it is taken from.
        by: predictor to value; None where the predictor has none.
        interval: 95 % of the model's value (`intervals`); None where it has none.
    """

    meaning: str
    pairs: int
    by: dict[str, float | None]
    interval: tuple[float, float] | None = None


def key_figures(
    groups: Groups,
    absence: Mapping[str, AbsenceFigures],
    texts: Mapping[str, TextFigures],
    intervals: Mapping[str, tuple[float, float]],
    photos: PhotoFigures | None = None,
) -> dict[str, KeyFigure]:
    """Return name to figure, those that the questions allow."""
    found: dict[str, KeyFigure] = {}
    for name, meaning, task, of_group, read in _FROM_GROUPS:
        group = groups.get(task, {}).get(of_group)
        values = {} if group is None else {k: read(f) for k, f in group.by.items()}
        if group is not None and any(value is not None for value in values.values()):
            found[name] = KeyFigure(meaning, group.pairs, values)
    found |= _gaps(groups.get("human_contact", {}))
    found |= _absences(absence.get("objects"))
    found |= _body_parts(texts.get("human_contact"))
    found |= _photos(photos)
    return {name: replace(figure, interval=intervals.get(name)) for name, figure in found.items()}


_FROM_GROUPS: Sequence[tuple[str, str, str, str, Callable[[Figures], float | None]]] = (
    ("human_contact_f1", "F1 of contact on the body", "human_contact", "all", lambda f: f.f1),
    (
        "human_contact_f1_side_undecided",
        "the same where the label does not tell the side",
        "human_contact",
        "side_undecided",
        lambda f: f.f1,
    ),
    (
        "side_accuracy_hand_and_object_visible",
        "right side of the body, of contact by one hand, where hand and object are in view",
        "human_contact",
        "hand_and_object_visible",
        lambda f: f.side_accuracy,
    ),
    ("object_contact_f1", "F1 of contact on the object", "object_contact", "all", lambda f: f.f1),
    (
        "affordance_auc_unseen_instances",
        "AUC of affordance on objects that training never showed, where not all of them affords",
        "object_affordance",
        "unseen_instances",
        lambda f: f.auc,
    ),
    (
        "affordance_aiou_unseen_instances",
        "aIoU of affordance on objects that training never showed",
        "object_affordance",
        "unseen_instances",
        lambda f: f.average_iou,
    ),
)


def _gaps(groups: Mapping[str, Group]) -> dict[str, KeyFigure]:
    """How far predictors come from the label-only guess to one that knows side and interaction."""
    found = {}
    for of_group, suffix in (("all", ""), ("side_undecided", "_side_undecided")):
        group = groups.get(of_group)
        if group is None or not {LABEL_ONLY, TRUE_TEMPLATE} <= group.by.keys():
            continue
        blind, told = group.by[LABEL_ONLY].f1, group.by[TRUE_TEMPLATE].f1
        if told - blind >= SMALLEST_GAP:
            where = " where the label does not tell the side" if suffix else ""
            found[f"gap_closed_to_true_side_and_template{suffix}"] = KeyFigure(
                "share of the way in F1 from the label-only guess to one that is told side and "
                f"interaction{where}",
                group.pairs,
                {name: (f.f1 - blind) / (told - blind) for name, f in group.by.items()},
            )
    return found


def _absences(absence: AbsenceFigures | None) -> dict[str, KeyFigure]:
    if absence is None:
        return {}
    about = "questions about objects that are not there or not touched"
    return {
        "absence_precision": KeyFigure(
            f"share of the answers without contact that are right; {about} are positive",
            absence.pairs,
            dict(absence.precision),
        ),
        "absence_recall": KeyFigure(
            f"share of the {about} that are answered with no contact",
            absence.absent,
            dict(absence.recall),
        ),
    }


def _body_parts(text: TextFigures | None) -> dict[str, KeyFigure]:
    if text is None:
        return {}
    return {
        "body_part_f1": KeyFigure(
            "F1 of the body parts that the answer's text names", text.pairs, {MODEL: text.f1}
        ),
        "body_part_f1_touched": KeyFigure(
            "the same, of questions with contact", text.touched_pairs, {MODEL: text.touched_f1}
        ),
    }


def _photos(photos: PhotoFigures | None) -> dict[str, KeyFigure]:
    if photos is None or "all" not in photos.groups:
        return {}
    group = photos.groups["all"]
    return {
        "photo_contact_giou": KeyFigure(
            "mean IoU of masks of contact on the picture itself",
            group.questions,
            {name: scores.giou for name, scores in group.by.items()},
        ),
        "photo_contact_f1": KeyFigure(
            "mean F1 of their pixels",
            group.questions,
            {name: scores.f1 for name, scores in group.by.items()},
        ),
    }

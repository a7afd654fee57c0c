"""Outcomes of single questions to figures of groups of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ivlm_core.evaluation.outcomes import MODEL, Outcome, PairOutcome, TwoLabels
from ivlm_core.model.prompts import TASKS

LABEL_ONLY = "label_only"
NEAREST = "nearest_image"
REGRESSOR = "direct_regressor"
TRUE_SIDE = "true_side"
TRUE_TEMPLATE = "true_template"

BOOTSTRAP_DRAWS = 1000
_UNKNOWN_DRAWS = 0.025
"""Share of draws without a mean beyond which an end of the interval could be one of them."""
SMALLEST_GAP = 0.01
"""Below this gap between label-only and a reference, its share that is closed means nothing."""
SMALL_OBJECT = 50
"""Visible pixels below which an object counts as hardly visible."""


@dataclass(frozen=True)
class Figures:
    """Means over the questions of a group; None where a figure does not apply."""

    f1: float
    precision: float
    recall: float
    area_f1: float
    side_accuracy: float | None
    """Over the questions whose true contact is on one side of the body."""
    geodesic: float | None
    """Metres, over the questions with any predicted contact."""
    similarity: float | None
    mean_absolute_error: float | None
    auc: float | None
    average_iou: float | None


@dataclass(frozen=True)
class Group:
    """Figures of some questions, the model's beside those of the baselines."""

    pairs: int
    images: int
    by: dict[str, Figures]
    """Predictor to figures."""
    f1_interval: tuple[float, float]
    """95 % of the model's mean F1 when images are drawn again (bootstrap over images)."""
    gain: float | None
    """F1 of the model above label-only."""
    gain_interval: tuple[float, float] | None
    gap_closed: dict[str, float | None]
    """Reference to the share of its lead over label-only that the model reaches."""


@dataclass(frozen=True)
class TwoLabelFigures:
    """Images asked about two touched objects."""

    pairs: int
    differ: dict[str, float]
    """Predictor to the share whose two answers differ."""
    told_apart: dict[str, float]
    """Predictor to the share where, besides, each answer fits its own truth better."""


@dataclass(frozen=True)
class TextFigures:
    """Names in the model's text against the true ones."""

    pairs: int
    f1: float
    exact: float
    """Share with exactly the true names."""
    touched_pairs: int
    """Questions with contact."""
    touched_f1: float | None
    """F1 of those alone; of the others, an answer that names nothing has an F1 of 1."""


def groups_of(pairs: Sequence[PairOutcome]) -> dict[str, dict[str, Group]]:
    """Return section to name to group, of the questions whose true answer is not empty."""
    sections: dict[str, dict[str, Group]] = {}
    for task in TASKS:
        of_task = [p for p in pairs if p.task == task and not p.is_empty]
        if not of_task:
            continue
        sections[task] = {"all": _group(of_task)}
        if task == "human_contact":
            sections[task] |= _filled(
                side_undecided=[p for p in of_task if not p.side_decided_by_label],
                hand_and_object_visible=[p for p in of_task if hand_and_object_visible(p)],
            )
        else:
            unseen = [p for p in of_task if p.circumstances.instance_unseen]
            sections[task] |= _filled(unseen_instances=unseen)
        sections[f"{task}/label"] = _split(of_task, lambda p: p.label)
        if task == "human_contact":
            seen = [p for p in of_task if p.slot >= 0]
            if seen:
                sections[f"{task}/template"] = _split(seen, lambda p: f"{p.label}: {p.template}")
                sections[f"{task}/visibility"] = _split(seen, _visibility)
    return sections


def hand_and_object_visible(pair: PairOutcome) -> bool:
    """Whether a question is about one hand and an object that are both in view."""
    return pair.circumstances.hand_visible is True and pair.visible_pixels >= SMALL_OBJECT


def _filled(**groups: Sequence[PairOutcome]) -> dict[str, Group]:
    return {name: _group(pairs) for name, pairs in groups.items() if pairs}


def _split(pairs: Sequence[PairOutcome], key: Callable[[PairOutcome], str]) -> dict[str, Group]:
    names = sorted({key(p) for p in pairs})
    return {name: _group([p for p in pairs if key(p) == name]) for name in names}


def _visibility(pair: PairOutcome) -> str:
    if pair.visible_pixels == 0:
        return "object hidden"
    small = pair.visible_pixels < SMALL_OBJECT
    return f"object under {SMALL_OBJECT} px" if small else f"object {SMALL_OBJECT} px or more"


def _group(pairs: Sequence[PairOutcome]) -> Group:
    by = {name: _figures([p.by[name] for p in pairs]) for name in pairs[0].by}
    images = np.array([p.image_index for p in pairs])
    f1 = np.array([p.by[MODEL].f1 for p in pairs])
    gain = gain_interval = None
    gap_closed: dict[str, float | None] = {}
    if LABEL_ONLY in by:
        over = f1 - np.array([p.by[LABEL_ONLY].f1 for p in pairs])
        gain, gain_interval = float(over.mean()), bootstrap_interval(over, images)
        gap_closed = {
            name: _share(gain, by[name].f1 - by[LABEL_ONLY].f1)
            for name in by
            if name in (TRUE_SIDE, TRUE_TEMPLATE)
        }
    return Group(
        pairs=len(pairs),
        images=len(np.unique(images)),
        by=by,
        f1_interval=bootstrap_interval(f1, images),
        gain=gain,
        gain_interval=gain_interval,
        gap_closed=gap_closed,
    )


def bootstrap_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    weights: np.ndarray | None = None,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of the mean when clusters are drawn again.

    Args:
        values: `[sample]`.
        clusters: `[sample]`, what belongs together (the image of each question).
        weights: `[sample]`, whose sum the sum of the values is divided by; None counts samples.
        draws: number of resamples.
        seed: of the random draws.

    Returns:
        Lower and upper end; NaN both where so many draws have no weight above 0, and so no mean,
        that the percentiles are unknown.
    """
    _, cluster = np.unique(clusters, return_inverse=True)
    counts = np.bincount(cluster, weights).astype(float)
    sums = np.bincount(cluster, weights=values)
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for start in range(0, draws, 100):
        drawn = rng.integers(0, len(counts), (min(100, draws - start), len(counts)))
        whole = counts[drawn].sum(axis=1)
        whole[whole <= 0] = np.nan
        means[start : start + 100] = sums[drawn].sum(axis=1) / whole
    if np.isnan(means).mean() > _UNKNOWN_DRAWS:
        return np.nan, np.nan
    low, high = np.nanpercentile(means, [2.5, 97.5])
    return float(low), float(high)


def _figures(outcomes: Sequence[Outcome]) -> Figures:
    def mean(name: str) -> float | None:
        values = np.array([getattr(o, name) for o in outcomes], float)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else None

    return Figures(
        f1=mean("f1") or 0.0,
        precision=mean("precision") or 0.0,
        recall=mean("recall") or 0.0,
        area_f1=mean("area_f1") or 0.0,
        side_accuracy=mean("side_match"),
        geodesic=mean("geodesic"),
        similarity=mean("similarity"),
        mean_absolute_error=mean("mean_absolute_error"),
        auc=mean("auc"),
        average_iou=mean("average_iou"),
    )


def _share(gain: float, gap: float) -> float | None:
    return gain / gap if gap >= SMALLEST_GAP else None


def two_label_figures(outcomes: Sequence[TwoLabels]) -> dict[str, TwoLabelFigures]:
    """Return figures of all pairs of labels, and of those whose sides no label decides."""
    kinds = {
        "all": list(outcomes),
        "side_undecided": [o for o in outcomes if o.side_undecided],
    }
    return {
        kind: TwoLabelFigures(
            pairs=len(found),
            differ={n: float(np.mean([o.differ[n] for o in found])) for n in found[0].differ},
            told_apart={
                n: float(np.mean([o.told_apart[n] for o in found])) for n in found[0].told_apart
            },
        )
        for kind, found in kinds.items()
        if found
    }


def text_figures(pairs: Sequence[PairOutcome]) -> dict[str, TextFigures]:
    """Return figures of the answers' text by task."""
    figures = {}
    for task in ("human_contact", "object_affordance"):
        told = [p for p in pairs if p.task == task and not np.isnan(p.details_f1)]
        if not told:
            continue
        values = np.array([p.details_f1 for p in told])
        touched = values[[not p.is_empty for p in told]]
        figures[task] = TextFigures(
            pairs=len(values),
            f1=float(values.mean()),
            exact=float((values == 1).mean()),
            touched_pairs=len(touched),
            touched_f1=float(touched.mean()) if len(touched) else None,
        )
    return figures

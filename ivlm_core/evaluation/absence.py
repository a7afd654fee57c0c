"""Questions whose true answer is no contact: what is claimed there, and how well they are found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivlm_core.evaluation.outcomes import PairOutcome
from ivlm_core.model.prompts import SCENE_LABEL


@dataclass(frozen=True)
class EmptyFigures:
    """Questions whose true answer is no contact."""

    pairs: int
    false_positive_rate: dict[str, float]
    """Predictor to the share of questions with any vertex in contact."""
    mean_vertices: dict[str, float]
    """Predictor to vertices in contact, mean."""


@dataclass(frozen=True)
class AbsenceFigures:
    """How well answers without contact find the questions whose true answer is no contact.

    Such a question is the positive class: its object is not there, or not touched.
    """

    pairs: int
    """All questions of the kind, those with contact included."""
    absent: int
    """Those without."""
    precision: dict[str, float | None]
    """Predictor to the share of its answers without contact that are right; None where it gives
    none."""
    recall: dict[str, float]
    """Predictor to the share of the questions without contact that it answers so."""
    f1: dict[str, float]


def empty_figures(pairs: Sequence[PairOutcome]) -> dict[str, EmptyFigures]:
    """Return figures of the human-contact questions whose true answer is empty, by reason."""
    pairs = [p for p in pairs if p.is_empty and p.task == "human_contact"]
    kinds = {
        "absent": [p for p in pairs if p.slot < 0 and p.label != SCENE_LABEL],
        "off_the_ground": [p for p in pairs if p.label == SCENE_LABEL],
        "untouched": [p for p in pairs if p.slot >= 0],
    }
    return {
        kind: EmptyFigures(
            pairs=len(found),
            false_positive_rate={
                n: float(np.mean([p.by[n].predicted > 0 for p in found])) for n in found[0].by
            },
            mean_vertices={
                n: float(np.mean([p.by[n].predicted for p in found])) for n in found[0].by
            },
        )
        for kind, found in kinds.items()
        if found
    }


def absence_figures(pairs: Sequence[PairOutcome]) -> dict[str, AbsenceFigures]:
    """Return precision and recall of absence over the human-contact questions.

    Kinds: about `objects`, and about the `ground`; one without any absence is left out.
    """
    pairs = [p for p in pairs if p.task == "human_contact"]
    kinds = {
        "objects": [p for p in pairs if p.label != SCENE_LABEL],
        "ground": [p for p in pairs if p.label == SCENE_LABEL],
    }
    return {
        kind: _absence(found) for kind, found in kinds.items() if any(p.is_empty for p in found)
    }


def _absence(pairs: Sequence[PairOutcome]) -> AbsenceFigures:
    absent = np.array([p.is_empty for p in pairs])
    claimed = {n: np.array([p.by[n].predicted == 0 for p in pairs]) for n in pairs[0].by}
    right = {n: int((c & absent).sum()) for n, c in claimed.items()}
    return AbsenceFigures(
        pairs=len(pairs),
        absent=int(absent.sum()),
        precision={n: right[n] / int(c.sum()) if c.any() else None for n, c in claimed.items()},
        recall={n: right[n] / int(absent.sum()) for n in claimed},
        f1={n: 2 * right[n] / int(c.sum() + absent.sum()) for n, c in claimed.items()},
    )

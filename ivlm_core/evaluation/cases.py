"""Single cases behind the figures: the best, the worst and some at random, answered again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ivlm_core.datasets.sample import Sample
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.outcomes import MODEL, PairOutcome
from ivlm_core.evaluation.told_boxes import Tell, nothing

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline, Prediction

CaseKind = Literal["best", "worst", "random", "false alarm"]


@dataclass(frozen=True)
class Case:
    """A question, the model's answer and the truth."""

    kind: CaseKind
    outcome: PairOutcome
    sample: Sample
    prediction: "Prediction"


def choose_cases(
    pairs: Sequence[PairOutcome], count: int, seed: int = 0
) -> list[tuple[CaseKind, PairOutcome]]:
    """Choose questions of each task.

    The best and the worst are those by F1 where something is touched.

    Args:
        pairs: every question's outcome.
        count: most questions of each kind; none stands in two.
        seed: of the random ones.
    """
    rng = random.Random(seed)
    chosen: list[tuple[CaseKind, PairOutcome]] = []
    for task in dict.fromkeys(pair.task for pair in pairs):
        of_task = [pair for pair in pairs if pair.task == task]
        left = sorted((p for p in of_task if not p.is_empty), key=lambda p: -p.by[MODEL].f1)
        each = min(count, max(1, len(left) // 3))
        best, left = left[:each], left[each:]
        left, worst = left[: max(0, len(left) - each)], left[max(0, len(left) - each) :][::-1]
        alarms = [pair for pair in of_task if pair.is_empty and pair.by[MODEL].predicted]
        chosen += [("best", pair) for pair in best]
        chosen += [("worst", pair) for pair in worst]
        chosen += [("random", pair) for pair in rng.sample(left, min(each, len(left)))]
        chosen += [("false alarm", p) for p in rng.sample(alarms, min(count, len(alarms)))]
    return chosen


def answer_cases(
    pipeline: "Pipeline",
    dataset: SyntheticDataset,
    chosen: Sequence[tuple[CaseKind, PairOutcome]],
    tell: Tell = nothing,
) -> list[Case]:
    """Ask the chosen questions again, now keeping all of the answers.

    Args:
        pipeline: that answered.
        dataset: the split.
        chosen: see `choose_cases`.
        tell: gives the boxes that it was told.
    """
    from ivlm_core.pipeline import Query

    found = []
    for kind, pair in chosen:
        (sample,) = (
            s
            for s in dataset.samples_of(pair.image_index, (pair.task,))
            if (s.label, s.target.slot) == (pair.label, pair.slot)
        )
        box = tell(sample.target)
        query = Query(sample.image, sample.label, sample.task, sample.mesh, box)
        found.append(Case(kind, pair, sample, *pipeline.predict_batch([query])))
    return found

"""Single cases behind the figures: the best, the worst and some at random, answered again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np

from ivlm_core.datasets.sample import Sample
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.outcomes import PairOutcome
from ivlm_core.evaluation.photo_masks import MaskOutcome, true_mask
from ivlm_core.evaluation.told_boxes import Tell, nothing

if TYPE_CHECKING:
    from ivlm_core.photo_contact import PhotoContact
    from ivlm_core.pipeline import Pipeline, Prediction

CaseKind = Literal["best", "worst", "random", "false alarm"]


class Judged(Protocol):
    """A question's outcome, as far as it decides whether it is a case to show."""

    @property
    def task(self) -> str:
        """The question."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is touched."""

    @property
    def model_f1(self) -> float:
        """F1 of the model's answer."""

    @property
    def is_claimed(self) -> bool:
        """Whether the model found any contact."""


_Outcome = TypeVar("_Outcome", bound=Judged)


@dataclass(frozen=True)
class Case:
    """A question, the model's answer and the truth."""

    kind: CaseKind
    outcome: PairOutcome
    sample: Sample
    prediction: "Prediction"


@dataclass(frozen=True)
class PhotoCase:
    """A question about contact on the picture itself, the model's mask and the true one."""

    kind: CaseKind
    outcome: MaskOutcome
    photo: np.ndarray
    """uint8 RGB `[height, width, 3]`."""
    truth: np.ndarray
    """bool `[height, width]`."""
    found: "PhotoContact"


def choose_cases(
    pairs: Sequence[_Outcome], count: int, seed: int = 0
) -> list[tuple[CaseKind, _Outcome]]:
    """Choose questions of each task.

    The best and the worst are those by F1 where something is touched.

    Args:
        pairs: every question's outcome.
        count: most questions of each kind; none stands in two.
        seed: of the random ones.
    """
    rng = random.Random(seed)
    chosen: list[tuple[CaseKind, _Outcome]] = []
    for task in dict.fromkeys(pair.task for pair in pairs):
        of_task = [pair for pair in pairs if pair.task == task]
        left = sorted((p for p in of_task if not p.is_empty), key=lambda p: -p.model_f1)
        each = min(count, max(1, len(left) // 3))
        best, left = left[:each], left[each:]
        left, worst = left[: max(0, len(left) - each)], left[max(0, len(left) - each) :][::-1]
        alarms = [pair for pair in of_task if pair.is_empty and pair.is_claimed]
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


def mask_cases(
    pipeline: "Pipeline",
    dataset: SyntheticDataset,
    chosen: Sequence[tuple[CaseKind, MaskOutcome]],
    tell: Tell = nothing,
) -> list[PhotoCase]:
    """Ask the chosen questions about the pictures themselves again, as `answer_cases` does."""
    from ivlm_core.photo_contact import contact_in_photo

    found = []
    for kind, outcome in chosen:
        target = outcome.target
        photo = dataset.image(target.image_index)
        answer = contact_in_photo(pipeline, photo, target.label, tell(target))
        (contact,) = dataset.stack("contact_map", [target.image_index])
        found.append(PhotoCase(kind, outcome, photo, true_mask(target, contact), answer))
    return found

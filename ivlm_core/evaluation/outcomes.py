"""One question's answers, judged: the model's and those of the baselines on the same question."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ivlm_core.datasets.sample import Side, Target
from ivlm_core.evaluation.baselines import Baseline, Guess
from ivlm_core.evaluation.circumstances import Circumstances
from ivlm_core.evaluation.metrics import (
    average_iou,
    contact_counts,
    f1_score,
    mean_absolute_error,
    roc_auc,
    scores_from_counts,
    side_matches,
    similarity,
    vertex_sides,
)
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.geometry.geodesic import SurfaceDistance
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.prompts import Task

MODEL = "model"
"""Name of the evaluated model among the predictors."""

SAME_CONTACT = 0.8
"""Two labels whose true contacts have at least this F1 with each other cannot be told apart."""


@dataclass(frozen=True)
class Outcome:
    """How one predictor answered one question; NaN where a figure does not apply."""

    f1: float
    precision: float
    recall: float
    area_f1: float
    """F1 weighted by the area of each vertex."""
    side_match: float
    """1 where the side of the body with more predicted vertices is the true one, else 0; NaN
    where the true contact is not on one side."""
    geodesic: float
    """From predicted contact over the body to the nearest true contact, mean, metres; NaN where
    there is no prediction or no truth, and on objects."""
    predicted: int
    """Vertices predicted in contact."""
    similarity: float
    mean_absolute_error: float
    auc: float
    average_iou: float


@dataclass(frozen=True)
class PairOutcome:
    """One question about one image, and how it was answered."""

    image_index: int
    task: Task
    label: str
    slot: int
    template: str
    side: Side
    side_decided_by_label: bool
    visible_pixels: int
    """Of the object asked about; -1 where none is."""
    true_vertices: int
    by: dict[str, Outcome]
    """Predictor to outcome."""
    details_f1: float
    """F1 of the names in the model's text against the true ones; NaN without text."""
    circumstances: Circumstances = Circumstances()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is touched."""
        return self.true_vertices == 0

    @property
    def model_f1(self) -> float:
        """F1 of the model's answer."""
        return self.by[MODEL].f1

    @property
    def is_claimed(self) -> bool:
        """Whether the model found any contact."""
        return self.by[MODEL].predicted > 0


@dataclass(frozen=True)
class TwoLabels:
    """Two objects of one image, asked about one after the other."""

    image_index: int
    labels: tuple[str, str]
    side_undecided: bool
    """Whether neither label alone says which side of the body takes part."""
    told_apart: dict[str, bool]
    """Predictor to: the answers differ, and each fits its own truth better than the other's."""
    differ: dict[str, bool]
    """Predictor to: the answers differ."""


class Judge:
    """Compares answers with targets.

    Args:
        body: whose vertices human contact is on.
        baselines: name to fitted baseline; asked the same questions.
    """

    def __init__(self, body: Body, baselines: Mapping[str, Baseline] | None = None) -> None:
        self.baselines = dict(baselines or {})
        self._areas = body.mesh.vertex_areas
        self._distance = SurfaceDistance(body.mesh)
        self._sides = vertex_sides(body.mesh.vertices)

    def guesses(self, target: Target, mesh: Mesh | None, answer: Guess) -> dict[str, Guess]:
        """Return the answer of every predictor that gives one, the model's first."""
        others = {name: b.answer(target, mesh) for name, b in self.baselines.items()}
        return {MODEL: answer, **{k: guess for k, guess in others.items() if guess is not None}}

    def pair(
        self,
        target: Target,
        guesses: Mapping[str, Guess],
        mesh: Mesh | None = None,
        text: str | None = None,
        vocabulary: Iterable[str] = BODY_PARTS,
        circumstances: Circumstances | None = None,
    ) -> PairOutcome:
        """Judge the answers to one question.

        Args:
            target: the question and its answer.
            guesses: predictor to its answer.
            mesh: the surface of object tasks.
            text: what the model wrote.
            vocabulary: names that the text may hold.
            circumstances: what else is known of the question.
        """
        details = np.nan if text is None else names_f1(text, target.details, vocabulary)
        on_body = target.task == "human_contact" and not target.is_empty
        distances = self._distance.to(target.dense() > 0) if on_body else None
        return PairOutcome(
            image_index=target.image_index,
            task=target.task,
            label=target.label,
            slot=target.slot,
            template=target.template,
            side=target.side,
            side_decided_by_label=target.side_decided_by_label,
            visible_pixels=target.object.visible_pixels if target.object is not None else -1,
            true_vertices=len(target.vertices),
            by={
                name: self._outcome(target, guess, mesh, distances)
                for name, guess in guesses.items()
            },
            details_f1=float(details),
            circumstances=circumstances or Circumstances(),
        )

    def two_labels(
        self, targets: Sequence[Target], guesses: Sequence[Mapping[str, Guess]]
    ) -> list[TwoLabels]:
        """Judge every two touched objects of one image whose true contacts differ.

        Args:
            targets: questions about one image.
            guesses: for each question, predictor to its answer.
        """
        asked = [
            (target, guess)
            for target, guess in zip(targets, guesses, strict=True)
            if target.task == "human_contact" and target.slot >= 0 and not target.is_empty
        ]
        found = []
        for (a, guess_a), (b, guess_b) in combinations(asked, 2):
            truths = np.stack([a.dense(), b.dense()])
            if a.label == b.label or f1_score(truths[:1], truths[1:])[0] >= SAME_CONTACT:
                continue
            differ, apart = {}, {}
            for name in guess_a:
                contacts = np.stack([guess_a[name].contact, guess_b[name].contact])
                own, other = f1_score(truths, contacts), f1_score(truths[::-1], contacts)
                differ[name] = bool((contacts[0] != contacts[1]).any())
                apart[name] = differ[name] and bool((own > other).all())
            undecided = not (a.side_decided_by_label or b.side_decided_by_label)
            found.append(TwoLabels(a.image_index, (a.label, b.label), undecided, apart, differ))
        return found

    def _outcome(
        self,
        target: Target,
        guess: Guess,
        mesh: Mesh | None,
        distances: NDArray[np.float64] | None,
    ) -> Outcome:
        on_body = target.task == "human_contact"
        if len(guess.scores) != target.num_vertices:
            raise ValueError(
                f"{target.task} of '{target.label}' in image {target.image_index}: got "
                f"{len(guess.scores)} scores for a mesh of {target.num_vertices} vertices; the "
                "model answers on another mesh or topology than the data"
            )
        truth = target.dense()[None]
        contact = guess.contact[None]
        counts = contact_counts(truth > 0, contact)
        plain = scores_from_counts(*counts)
        areas = self._areas if on_body else mesh.vertex_areas if mesh is not None else None
        weighted = scores_from_counts(*contact_counts(truth > 0, contact, areas))
        side = side_matches(truth, contact, self._sides)[0] if on_body else np.nan
        soft = guess.scores[None]
        maps = target.task != "human_contact"
        return Outcome(
            f1=float(plain.f1[0]),
            precision=float(plain.precision[0]),
            recall=float(plain.recall[0]),
            area_f1=float(weighted.f1[0]),
            side_match=float(side),
            geodesic=_mean(distances, guess.contact),
            predicted=int(counts[1][0]),
            similarity=float(similarity(truth, soft)[0]) if maps else np.nan,
            mean_absolute_error=float(mean_absolute_error(truth, soft)[0]) if maps else np.nan,
            auc=float(roc_auc(truth, soft)[0]) if maps else np.nan,
            average_iou=float(average_iou(truth, soft)[0]) if maps else np.nan,
        )


def _mean(distances: NDArray[np.float64] | None, contact: NDArray[np.bool_]) -> float:
    return np.nan if distances is None or not contact.any() else float(distances[contact].mean())


def names_f1(text: str, true: Iterable[str], vocabulary: Iterable[str]) -> float:
    """Return the F1 of the names of `vocabulary` that stand in a text against the true ones.

    It is 1 for no names where there are none.
    """
    said = {n for n in vocabulary if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)}
    wanted = set(true)
    both, total = len(said & wanted), len(said) + len(wanted)
    return 2 * both / total if total else 1.0

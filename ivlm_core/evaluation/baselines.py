"""What can be answered without looking: the mean contact of a label in the training data.

A model that does not beat `LabelOnly` has learned the labels and not the images. `TrueSide` and
`TrueTemplate` are told more than any model is, by the labels of the question itself: how much of
the way from `LabelOnly` to them a model covers says how much it sees.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self

import numpy as np

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.metrics import scores_from_counts
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.prompts import Task

Key = tuple[Hashable, ...]

LEVELS = np.linspace(0.025, 0.975, 39)
"""Thresholds that are tried."""

NO_PART = ""
"""Stands for the vertices of a mesh that are in no part."""


@dataclass(frozen=True)
class Guess:
    """An answer: `scores` float32 `[vertex]`, in contact from `threshold` on."""

    scores: np.ndarray
    threshold: float

    @property
    def contact(self) -> np.ndarray:
        """Bool `[vertex]`."""
        return self.scores >= self.threshold


class Baseline(Protocol):
    """What a model is compared with."""

    def answer(self, target: Target, mesh: Mesh | None = None) -> Guess | None:
        """Answer a question; its contact is not read. None for a task that it does not know."""
        ...


@dataclass
class _Mean:
    """Mean contact per unit (body vertex, or part of the object) of the samples of one key."""

    count: int = 0
    vertices: np.ndarray | None = None
    parts: dict[str, float] = field(default_factory=dict)
    parts_seen: dict[str, int] = field(default_factory=dict)
    threshold: float = 0.5
    f1_by_level: np.ndarray = field(default_factory=lambda: np.zeros(len(LEVELS)))

    def add_body(self, target: Target) -> None:
        if self.vertices is None:
            self.vertices = np.zeros(target.num_vertices)
        self.vertices[target.vertices] += 1
        self.count += 1

    def add_object(self, units: "_PartUnits") -> None:
        for name, share in zip(units.names, units.touched / units.sizes, strict=True):
            self.parts[name] = self.parts.get(name, 0.0) + float(share)
            self.parts_seen[name] = self.parts_seen.get(name, 0) + 1
        self.count += 1

    def finish(self) -> None:
        """Turn sums into means."""
        if self.vertices is not None:
            self.vertices = (self.vertices / self.count).astype(np.float32)
        self.parts = {name: total / self.parts_seen[name] for name, total in self.parts.items()}

    def part_means(self, names: tuple[str, ...]) -> np.ndarray:
        return np.array([self.parts.get(name, 0.0) for name in names])


@dataclass(frozen=True)
class _PartUnits:
    """The parts of one mesh: names, numbers of vertices, how many of them are touched."""

    names: tuple[str, ...]
    sizes: np.ndarray
    touched: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, contact: np.ndarray) -> Self:
        index, names = part_index(mesh)
        used = np.unique(index)
        sizes = np.bincount(index, minlength=len(names))[used]
        touched = np.bincount(index[contact], minlength=len(names))[used]
        return cls(tuple(names[k] for k in used), sizes, touched)


def part_index(mesh: Mesh) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the part of each vertex, int `[vertex]`, and the names counted by it."""
    names = (NO_PART, *mesh.parts)
    index = np.zeros(mesh.num_vertices, np.int64)
    for k, name in enumerate(names[1:], start=1):
        index[mesh.parts[name]] = k
    return index, names


class MeanContact:
    """Answers with the mean contact of the training questions that agree in `keys`.

    For the body the mean is per vertex; objects have a mesh each, so theirs is per named part. The
    threshold of every mean is the one with the best F1 on the training questions themselves. Only
    questions with contact are learned from, as the measure is F1 on those.
    """

    keys: ClassVar[tuple[Callable[[Target], Key], ...]] = ()
    """From the most to the least specific; the first one known from training answers."""

    def __init__(self, means: dict[Key, _Mean]) -> None:
        self._means = means

    @classmethod
    def fit(cls, dataset: SyntheticDataset, limit: int | None = None) -> Self:
        """Learn from the labels of a split (its images are not read).

        Args:
            dataset: the training split.
            limit: number of images; None takes all.
        """
        means: dict[Key, _Mean] = {}
        for target, mesh in _touched(dataset, limit):
            units = _PartUnits.of(mesh, target.vertices) if mesh is not None else None
            for key in cls._keys_of(target):
                mean = means.setdefault(key, _Mean())
                mean.add_body(target) if units is None else mean.add_object(units)
        for mean in means.values():
            mean.finish()
        levels = {k: _levels(m.vertices) for k, m in means.items() if m.vertices is not None}
        sizes = {k: _at_or_above(level) for k, level in levels.items()}
        for target, mesh in _touched(dataset, limit):
            units = _PartUnits.of(mesh, target.vertices) if mesh is not None else None
            for key in cls._keys_of(target):
                mean = means[key]
                if units is None:
                    both = _at_or_above(levels[key][target.vertices])
                    predicted, true = sizes[key], len(target.vertices)
                else:
                    taken = mean.part_means(units.names)[None, :] >= LEVELS[:, None]
                    both, predicted = taken @ units.touched, taken @ units.sizes
                    true = int(units.touched.sum())
                mean.f1_by_level += scores_from_counts(
                    both.astype(float), predicted.astype(float), np.full(len(LEVELS), float(true))
                ).f1
        for mean in means.values():
            mean.threshold = float(LEVELS[int(np.argmax(mean.f1_by_level))])
        return cls(means)

    def answer(self, target: Target, mesh: Mesh | None = None) -> Guess:
        """Answer a question from what `keys` read of it.

        Args:
            target: the question; its contact is not read.
            mesh: the surface of object tasks.
        """
        known = (self._means[key] for key in self._keys_of(target) if key in self._means)
        mean = next(known, None)
        if mean is None:
            return Guess(np.zeros(target.num_vertices, np.float32), 0.5)
        if mean.vertices is not None:
            return Guess(mean.vertices, mean.threshold)
        if mesh is None:
            raise ValueError(f"{target.task} of '{target.label}' needs the object's mesh")
        index, names = part_index(mesh)
        return Guess(mean.part_means(names)[index].astype(np.float32), mean.threshold)

    @classmethod
    def _keys_of(cls, target: Target) -> Iterator[Key]:
        return (key(target) for key in cls.keys)


def _by_label(target: Target) -> Key:
    return (target.task, target.label)


def _by_side(target: Target) -> Key:
    return (target.task, target.label, target.side)


def _by_template(target: Target) -> Key:
    return (target.task, target.label, target.side, target.template)


class LabelOnly(MeanContact):
    """Knows the label and nothing else."""

    keys = (_by_label,)

    def predict(self, label: str, task: Task = "human_contact", mesh: Mesh | None = None) -> Guess:
        """Answer for a label.

        Args:
            label: must occur in the training split with the task.
            task: what is asked.
            mesh: the surface of object tasks.

        Raises:
            ValueError: the label was never seen with the task.
        """
        mean = self._means.get((task, label))
        if mean is None:
            known = ", ".join(sorted(str(key[1]) for key in self._means if key[0] == task))
            raise ValueError(f"label '{label}' is not in the training split; {task} has {known}")
        size = 0 if mean.vertices is None else len(mean.vertices)
        asked = Target(-1, task, label, -1, None, np.zeros(0, np.int32), size, (), (), True, "")
        return self.answer(asked, mesh)


class TrueSide(MeanContact):
    """Is told which side of the body takes part."""

    keys = (_by_side, _by_label)


class TrueTemplate(MeanContact):
    """Is told the side and the interaction; falls back to `TrueSide` for a new interaction.

    Interactions of the test split do not occur in training, so as a ceiling it is fitted on the
    split that is evaluated: the best that one mask per interaction and side can do.
    """

    keys = (_by_template, _by_side, _by_label)


def _touched(dataset: SyntheticDataset, limit: int | None) -> Iterator[tuple[Target, Mesh | None]]:
    for index in range(len(dataset) if limit is None else min(limit, len(dataset))):
        for target in dataset.targets(index):
            if not target.is_empty:
                yield target, dataset.mesh(target)


def _levels(mean: np.ndarray) -> np.ndarray:
    """Return how many of `LEVELS` each value reaches, 0 to `len(LEVELS)`."""
    return np.searchsorted(LEVELS, mean, side="right")


def _at_or_above(reached: np.ndarray) -> np.ndarray:
    """Return for each level how many of the values reach it, int `[level]`."""
    counts = np.bincount(reached, minlength=len(LEVELS) + 1)
    return counts[::-1].cumsum()[::-1][1:]

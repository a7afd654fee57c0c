"""Masks on generated pictures, beside a guess that knows the label and sees the body's parts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.figures import bootstrap_interval
from ivlm_core.evaluation.metrics import scores_from_counts
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photos import mask_f1
from ivlm_core.evaluation.segmentation import MaskMeter, MaskOverlap, mask_overlap
from ivlm_core.evaluation.told_boxes import Tell, nothing

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline

LABEL_ON_PARTS = "label_on_parts"
"""Name of the guess among the predictors."""

_GUESS = " (guess: the mean contact of the label, true body parts told)"

NEAR = 0.02
"""How far off a pixel may be to count as right in `near_f1`, of the picture's side: 4 pixels of
192. Half of the true masks have 14 pixels or fewer; a shift by two leaves next to nothing of them.
"""

_BITS = (np.arange(256)[:, None] >> np.arange(8)) & 1
"""Bits of every value of a contact map."""


@dataclass(frozen=True)
class MaskScores:
    """Means over questions whose true mask is not empty."""

    giou: float
    """Mean of the masks' IoU."""
    ciou: float
    """All intersections over all unions."""
    f1: float
    """Mean F1 of the pixels."""
    near_f1: float
    """The same where pixels count as right within `NEAR`."""


@dataclass(frozen=True)
class MaskGroup:
    """Questions about contact that is in view."""

    questions: int
    by: dict[str, MaskScores]
    """Predictor to its scores."""
    gain: float
    """F1 of the model over that of the guess."""
    gain_interval: tuple[float, float]
    """95 % of it, over images."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The same of the model's `giou`, `f1` and `near_f1`, by name."""


@dataclass(frozen=True)
class EmptyMasks:
    """Questions about contact that is not there or not in view."""

    questions: int
    false_positive_rate: dict[str, float]
    """Predictor to the share of questions with any pixel in contact."""
    mean_pixels: dict[str, float]
    """Predictor to pixels in contact, mean."""


@dataclass(frozen=True)
class PhotoFigures:
    """How masks on the pictures of a split are.

    Attributes:
        groups: `all`, `side_undecided`, and a group for every label.
        empty: None where every question has contact in view.
    """

    groups: dict[str, MaskGroup]
    empty: EmptyMasks | None

    @property
    def questions(self) -> int:
        """All that were asked."""
        seen = self.groups["all"].questions if self.groups else 0
        return seen + (self.empty.questions if self.empty is not None else 0)

    def tables(self) -> list[tuple[str, list[tuple[str, ...]]]]:
        """Return title and rows of every table, the first row its heads."""
        names = {MODEL: "", LABEL_ON_PARTS: "guess: "}
        heads = [
            f"{name}{figure}"
            for name in names.values()
            for figure in ("gIoU", "cIoU", "F1", "near")
        ]
        rows: list[tuple[str, ...]] = [("questions", "pairs", *heads, "gain", "gain 95 %")]
        for name, group in self.groups.items():
            scores = [group.by[n] for n in names]
            cells = [f"{v:.3f}" for s in scores for v in (s.giou, s.ciou, s.f1, s.near_f1)]
            low, high = group.gain_interval
            gain = (f"{group.gain:+.3f}", f"{low:.3f}..{high:.3f}")
            rows.append((name.replace("_", " "), str(group.questions), *cells, *gain))
        tables = [(f"Contact on the photograph{_GUESS}", rows)] if self.groups else []
        if self.empty is not None:
            e = self.empty
            heads = [f"{n}{f}" for n in names.values() for f in ("false positive", "pixels")]
            cells = []
            for n in names:
                cells += [f"{100 * e.false_positive_rate[n]:.0f} %", f"{e.mean_pixels[n]:.0f}"]
            rows = [("nothing in view", "pairs", *heads), ("all", str(e.questions), *cells)]
            tables.append((f"Contact on the photograph that is not there{_GUESS}", rows))
        return tables


class LabelOnParts:
    """Guesses by the mean contact of a label on every part of the body, laid over those in view.

    The label is all it knows of the question, but it is told the true parts of the body in the
    picture, so it knows where hands and feet are. Like the guesses on surfaces it learns from
    questions with contact, and its threshold is the one with the best F1 on those.
    """

    def __init__(self, means: dict[str, np.ndarray], thresholds: dict[str, float]) -> None:
        self._means, self._thresholds = means, thresholds

    @classmethod
    def fit(cls, dataset: SyntheticDataset, progress: bool = False) -> Self:
        """Learn from the maps of a training split: minutes for tens of thousands of pictures."""
        touched: dict[str, list[np.ndarray]] = defaultdict(list)
        visible: dict[str, list[np.ndarray]] = defaultdict(list)
        bar = tqdm(range(len(dataset)), "learn the guess", unit="image", disable=not progress)
        for index in bar:
            parts = dataset.stack("part_map", [index]).ravel().astype(np.int64)
            contact = dataset.stack("contact_map", [index]).ravel()
            count = len(dataset.info.part_names) + 1
            both = np.bincount(parts * 256 + contact, minlength=count * 256)
            both = both.reshape(count, 256)
            by_bit = both @ _BITS
            for target in _asked(dataset, index):
                bit = target.contact_bit
                if bit is not None and by_bit[:, bit].any():
                    touched[target.label].append(by_bit[:, bit])
                    visible[target.label].append(both.sum(axis=1))
        means, thresholds = {}, {}
        for label in touched:
            true, seen = np.stack(touched[label]), np.stack(visible[label])  # [question, part]
            means[label] = (true.sum(axis=0) / seen.sum(axis=0).clip(1)).astype(np.float32)
            # Contact in sight is a hundredth of a hand: each part's own mean is a threshold to try.
            levels = np.unique(means[label][means[label] > 0])
            taken = (means[label] >= levels[:, None]).T.astype(float)  # [part, level]
            size = np.repeat(true.sum(axis=1, keepdims=True), len(levels), axis=1).astype(float)
            f1 = scores_from_counts(true @ taken, seen @ taken, size).f1.mean(axis=0)
            thresholds[label] = float(levels[int(f1.argmax())])
        return cls(means, thresholds)

    def contact(self, label: str, parts: np.ndarray) -> np.ndarray:
        """Return bool `[height, width]`; nowhere for a label that training never touched.

        Args:
            label: of the question.
            parts: uint8 `[height, width]`: `part_map` of the picture.
        """
        if label not in self._means:
            return np.zeros(parts.shape, bool)
        return (self._means[label] >= self._thresholds[label])[parts]


@dataclass(frozen=True)
class _Answered:
    """One question: how much the masks overlap with the true one, by predictor."""

    target: Target
    pixels: int
    """Of the true mask."""
    overlaps: dict[str, MaskOverlap]
    f1: dict[str, float]
    near: dict[str, float]
    """`near_f1`."""
    predicted: dict[str, int]
    """Pixels."""


def evaluate_masks(
    pipeline: "Pipeline",
    dataset: SyntheticDataset,
    train: SyntheticDataset,
    indices: Sequence[int],
    batch_size: int = 16,
    threshold: float | None = None,
    progress: bool = False,
    tell: Tell = nothing,
) -> PhotoFigures:
    """Ask where the body touches things on pictures, as a user would, and judge the masks.

    Args:
        pipeline: of a model trained for it.
        dataset: the split.
        train: what the guess learns from.
        indices: images.
        batch_size: images answered together.
        threshold: probability from which a pixel is in contact; None takes the model's own.
        progress: shows a bar.
        tell: gives the boxes that the model is told; none by default.

    Raises:
        ValueError: the model was not trained for it.
    """
    from ivlm_core.photo_contact import check_model, contact_in_photos

    check_model(pipeline)
    guess = LabelOnParts.fit(train, progress)
    answered = []
    bar = tqdm(total=len(indices), desc="evaluate photographs", unit="image", disable=not progress)
    for start in range(0, len(indices), batch_size):
        chosen = indices[start : start + batch_size]
        photos = {index: dataset.image(index) for index in chosen}
        asked = [t for index in chosen for t in _asked(dataset, index)]
        found = contact_in_photos(
            pipeline,
            [photos[t.image_index] for t in asked],
            [t.label for t in asked],
            [tell(t) for t in asked],
        )
        contacts, parts = (
            dict(zip(chosen, dataset.stack(name, chosen), strict=True))
            for name in ("contact_map", "part_map")
        )
        for target, answer in zip(asked, found, strict=True):
            least = answer.threshold if threshold is None else threshold
            guesses = {
                MODEL: answer.probabilities >= least,
                LABEL_ON_PARTS: guess.contact(target.label, parts[target.image_index]),
            }
            answered.append(_judged(target, contacts[target.image_index], guesses))
        bar.update(len(chosen))
    bar.close()
    return _figures(answered)


def _asked(dataset: SyntheticDataset, index: int) -> Iterator[Target]:
    return (t for t in dataset.targets(index) if t.task == "human_contact")


def _judged(target: Target, contact_map: np.ndarray, guesses: dict[str, np.ndarray]) -> _Answered:
    bit = target.contact_bit
    truth = np.zeros(contact_map.shape, bool) if bit is None else (contact_map >> bit & 1) > 0
    true = truth.astype(np.float32)
    masks = {name: mask.astype(np.float32) for name, mask in guesses.items()}
    return _Answered(
        target,
        int(truth.sum()),
        {n: mask_overlap(mask[None], true[None], heat_map=True) for n, mask in masks.items()},
        {name: mask_f1(true, mask) for name, mask in masks.items()},
        {name: near_f1(truth, mask) for name, mask in guesses.items()},
        {name: int(mask.sum()) for name, mask in masks.items()},
    )


def near_f1(truth: np.ndarray, found: np.ndarray, near: float = NEAR) -> float:
    """Return the F1 of masks whose pixels count as right within some distance of the other's.

    As boundaries are compared (Martin et al. 2004): precision is the share of the found pixels that
    lie near true ones, recall that of the true ones near found ones.

    Args:
        truth: bool `[height, width]`.
        found: the same.
        near: distance in sides of the picture, of the longer one.

    Returns:
        In [0, 1]; NaN where the truth is empty.
    """
    if not truth.any():
        return np.nan
    if not found.any():
        return 0.0
    most = near * max(truth.shape)
    right, seen = (
        float((distance_transform_edt(~other)[mask] <= most).mean())
        for mask, other in ((found, truth), (truth, found))
    )
    return 2 * right * seen / (right + seen) if right + seen else 0.0


def _figures(answered: Sequence[_Answered]) -> PhotoFigures:
    seen = [a for a in answered if a.pixels]
    labels = sorted({a.target.label for a in seen})
    groups = {
        "all": seen,
        "side_undecided": [a for a in seen if not a.target.side_decided_by_label],
        **{label: [a for a in seen if a.target.label == label] for label in labels},
    }
    return PhotoFigures(
        {name: _group(found) for name, found in groups.items() if found},
        _empty([a for a in answered if not a.pixels]),
    )


def _group(answered: Sequence[_Answered]) -> MaskGroup:
    by, f1 = {}, {}
    for name in answered[0].f1:
        meter = MaskMeter()
        for a in answered:
            meter.add(a.overlaps[name])
        f1[name] = np.array([a.f1[name] for a in answered])
        near = float(np.mean([a.near[name] for a in answered]))
        by[name] = MaskScores(meter.giou(), meter.ciou(), float(f1[name].mean()), near)
    over = f1[MODEL] - f1[LABEL_ON_PARTS]
    values = {
        "giou": np.array([a.overlaps[MODEL].iou[1] for a in answered]),
        "f1": f1[MODEL],
        "near_f1": np.array([a.near[MODEL] for a in answered]),
    }
    images = np.array([a.target.image_index for a in answered])
    return MaskGroup(
        len(answered),
        by,
        float(over.mean()),
        bootstrap_interval(over, images),
        {name: bootstrap_interval(found, images) for name, found in values.items()},
    )


def _empty(answered: Sequence[_Answered]) -> EmptyMasks | None:
    if not answered:
        return None
    pixels = {n: np.array([a.predicted[n] for a in answered]) for n in answered[0].predicted}
    return EmptyMasks(
        len(answered),
        {name: float((found > 0).mean()) for name, found in pixels.items()},
        {name: float(found.mean()) for name, found in pixels.items()},
    )

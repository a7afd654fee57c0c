"""Masks on generated pictures, beside a guess that knows the label and sees the body's parts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.figures import bootstrap_interval
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photo_guess import LABEL_ON_PARTS, LabelOnParts, asked_about
from ivlm_core.evaluation.photos import mask_f1
from ivlm_core.evaluation.segmentation import MaskMeter, MaskOverlap, mask_overlap
from ivlm_core.evaluation.told_boxes import Tell, nothing
from ivlm_core.model.prompts import PHOTO_TASK, PhotoTask

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline

_GUESS = " (guess: the mean contact of the label, true body parts told)"

NEAR = 0.02
"""How far off a pixel may be to count as right in `near_f1`, of the picture's side: 4 pixels of
192. Half of the true masks have 14 pixels or fewer; a shift by two leaves next to nothing of them.
"""


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
class MaskOutcome:
    """One question about one picture: how well the masks fit the true one, by predictor."""

    target: Target
    true_pixels: int
    overlaps: dict[str, MaskOverlap]
    f1: dict[str, float]
    """NaN where the true mask is empty."""
    near_f1: dict[str, float]
    predicted: dict[str, int]
    """Pixels."""

    @property
    def task(self) -> PhotoTask:
        """The question."""
        return PHOTO_TASK

    @property
    def is_empty(self) -> bool:
        """Whether no contact is in view."""
        return self.true_pixels == 0

    @property
    def model_f1(self) -> float:
        """F1 of the model's mask."""
        return self.f1[MODEL]

    @property
    def is_claimed(self) -> bool:
        """Whether the model found any contact."""
        return self.predicted[MODEL] > 0

    def to_json(self) -> dict[str, Any]:
        """Return one question as plain data."""
        by = {
            name: {
                "iou": float(self.overlaps[name].iou[1]),
                "f1": self.f1[name],
                "near_f1": self.near_f1[name],
                "predicted": self.predicted[name],
            }
            for name in self.f1
        }
        target = self.target
        return {
            "image_index": target.image_index,
            "task": self.task,
            "label": target.label,
            "slot": target.slot,
            "template": target.template,
            "side_decided_by_label": target.side_decided_by_label,
            "true_pixels": self.true_pixels,
            "by": by,
        }


@dataclass(frozen=True)
class PhotoFigures:
    """How masks on the pictures of a split are.

    Attributes:
        groups: `all`, `side_undecided`, and a group for every label.
        empty: None where every question has contact in view.
        outcomes: every question's.
    """

    groups: dict[str, MaskGroup]
    empty: EmptyMasks | None
    outcomes: tuple[MaskOutcome, ...] = field(repr=False, default=())

    @property
    def questions(self) -> int:
        """All that were asked."""
        seen = self.groups["all"].questions if self.groups else 0
        return seen + (self.empty.questions if self.empty is not None else 0)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the single outcomes as plain data."""
        return {
            "groups": {name: asdict(group) for name, group in self.groups.items()},
            "empty": None if self.empty is None else asdict(self.empty),
        }

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
        asked = [t for index in chosen for t in asked_about(dataset, index)]
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


def true_mask(target: Target, contact_map: np.ndarray) -> np.ndarray:
    """Return where the contact that a question asks about is in view, bool `[height, width]`.

    Args:
        target: the question.
        contact_map: uint8 `[height, width]` of its picture, a bit for everything touched.
    """
    bit = target.contact_bit
    return np.zeros(contact_map.shape, bool) if bit is None else (contact_map >> bit & 1) > 0


def _judged(target: Target, contact_map: np.ndarray, guesses: dict[str, np.ndarray]) -> MaskOutcome:
    truth = true_mask(target, contact_map)
    true = truth.astype(np.float32)
    masks = {name: mask.astype(np.float32) for name, mask in guesses.items()}
    return MaskOutcome(
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


def _figures(answered: Sequence[MaskOutcome]) -> PhotoFigures:
    seen = [a for a in answered if a.true_pixels]
    labels = sorted({a.target.label for a in seen})
    groups = {
        "all": seen,
        "side_undecided": [a for a in seen if not a.target.side_decided_by_label],
        **{label: [a for a in seen if a.target.label == label] for label in labels},
    }
    return PhotoFigures(
        {name: _group(found) for name, found in groups.items() if found},
        _empty([a for a in answered if not a.true_pixels]),
        tuple(answered),
    )


def _group(answered: Sequence[MaskOutcome]) -> MaskGroup:
    by, f1 = {}, {}
    for name in answered[0].f1:
        meter = MaskMeter()
        for a in answered:
            meter.add(a.overlaps[name])
        f1[name] = np.array([a.f1[name] for a in answered])
        near = float(np.mean([a.near_f1[name] for a in answered]))
        by[name] = MaskScores(meter.giou(), meter.ciou(), float(f1[name].mean()), near)
    over = f1[MODEL] - f1[LABEL_ON_PARTS]
    values = {
        "giou": np.array([a.overlaps[MODEL].iou[1] for a in answered]),
        "f1": f1[MODEL],
        "near_f1": np.array([a.near_f1[MODEL] for a in answered]),
    }
    images = np.array([a.target.image_index for a in answered])
    return MaskGroup(
        len(answered),
        by,
        float(over.mean()),
        bootstrap_interval(over, images),
        {name: bootstrap_interval(found, images) for name, found in values.items()},
    )


def _empty(answered: Sequence[MaskOutcome]) -> EmptyMasks | None:
    if not answered:
        return None
    pixels = {n: np.array([a.predicted[n] for a in answered]) for n in answered[0].predicted}
    return EmptyMasks(
        len(answered),
        {name: float((found > 0).mean()) for name, found in pixels.items()},
        {name: float(found.mean()) for name, found in pixels.items()},
    )

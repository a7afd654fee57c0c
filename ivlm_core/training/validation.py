"""Held-out figures while training, and the score from which a vertex counts as in contact."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ivlm_core.cache import ArtifactCache
from ivlm_core.config import LiftConfig
from ivlm_core.datasets.sample import Target
from ivlm_core.evaluation.metrics import contact_scores
from ivlm_core.evaluation.photo_masks import near_f1
from ivlm_core.evaluation.photos import mask_f1
from ivlm_core.evaluation.segmentation import MaskMeter, mask_overlap
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.lift.extent import contact_threshold
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import PHOTO_TASK
from ivlm_core.photo_contact import PhotoContact, contact_in_photos
from ivlm_core.pipeline import Pipeline, Prediction, Query
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.visualize.overlay import photo_overlay
from ivlm_core.visualize.overview import overview

_BATCH = 25
_PICTURES = 3
_THRESHOLDS = np.arange(0.1, 0.71, 0.05)


class Validation:
    """Asks held-out questions through the pipeline that users call; answers are not forced."""

    def __init__(
        self,
        arrays: TrainingArrays,
        images: Sequence[int],
        object_mesh: Callable[[str], Mesh],
        human: int,
        objects: int,
    ) -> None:
        """Choose questions.

        Args:
            arrays: the split.
            images: held-out images.
            object_mesh: mesh of an object instance.
            human: most questions about the body.
            objects: most questions about objects; each may cost the renders of a mesh.
        """
        self.arrays, self.object_mesh = arrays, object_mesh
        held = set(images)
        asked = [t for t in arrays.targets if t.image_index in held]
        self.human = _spread([t for t in asked if t.task == "human_contact"], human)
        self.objects = _spread([t for t in asked if t.task != "human_contact"], objects)

    def figures(
        self, model: IvlmModel, processor: Processor
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Judge the answers about the body.

        Returns:
            Contact F1 and how many answers name exactly the right body parts; and the overview
            pictures of a few.
        """
        f1, right = [], []
        pictures: dict[str, np.ndarray] = {}
        for target, prediction in self._answers(model, processor, self.human):
            f1.append(_f1(target, prediction, prediction.threshold))
            said = {name for name in self.arrays.part_names if name in prediction.answer}
            right.append(said == set(target.parts))
            if len(pictures) < _PICTURES and target.vertices.size:
                photo = self.arrays.images[target.image_index].cpu().numpy()
                pictures[f"{len(pictures)}_{target.label}"] = overview(prediction, photo)
        figures = {"f1": float(np.mean(f1)), "answers_right": float(np.mean(right))}
        return figures, pictures

    def photo_figures(
        self, model: IvlmModel, processor: Processor
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Judge the masks on photographs.

        Returns:
            gIoU and F1 of those that are not empty; and one of them beside the true one.
        """
        masks = self._masks(model, processor, self.human)
        return _mask_figures(masks), self._mask_picture(masks)

    def thresholds(self, model: IvlmModel, processor: Processor) -> LiftConfig:
        """Return the model's lift settings with the thresholds that give the best mean F1."""
        lift = replace(
            model.config.lift,
            human_threshold=self._best(model, processor, self.human),
            object_threshold=self._best(model, processor, self.objects),
        )
        if PHOTO_TASK not in model.config.prompt.tasks:
            return lift
        masks = self._masks(model, processor, self.human)
        curves = [
            [m.worth(contact_threshold(m.scores, t, lift)) for t in _THRESHOLDS] for m in masks
        ]
        return replace(lift, photo_threshold=_best_threshold(curves))

    def _best(self, model: IvlmModel, processor: Processor, targets: Sequence[Target]) -> float:
        """Return the threshold that gives the best mean F1."""
        lift = model.config.lift
        curves = [
            [_f1(target, found, contact_threshold(found.scores, t, lift)) for t in _THRESHOLDS]
            for target, found in self._answers(model, processor, targets)
        ]
        return _best_threshold(curves)

    def _masks(
        self, model: IvlmModel, processor: Processor, targets: Sequence[Target]
    ) -> list["_Mask"]:
        """Ask where on the photographs the body touches what questions are about."""
        model.eval()
        pipeline = Pipeline(model, processor, ArtifactCache(max_bytes=0))
        masks = []
        for start in range(0, len(targets), _BATCH):
            batch = targets[start : start + _BATCH]
            photos = [self.arrays.images[t.image_index].cpu().numpy() for t in batch]
            found = contact_in_photos(pipeline, photos, [t.label for t in batch])
            for target, photo, answer in zip(batch, photos, found, strict=True):
                rank = self.arrays.labels.index(target.label) + 1
                truth = self.arrays.contacts[target.image_index].cpu().numpy() == rank
                masks.append(_Mask(photo, truth.astype(np.float32), answer))
        model.train()
        return masks

    def _mask_picture(self, masks: Sequence["_Mask"]) -> dict[str, np.ndarray]:
        """Return one photograph with the mask found and the true one beside each other."""
        shown = next((m for m in masks if m.truth.any()), None)
        if shown is None:
            return {}
        found = shown.found
        pair = (found.probabilities, found.threshold), (shown.truth, 0.5)
        return {"photograph": np.hstack([photo_overlay(shown.photo, *mask) for mask in pair])}

    def _answers(
        self, model: IvlmModel, processor: Processor, targets: Sequence[Target]
    ) -> Iterator[tuple[Target, Prediction]]:
        model.eval()
        pipeline = Pipeline(model, processor, ArtifactCache(max_bytes=0))  # weights still change
        for start in range(0, len(targets), _BATCH):
            batch = targets[start : start + _BATCH]
            yield from zip(batch, pipeline.predict_batch(self._queries(batch)), strict=True)
        model.train()

    def _queries(self, targets: Sequence[Target]) -> list[Query]:
        return [
            Query(
                self.arrays.images[t.image_index].cpu().numpy(),
                t.label,
                t.task,
                self.object_mesh(t.instance) if t.task != "human_contact" and t.instance else None,
            )
            for t in targets
        ]


@dataclass(frozen=True)
class _Mask:
    """Contact on one photograph."""

    photo: np.ndarray
    """uint8 RGB `[side, side, 3]`."""
    truth: np.ndarray
    """float32 `[side, side]`, 1 in contact."""
    found: PhotoContact

    @property
    def scores(self) -> np.ndarray:
        """Probabilities of the pixels, `[side * side]`."""
        return self.found.probabilities.ravel()

    def worth(self, threshold: float) -> float:
        """`near_f1`; of an empty mask 1 if nothing is found, as of a surface.

        By plain F1, of masks of a few pixels, it would be best to find nothing at all.
        """
        found = self.found.probabilities >= threshold
        true = self.truth > 0
        return near_f1(true, found) if true.any() else float(not found.any())


def _mask_figures(masks: Sequence[_Mask]) -> dict[str, float]:
    """Return gIoU and F1 of the masks that are not empty."""
    ious, f1 = MaskMeter(), []
    for m in masks:
        if m.truth.any():
            contact = m.found.contact.astype(np.float32)
            ious.add(mask_overlap(contact[None], m.truth[None], heat_map=True))
            f1.append(mask_f1(m.truth, contact))
    return {"photo_giou": ious.giou(), "photo_f1": float(np.mean(f1))} if f1 else {}


def _best_threshold(curves: Sequence[Sequence[float]]) -> float:
    """Return which of `_THRESHOLDS` has the best mean F1; one half without questions."""
    return round(float(_THRESHOLDS[np.mean(curves, axis=0).argmax()]), 2) if curves else 0.5


def _f1(target: Target, prediction: Prediction, threshold: float) -> float:
    scores = contact_scores(target.dense()[None], prediction.scores[None], threshold)
    return float(scores.f1[0])


def _spread(targets: list[Target], count: int) -> list[Target]:
    """Return `count` targets at equal distances."""
    stride = max(1, len(targets) // max(1, count))
    return targets[::stride][:count]

"""A loaded model asked about labels on the surfaces that they have: what node and bag call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from ivlm_core.detections import Region
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.model.prompts import SCENE_LABEL
from ivlm_core.model_source import ModelSource
from ivlm_core.object_meshes import ObjectMeshes
from ivlm_core.pipeline import Pipeline, Prediction, Query, Task

_WARM_UP_SIZE = (480, 640)
_REMEMBERED = 256
"""Things that were said once."""


class Estimator:
    """Asks a model about labels on the surfaces that they have.

    Args:
        pipeline: the model.
        meshes: surfaces by label.
        warn: told once of each label that has no surface.
        source: where the model comes from; it is loaded there again when the GPU's memory is full.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        meshes: ObjectMeshes,
        warn: Callable[[str], None],
        source: ModelSource | None = None,
    ) -> None:
        self.pipeline, self.meshes, self._warn, self.source = pipeline, meshes, warn, source
        self._said: set[str] = set()

    def warm_up(self, labels: Sequence[str], tasks: Sequence[Task]) -> None:
        """Answer once, so that no image waits for what only the first answer needs."""
        blank = np.full((*_WARM_UP_SIZE, 3), 127, np.uint8)
        on_body = [task for task in tasks if task == "human_contact"]
        self.estimate(blank, labels or (SCENE_LABEL,), tasks if labels else on_body)

    def estimate(
        self,
        photo: np.ndarray,
        labels: Sequence[str],
        tasks: Sequence[Task],
        threshold: float | None = None,
        attention: bool = False,
        regions: Mapping[tuple[str, Task], Region] = MappingProxyType({}),
        boxes: Mapping[str, PixelBox] = MappingProxyType({}),
    ) -> list[Prediction]:
        """Ask every task about every label; an object task whose label has no surface is left out.

        Args:
            photo: uint8 RGB `[height, width, 3]`.
            labels: what is asked about; all share the reading of the photo.
            tasks: what is asked.
            threshold: score from which a vertex counts as in contact; None takes the model's.
            attention: also tell where the language model looked.
            regions: by label and task, the part of the photo that is read for it instead of all.
            boxes: by label, where the object is in the photo, for models that read boxes.
        """
        queries: list[Query] = []
        parts: list[Region | None] = []
        read: dict[Region | None, np.ndarray] = {None: photo}
        for label in labels:
            for task in tasks:
                try:
                    mesh = None if task == "human_contact" else self.meshes.get(label)
                except (LookupError, ValueError, OSError) as error:
                    self._say_once(f"{task} left out: {error}")
                    continue
                part = regions.get((label, task))
                if part is not None and part not in read:  # one array: its reading is shared
                    read[part] = photo[part.top : part.bottom, part.left : part.right]
                box = boxes.get(label) if self.pipeline.reads_boxes else None
                queries.append(Query(read[part], label, task, mesh, _in_part(box, part)))
                parts.append(part)
        found = self._predict(queries, attention) if queries else []
        return [
            with_threshold(_over_photo(prediction, part, photo), threshold)
            for prediction, part in zip(found, parts, strict=True)
        ]

    def estimate_on(
        self,
        photo: np.ndarray,
        label: str,
        task: Task,
        mesh: Mesh | None,
        box: PixelBox | None = None,
    ) -> Prediction:
        """Ask one task about one label.

        Args:
            photo: uint8 RGB `[height, width, 3]`.
            label: what is asked about.
            task: what is asked.
            mesh: surface of the object; None takes the label's.
            box: where the object is in the photo; None where that is not known.

        Raises:
            LookupError, ValueError, OSError: there is no surface, or it cannot be used.
            ValueError: a box for a model that reads none, or one that cannot be.
        """
        if task == "human_contact":
            mesh = None
        elif mesh is None:
            mesh = self.meshes.get(label)
        return self._predict([Query(photo, label, task, mesh, box)])[0]

    def _predict(self, queries: Sequence[Query], attention: bool = False) -> list[Prediction]:
        """Ask the model; where the GPU's memory is full, what can be done without goes first.

        That is surfaces that are kept ready, then precision, then the GPU itself.

        Raises:
            MemoryError: the source allows no more.
        """
        if self.source is None:
            return self.pipeline.predict_batch(queries, attention)
        tidied = False
        while True:
            if self.pipeline.released:
                self.pipeline = self.source.load()
            try:
                return self.pipeline.predict_batch(queries, attention)
            except torch.OutOfMemoryError as error:
                reason = str(error)
            # Outside the handler: the error's traceback holds what the failed try had made.
            if tidied:
                self.source.step_down(reason)
                self.pipeline.release()
            else:
                self.pipeline.surfaces.forget_ready()
            torch.cuda.empty_cache()
            tidied = True

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            self._said.add(text)
            self._warn(text)


def _in_part(box: PixelBox | None, part: Region | None) -> PixelBox | None:
    """Return a box in pixels of a part of its photo."""
    if box is None or part is None:
        return box
    left, top, right, bottom = box
    return left - part.left, top - part.top, right - part.left, bottom - part.top


def _over_photo(prediction: Prediction, part: Region | None, photo: np.ndarray) -> Prediction:
    """Return a prediction about a part of a photo with its attention over the whole photo."""
    if part is None or prediction.attention is None:
        return prediction
    whole = np.zeros(photo.shape[:2], np.float32)
    whole[part.top : part.bottom, part.left : part.right] = prediction.attention
    return replace(prediction, attention=whole)


def with_threshold(prediction: Prediction, threshold: float | None) -> Prediction:
    """Return a prediction with another threshold, or itself."""
    return prediction if threshold is None else replace(prediction, threshold=threshold)

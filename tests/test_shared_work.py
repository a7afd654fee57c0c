"""What is known is not computed again: views are encoded once, an image is read once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ivlm_core.cache import ArtifactCache
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.pipeline import Pipeline, Query


class Calls:
    """Batch sizes with which the two image readers were called."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.views: list[int] = []
        self.photos: list[int] = []
        model = pipeline.model
        self.handles = [
            model.image_encoder.register_forward_hook(self._note(self.views)),
            model.vlm.tower.register_forward_hook(self._note(self.photos)),
        ]

    @staticmethod
    def _note(calls: list[int]):
        return lambda module, inputs, output: calls.append(len(inputs[0]))


@pytest.fixture
def pipeline(answering_model: Path, tmp_path: Path) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path)


@pytest.fixture
def calls(pipeline: Pipeline) -> Iterator[Calls]:
    counted = Calls(pipeline)
    yield counted
    for handle in counted.handles:
        handle.remove()


@pytest.fixture
def photos() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(3)]


def test_warm_queries_never_encode_views(
    pipeline: Pipeline, calls: Calls, photos: list[np.ndarray], sphere: Mesh
) -> None:
    pipeline.predict(photos[0], "bottle")
    pipeline.predict(photos[0], "ball", "object_contact", sphere)
    assert sum(calls.views) == 8  # four views of the body, four of the object
    same = Mesh(sphere.vertices.copy(), sphere.faces.copy(), name="read again")
    pipeline.predict(photos[1], "chair")
    pipeline.predict(photos[1], "ball", "object_contact", same)
    pipeline.predict(photos[1], "ball", "object_affordance", same)
    pipeline.predict_batch([Query(p, "bottle", "human_contact") for p in photos])
    assert sum(calls.views) == 8


def test_new_process_finds_the_encoded_views(
    pipeline: Pipeline, calls: Calls, photos: list[np.ndarray], tmp_path: Path
) -> None:
    pipeline.predict(photos[0], "bottle")
    again = Pipeline(pipeline.model, pipeline.processor, ArtifactCache(tmp_path))
    again.predict(photos[1], "bottle")
    assert sum(calls.views) == 4


def test_changed_encoder_encodes_anew(
    pipeline: Pipeline, calls: Calls, photos: list[np.ndarray], tmp_path: Path
) -> None:
    pipeline.predict(photos[0], "bottle")
    with torch.no_grad():
        next(pipeline.model.image_encoder.parameters()).add_(0.1)
    Pipeline(pipeline.model, pipeline.processor, ArtifactCache(tmp_path)).predict(photos[0], "cup")
    assert sum(calls.views) == 8


def test_labels_on_one_image_share_its_reading(
    pipeline: Pipeline, calls: Calls, photos: list[np.ndarray]
) -> None:
    labels = ["bottle", "chair", "scene"]
    pipeline.predict_batch([Query(photos[0], label, "human_contact") for label in labels])
    assert calls.photos == [1]
    frames = [Query(photo, "bottle", "human_contact") for photo in photos]
    pipeline.predict_batch([*frames, Query(photos[1], "chair", "human_contact")])
    assert calls.photos == [1, 3]  # frames are read together, the repeated one once


def test_surfaces_stay_on_the_device_until_they_leave_the_cache(
    answering_model: Path, tmp_path: Path
) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    assert pipeline.surfaces.body().lift is pipeline.surfaces.body().lift
    off = ArtifactCache(tmp_path, memory_items=0)
    surfaces = Pipeline(pipeline.model, pipeline.processor, off).surfaces
    assert surfaces.body().lift is not surfaces.body().lift

"""Boxes of a detector to the parts of an image that are asked about."""

from pathlib import Path

import numpy as np
import pytest

from ivlm_core.detections import (
    MIN_SIDE,
    Detection,
    Region,
    detected_labels,
    object_boxes,
    regions,
)
from ivlm_core.estimator import Estimator
from ivlm_core.object_meshes import ObjectMeshes
from ivlm_core.pipeline import Pipeline

SIZE = (640, 480)
MUG = Detection("mug", 0.8, (300, 200, 340, 250))
OTHER_MUG = Detection("mug", 0.4, (10, 10, 60, 60))
NEAR = Detection("person", 0.6, (200, 50, 330, 470))
FAR = Detection("person", 0.9, (500, 100, 600, 400))
TASKS = ("human_contact", "object_affordance")


def test_an_objects_box_and_the_person_who_is_nearest() -> None:
    found = regions([OTHER_MUG, MUG, FAR, NEAR], ["mug"], TASKS, SIZE, 0.0)
    assert found == {
        ("mug", "object_affordance"): Region(300, 200, 340, 250),
        ("mug", "human_contact"): Region(200, 50, 340, 470),
    }
    swapped = regions([NEAR, FAR, MUG, OTHER_MUG], ["mug"], TASKS, SIZE, 0.0)
    assert swapped == found, "their order says nothing"


def test_margins_end_at_the_image() -> None:
    wide = regions([NEAR, MUG], ["mug"], TASKS, SIZE, 0.5)
    assert wide["mug", "object_affordance"] == Region(280, 175, 360, 275)
    assert wide["mug", "human_contact"] == Region(130, 0, 410, 480)


def test_what_was_not_detected_has_no_part() -> None:
    assert regions([MUG], ["mug", "chair"], TASKS, SIZE, 0.1).keys() == {
        ("mug", "object_affordance")
    }
    assert regions([NEAR], ["mug"], TASKS, SIZE, 0.1) == {}
    assert regions([FAR, NEAR], ["scene"], TASKS[:1], SIZE, 0.0) == {
        ("scene", "human_contact"): Region(500, 100, 600, 400)
    }
    assert regions([], ["scene"], TASKS[:1], SIZE, 0.0) == {}


def test_tiny_and_outside_boxes() -> None:
    tiny = Detection("mug", 0.8, (300, 200, 301, 201))
    found = regions([tiny], ["mug"], ["object_contact"], SIZE, 0.0)["mug", "object_contact"]
    assert (found.right - found.left, found.bottom - found.top) == (MIN_SIDE, MIN_SIDE)
    for box in ((-90, -90, -50, -50), (700, 10, 900, 90), (635, 100, 800, 200)):
        gone = Detection("mug", 0.8, box)
        assert regions([gone], ["mug"], ["object_contact"], SIZE, 0.0) == {}, box


def test_a_huge_box_is_the_whole_image() -> None:
    huge = Detection("mug", 0.8, (-8e307, -8e307, 8e307, 8e307))
    found = regions([huge], ["mug"], ["object_contact"], SIZE, 5.0)
    assert found == {("mug", "object_contact"): Region(0, 0, *SIZE)}


def test_objects_have_the_box_that_is_surest() -> None:
    same = MUG._replace(box=(1, 2, 30, 40))
    found = object_boxes([OTHER_MUG, MUG, same, NEAR], ["mug", "chair", "scene"], SIZE)
    assert found == {"mug": MUG.box}, "of equally sure ones the first"
    over = Detection("mug", 0.8, (-10, 400, 30, 500))
    assert object_boxes([over], ["mug"], SIZE) == {"mug": (0, 400, 30, 480)}
    outside = Detection("mug", 0.9, (700, 10, 900, 90))
    nowhere = Detection("scene", 0.9, MUG.box)
    assert object_boxes([outside, nowhere], ["mug", "scene"], SIZE) == {}


def test_labels_of_things_surest_first() -> None:
    chair = Detection("chair", 0.5, (0, 0, 9, 9))
    assert detected_labels([OTHER_MUG, chair, NEAR, MUG], 8) == ("mug", "chair")
    assert detected_labels([OTHER_MUG, chair, NEAR, MUG], 1) == ("mug",)


@pytest.mark.parametrize("seed", range(20))
def test_parts_always_lie_in_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-200, 900, (40, 2, 2))
    low, high = corners.min(axis=1), corners.max(axis=1)
    found = [
        Detection(("mug", "person")[i % 2], float(rng.random()), (*low[i], *high[i]))
        for i in range(40)
    ]
    for part in regions(found, ["mug", "scene"], TASKS, SIZE, 0.3).values():
        assert 0 <= part.left < part.right <= 640 and 0 <= part.top < part.bottom <= 480
        assert part.right - part.left >= MIN_SIDE / 2 and part.bottom - part.top >= MIN_SIDE / 2


def test_a_part_is_read_once_and_attention_lies_over_the_whole_photo(
    answering_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    estimator = Estimator(pipeline, ObjectMeshes(None, pipeline.default_object_mesh), print)
    read: list[int] = []
    pixel_values = pipeline.processor.pixel_values
    monkeypatch.setattr(
        pipeline.processor,
        "pixel_values",
        lambda images: read.append(len(images)) or pixel_values(images),
    )
    photo = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    part = Region(30, 10, 80, 50)
    parts = {("chair", task): part for task in TASKS}
    found = estimator.estimate(photo, ["chair", "mug"], TASKS, attention=True, regions=parts)
    assert read == [2], "the part and the whole, each once"
    for prediction in found[:2]:
        assert prediction.label == "chair" and prediction.attention.shape == (60, 90)
        inside = prediction.attention[10:50, 30:80]
        assert inside.max() == 1 and prediction.attention.sum() == pytest.approx(inside.sum())
    alone = pipeline.predict(photo[10:50, 30:80], "chair", "human_contact")
    np.testing.assert_allclose(found[0].scores, alone.scores, atol=1e-5)

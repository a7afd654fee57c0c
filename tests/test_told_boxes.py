"""Where a detector found the object, told to the model along with the question."""

from pathlib import Path

import numpy as np
import pytest

from ivlm_core.detections import Region
from ivlm_core.estimator import Estimator
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.object_meshes import ObjectMeshes
from ivlm_core.pipeline import Pipeline, Query

BOX = (10.0, 8.0, 40.0, 30.0)
SAME, OTHER = 2e-6, 2e-5
"""Scores of the untrained model are equal up to this, and different from this on."""


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pipeline(told_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(told_model, "cpu", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def unread(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path_factory.mktemp("cache"))


def test_a_box_counts_and_only_for_its_question(pipeline: Pipeline, photo: np.ndarray) -> None:
    assert pipeline.reads_boxes
    plain = pipeline.predict(photo, "bottle")
    told = pipeline.predict(photo, "bottle", box=BOX)
    elsewhere = pipeline.predict(photo, "bottle", box=(40, 20, 60, 44))
    assert np.abs(told.scores - plain.scores).max() > OTHER
    assert np.abs(told.scores - elsewhere.scores).max() > OTHER
    first, second, third = pipeline.predict_batch(
        [
            Query(photo, "bottle", "human_contact", box=BOX),
            Query(photo, "bottle", "human_contact"),
            Query(photo, "scene", "human_contact"),
        ],
        attention=True,
    )
    np.testing.assert_allclose(first.scores, told.scores, atol=SAME)
    np.testing.assert_allclose(second.scores, plain.scores, atol=SAME)
    assert third.attention is not None and first.attention is not None
    assert np.abs(first.attention - second.attention).max() > 1e-3, "it is looked at with the box"
    _, asked = pipeline.ask(Query(photo, "bottle", "human_contact", box=BOX))
    _, asked_plain = pipeline.ask(Query(photo, "bottle", "human_contact"))
    assert not np.allclose(asked.embedding, asked_plain.embedding, atol=1e-4)


def test_what_reaches_over_the_border_is_cut(pipeline: Pipeline, photo: np.ndarray) -> None:
    over = pipeline.predict(photo, "bottle", box=(-20, 8, 40, 300))
    inside = pipeline.predict(photo, "bottle", box=(0, 8, 40, 48))
    np.testing.assert_allclose(over.scores, inside.scores, atol=SAME)


@pytest.mark.parametrize(
    ("label", "box", "said"),
    [
        ("bottle", (90, 10, 120, 20), "outside the image of 64x48"),
        ("bottle", (30, 10, 20, 20), "no area"),
        ("bottle", (float("nan"), 10, 20, 20), "left, top, right, bottom"),
        ("scene", BOX, "'scene' is no object"),
    ],
)
def test_boxes_that_cannot_be_are_refused(
    pipeline: Pipeline, photo: np.ndarray, label: str, box: PixelBox, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        pipeline.predict(photo, label, box=box)


def test_a_model_that_reads_no_boxes_refuses_them(unread: Pipeline, photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="model tiny did not learn.*leave the box out"):
        unread.predict(photo, "bottle", box=BOX)


def test_a_part_of_the_photo_is_told_where_it_has_the_object(
    pipeline: Pipeline, photo: np.ndarray
) -> None:
    estimator = Estimator(pipeline, ObjectMeshes(None, pipeline.default_object_mesh), print)
    part = Region(4, 2, 60, 40)
    parts, tasks = {("bottle", "human_contact"): part}, ["human_contact"]
    (found,) = estimator.estimate(photo, ["bottle"], tasks, regions=parts, boxes={"bottle": BOX})
    cut = photo[part.top : part.bottom, part.left : part.right]
    expected = pipeline.predict(cut, "bottle", box=(6, 6, 36, 28))
    np.testing.assert_allclose(found.scores, expected.scores, atol=SAME)
    (whole,) = estimator.estimate(photo, ["bottle"], tasks, boxes={"bottle": BOX, "mug": BOX})
    told = pipeline.predict(photo, "bottle", box=BOX)
    np.testing.assert_allclose(whole.scores, told.scores, atol=SAME)


def test_without_such_a_model_boxes_are_left_out(unread: Pipeline, photo: np.ndarray) -> None:
    estimator = Estimator(unread, ObjectMeshes(None, unread.default_object_mesh), print)
    (found,) = estimator.estimate(photo, ["bottle"], ["human_contact"], boxes={"bottle": BOX})
    plain = unread.predict(photo, "bottle")
    np.testing.assert_allclose(found.scores, plain.scores, atol=SAME)

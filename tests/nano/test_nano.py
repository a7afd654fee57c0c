"""The shipped model, on held-out bodies, objects and interactions."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from ivlm_core.evaluation.metrics import contact_scores
from ivlm_core.evaluation.photo_masks import near_f1
from ivlm_core.model.shipped import model_folder
from ivlm_core.photo_contact import contact_in_photos
from ivlm_core.pipeline import Pipeline, Query

HELD_OUT, TOLD, PHOTO = (
    Path(__file__).with_name(f"{name}.npz") for name in ("held_out", "told", "photo")
)


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    return _read(HELD_OUT)


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        read = dict(file)
    packed = np.split(read.pop("pictures"), read.pop("sizes").cumsum()[:-1])
    read["images"] = np.stack([Image.open(BytesIO(picture.tobytes())) for picture in packed])
    return read


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained("nano", "cpu", tmp_path_factory.mktemp("cache"))


class Found(NamedTuple):
    """What is kept of a prediction; with masks and renders, a thousand of them take gigabytes."""

    contact: np.ndarray
    answer: str


@pytest.fixture(scope="module")
def found(pipeline: Pipeline, data: dict[str, np.ndarray]) -> list[Found]:
    queries = [
        Query(data["images"][i], str(label), "human_contact")
        for i, label in zip(data["image"], data["label"], strict=True)
    ]
    return [
        Found(p.contact, p.answer)
        for k in range(0, len(queries), 16)
        for p in pipeline.predict_batch(queries[k : k + 16])
    ]


def _truth(data: dict[str, np.ndarray], vertices: int) -> np.ndarray:
    truth = np.zeros((len(data["label"]), vertices), np.float32)
    for row, ids in zip(
        truth, np.split(data["vertices"], data["count"].cumsum()[:-1]), strict=True
    ):
        row[ids] = 1
    return truth


def test_better_than_knowing_the_label_only(
    data: dict[str, np.ndarray], found: list[Found]
) -> None:
    truth = _truth(data, len(found[0].contact))
    f1 = contact_scores(truth, np.stack([p.contact for p in found]).astype(np.float32)).f1
    blind = data["label_only_f1"]
    assert f1.mean() > blind.mean() + 0.03
    undecided = data["side_undecided"]
    assert f1[undecided].mean() > blind[undecided].mean() + 0.10


def test_two_things_in_one_image_get_two_answers(
    data: dict[str, np.ndarray], found: list[Found]
) -> None:
    """Also where both are things: the ground is easily told from a thing."""
    truth = _truth(data, len(found[0].contact)).astype(bool)
    differ = nearer = pairs = 0
    for image in np.unique(data["image"]):
        rows = np.flatnonzero((data["image"] == image) & (data["label"] != "scene"))
        for a, b in zip(rows[:-1], rows[1:], strict=True):
            pairs += 1
            one, other = found[a].contact, found[b].contact
            differ += bool((one != other).any())
            own, crossed = _overlaps(one, other, truth[a], truth[b])
            nearer += own > crossed
    assert pairs > 100
    assert differ > 0.9 * pairs
    assert nearer > 0.5 * pairs


def _overlaps(
    one: np.ndarray, other: np.ndarray, of_one: np.ndarray, of_other: np.ndarray
) -> tuple[float, float]:
    """F1 of two answers with their own truths, and with each other's."""

    def f1(answer: np.ndarray, truth: np.ndarray) -> float:
        return 2 * (answer & truth).sum() / max(1, answer.sum() + truth.sum())

    own = f1(one, of_one) + f1(other, of_other)
    return own, f1(one, of_other) + f1(other, of_one)


def test_objects_and_ground_are_told_apart_in_one_image(
    data: dict[str, np.ndarray], found: list[Found]
) -> None:
    pairs = 0
    for image in np.unique(data["image"]):
        rows = np.flatnonzero(data["image"] == image)
        for a, b in zip(rows[:-1], rows[1:], strict=True):
            if "scene" not in (data["label"][a], data["label"][b]):
                continue
            one, other = found[a].contact, found[b].contact
            if not one.any() and not other.any():
                continue
            overlap = (one & other).sum() / max(1, (one | other).sum())
            assert overlap < 0.9, (image, data["label"][a], data["label"][b])
            pairs += 1
    assert pairs > 10


def test_told_where_the_thing_is_it_is_surer_of_what_touches_it(pipeline: Pipeline) -> None:
    told = _read(TOLD)
    asked = [
        Query(told["images"][i], str(label), "human_contact", box=tuple(map(float, box)))
        for i, label, box in zip(told["image"], told["label"], told["box"], strict=True)
    ]
    plain = [replace(query, box=None) for query in asked]
    contacts = [_contacts(pipeline, queries) for queries in (asked, plain)]
    truth = _truth(told, contacts[0].shape[1])
    touched = told["count"] > 0
    with_box, without = (
        contact_scores(truth, contact.astype(np.float32)).f1[touched].mean() for contact in contacts
    )
    assert touched.sum() > 100
    assert with_box > without + 0.03


def _contacts(pipeline: Pipeline, queries: list[Query]) -> np.ndarray:
    """Return what is in contact, `[query, vertex]`."""
    batches = (queries[k : k + 16] for k in range(0, len(queries), 16))
    return np.stack([p.contact for batch in batches for p in pipeline.predict_batch(batch)])


def test_contact_in_sight_is_masked_near_where_it_is(pipeline: Pipeline) -> None:
    """Of the ground nearly always, of things where no guess from the label could know it."""
    given = _read(PHOTO)
    side = given["images"].shape[1]
    true = np.unpackbits(given["mask"], axis=1).reshape(-1, side, side).astype(bool)
    found = [
        answer.contact
        for k in range(0, len(true), 16)
        for answer in contact_in_photos(
            pipeline,
            [given["images"][i] for i in given["image"][k : k + 16]],
            [str(label) for label in given["label"][k : k + 16]],
        )
    ]
    near = np.array([near_f1(t, f) for t, f in zip(true, found, strict=True)])  # NaN: none to find
    ground = given["label"] == "scene"
    assert np.nanmean(near[ground]) > 0.7
    assert np.nanmean(near[~ground]) > 0.2
    untouched = ~true.any(axis=(1, 2))
    assert np.mean([f.any() for f in np.array(found)[untouched]]) < 0.4


def test_answers_ask_for_a_mask(found: list[Found]) -> None:
    assert all("<HCON>" in p.answer for p in found)


def test_weights_are_small_enough_to_ship() -> None:
    files = [f for f in model_folder("nano").rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 40_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        f.name for f in files
    }


def test_categories_it_was_trained_on_can_be_asked_about(pipeline: Pipeline, data: dict) -> None:
    from ivlm_core.synthesis.objects import CATEGORIES

    config = json.loads((model_folder("nano") / "config.json").read_text())
    trained = sorted(set(config["prompt"]["labels"]) & set(CATEGORIES))
    assert len(trained) >= 18
    image = data["images"][0]
    for label in trained[::4]:
        result = pipeline.predict(image, label, "object_affordance")
        assert len(result.scores) == len(result.mesh.vertices)
        assert "<OCON>" in result.answer

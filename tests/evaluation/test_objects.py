"""Answers on given pictures: contact on PICO's objects, affordance on LEMON's and in AGD20K."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.datasets.published.agd20k import read_agd20k
from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.objects import (
    LEMON_AFFORDANCES,
    read_lemon_objects,
    read_pico,
)
from ivlm_core.datasets.published.pico import read_pico_raw
from ivlm_core.evaluation import affordance_photos
from ivlm_core.evaluation.affordance import evaluate_affordance
from ivlm_core.evaluation.affordance_photos import evaluate_affordance_photos
from ivlm_core.evaluation.given_pictures import affordance_in_photo, scores_on_pictures
from ivlm_core.evaluation.heat_maps import fitted, kld, nss, sim
from ivlm_core.evaluation.metrics import contact_scores, roc_auc
from ivlm_core.evaluation.object_contact import evaluate_object_contact
from ivlm_core.evaluation.published import evaluate_contact
from ivlm_core.geometry.mesh import Mesh, load_mesh
from ivlm_core.official.view_sets import get_view_set
from ivlm_core.pipeline import Pipeline, Query
from tests.datasets.published import agd20k_files, pico_files

SIZE = 64  # of the tiny model's views


@pytest.fixture(scope="module")
def pipeline(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (48, 36, 3), dtype=np.uint8)


def test_the_pipelines_own_pictures_give_its_own_scores(
    pipeline: Pipeline, photo: np.ndarray, sphere: Mesh
) -> None:
    query = Query(photo, "mug", "object_contact", sphere)
    (expected,) = pipeline.predict_batch([query])
    lift = pipeline.surfaces.of_mesh(sphere).lift
    scores = scores_on_pictures(pipeline, query, expected.view_images, lift)
    assert expected.scores.any()
    np.testing.assert_allclose(scores, expected.scores, atol=1e-6)
    assert pipeline.ask(query)[0] == expected.answer
    with pytest.raises(ValueError, match="32x64 pixels; the model localises on 64x64"):
        scores_on_pictures(pipeline, query, expected.view_images[:, :, :32], lift)


def test_an_answer_without_contact_token_scores_nothing(
    pipeline: Pipeline, photo: np.ndarray, sphere: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "ask", lambda query: ("nothing", None))
    query = Query(photo, "mug", "object_affordance", sphere)
    pictures = np.zeros((4, SIZE, SIZE, 3), np.uint8)
    lift = pipeline.surfaces.of_mesh(sphere).lift
    assert not scores_on_pictures(pipeline, query, pictures, lift).any()
    assert affordance_in_photo(pipeline, query).shape == (48, 36)
    assert not affordance_in_photo(pipeline, query).any()


def write_pico(root: Path, side: int = SIZE) -> None:
    """Write one test sample of PICO as the reference preprocesses it."""
    folder = root / "pico" / "test"
    place = folder / "lowpoly_mesh_0507" / "mug"
    place.mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)

    def picture(path: Path) -> None:
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(path)

    picture(folder / "images" / "mug__0017.png")
    (folder / "test_imglist.pkl").write_bytes(pickle.dumps(["mug__0017.png"]))
    for view in get_view_set("4MV-Z_HM_BM").view_rig(mesh=True).view_names:
        ids = rng.integers(0, 12, (side, side, 3))
        weights = rng.dirichlet(np.ones(3), (side, side))
        maps = {"pixel_to_vertices_map": ids, "bary_coords_map": weights, "num_vertices": 12}
        np.savez(place / f"p2vmap_0017_{view}.npz", **maps)
        picture(place / f"sam_0017_{view}.png")
    contact = (np.arange(12) < 5).astype(float)
    (place / "contact_vertices_0017.pkl").write_bytes(pickle.dumps(contact))


def test_contact_on_picos_prepared_pictures(pipeline: Pipeline, tmp_path: Path) -> None:
    write_pico(tmp_path)
    items = read_pico(tmp_path, "test")
    report = evaluate_object_contact(pipeline, items, about={"model": "tiny"})
    assert report.on_object is not None and report.on_object.samples == 1
    assert report.per_object == {"mug": report.on_object} and report.on_body is None
    assert 0 <= report.on_object.f1 <= 1
    with pytest.raises(DatasetError, match="0 pictures of its object and 4 lifting maps"):
        evaluate_object_contact(pipeline, [replace(items[0], renders=())])
    with pytest.raises(ValueError, match="of kind hcontact"):
        evaluate_object_contact(pipeline, [replace(items[0], kind="hcontact")])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_object_contact(pipeline, [])
    write_pico(tmp_path, side=32)
    with pytest.raises(DatasetError, match=r"mug__0017: pictures of 32x32 pixels"):
        evaluate_object_contact(pipeline, read_pico(tmp_path, "test"))


def test_contact_on_meshes_beside_contact_on_the_body(pipeline: Pipeline, tmp_path: Path) -> None:
    for name in ("cup__1", "cup__2", "bench__1"):
        pico_files.write_sample(tmp_path / name)
    items = read_pico_raw(tmp_path)
    things = [item for item in items if item.kind == "ocontact"]
    # The tiny model's body is not SMPL: its labels here are as if they were of its own.
    body = [replace(i, num_vertices=13718) for i in items if i.kind == "hcontact"]
    report = evaluate_object_contact(pipeline, things, evaluate_contact(pipeline, body))
    mesh = load_mesh(tmp_path / "cup__1" / "object.obj")
    found = pipeline.predict(things[0].image, "bench", "object_contact", mesh).scores
    f1 = contact_scores(things[0].dense()[None], found[None]).f1[0]
    assert things[0].label == "bench"
    assert report.per_object["bench"].f1 == pytest.approx(f1)
    assert [s.samples for s in report.per_object.values()] == [1, 2]
    assert report.on_object is not None and report.on_object.samples == 3
    report.save(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["object"]["samples"] == 3 and told["human"]["binary"]["f1"] >= 0
    text = (tmp_path / "out" / "report.txt").read_text()
    assert "contact on the body" in text and "contact on the object" in text
    with pytest.raises(DatasetError, match=r"labels of 9 vertices, but '.*object\.obj' has 8"):
        evaluate_object_contact(pipeline, [replace(things[0], num_vertices=9)])


def test_lemons_clouds_have_their_own_columns(pipeline: Pipeline, tmp_path: Path) -> None:
    folder = tmp_path / "lemon"
    lines = {"txt_scripts/val.txt": "Images/Guitar/play/Guitar_play_2.png"}
    rng = np.random.default_rng(0)
    points, scores = rng.normal(size=(60, 3)), np.zeros((60, 17))
    scores[:20, LEMON_AFFORDANCES.index("play")] = 1
    for path, line in lines.items():
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(line)
    (folder / "Objects").mkdir()
    np.savetxt(folder / "Objects" / "Guitar_1.txt", np.hstack([points, scores]))
    image = folder / "Images/Guitar/play/Guitar_play_2.png"
    image.parent.mkdir(parents=True)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(image)
    lookup = folder / "lemon_ocontact" / "lemon_lookup_results_val.pkl"
    lookup.parent.mkdir()
    lookup.write_bytes(pickle.dumps({image.name: ["Objects/Guitar_1.txt"]}))
    items = read_lemon_objects(tmp_path, "val")
    report = evaluate_affordance(pipeline, items)
    assert set(report.per_object) == {"guitar"} and set(report.per_affordance) == {"play"}
    assert 0 <= report.all.auc <= 1
    # Shown from nearer than PIAD's clouds, so that the answer is another one.
    piad = pipeline.predict(image, "guitar", "object_affordance", Mesh(points, np.zeros((0, 3))))
    other = roc_auc(scores[:, [LEMON_AFFORDANCES.index("play")]].T, piad.scores[None])[0]
    assert report.all.auc != pytest.approx(other, abs=1e-6)
    lookup.write_bytes(pickle.dumps({image.name: ["Objects/missing.txt"]}))
    with pytest.raises(ValueError, match=r"missing\.txt"):
        evaluate_affordance(pipeline, read_lemon_objects(tmp_path, "val"))


@pytest.fixture
def heat_items(tmp_path: Path) -> list[LabelledImage]:
    root = tmp_path / "AGD20K"
    agd20k_files.write_sample(root, "drink_with", "cup", "cup_1")
    agd20k_files.write_sample(root, "pour", "cup", "cup_22")
    return read_agd20k(root, "Seen")


def test_heat_maps_are_compared_at_their_published_size(
    pipeline: Pipeline, heat_items: list[LabelledImage]
) -> None:
    report = evaluate_affordance_photos(pipeline, heat_items, about={"model": "tiny"})
    rows = []
    for item in heat_items:
        truth = fitted(np.asarray(Image.open(item.masks[0]), float) / 255)
        query = Query(item.image, item.label, "object_affordance")
        found = affordance_in_photo(pipeline, query)
        assert found.shape == (30, 40) and 0 < found.min() <= found.max() < 1
        rows.append([measure(truth, fitted(found)) for measure in (kld, sim, nss)])
    figures = np.mean(rows, axis=0)
    assert [report.all.kld, report.all.sim, report.all.nss] == pytest.approx(figures)
    assert report.per_affordance["pour"].kld == pytest.approx(rows[1][0])
    assert (report.all.samples, report.per_object["cup"].samples) == (2, 2)
    assert report.middle.samples == 2 and report.middle.constant == report.all.constant == 0
    assert report.about["supervision"] == "none on photographs"


def test_maps_that_say_nothing_are_counted(
    pipeline: Pipeline, heat_items: list[LabelledImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(heat_items[0].masks[0])
    flat: Any = lambda pipeline, query: np.zeros((30, 40), np.float32)  # noqa: E731
    monkeypatch.setattr(affordance_photos, "affordance_in_photo", flat)
    report = evaluate_affordance_photos(pipeline, heat_items)
    assert (report.all.constant, report.all.empty) == (2, 1)
    assert report.all.nss == 0 and np.isfinite(report.all.kld)
    assert np.isnan(report.per_affordance["drink_with"].kld)
    assert report.to_json()["per_affordance"]["drink_with"]["kld"] is None
    heat_items[1].masks[0].write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"cup_22\.png' cannot be read"):
        evaluate_affordance_photos(pipeline, heat_items)
    with pytest.raises(ValueError, match="expected affordance in a photograph"):
        evaluate_affordance_photos(pipeline, [replace(heat_items[0], masks=())])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_affordance_photos(pipeline, [])


def test_the_command(
    answering_model: Path,
    heat_items: list[LabelledImage],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def evaluate(dataset: str, data: Path, *options: str) -> int:
        command = ["evaluate", "--dataset", dataset, "--data", str(data), "--device", "cpu"]
        return main([*command, "--model", str(answering_model), *options])

    out = tmp_path / "out"
    assert evaluate("agd20k", tmp_path, "--limit", "1", "--json", "--out", str(out)) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["questions"] == 1 and told["setting"] == "seen"
    assert (out / "report.txt").is_file()
    assert evaluate("agd20k", tmp_path, "--setting", "unseen") == 2
    assert "AGD20K: there is no folder" in capsys.readouterr().err
    assert evaluate("agd20k", tmp_path, "--split", "train") == 2
    assert "has no training split" in capsys.readouterr().err

    write_pico(tmp_path)
    assert evaluate("pico", tmp_path) == 0
    assert "contact on the object" in capsys.readouterr().out
    raw = tmp_path / "raw"
    pico_files.write_sample(raw / "cup__1")
    assert evaluate("pico-raw", raw) == 2
    assert "on 6890 vertices; the model's body anny has 13718" in capsys.readouterr().err
    assert evaluate("pico-raw", raw, "--tasks", "object_contact", "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["human"] is None and told["object"]["samples"] == 1
    assert evaluate("lemon-objects", tmp_path) == 2
    assert "LEMON: there is no folder" in capsys.readouterr().err

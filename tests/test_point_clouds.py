"""Objects that are scanned points without faces: loaded, rendered, scored, drawn, evaluated."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.objects import read_piad_raw
from ivlm_core.evaluation.affordance import evaluate_affordance
from ivlm_core.geometry.mesh import Mesh, MeshError, load_mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.pipeline import Pipeline
from ivlm_core.surfaces import render_cloud
from ivlm_core.visualize.overview import overview
from ivlm_core.visualize.page import save_html
from ivlm_core.visualize.point_mesh import octahedra

NO_FACES = np.zeros((0, 3), np.int32)
PHOTO = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pipeline(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def cloud() -> Mesh:
    """Points on a mug-sized box."""
    box = trimesh.creation.box((0.08, 0.1, 0.06))
    points, _ = trimesh.sample.sample_surface(box, 600, seed=0)
    return Mesh(points, NO_FACES, name="box")


@pytest.fixture
def file(cloud: Mesh, tmp_path: Path) -> Path:
    trimesh.PointCloud(cloud.vertices).export(tmp_path / "cloud.ply")
    return tmp_path / "cloud.ply"


def test_clouds_are_loaded_where_they_are_allowed(file: Path, cloud: Mesh) -> None:
    with pytest.raises(MeshError, match="A point cloud has no surface"):
        load_mesh(file)
    loaded = load_mesh(file, allow_cloud=True)
    assert loaded.is_cloud
    np.testing.assert_allclose(loaded.vertices, cloud.vertices, atol=1e-6)
    for points, fault in (
        (cloud.vertices[:8], "at least 32"),
        (np.zeros((50, 3)), "all in one place"),
        (np.full((50, 3), np.nan), "NaN"),
    ):
        trimesh.PointCloud(points).export(file)
        with pytest.raises(MeshError, match=fault):
            load_mesh(file, allow_cloud=True)


def test_masks_are_lifted_to_the_points_in_front(cloud: Mesh) -> None:
    placed = cloud.normalised()[0]
    images, lift = render_cloud(placed, get_rig("object4"), 64)
    assert images.shape == (4, 64, 64, 3)
    lifted = lift.lift(torch.full((1, 4, 64, 64), 0.7))
    seen = lift.seen
    assert seen.float().mean() > 0.5, "a box has few points that no camera sees"
    torch.testing.assert_close(lifted.scores[0, seen], torch.full((int(seen.sum()),), 0.7))
    assert (lifted.scores[0, ~seen] == 0).all()
    upper = lift.lift((torch.arange(64) < 32).float()[:, None].expand(1, 4, 64, 64)).scores[0]
    height = torch.from_numpy(placed.vertices[:, 1])
    assert height[seen & (upper > 0.5)].mean() > height[seen & (upper < 0.5)].mean()


def test_scores_do_not_depend_on_unit_and_origin(pipeline: Pipeline, cloud: Mesh) -> None:
    here = pipeline.predict(PHOTO, "mug", "object_affordance", cloud)
    moved = replace(cloud, vertices=1000 * cloud.vertices + 5)
    there = pipeline.predict(PHOTO, "mug", "object_affordance", moved)
    assert here.topology == "points" and here.scores.shape == (600,)
    assert np.isfinite(here.scores).all() and here.scores[here.seen].any()
    np.testing.assert_allclose(here.scores, there.scores, atol=0.05)


def test_clouds_are_drawn(pipeline: Pipeline, cloud: Mesh, tmp_path: Path) -> None:
    prediction = pipeline.predict(PHOTO, "mug", "object_contact", cloud)
    picture = overview(prediction, PHOTO)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    page = save_html([(PHOTO, prediction)], tmp_path / "page.html").read_text()
    assert "600 vertices" in page
    shown = octahedra(cloud)
    assert (shown.num_vertices, shown.num_faces) == (3600, 4800)
    assert trimesh.Trimesh(shown.vertices, shown.faces, process=False).volume > 0, "outside out"


def test_the_command_takes_a_cloud(answering_model: Path, file: Path, tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    arguments = ["predict", tmp_path / "photo.png", "--label", "mug", "--mesh", file]
    arguments += ["--task", "object_affordance", "--model", answering_model, "--device", "cpu"]
    arguments += ["--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    assert main([str(a) for a in arguments]) == 0
    (report,) = (tmp_path / "out").glob("*.json")
    scores = json.loads(report.read_text())["scores"]
    assert scores["vertices"] == 600 and scores["contact_area_m2"] is None
    (ply,) = (tmp_path / "out").glob("*.ply")
    coloured = trimesh.load(ply)
    assert isinstance(coloured, trimesh.PointCloud) and len(coloured.colors) == 600
    (glb,) = (tmp_path / "out").glob("*.glb")
    assert len(trimesh.load(glb, force="mesh").faces) == 8 * 600


@pytest.fixture
def piad(cloud: Mesh, tmp_path: Path) -> Path:
    """Two images with a cloud each."""
    folder = tmp_path / "piad" / "Data" / "Unseen"
    folder.mkdir(parents=True)
    heat = np.zeros((600, 17))
    heat[:, 0] = cloud.vertices[:, 1] > 0
    (tmp_path / "piad" / "clouds").mkdir()
    lines = []
    for name in ("Mug_grasp", "Bottle_grasp"):
        object_name = name.split("_")[0]
        np.savetxt(
            tmp_path / "piad" / "clouds" / f"{object_name}_4.txt", np.hstack([cloud.vertices, heat])
        )
        Image.fromarray(PHOTO).save(tmp_path / "piad" / f"Img_{name}_1.png")
        lines.append((f"Img_{name}_1.png", f"clouds/{object_name}_4.txt"))
    for file, column in (("Img_Test.txt", 0), ("Point_Test.txt", 1)):
        (folder / file).write_text("\n".join(line[column] for line in lines))
    return tmp_path / "piad"


def test_affordance_on_clouds_is_scored(pipeline: Pipeline, piad: Path) -> None:
    items = read_piad_raw(piad, "Unseen", "Test")
    report = evaluate_affordance(pipeline, items, batch_size=1)
    assert report.all.samples == 2 and set(report.per_object) == {"mug", "bottle"}
    assert 0 <= report.all.auc <= 1 and 0 <= report.all.average_iou <= 1
    assert report.per_affordance["grasp"] == report.all
    single = evaluate_affordance(pipeline, items[:1])
    assert single.all == report.per_object["mug"]
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_affordance(pipeline, [])
    with pytest.raises(ValueError, match="expected an affordance with a point cloud"):
        evaluate_affordance(pipeline, [replace(items[0], point_files=())])
    with pytest.raises(DatasetError, match="does not score affordance 'fly'"):
        evaluate_affordance(pipeline, [replace(items[0], affordance="fly")])


def test_the_command_scores_affordance(
    answering_model: Path, piad: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["evaluate", "--data", piad, "--dataset", "piad-raw", "--setting", "unseen"]
    arguments += ["--model", answering_model, "--out", tmp_path / "out", "--device", "cpu"]
    assert main([str(a) for a in [*arguments, "--cache-dir", tmp_path / "cache", "--json"]]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["all"]["samples"] == 2 and report["setting"] == "unseen"
    assert "aIoU %" in (tmp_path / "out" / "report.txt").read_text()

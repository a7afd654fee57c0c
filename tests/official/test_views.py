"""View sets and body views, against recorded numbers and files as the published folder has them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import View, ViewRig, get_rig
from ivlm_core.official.view_sets import VIEW_SETS, get_view_set
from ivlm_core.official.views import (
    body_views,
    has_published_views,
    read_published_views,
    render_object,
    render_point_cloud,
    render_surface,
)
from ivlm_core.pipeline import Pipeline


@pytest.fixture(scope="module")
def cameras(parity_dir) -> dict:
    return json.loads((parity_dir / "preprocess" / "cameras.json").read_text())


def test_every_published_view_set_is_there(cameras, parity_dir):
    constants = json.loads((parity_dir / "interface_constants.json").read_text())
    assert set(VIEW_SETS) == set(constants["human_views"]) | set(constants["object_views"])
    for kind in ("human_views", "object_views"):
        for name, entry in constants[kind].items():
            ours = get_view_set(name)
            assert ours.folder == entry.get("folder")
            assert ours.mesh_folder == entry.get("mesh_folder")
            assert list(ours.ignored_words) == entry["ignore_keywords"]


def test_cameras_of_every_set_equal_the_published_ones(cameras):
    keys = [key for key in cameras if "/" in key]
    assert keys
    for key in keys:
        _, name, which = key.split("/")
        entry, mesh = cameras[key], which == "mesh_cam_params"
        rig = get_view_set(name).view_rig(mesh)
        assert list(rig.view_names) == entry["names_order"], key
        for view in rig.views:
            if (raw := entry["raw"][view.name]) is not None:
                assert view == View(view.name, *raw, light_z=view.light_z), key
        expected = [entry["normalized"][n] for n in entry["names_order"]]
        got = get_view_set(name).conditioning_parameters(mesh)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-7, err_msg=key)


def test_any_camera_is_normalised_as_published(cameras):
    for raw, expected in zip(cameras["extra"]["raw"], cameras["extra"]["normalized"], strict=True):
        rig = ViewRig("one", (View("one", *raw),))
        np.testing.assert_allclose(rig.normalised_parameters()[0], expected, atol=1e-7)
    unconditioned = get_view_set("4MV-XY_Fix").conditioning_parameters()
    assert unconditioned.tolist() == [cameras["none"]] * len(unconditioned)


def test_names_of_view_sets():
    assert get_view_set("4MV-Z_Vitru_wScene") is get_view_set("4MV-Z_Vitru_FootGround")
    assert get_view_set("4MV-Z_HM_BM").view_rig(mesh=True) is get_rig("object4")
    assert get_view_set("4MV-Z_HM").view_rig(mesh=True) is get_rig("object4_far")
    with pytest.raises(ValueError, match="unknown view set '5MV'.*4MV-Z_Vitru_mv2"):
        get_view_set("5MV")


SIZE, VERTICES = 24, 12


@pytest.fixture()
def data_folder(tmp_path: Path) -> Path:
    """Pictures and maps as the published data folder holds them, made up and small."""
    rng = np.random.default_rng(0)
    names = get_rig("human4").view_names
    for folder in ("hcontact_vitruvian", "hcontact_vitruvian_mv2"):
        (tmp_path / folder).mkdir()
        ids = rng.integers(-1, VERTICES, (4, SIZE, SIZE, 1)).repeat(3, axis=-1)
        weights = np.where(ids < 0, -1.0, 1 / 3).astype(np.float32)
        maps = tmp_path / folder / "pixel_to_vertex_map_1024.npz"
        np.savez(maps, **dict(zip(names, ids, strict=True)))
        maps = tmp_path / folder / "bary_coords_map_1024.npz"
        np.savez(maps, **dict(zip(names, weights, strict=True)))
    for i, name in enumerate(names):
        picture = Image.fromarray(np.full((SIZE, SIZE, 3), 10 * i, np.uint8))
        picture.save(tmp_path / "hcontact_vitruvian" / f"body_render_norm_{name}.png")
    return tmp_path


@pytest.mark.parametrize("view_set", ["4MV-Z_Vitru", "4MV-Z_Vitru_mv2"])
def test_published_views_are_read_in_the_order_of_the_rig(data_folder, view_set):
    assert has_published_views(data_folder, view_set)
    views = read_published_views(data_folder, view_set, VERTICES)
    assert views.rig is get_rig("human4")
    assert views.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    folder = data_folder / get_view_set(view_set).folder
    ids = np.load(folder / "pixel_to_vertex_map_1024.npz")["topback"]
    np.testing.assert_array_equal(views.vertex_ids[2], ids)
    lifted = views.lift_operator().lift(torch.ones(1, 4, SIZE, SIZE))
    assert lifted.seen.all() and lifted.scores.numpy() == pytest.approx(1.0)
    assert body_views(data_folder, view_set=view_set).num_vertices == 6890


def test_missing_and_damaged_view_files_are_named(data_folder):
    maps = data_folder / "hcontact_vitruvian_mv2" / "bary_coords_map_1024.npz"
    maps.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="bary_coords_map_1024.npz.*cannot be read"):
        read_published_views(data_folder, "4MV-Z_Vitru_mv2")
    np.savez(maps, topfront=np.zeros((SIZE, SIZE, 3)))
    with pytest.raises(ValueError, match="no array for bottomfront, topback, bottomback"):
        read_published_views(data_folder, "4MV-Z_Vitru_mv2")
    maps.unlink()
    assert not has_published_views(data_folder, "4MV-Z_Vitru_mv2")
    with pytest.raises(FileNotFoundError, match="bary_coords_map_1024.npz.*SMPL-H"):
        read_published_views(data_folder, "4MV-Z_Vitru_mv2")
    picture = data_folder / "hcontact_vitruvian" / "body_render_norm_topback.png"
    Image.new("RGB", (9, 9)).save(picture)
    with pytest.raises(ValueError, match="not of one size"):
        read_published_views(data_folder)
    with pytest.raises(ValueError, match="not a human view set"):
        has_published_views(data_folder, "4MV-Z_HM")


def test_without_views_and_model_file_the_user_is_told_what_to_get(tmp_path):
    with pytest.raises(FileNotFoundError, match="SMPL-H.*mano.is.tue.mpg.de"):
        body_views()
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path}' holds no"):
        body_views(tmp_path)
    with pytest.raises(FileNotFoundError, match="body model file"):
        body_views(tmp_path, tmp_path / "SMPLH_NEUTRAL.npz")


def test_the_users_model_file_is_rendered_where_the_folder_lacks_views(tmp_path, monkeypatch):
    anny = load_body("anny")
    asked = []

    def fake(topology, path):
        asked.append((topology, path))
        return anny

    monkeypatch.setattr("ivlm_core.official.views.load_body", fake)
    views = body_views(tmp_path, tmp_path / "SMPLH_NEUTRAL.npz", size=64)
    assert asked == [("smplh", tmp_path / "SMPLH_NEUTRAL.npz")]
    assert views.images.shape == views.vertex_ids.shape == (4, 64, 64, 3)
    shown = (views.images != 255).any(-1)
    assert (shown == (views.vertex_ids[..., 0] >= 0)).mean() > 0.999
    assert views.lift_operator().num_vertices == anny.mesh.num_vertices


def test_objects_of_any_scale_and_place_look_the_same(sphere):
    moved = Mesh(sphere.vertices * 30 + [5, -2, 9], sphere.faces)
    here, there = render_object(sphere, size=48), render_object(moved, size=48)
    assert here.rig is get_rig("object4")
    assert (here.vertex_ids == there.vertex_ids).mean() > 0.99


def test_points_of_any_scale_and_place_look_the_same():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3))
    rig = get_rig("object4_far")
    here, there = (render_point_cloud(p, rig, 48) for p in (points, points * 7 + 3))
    assert (here.point_ids == there.point_ids).mean() > 0.99
    with pytest.raises(ValueError, match=r"different points \[P, 3\]"):
        render_point_cloud(np.ones((5, 3)), rig, 48)


def test_given_views_stand_in_for_rendered_ones(answering_model, tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    pipeline = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    rendered = pipeline.predict(photo, "mug")
    body, rig = load_body("anny").mesh, get_rig("human4")
    views = render_surface(body, rig, "normal", 64)
    pipeline.surfaces.use_body_views(views)
    given = pipeline.predict(photo, "mug")
    np.testing.assert_array_equal(given.view_images, rendered.view_images)
    np.testing.assert_allclose(given.mask_probabilities, rendered.mask_probabilities, atol=1e-5)
    expected = views.lift_operator().lift(torch.from_numpy(given.mask_probabilities)[None])
    np.testing.assert_allclose(given.scores, expected.scores[0].numpy(), atol=1e-5)
    pipeline.surfaces.use_body_views(replace(views, images=255 - views.images))
    other = pipeline.predict(photo, "mug")
    assert np.abs(other.mask_probabilities - given.mask_probabilities).max() > 1e-3
    for wrong in (
        render_surface(body, rig, "normal", 32),
        replace(views, rig=get_rig("object4")),
        replace(views, num_vertices=6890),
    ):
        with pytest.raises(ValueError, match="the model localises on views topfront"):
            pipeline.surfaces.use_body_views(wrong)
    with pytest.raises(ValueError, match="published_data is for published checkpoints"):
        Pipeline.from_pretrained(answering_model, "cpu", tmp_path, published_data=tmp_path)

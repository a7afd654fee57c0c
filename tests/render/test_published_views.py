"""Cameras, pixel maps and shading against recorded results of the published implementation."""

import json

import numpy as np
import pytest

from ivlm_core.geometry.mesh import Mesh, load_mesh
from ivlm_core.geometry.view_rig import View, get_rig
from ivlm_core.render.interpolate import interpolate
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import shade

RIG_OF = {"human": "human4", "object": "object4", "pointcloud_2.0": "object4_far"}


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return dict(np.load(parity_dir / "render" / "render.npz"))


@pytest.fixture(scope="module")
def info(parity_dir):
    return json.loads((parity_dir / "render" / "render.json").read_text())


@pytest.mark.parametrize("kind", RIG_OF)
def test_cameras_equal_the_published_ones(recorded, info, kind):
    size = info["image_size"]
    rig = get_rig(RIG_OF[kind])
    axes = np.diag([-1.0, -1.0, 1.0])  # PyTorch3D's x left, y up to x right, y down
    for view, camera in zip(rig.views, rig.cameras(size), strict=True):
        prefix = f"camera/{kind}/{view.name}"
        rotation = axes @ recorded[f"{prefix}/R"].T
        np.testing.assert_allclose(camera.camera_from_world[:3, :3], rotation, atol=1e-6)
        translation = axes @ recorded[f"{prefix}/T"]
        np.testing.assert_allclose(camera.camera_from_world[:3, 3], translation, atol=1e-6)
        np.testing.assert_allclose(camera.center, recorded[f"{prefix}/center"], atol=1e-5)
        image_points, _ = camera.project(recorded["camera/probe_points"])
        np.testing.assert_allclose(
            image_points, recorded[f"{prefix}/probe_screen"][:, :2], atol=2e-3
        )


@pytest.mark.parametrize("kind", ["human", "object"])
def test_views_and_lights_equal_the_published_ones(info, kind):
    rig = get_rig(RIG_OF[kind])
    lights = rig.light_positions()
    assert set(rig.view_names) == set(info[f"views_{kind}"])
    for view, light in zip(rig.views, lights, strict=True):
        numbers = info[f"views_{kind}"][view.name]
        assert view == View(view.name, *numbers, light_z=view.light_z)
        np.testing.assert_array_equal(light, info[f"lights_{kind}"][view.name])


@pytest.mark.parametrize(
    ("published", "rig"),
    [("human/4MV-Z_Vitru", "human4"), ("object/4MV-Z_HM", "object4_far")],
)
def test_normalised_parameters_equal_the_published_ones(parity_dir, published, rig):
    sets = json.loads((parity_dir / "preprocess" / "cameras.json").read_text())
    entry = sets[f"{published}/cam_params"]
    assert tuple(entry["names_order"]) == get_rig(rig).view_names
    expected = [entry["normalized"][name] for name in entry["names_order"]]
    np.testing.assert_allclose(get_rig(rig).normalised_parameters(), expected, atol=1e-7)


def _mesh(recorded, kind: str) -> Mesh:
    key = "human/vertices" if kind == "human" else "object/vertices_normalized"
    return Mesh(recorded[key], recorded[f"{kind}/faces"])


@pytest.mark.parametrize("kind", ["human", "object"])
def test_pixel_maps_agree_away_from_silhouettes(recorded, info, kind):
    mesh = _mesh(recorded, kind)
    rig = get_rig(RIG_OF[kind])
    pixel_map = rasterize(mesh, rig.cameras(info["image_size"]))
    for view, name in enumerate(rig.view_names):
        ids = recorded[f"{kind}/{name}/pixel_to_vertices"]
        ours = pixel_map.vertex_ids[view]
        same = (ours == ids).all(axis=-1)
        assert same.mean() > 0.998, name
        assert ((ids[..., 0] >= 0) == pixel_map.hit[view]).mean() > 0.9985, name
        barycentric = recorded[f"{kind}/{name}/bary"]
        difference = np.abs(pixel_map.barycentric[view] - barycentric)[same & (ids[..., 0] >= 0)]
        assert difference.max() < 1e-3 and np.quantile(difference, 0.999) < 1e-4, name


@pytest.mark.parametrize(
    ("kind", "style", "key"),
    [("human", "normal", "render_rgb"), ("object", "position", "render_color")],
)
def test_shading_agrees_to_a_grey_level(recorded, info, kind, style, key):
    mesh = _mesh(recorded, kind)
    rig = get_rig(RIG_OF[kind])
    cameras = rig.cameras(info["image_size"])
    pixel_map = rasterize(mesh, cameras)
    views = shade(mesh, pixel_map, cameras, style, rig.light_positions())
    for view, name in enumerate(rig.view_names):
        same = (pixel_map.vertex_ids[view] == recorded[f"{kind}/{name}/pixel_to_vertices"]).all(-1)
        expected = recorded[f"{kind}/{name}/{key}"].astype(int)
        difference = np.abs(views[view].astype(int) - expected)[same]
        assert difference.max() <= 1, name
        assert (difference > 0).mean() < 0.01, name


def test_vertex_normals_and_contact_masks_agree(recorded, info):
    mesh = _mesh(recorded, "human")
    np.testing.assert_allclose(mesh.vertex_normals, recorded["human/vertex_normals"], atol=1e-5)
    contact = np.zeros(mesh.num_vertices)
    contact[info["human_contact_vertices"]] = 1
    rig = get_rig("human4")
    pixel_map = rasterize(mesh, rig.cameras(info["image_size"]))
    for view, name in enumerate(rig.view_names):
        corners = np.where(pixel_map.hit[view], contact[pixel_map.vertex_ids[view]].sum(-1), 0)
        for minimum in (1, 2, 3):
            expected = recorded[f"human/{name}/mask_min{minimum}"] > 0
            assert ((corners >= minimum) == expected).mean() > 0.998
    whole = interpolate(np.ones(mesh.num_vertices), pixel_map)
    assert ((whole > 0.5) == pixel_map.hit).all()


def test_object_mesh_is_normalised_as_published(parity_dir, recorded):
    mesh = load_mesh(parity_dir / "render" / "object_mesh.obj")
    np.testing.assert_array_equal(mesh.faces, recorded["object/faces"])
    np.testing.assert_allclose(mesh.vertices, recorded["object/vertices_raw"], atol=1e-6)
    np.testing.assert_allclose(
        mesh.normalised()[0].vertices, recorded["object/vertices_normalized"], atol=1e-6
    )

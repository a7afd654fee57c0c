"""Cameras, pixel maps and shading against recorded results of the published implementation."""

import json

import numpy as np
import pytest
import torch

from ivlm_core.geometry.mesh import Mesh, load_mesh
from ivlm_core.geometry.smpl_family import star_pose_rotations
from ivlm_core.geometry.view_rig import View, ViewRig, get_rig
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.official.views import OVERLAY_COLOR, render_point_cloud, render_surface
from ivlm_core.render.interpolate import contact_mask, interpolate, point_image
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import position_colors, shade

RIG_OF = {"human": "human4", "object": "object4"}
KINDS = ["human", "object", "pointcloud"]


def rig_of(kind: str, info: dict) -> ViewRig:
    """The rig of a kind of cameras; point clouds say at which distance they were drawn."""
    of_distance = {1.5: "object4", 2.0: "object4_far"}
    return get_rig(RIG_OF.get(kind) or of_distance[info["pc"]["distance"]])


def camera_keys(recorded: dict, kind: str) -> str:
    """How the keys of a kind's recorded cameras begin."""
    return "/".join(next(k for k in recorded if k.startswith(f"camera/{kind}")).split("/")[:2])


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return dict(np.load(parity_dir / "render" / "render.npz"))


@pytest.fixture(scope="module")
def info(parity_dir):
    return json.loads((parity_dir / "render" / "render.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_equal_the_published_ones(recorded, info, kind):
    size = info["image_size"]
    rig = rig_of(kind, info)
    axes = np.diag([-1.0, -1.0, 1.0])  # PyTorch3D's x left, y up to x right, y down
    for view, camera in zip(rig.views, rig.cameras(size), strict=True):
        prefix = f"{camera_keys(recorded, kind)}/{view.name}"
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


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_contact_masks_agree(recorded, info, minimum):
    mesh = _mesh(recorded, "human")
    contact = np.zeros(mesh.num_vertices)
    contact[info["human_contact_vertices"]] = 1
    rig = get_rig("human4")
    pixel_map = rasterize(mesh, rig.cameras(info["image_size"]))
    masks = contact_mask(contact, pixel_map.vertex_ids, minimum)
    for view, name in enumerate(rig.view_names):
        expected = recorded[f"human/{name}/mask_min{minimum}"]
        assert set(np.unique(masks[view])) <= {0, 255}
        assert (masks[view] == expected).mean() > 0.998
        published = recorded[f"human/{name}/pixel_to_vertices"]
        np.testing.assert_array_equal(contact_mask(contact, published, minimum), expected)
    assert contact_mask(0 * contact, pixel_map.vertex_ids, minimum).any() == (
        not info["mask_of_empty_contact_all_zero"]
    )


def test_vertex_normals_agree(recorded, info):
    mesh = _mesh(recorded, "human")
    np.testing.assert_allclose(mesh.vertex_normals, recorded["human/vertex_normals"], atol=1e-5)
    pixel_map = rasterize(mesh, get_rig("human4").cameras(info["image_size"]))
    whole = interpolate(np.ones(mesh.num_vertices), pixel_map)
    assert ((whole > 0.5) == pixel_map.hit).all()


def test_overlays_of_objects_agree_to_a_grey_level(recorded, info):
    mesh, rig = _mesh(recorded, "object"), get_rig("object4")
    views = render_surface(mesh, rig, "position", info["image_size"], OVERLAY_COLOR)
    for view, name in enumerate(rig.view_names):
        same = (views.vertex_ids[view] == recorded[f"object/{name}/pixel_to_vertices"]).all(-1)
        expected = recorded[f"object/{name}/render_grey"].astype(int)
        assert np.abs(views.images[view].astype(int) - expected)[same].max() <= 1, name
    assert (views.images[:, 0, 0] == info["background_rgb"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_projections_equal_the_published_ones(recorded, info, kind):
    size = info["image_size"]
    rig = rig_of(kind, info)
    points = recorded["camera/probe_points"]
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    for view, camera in zip(rig.views, rig.cameras(size), strict=True):
        clip = homogeneous @ recorded[f"{camera_keys(recorded, kind)}/{view.name}/full_projection"]
        device = clip[:, :2] / clip[:, 3:]  # x left, y up, half the image is 1
        image_points, depth = camera.project(points)
        np.testing.assert_allclose(image_points, (1 - device) * size / 2, atol=2e-3)
        np.testing.assert_allclose(depth, clip[:, 3], atol=1e-5)


def test_point_clouds_are_drawn_as_published(recorded, info):
    settings, rig = info["pc"], rig_of("pointcloud", info)
    points = recorded["pc/points"]
    np.testing.assert_allclose(position_colors(points), recorded["pc/colors"], atol=1e-6)
    views = render_point_cloud(points, rig, info["image_size"], settings["fixed_radius"])
    heat = point_image(recorded["pc/affordance"], views.point_ids)
    for view, name in enumerate(rig.view_names):
        expected = recorded[f"pc/{name}/pixel_to_point"]
        same = views.point_ids[view] == expected
        assert same.mean() > 0.998, name
        np.testing.assert_array_equal(heat[view][same], recorded[f"pc/{name}/heatmap"][same])
        difference = views.images[view].astype(int) - recorded[f"pc/{name}/render"]
        assert np.abs(difference)[same].max() <= 1, name
        assert (difference != 0).mean() < 0.005, name


def test_points_come_back_from_their_own_views(recorded, info):
    rig = rig_of("pointcloud", info)
    points, values = recorded["pc/points"], recorded["pc/affordance"]
    views = render_point_cloud(points, rig, info["image_size"], info["pc"]["fixed_radius"])
    lift = LiftOperator.from_point_map(views.point_ids, len(points))
    masks = torch.from_numpy(point_image(values, views.point_ids))[None]
    lifted = lift.lift(masks)
    back = lifted.scores[0].numpy()[lifted.seen.numpy()]
    np.testing.assert_allclose(back, values[lifted.seen.numpy()], atol=1e-6)


def test_star_pose_equals_the_published_one(recorded):
    expected = recorded["vitruvian_body_pose_rotmats"][0]
    rotations = star_pose_rotations(1 + len(expected))
    np.testing.assert_array_equal(rotations[0], np.eye(3))
    np.testing.assert_allclose(rotations[1:], expected, atol=1e-6)


def test_object_mesh_is_normalised_as_published(parity_dir, recorded):
    mesh = load_mesh(parity_dir / "render" / "object_mesh.obj")
    np.testing.assert_array_equal(mesh.faces, recorded["object/faces"])
    np.testing.assert_allclose(mesh.vertices, recorded["object/vertices_raw"], atol=1e-6)
    np.testing.assert_allclose(
        mesh.normalised()[0].vertices, recorded["object/vertices_normalized"], atol=1e-6
    )

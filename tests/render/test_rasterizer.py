import builtins

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.geometry.mesh import Mesh, MeshError
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.render.interpolate import interpolate, part_image
from ivlm_core.render.rasterizer import rasterize


def camera_at(eye, size: int = 48) -> Camera:
    return Camera.from_fov(look_at(eye, (0, 0, 0)), 60.0, size, size)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-1.2, 1.2), st.floats(1.2, 4.0))
def test_hit_points_reproject_to_their_pixel_centres(sphere, yaw, pitch, distance):
    direction = [np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)]
    camera = camera_at(distance * np.array(direction))
    pixel_map = rasterize(sphere, [camera])
    points = interpolate(sphere.vertices, pixel_map)[0]
    rows, columns = np.nonzero(pixel_map.hit[0])
    image_points, depth = camera.project(points[rows, columns])
    np.testing.assert_allclose(image_points, np.stack([columns, rows], -1) + 0.5, atol=2e-3)
    np.testing.assert_allclose(depth, pixel_map.depth[0][rows, columns], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-4, 4)] * 3), st.floats(0.1, 3))
def test_only_rays_that_can_hit_are_cast(sphere, centre, radius):
    """Wherever the mesh is: whole in the image, cut by its border, outside it, or all around."""
    moved = Mesh(sphere.vertices * radius + np.float32(centre), sphere.faces)
    camera = Camera.from_fov(look_at((0, 0.4, 3), (0, 0, 0)), 60.0, 24, 32)
    found = rasterize(moved, [camera]).face_ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Camera, "window", lambda *_: (slice(0, 24), slice(0, 32)))
        np.testing.assert_array_equal(found, rasterize(moved, [camera]).face_ids)


def test_pixel_map_is_consistent(sphere):
    pixel_map = rasterize(sphere, get_rig("object4").cameras(64))
    hit = pixel_map.hit
    assert hit.shape == (4, 64, 64) and 0.1 < hit.mean() < 0.9
    assert pixel_map.face_ids.dtype == pixel_map.vertex_ids.dtype == np.int32
    assert pixel_map.barycentric.dtype == pixel_map.depth.dtype == np.float32
    np.testing.assert_array_equal(pixel_map.vertex_ids[hit], sphere.faces[pixel_map.face_ids[hit]])
    assert (pixel_map.barycentric[hit] >= 0).all()
    np.testing.assert_allclose(pixel_map.barycentric[hit].sum(-1), 1, atol=1e-6)
    assert (pixel_map.face_ids[~hit] == -1).all() and (pixel_map.vertex_ids[~hit] == -1).all()
    assert (pixel_map.barycentric[~hit] == -1).all() and (pixel_map.depth[~hit] == -1).all()
    # A sphere of radius 0.5 around the origin: silhouette as wide as geometry says.
    radius = 64 / 2 / np.tan(np.deg2rad(30)) * 0.5 / np.sqrt(1.5**2 - 0.5**2)
    assert hit[0].sum() == pytest.approx(np.pi * radius**2, rel=0.05)


def test_nearest_surface_wins_and_both_sides_are_seen():
    near = [[-1, -1, 1], [1, -1, 1], [0, 1, 1]]
    far = [[-1, -1, -1], [1, -1, -1], [0, 1, -1]]
    mesh = Mesh(near + far, [[0, 2, 1], [3, 4, 5]])  # the near one shows its back
    front, back = rasterize(mesh, [camera_at((0, 0, 4)), camera_at((0, 0, -4))]).face_ids
    assert front[24, 24] == 0 and back[24, 24] == 1


def test_body_appears_upright_with_sides_where_they_must_be():
    body = load_body("anny")
    rig = get_rig("human4")
    cameras = rig.cameras(128)
    pixel_map = rasterize(body.mesh, cameras)
    parts = part_image(body.part_index, pixel_map)
    names = list(body.mesh.parts)
    for view, camera in enumerate(cameras):
        border = np.concatenate(
            [parts[view][0], parts[view][-1], parts[view][:, 0], parts[view][:, -1]]
        )
        assert (border == -1).all(), f"{rig.view_names[view]} cuts the body off"
        for side in ("left", "right"):
            hand = names.index(f"{side} hand")
            expected, _ = camera.project(body.mesh.vertices[body.part_index == hand].mean(axis=0))
            rows, columns = np.nonzero(parts[view] == hand)
            assert abs(columns.mean() - expected[0]) < 4 and abs(rows.mean() - expected[1]) < 4
        head = np.nonzero(parts[view] == names.index("head"))[0].mean()
        hips = np.nonzero(parts[view] == names.index("hips"))[0].mean()
        assert head < hips
    hand = names.index("left hand")
    columns = [np.nonzero(parts[view] == hand)[1].mean() for view in range(4)]
    assert columns[0] > 64 and columns[1] > 64  # seen from the front, left is on the right
    assert columns[2] < 64 and columns[3] < 64


def test_what_cannot_be_rendered_is_refused(sphere):
    with pytest.raises(MeshError, match="no faces"):
        rasterize(Mesh(sphere.vertices, np.zeros((0, 3))), [camera_at((0, 0, 2))])
    with pytest.raises(ValueError, match="one \\(height, width\\)"):
        rasterize(sphere, [camera_at((0, 0, 2), 8), camera_at((0, 0, 2), 16)])
    with pytest.raises(ValueError, match="one \\(height, width\\)"):
        rasterize(sphere, [])


def test_missing_open3d_says_what_to_install(sphere, monkeypatch):
    original = builtins.__import__

    def without_open3d(name, *args, **kwargs):
        if name == "open3d":
            raise OSError("libusb-1.0.so.0: cannot open shared object file")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_open3d)
    with pytest.raises(ImportError, match="libusb-1.0-0"):
        rasterize(sphere, [camera_at((0, 0, 2))])


def test_non_manifold_and_degenerate_faces_render(sphere):
    faces = np.concatenate([sphere.faces, sphere.faces[:40], [[0, 0, 1], [3, 3, 3]]])
    pixel_map = rasterize(Mesh(sphere.vertices, faces), get_rig("object4").cameras(32))
    same = rasterize(sphere, get_rig("object4").cameras(32))
    np.testing.assert_array_equal(pixel_map.hit, same.hit)
    np.testing.assert_allclose(pixel_map.depth, same.depth, atol=1e-5)


def test_interpolate_shapes_background_and_refusal(sphere):
    pixel_map = rasterize(sphere, get_rig("object4").cameras(16))
    scalar = interpolate(np.ones(sphere.num_vertices), pixel_map, background=-2.0)
    assert scalar.shape == (4, 16, 16)
    np.testing.assert_allclose(scalar[pixel_map.hit], 1, atol=1e-6)
    assert (scalar[~pixel_map.hit] == -2).all()
    assert interpolate(sphere.vertices, pixel_map).shape == (4, 16, 16, 3)
    with pytest.raises(ValueError, match="one row per vertex"):
        interpolate(np.ones(5), pixel_map)

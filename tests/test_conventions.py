"""The conventions of ``ivlm_core.geometry``, each pinned by one small fact."""

import numpy as np
import pytest

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import shade


def test_camera_axes_are_x_right_y_down_z_forward():
    camera = Camera(np.diag([100.0, 100.0, 1.0]) + [[0, 0, 50], [0, 0, 40], [0, 0, 0]],
                    np.eye(4), 80, 100)  # fmt: skip
    image_point, depth = camera.project(np.array([0.1, 0.2, 2.0]))
    np.testing.assert_allclose(image_point, [55, 50])
    assert depth == 2.0


def test_camera_from_world_maps_world_points_to_camera_points():
    camera = Camera.from_fov(look_at((0, 0, 3), (0, 0, 0)), 60, 10, 10)
    np.testing.assert_allclose(camera.to_camera(np.array([0, 0, 1.0])), [0, 0, 2], atol=1e-12)
    np.testing.assert_allclose(camera.center, [0, 0, 3], atol=1e-12)
    # Seen from +z, world +x is on the image's right and world +y is up.
    right, _ = camera.project(np.array([0.5, 0, 0]))
    up, _ = camera.project(np.array([0, 0.5, 0]))
    assert right[0] > 5 and up[1] < 5


def test_pixel_centres_are_at_half_and_images_are_rows_by_columns():
    camera = Camera(np.diag([4.0, 4.0, 1.0]), np.eye(4), 2, 3)
    rays = camera.pixel_rays()
    assert rays.shape == (2, 3, 6)
    np.testing.assert_allclose(rays[1, 2, 3:], [2.5 / 4, 1.5 / 4, 1])


def test_a_quad_that_covers_one_quarter_of_the_image_hits_exactly_those_pixels():
    camera = Camera(np.diag([4.0, 4.0, 1.0]), np.eye(4), 4, 4)
    quad = Mesh([[0, 0, 1], [0.5, 0, 1], [0.5, 0.5, 1], [0, 0.5, 1]], [[0, 1, 2], [0, 2, 3]])
    hit = rasterize(quad, [camera]).hit[0]
    expected = np.zeros((4, 4), dtype=bool)
    expected[:2, :2] = True
    np.testing.assert_array_equal(hit, expected)


def test_body_frame_is_left_up_front_in_metres():
    body = load_body("anny")
    middles = {name: body.mesh.vertices[ids].mean(axis=0) for name, ids in body.mesh.parts.items()}
    assert middles["left hand"][0] > 0.5 > -0.5 > middles["right hand"][0]
    assert middles["head"][1] - middles["left foot"][1] == pytest.approx(1.5, abs=0.15)
    assert middles["chest"][2] > middles["back"][2]
    # Right-handed: left x up = front.
    np.testing.assert_array_equal(np.cross([1, 0, 0], [0, 1, 0]), [0, 0, 1])


def test_left_hand_is_on_the_viewers_right_from_the_front_and_left_from_behind():
    body = load_body("anny")
    hand = body.mesh.vertices[body.mesh.parts["left hand"]].mean(axis=0)
    for name, camera in zip(
        get_rig("human4").view_names, get_rig("human4").cameras(100), strict=True
    ):
        (x, _), _ = camera.project(hand)
        assert (x > 50) == name.endswith("front")


def test_images_are_rgb_uint8_and_white_where_nothing_is_hit():
    triangle = Mesh([[-1, -1, 0], [1, -1, 0], [0, 1, 0]], [[0, 1, 2]])
    cameras = [Camera.from_fov(look_at((0, 0, 2), (0, 0, 0)), 60, 16, 16)]
    pixel_map = rasterize(triangle, cameras)
    red = np.tile([1.0, 0.0, 0.0], (3, 1))
    view = shade(triangle, pixel_map, cameras, vertex_colors=red)[0]
    assert view.dtype == np.uint8 and view.shape == (16, 16, 3)
    assert view[8, 8, 0] > 100 > view[8, 8, 1] and view[0, 0].tolist() == [255] * 3
    assert pixel_map.face_ids[0, 0, 0] == pixel_map.depth[0, 0, 0] == -1


def test_part_names_keep_their_order():
    assert (
        *("head", "neck", "chest", "belly", "back", "hips", "left shoulder", "right shoulder"),
        *("left upper arm", "right upper arm", "left forearm", "right forearm", "left hand"),
        *("right hand", "left thigh", "right thigh", "left shin", "right shin", "left foot"),
        "right foot",
    ) == BODY_PARTS

import numpy as np
import pytest

from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.render.interpolate import contact_mask, point_image
from ivlm_core.render.points import in_unit_sphere, render_points

CAMERA = Camera.from_fov(look_at((0, 0, 2), (0, 0, 0)), 60, 33, 33)
RED, BLUE = [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]


def test_the_nearest_point_is_in_front_and_fades_to_its_rim():
    views = render_points(
        np.array([[0, 0, -0.5], [0, 0, 0.5]]), np.array([RED, BLUE]), [CAMERA], radius=0.5
    )
    ids, image = views.point_ids[0], views.images[0].astype(int)
    assert ids[16, 16] == 1 and image[16, 16].tolist() == [0, 0, 255]
    assert image[16, 22, 2] < 255 and image[16, 22, 0] > 0  # the far one shines through
    assert ids[0, 0] == -1 and image[0, 0].tolist() == [255, 255, 255]
    distance = np.hypot(*np.mgrid[-16:17, -16:17])
    np.testing.assert_array_equal(ids >= 0, distance < 0.5 * 33 / 2)


def test_no_more_points_are_blended_than_asked_for():
    points = np.array([[0, 0, 0.1 * i] for i in range(4)])
    colors = np.array([RED, RED, RED, BLUE])
    all_of_them = render_points(points, colors, [CAMERA], radius=0.5).images[0].astype(int)
    one = render_points(points, colors, [CAMERA], radius=0.5, points_per_pixel=1).images[0]
    assert one[16, 20, 0] == 0 and all_of_them[16, 20, 0] > 0


def test_points_behind_the_camera_and_outside_the_image_are_left_out():
    points = np.array([[0, 0, 5.0], [9, 0, 0], [1.13, 0, 0]])  # behind, outside, on the rim
    views = render_points(points, np.array([RED] * 3), [CAMERA], radius=0.1)
    assert set(np.unique(views.point_ids)) == {-1, 2}
    assert (views.point_ids[0][:, :30] == -1).all()


def test_wrong_arguments_are_refused():
    points, colors = np.zeros((2, 3)), np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"shape \[P, 3\]"):
        render_points(points, colors[:1], [CAMERA])
    with pytest.raises(ValueError, match="must be positive"):
        render_points(points, colors, [CAMERA], radius=0)
    with pytest.raises(ValueError, match="one \\(height, width\\)"):
        render_points(points, colors, [])
    with pytest.raises(ValueError, match="min_vertices must be 1, 2 or 3"):
        contact_mask(np.zeros(3), np.zeros((1, 1, 1, 3), int), 0)
    with pytest.raises(ValueError, match="3 rows but the pixels name vertex 7"):
        contact_mask(np.zeros(3), np.full((1, 1, 1, 3), 7), 1)


def test_pixels_without_a_point_show_the_background():
    image = point_image(np.array([0.5, 0.25]), np.array([[[1, -1]]]), background=9)
    np.testing.assert_array_equal(image, [[[0.25, 9]]])


def test_the_middle_of_many_far_points_is_found():
    """Single precision adds up half a million coordinates wrongly by more than the cloud's size."""
    shape = np.random.default_rng(0).normal(scale=0.05, size=(500_000, 3))
    placed = in_unit_sphere((shape + 300.0).astype(np.float32))
    assert np.abs(placed.mean(axis=0)).max() < 1e-3

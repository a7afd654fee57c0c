import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.camera import Camera, look_at

angles = st.floats(-3.0, 3.0)


def make_camera(yaw: float = 0.3, height: int = 40, width: int = 60) -> Camera:
    eye = 3 * np.array([np.sin(yaw), 0.4, np.cos(yaw)])
    return Camera.from_fov(look_at(eye, (0, 0, 0)), 60.0, height, width)


@settings(max_examples=50, deadline=None)
@given(angles, st.floats(0, 60), st.floats(0, 40), st.floats(0.1, 20))
def test_unproject_inverts_project(yaw, x, y, depth):
    camera = make_camera(yaw)
    point = camera.unproject(np.array([x, y]), depth)
    image_point, found = camera.project(point)
    np.testing.assert_allclose(image_point, [x, y], atol=1e-7)
    assert found == pytest.approx(depth)


@settings(max_examples=50, deadline=None)
@given(angles)
def test_look_at_is_rigid_and_hits_the_target(yaw):
    camera = make_camera(yaw)
    rotation = camera.camera_from_world[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(camera.project(np.zeros(3))[0], [30, 20], atol=1e-9)
    np.testing.assert_allclose(
        camera.world_from_camera @ camera.camera_from_world, np.eye(4), atol=1e-12
    )


def test_pixel_rays_go_through_pixel_centres():
    camera = make_camera()
    rays = camera.pixel_rays()
    assert rays.shape == (40, 60, 6) and rays.dtype == np.float32
    image_points, depth = camera.project(rays[..., :3] + 2.5 * rays[..., 3:])
    x, y = np.meshgrid(np.arange(60) + 0.5, np.arange(40) + 0.5)
    np.testing.assert_allclose(image_points, np.stack([x, y], -1), atol=1e-3)
    np.testing.assert_allclose(depth, 2.5, atol=1e-5)


def test_points_behind_the_camera_have_no_image():
    image_point, depth = make_camera(0.0).project(np.array([0, 0, 10.0]))
    assert np.isnan(image_point).all() and depth < 0


def test_impossible_cameras_are_refused():
    with pytest.raises(ValueError, match="up"):
        look_at((0, 1, 0), (0, 0, 0))
    with pytest.raises(ValueError, match="apart"):
        look_at((1, 1, 1), (1, 1, 1))
    with pytest.raises(ValueError, match="intrinsics"):
        Camera(np.eye(4), np.eye(4), 4, 4)
    with pytest.raises(ValueError, match="finite"):
        Camera(np.eye(3), np.full((4, 4), np.nan), 4, 4)
    with pytest.raises(ValueError, match="positive"):
        Camera(np.eye(3), np.eye(4), 0, 4)

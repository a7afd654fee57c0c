"""What a lens shows of meshes whose vertices say little about where their edges are."""

import numpy as np
import pytest

from ivlm_core.geometry.lens import LensCamera
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.render.rasterizer import rasterize

INTRINSICS = np.array([[60.0, 0, 40], [0, 60, 30], [0, 0, 1]])


def camera(*distortion: float, fisheye: bool = False) -> LensCamera:
    return LensCamera(
        INTRINSICS, np.eye(4), 60, 80, distortion=np.array(distortion), fisheye=fisheye
    )


def plate(left: float, right: float, half: float) -> Mesh:
    """Two triangles, one metre ahead."""
    corners = [(left, -half, 1), (right, -half, 1), (right, half, 1), (left, half, 1)]
    return Mesh(np.array(corners), np.array([[0, 1, 2], [0, 2, 3]]))


@pytest.mark.parametrize(
    "lens",
    [
        camera(-0.35, 0.1, 0, 0),
        camera(-0.35, 0, 0, 0),
        camera(0.3, 0, 0, 0),
        camera(-0.2, 0.05, 0.01, -0.01, 0),
        camera(0.1, 0.02, 0, 0, fisheye=True),
    ],
)
@pytest.mark.parametrize(
    "mesh", [plate(-0.4, 0.4, 0.4), plate(-1.8, 0.2, 0.3), plate(0.1, 2.5, 2.0), plate(3, 4, 0.1)]
)
def test_edges_that_bulge_and_vertices_outside_the_image_cost_no_pixel(
    lens: LensCamera, mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rasterize(mesh, [lens]).face_ids
    monkeypatch.setattr(LensCamera, "window", lambda *_: (slice(0, 60), slice(0, 80)))
    np.testing.assert_array_equal(found, rasterize(mesh, [lens]).face_ids)


@pytest.mark.parametrize("fisheye", [False, True])
def test_no_points_have_no_image(fisheye: bool) -> None:
    pixels, depth = camera(0.1, 0, 0, 0, fisheye=fisheye).project(np.zeros((0, 3)))
    assert pixels.shape == (0, 2) and depth.shape == (0,)

"""Calibrations in: what is meant, and what is refused."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.lens import LensCamera
from ivlm_core.messages.camera_info import CameraInfoError, camera_of_info

POINTS = np.array([[0.1, -0.2, 2.0], [-0.4, 0.3, 1.5], [0.0, 0.0, 1.0]])


def info(**fields: Any) -> SimpleNamespace:
    """A calibrated camera of 640 x 480 with fields changed."""
    values: dict[str, Any] = {
        "width": 640,
        "height": 480,
        "k": [500.0, 0, 320, 0, 510, 240, 0, 0, 1],
        "p": [490.0, 0, 322, 0, 0, 495, 238, 0, 0, 0, 1, 0],
        "d": [],
        "distortion_model": "plumb_bob",
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**(values | fields))


def test_pixels_are_where_ros_counts_them_plus_a_half() -> None:
    camera = camera_of_info(info())
    assert (camera.width, camera.height) == (640, 480)
    pixels, depth = camera.project(POINTS)
    np.testing.assert_allclose(pixels[0], (500 * 0.05 + 320.5, 510 * -0.1 + 240.5))
    np.testing.assert_array_equal(depth, POINTS[:, 2])


def test_rectified_images_are_described_by_p() -> None:
    pair = [490.0, 0, 322, -49.0, 0, 495, 238, 0, 0, 0, 1, 0]
    pixels, _ = camera_of_info(info(p=pair, d=[0.3, 0, 0, 0, 0]), rectified=True).project(POINTS)
    np.testing.assert_allclose(pixels[2], (322.5 - 49, 238.5))


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", [-0.2, 0.05, 0.001, -0.002, 0.01]),
        ("rational_polynomial", [0.4, -0.1, 0.001, 0.002, 0.01, 0.6, -0.05, 0.02]),
        ("equidistant", [-0.05, 0.01, -0.004, 0.001]),
    ],
)
def test_lenses_are_opencvs_and_rays_go_back_through_them(
    model: str, coefficients: list[float]
) -> None:
    camera = camera_of_info(info(distortion_model=model, d=coefficients))
    assert isinstance(camera, LensCamera)
    pixels, _ = camera.project(POINTS)
    matrix, still, d = np.array(info().k).reshape(3, 3), np.zeros(3), np.array(coefficients)
    if model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(POINTS[:, None], still, still, matrix, d)
    else:
        expected, _ = cv2.projectPoints(POINTS, still, still, matrix, d)
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2) + 0.5, atol=1e-6)
    rows, columns = slice(100, 300, 40), slice(200, 500, 60)
    rays = camera.pixel_rays(rows, columns)[..., 3:].astype(np.float64)
    again, _ = camera.project(rays * 2)
    x, y = np.meshgrid(np.arange(640)[columns] + 0.5, np.arange(480)[rows] + 0.5)
    np.testing.assert_allclose(again, np.stack([x, y], axis=-1), atol=0.01)


def test_behind_the_camera_is_nowhere() -> None:
    camera = camera_of_info(info(d=[0.1, 0, 0, 0, 0]))
    pixels, depth = camera.project(np.array([[0.0, 0, -1], [0, 0, 1]]))
    assert np.isnan(pixels[0]).all() and np.isfinite(pixels[1]).all() and depth[0] == -1


def test_region_of_interest_and_binning() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=200)
    camera = camera_of_info(info(roi=roi, binning_x=2, binning_y=2))
    assert (camera.width, camera.height) == (200, 100)
    whole, _ = camera_of_info(info()).project(POINTS)
    part, _ = camera.project(POINTS)
    np.testing.assert_allclose(part, (whole - (100, 40)) / 2)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"k": [0.0] * 9}, "not calibrated"),
    ({"k": [-500.0, 0, 320, 0, 500, 240, 0, 0, 1]}, "positive"),
    ({"k": [500.0, 0, 320, 0, 50, 240, 0, 0, 1]}, "nearly the same"),
    ({"k": [5e6, 0, 320, 0, 5e6, 240, 0, 0, 1]}, "field of view"),
    ({"k": [5.0, 0, 320, 0, 5, 240, 0, 0, 1]}, "field of view"),
    ({"k": [500.0, 0, 900, 0, 500, 240, 0, 0, 1]}, "outside the image"),
    ({"k": [500.0, 0, float("nan"), 0, 500, 240, 0, 0, 1]}, "9 finite numbers"),
    ({"k": [500.0, 0, 320, 0, 500, 240, 0, 0.2, 1]}, "expected .fx 0 cx"),
    ({"k": [500.0]}, "9 finite numbers"),
    ({"width": 0}, "0x480 pixels"),
    ({"d": [0.1] * 5, "distortion_model": "magic"}, "model 'magic'"),
    ({"d": [0.1] * 3}, "3 coefficients of plumb_bob; expected 4 or 5"),
    ({"d": [float("inf")] * 5}, "finite numbers"),
    ({"roi": SimpleNamespace(x_offset=600, y_offset=0, width=100, height=0)}, "leaves the 640x480"),
    ({"binning_x": 9999}, "leaves no pixel"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(CameraInfoError, match=reason):
        camera_of_info(info(**change))


wild = st.floats() | st.sampled_from([0.0, 1.0, 320.0, 500.0, -1e308, 1e308])
unsigned = st.integers(0, 2**32 - 1) | st.integers(0, 2000)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_whatever_comes_is_a_camera_or_refused(data: st.DataObject) -> None:
    draw = data.draw
    roi = SimpleNamespace(
        **{name: draw(unsigned) for name in ("x_offset", "y_offset", "width", "height")}
    )
    changes: dict[str, Any] = {
        "width": draw(unsigned),
        "height": draw(unsigned),
        "k": draw(st.lists(wild, min_size=9, max_size=9)),
        "p": draw(st.lists(wild, min_size=12, max_size=12)),
        "d": draw(st.lists(wild, max_size=15)),
        "distortion_model": draw(st.sampled_from(["plumb_bob", "equidistant", "", "\x00"])),
        "binning_x": draw(unsigned),
        "binning_y": draw(unsigned),
        "roi": roi,
    }
    kept = draw(st.sets(st.sampled_from(sorted(changes))))  # the rest makes sense
    message = info(**{name: changes[name] for name in kept})
    try:
        camera = camera_of_info(message, rectified=draw(st.booleans()))
    except CameraInfoError as error:
        assert str(error)
    else:
        assert isinstance(camera, Camera) and camera.width > 0 and camera.height > 0

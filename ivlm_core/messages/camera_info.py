"""`sensor_msgs/CameraInfo` to a camera; calibrations that make no sense are refused.

Any object with the message's fields is read. ROS counts pixel centres at whole numbers, this
project's cameras at halves.
"""

from typing import Any

import numpy as np

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.lens import LensCamera

_COEFFICIENTS = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
    "fisheye": (4,),
}
"""How many coefficients the distortion models that are read have."""
_WIDEST_DEG = 170.0
"""Field of view; a pinhole's image grows without bound towards 180."""
_NARROWEST_DEG = 0.5
_MOST_ASPECT = 2.0
"""Ratio of the two focal lengths: pixels are nearly square."""
_MAX_SIDE = 100_000


class CameraInfoError(ValueError):
    """A calibration that cannot be used; the text says what is wrong with it."""


def camera_of_info(info: Any, rectified: bool = False) -> Camera:
    """Return the camera of a `CameraInfo`, in its own optical frame.

    Args:
        info: the message.
        rectified: the images are rectified, so that `p` describes them, not `k` and `d`.

    Returns:
        A camera of the image's size, region of interest and binning considered.

    Raises:
        CameraInfoError: it is not calibrated, or makes no sense.
    """
    width, height = int(info.width), int(info.height)
    if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
        raise CameraInfoError(f"an image of {width}x{height} pixels")
    k = np.asarray(info.k, np.float64)
    p = np.asarray(info.p, np.float64)
    d = np.asarray(info.d, np.float64)
    for name, values, size in (("k", k, 9), ("p", p, 12), ("d", d, len(d))):
        if values.shape != (size,) or not np.isfinite(values).all():
            raise CameraInfoError(f"{name} is {values.tolist()}; expected {size} finite numbers")
    matrix = p.reshape(3, 4)[:, :3] if rectified else k.reshape(3, 3)
    _check_matrix(matrix, "p" if rectified else "k", width, height)
    pose = np.eye(4)
    if rectified:  # of the second camera of a pair: p maps points of the first one's frame
        pose[:2, 3] = p.reshape(3, 4)[:2, 3] / (matrix[0, 0], matrix[1, 1])
    matrix, width, height = _part_read_out(matrix, info, width, height)
    matrix[:2, 2] += 0.5
    if rectified or not d.any():
        return Camera(matrix, pose, height, width)
    model = str(info.distortion_model)
    if model not in _COEFFICIENTS:
        raise CameraInfoError(
            f"distortion model {model!r}; expected one of {', '.join(_COEFFICIENTS)}"
        )
    if len(d) not in _COEFFICIENTS[model]:
        wanted = " or ".join(map(str, _COEFFICIENTS[model]))
        raise CameraInfoError(f"{len(d)} coefficients of {model}; expected {wanted}")
    fisheye = model in ("equidistant", "fisheye")
    return LensCamera(matrix, pose, height, width, distortion=d, fisheye=fisheye)


def _check_matrix(matrix: np.ndarray, name: str, width: int, height: int) -> None:
    fx, fy = matrix[0, 0], matrix[1, 1]
    cx, cy = matrix[0, 2], matrix[1, 2]
    if fx == 0 and fy == 0:
        raise CameraInfoError(f"{name} is zero: the camera is not calibrated")
    if fx <= 0 or fy <= 0:
        raise CameraInfoError(f"focal lengths {fx:g}, {fy:g}; expected positive numbers")
    if not 1 / _MOST_ASPECT <= fx / fy <= _MOST_ASPECT:
        raise CameraInfoError(f"focal lengths {fx:g}, {fy:g}; expected nearly the same")
    for side, focal in ((width, fx), (height, fy)):
        angle = float(np.degrees(2 * np.arctan(side / (2 * focal))))
        if not _NARROWEST_DEG <= angle <= _WIDEST_DEG:
            raise CameraInfoError(
                f"focal length {focal:g} pixels for {side} pixels is a field of view of "
                f"{angle:.3g} degrees; expected {_NARROWEST_DEG:g} to {_WIDEST_DEG:g}"
            )
    if not (0 <= cx <= width and 0 <= cy <= height):
        raise CameraInfoError(
            f"principal point {cx:g}, {cy:g} lies outside the image of {width}x{height}"
        )
    rest = matrix - np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if np.abs(rest).max() > 1e-6:
        raise CameraInfoError(
            f"{name} is {matrix.ravel().tolist()}; expected [fx 0 cx, 0 fy cy, 0 0 1]"
        )


def _part_read_out(
    matrix: np.ndarray, info: Any, width: int, height: int
) -> tuple[np.ndarray, int, int]:
    """Return matrix and size of the part of the sensor that the image shows, binned."""
    roi = info.roi
    bin_x, bin_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    left, top = int(roi.x_offset), int(roi.y_offset)
    wide, high = int(roi.width) or width, int(roi.height) or height
    if left + wide > width or top + high > height:
        raise CameraInfoError(
            f"region of interest {wide}x{high} at {left}, {top} leaves the {width}x{height} pixels"
        )
    part = matrix.copy()
    part[:2, 2] -= (left, top)
    # Pixel centres are whole numbers here: of two binned pixels 0 and 1, the centre is 0.5.
    part[:2, 2] = (part[:2, 2] + 0.5) / (bin_x, bin_y) - 0.5
    part[0, 0] /= bin_x
    part[1, 1] /= bin_y
    wide, high = wide // bin_x, high // bin_y
    if wide < 1 or high < 1:
        raise CameraInfoError(f"binning {bin_x}x{bin_y} leaves no pixel")
    return part, wide, high

"""Where the camera stands: near-frontal views with the person filling much of the frame."""

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.synthesis.rotations import about

CLOSE = 0.2
"""How often the camera sees the upper body only."""


def draw_camera(
    rng: np.random.Generator,
    shown: NDArray[np.float32],
    floor: float,
    size: int,
    max_azimuth: float,
    fill: tuple[float, float],
) -> Camera:
    """Draw a camera that sees a person.

    Args:
        rng: source of the choice.
        shown: points [N, 3] to be seen, metres.
        floor: height, metres.
        size: image side, pixels.
        max_azimuth: largest angle from the person's front, degrees.
        fill: range of the person's share of the frame (greater of height and width).
    """
    points = shown.astype(float)
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2
    azimuth = np.radians(rng.uniform(-max_azimuth, max_azimuth))
    fov = float(rng.uniform(28.0, 65.0))
    height = floor + float(rng.uniform(0.5, 1.9))
    share = float(rng.uniform(*fill))
    if rng.uniform() < CLOSE:
        # Nearer: the upper body, the feet may be cut off.
        points = points[points[:, 1] > low[1] + rng.uniform(0.1, 0.4) * (high[1] - low[1])]
        low, high = points.min(0), points.max(0)
        middle = (low + high) / 2
    distance = 3.0
    ahead = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    roll = about((0, 0, 1), np.radians(rng.normal(0, 2.5)))
    aim = middle.copy()
    for _ in range(5):
        eye = middle + ahead * distance
        eye[1] = max(floor + 0.15, middle[1] + (height - middle[1]) * min(1.0, distance / 3.0))
        pose = look_at(eye, aim)
        pose[:3] = roll @ pose[:3]
        camera = Camera.from_fov(pose, fov, size, size)
        seen, _ = camera.project(points)
        box = seen.max(0) - seen.min(0)
        extent = float(max(box[1], 0.9 * box[0])) / size
        if not np.isfinite(extent) or extent <= 0:
            distance *= 1.5
            continue
        distance = float(np.clip(distance * extent / share, 1.0, 12.0))
    # Shift the picture so that the person is near its middle.
    slack = max(0.0, 1.0 - share) * size / 2
    centre = (seen.max(0) + seen.min(0)) / 2
    wish = size / 2 + rng.uniform(-1, 1, 2) * (0.8 * slack + 0.02 * size)
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, 2] += wish - centre
    return Camera(intrinsics, pose, size, size)

"""Where the camera stands: mostly in front of the person, who fills much of the frame."""

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.synthesis.rotations import about

CLOSE = 0.2
"""How often the camera sees the upper body only."""
FRONTAL, FRONTAL_DEG = 0.6, 70.0
"""How often, at least, the camera is within an angle of the person's front."""
TILTED = 0.15
"""How often the camera is held askew."""
CUT = 0.12
"""How often the frame cuts the person, though not the place of contact."""
_KEPT_MARGIN = 0.06


def draw_azimuth(rng: np.random.Generator, largest: float) -> float:
    """Draw the angle from the person's front, degrees, positive to their left.

    Up to `FRONTAL_DEG` all angles are equally likely, and so are those beyond, more seldom.
    """
    near = min(FRONTAL_DEG, largest)
    frontal = largest <= FRONTAL_DEG or rng.uniform() < FRONTAL
    angle = rng.uniform(0, near) if frontal else rng.uniform(near, largest)
    return float(angle if rng.uniform() < 0.5 else -angle)


def draw_camera(
    rng: np.random.Generator,
    shown: NDArray[np.float32],
    kept: NDArray[np.float32],
    floor: float,
    size: int,
    max_azimuth: float,
    fill: tuple[float, float],
) -> Camera:
    """Draw a camera that sees a person.

    Args:
        rng: source of the choice.
        shown: points [N, 3] to be seen, metres.
        kept: points [K, 3] that stay in the frame where it cuts the rest: places of contact.
        floor: height, metres.
        size: image side, pixels.
        max_azimuth: largest angle from the person's front, degrees.
        fill: range of the person's share of the frame (greater of height and width).
    """
    points = shown.astype(float)
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2
    azimuth = np.radians(draw_azimuth(rng, max_azimuth))
    fov = float(rng.uniform(26.0, 72.0))
    height = floor + float(rng.uniform(0.4, 2.3))
    share = float(rng.uniform(*fill))
    if rng.uniform() < CLOSE:
        # Nearer: the upper body, the feet may be cut off.
        points = points[points[:, 1] > low[1] + rng.uniform(0.1, 0.4) * (high[1] - low[1])]
        low, high = points.min(0), points.max(0)
        middle = (low + high) / 2
    distance = 3.0
    ahead = np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    askew = 9.0 if rng.uniform() < TILTED else 2.5
    roll = about((0, 0, 1), np.radians(rng.normal(0, askew)))
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
    shift = wish - centre
    if rng.uniform() < CUT:
        shift = shift + _cut(rng, camera, points, kept, shift)
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, 2] += shift
    return Camera(intrinsics, pose, size, size)


def _cut(
    rng: np.random.Generator,
    camera: Camera,
    points: NDArray[np.float64],
    kept: NDArray[np.float32],
    shift: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a further shift [2] that moves part of the points out of the frame at one side."""
    size = camera.height
    seen, _ = camera.project(points)
    axis, sign = int(rng.choice(2, p=(0.65, 0.35))), float(rng.choice((-1.0, 1.0)))
    place = seen[:, axis] + shift[axis]
    share = float(rng.uniform(0.1, 0.4))
    edge = np.nanquantile(place, share if sign < 0 else 1 - share)
    move = (0.0 if sign < 0 else size) - float(edge)
    if len(kept):
        held = camera.project(kept.astype(float))[0][:, axis] + shift[axis]
        margin = _KEPT_MARGIN * size
        if sign < 0:
            move = max(move, min(0.0, margin - float(np.nanmin(held))))
        else:
            move = min(move, max(0.0, size - margin - float(np.nanmax(held))))
    result = np.zeros(2)
    result[axis] = min(move, 0.0) if sign < 0 else max(move, 0.0)
    return result

"""Things without a name around people: boxes behind them, and what partly hides them in front."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.camera import Camera
from ivlm_core.synthesis.rotations import unit, yaw
from ivlm_core.synthesis.scene import Scene

OCCLUDED = 0.13
"""How often something stands in front."""
_CORNERS = np.array([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]], np.int32)
_SIDES = np.array([[a, b, a + 4] for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))], np.int32)
_BACKS = np.array([[b, b + 4, a + 4] for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))], np.int32)
_BLOCK = np.concatenate([_CORNERS, _SIDES, _BACKS])
_UNIT = np.array(
    [
        [x, y, z]
        for z in (-0.5, 0.5)
        for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    ]
)
"""Corners of a block of side one."""
_MARGIN = 0.07
"""Of the image's side: what is left free around every place of contact."""


@dataclass(frozen=True, eq=False)
class Clutter:
    """A coloured mesh: vertices float32 [V, 3], faces int32 [F, 3], colours float32 [F, 3]."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.float32]


def _tone(rng: np.random.Generator, count: int, centre: float = 130.0) -> NDArray[np.float32]:
    """Nearly one colour for all faces [count, 3]."""
    colour = np.clip(centre + rng.uniform(-100, 100) + rng.normal(0, 35, 3), 5, 250)
    return (colour * rng.uniform(0.9, 1.0, (count, 1))).astype(np.float32)


def behind(rng: np.random.Generator, scene: Scene, camera: Camera, wall_at: float) -> list[Clutter]:
    """Boxes, alone or stacked, between the person and the wall."""
    away = scene.vertices.mean(0) - camera.center
    away[1] = 0
    away = unit(away)
    aside = np.array([away[2], 0, -away[0]])
    made = []
    for _ in range(int(rng.integers(0, 5))):
        size = rng.uniform((0.15, 0.2, 0.15), (0.9, 1.4, 0.6))
        place = away * rng.uniform(0.9, max(1.0, wall_at)) + aside * rng.uniform(-2.2, 2.2)
        turn, base = yaw(rng.uniform(0, np.pi)).T, scene.floor
        for _ in range(int(rng.integers(1, 4))):
            place[1] = base + size[1] / 2
            points = (_UNIT * size @ turn + place).astype(np.float32)
            made.append(Clutter(points, _BLOCK, _tone(rng, len(_BLOCK))))
            base += size[1]
            size = size * rng.uniform(0.3, 1.0, 3)
    return made


def in_front(rng: np.random.Generator, scene: Scene, camera: Camera) -> list[Clutter]:
    """Sometimes something between camera and person that hides no place of contact but the feet."""
    if rng.uniform() >= OCCLUDED:
        return []
    shown, depth = camera.project(scene.vertices[::7])
    centres = [scene.vertices[found.body].mean(0) for found in scene.contacts if len(found.body)]
    kept = camera.project(np.array(centres).reshape(-1, 3))[0]
    size = camera.height
    nearest = float(np.nanmin(depth))
    if nearest < 0.8:
        return []
    low, high = np.clip(np.nanmin(shown, 0), 0, size), np.clip(np.nanmax(shown, 0), 0, size)
    for _ in range(5):
        kind = int(rng.integers(3))
        if kind == 0:  # a post or the edge of a door
            wide = rng.uniform(0.04, 0.16) * size
            left = rng.uniform(low[0] - wide / 2, high[0] - wide / 2)
            box = np.array([left, rng.choice((-0.1, rng.uniform(0.0, 0.6))) * size, left + wide])
        elif kind == 1:  # a counter or a low wall
            left = rng.uniform(-0.6, 0.5) * size
            box = np.array(
                [left, rng.uniform(0.66, 0.92) * size, left + rng.uniform(0.5, 1.6) * size]
            )
        else:  # leaves in a corner
            side = rng.choice((0.0, 1.0)) * size
            reach = rng.uniform(0.15, 0.4) * size
            box = np.array([side - reach, rng.uniform(0.3, 0.75) * size, side + reach])
        margin = _MARGIN * size
        free = (kept[:, 0] < box[0] - margin) | (kept[:, 0] > box[2] + margin)
        if not (free | (kept[:, 1] < box[1] - margin)).all():
            continue
        distance = nearest * float(rng.uniform(0.45, 0.8))
        return [
            _leaves(rng, camera, box, distance) if kind == 2 else _block(rng, camera, box, distance)
        ]
    return []


def _block(
    rng: np.random.Generator, camera: Camera, box: NDArray[np.floating], distance: float
) -> Clutter:
    """A block whose front covers left, top, right `box` of the image and all below."""
    left, top, right = box
    bottom = 1.3 * camera.height
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    front = camera.unproject(corners, np.full(4, distance))
    ahead = camera.camera_from_world[2, :3] * rng.uniform(0.05, 0.4)
    points = np.concatenate([front, front + ahead]).astype(np.float32)
    return Clutter(points, _BLOCK, _tone(rng, len(_BLOCK)))


def _leaves(
    rng: np.random.Generator, camera: Camera, box: NDArray[np.floating], distance: float
) -> Clutter:
    """Pointed blades that grow from below the image between left and right of a box."""
    count = int(rng.integers(8, 30))
    left, top, right = box
    root = np.stack([rng.uniform(left, right, count), np.full(count, 1.05 * camera.height)], 1)
    tip = np.stack([rng.uniform(left, right, count), rng.uniform(top, camera.height, count)], 1)
    wide = rng.uniform(0.01, 0.04, (count, 1)) * camera.height * np.array([1.0, 0.3])
    middle = root + 0.6 * (tip - root)
    pixels = np.concatenate([root, middle - wide, middle + wide, tip])
    points = camera.unproject(pixels, np.tile(distance * rng.uniform(0.9, 1.1, count), 4))
    k = np.arange(count)
    faces = np.concatenate(
        [
            np.stack([k, k + count, k + 2 * count], 1),
            np.stack([k + count, k + 3 * count, k + 2 * count], 1),
        ]
    )
    colours = (
        np.array([60, 110, 45]) * rng.uniform(0.4, 1.4, (1, 3)) * rng.uniform(0.6, 1.2, (count, 1))
    )
    tones = np.tile(colours, (2, 1)).astype(np.float32)
    return Clutter(points.astype(np.float32), faces.astype(np.int32), tones)

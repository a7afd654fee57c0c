"""Grids of triangles, welding, and the types and protocol that all solids share."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Distance = NDArray[np.float32]
Faces = NDArray[np.int32]


class Solid(Protocol):
    """What every shape offers."""

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """Return vertices [V, 3] and outward faces [F, 3] with edges of about `edge` metres."""
        ...

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """Return signed distances [N] in metres, negative inside."""
        ...


def cross(a: Array, b: Array) -> Array:
    """Return the cross product of two vectors [3] (faster than numpy's for one pair)."""
    return np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def grid_faces(rows: int, columns: int, wrap: bool = False) -> Faces:
    """Return triangles [F, 3] of a rows x columns vertex grid (`wrap`: last column to first)."""
    row = np.arange(rows - 1)[:, None]
    column = np.arange(columns if wrap else columns - 1)[None, :]
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = (row + 1) * columns + column, (row + 1) * columns + following
    first = np.stack([a, c, d], -1).reshape(-1, 3)
    second = np.stack([a, d, b], -1).reshape(-1, 3)
    return np.concatenate([first, second]).astype(np.int32)


def weld(vertices: Array, faces: Faces, tolerance: float = 1e-5) -> tuple[Array, Faces]:
    """Merge vertices closer than about `tolerance` and drop faces that collapse.

    Coordinates must be less than 2**20 tolerances (10 m) from the origin.
    """
    steps = np.round(vertices / tolerance).astype(np.int64) + (1 << 20)
    keys = (steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    welded = inverse.reshape(-1)[faces].astype(np.int32)
    a, b, c = welded.T
    keep = (a != b) & (b != c) & (c != a)
    return vertices[first], welded[keep]


def split_line(points: Array, edge: float) -> Array:
    """Return the polyline [K, D] with points added so that no piece is longer than `edge`."""
    pieces = [points[:1]]
    for start, end in zip(points[:-1], points[1:], strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / edge)))
        steps = np.arange(1, count + 1)[:, None] / count
        pieces.append(start + steps * (end - start))
    return np.concatenate(pieces)


def cut_line(points: Array, heights: Sequence[float]) -> Array:
    """Return the polyline [K, 2] with a point added wherever it crosses one of the heights."""
    pieces = [points[:1]]
    for start, end in zip(points[:-1], points[1:], strict=True):
        rise = end[1] - start[1]
        shares = [(h - start[1]) / rise for h in heights] if abs(rise) > 1e-9 else []
        cuts = sorted(share for share in shares if 1e-3 < share < 1 - 1e-3)
        pieces.append(np.array([start + share * (end - start) for share in cuts]).reshape(-1, 2))
        pieces.append(end[None])
    return np.concatenate(pieces)


def revolve(profile: Array, around: int, closed: bool) -> tuple[Array, Faces]:
    """Turn a profile [K, 2] of (radius, height), counter-clockwise, about the y axis."""
    points = np.concatenate([profile, profile[:1]]) if closed else profile
    angles = np.arange(around) * 2 * np.pi / around
    radius, height = points[:, :1], points[:, 1:]
    grid = np.stack(
        [
            radius * np.sin(angles),
            np.broadcast_to(height, (len(points), around)),
            radius * np.cos(angles),
        ],
        -1,
    )
    faces = grid_faces(len(points), around, wrap=True)[:, ::-1]
    return weld(grid.reshape(-1, 3), faces)

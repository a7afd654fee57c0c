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
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def corners_of(points: NDArray[np.floating]) -> tuple[NDArray, NDArray]:
    """Return the lowest and the highest corner [3] of the box around points [N, 3]."""
    columns = np.ascontiguousarray(points.T)  # numpy is slow along rows of three
    return columns.min(axis=1), columns.max(axis=1)


def inside_box(
    points: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return which points [N, 3] are between two corners [3] of a box."""
    inside = np.ones(len(points), bool)
    for k in range(3):  # numpy is slow along rows of three
        inside &= points[:, k] > low[k]
        inside &= points[:, k] < high[k]
    return inside


def grid_faces(rows: int, columns: int, wrap: bool = False) -> Faces:
    """Return triangles [F, 3] of a rows x columns vertex grid (`wrap`: last column to first)."""
    row = np.arange(0, (rows - 1) * columns, columns, dtype=np.int32)[:, None]
    column = np.arange(columns if wrap else columns - 1, dtype=np.int32)
    following = row + (column + 1) % columns
    corner = row + column
    faces = np.empty((2, *corner.shape, 3), np.int32)
    faces[..., 0] = corner
    faces[0, ..., 1] = corner + columns
    faces[0, ..., 2] = faces[1, ..., 1] = following + columns
    faces[1, ..., 2] = following
    return faces.reshape(-1, 3)


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

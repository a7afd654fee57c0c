"""Tubes along a line: handles, straps, frames."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.synthesis.objects.meshing import (
    Array,
    Distance,
    Faces,
    cross,
    grid_faces,
    split_line,
    weld,
)
from ivlm_core.synthesis.objects.polygon import blocks


@dataclass(frozen=True)
class Tube:
    """Round tube along a polyline: a chain of capsules, optionally of changing radius.

    Args:
        points: centre line [K, 3] in metres, K >= 2.
        radius: radius in metres, or one per point (the distance is then to first order).
        sides: vertices around.
        loop: whether the last point joins the first.
    """

    points: Array
    radius: ArrayLike
    sides: int = 8
    loop: bool = False

    def _radii(self) -> Array:
        return np.broadcast_to(np.asarray(self.radius, float), (len(self.points),))

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        line = np.column_stack([np.asarray(self.points, float), self._radii()])
        line = np.concatenate([line, line[:1]]) if self.loop else line
        line = split_line(line, edge)
        line = line[:-1] if self.loop else line
        return _sweep(line[:, :3], line[:, 3], self.sides, self.loop, edge)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        start, step, length, radius, growth = self._pieces
        (ax, ay, az), (ex, ey, ez) = start, step
        best = np.empty(x.shape, np.float32)
        for part in blocks(len(x), len(length)):
            wx, wy, wz = x[part] - ax, y[part] - ay, z[part] - az
            t = wx * ex
            t += wy * ey
            t += wz * ez
            t /= length
            np.minimum(np.maximum(t, 0, out=t), 1, out=t)
            wx -= t * ex
            wy -= t * ey
            wz -= t * ez
            squared = np.multiply(wx, wx, out=wx)
            squared += np.multiply(wy, wy, out=wy)
            squared += np.multiply(wz, wz, out=wz)
            if growth is not None:
                np.sqrt(squared, out=squared)
                squared -= radius + t * growth
            squared.min(axis=0, out=best[part])
        return best if growth is not None else np.sqrt(best, out=best) - radius[0]

    @cached_property
    def _pieces(self) -> tuple[Distance, Distance, Distance, Distance, Distance | None]:
        """The K straight pieces, float32.

        Returns:
            Starts and steps [3, K, 1], squared lengths [K, 1], radii at the starts [K, 1] and what
            they grow by to the ends; None if all radii are equal.
        """
        points = np.asarray(self.points, np.float32)
        radii = self._radii().astype(np.float32)[:, None]
        last = None if self.loop else -1
        start, end = points[:last], np.roll(points, -1, axis=0)[:last]
        step = (end - start).T[:, :, None]
        ex, ey, ez = step
        length = np.maximum(ex * ex + ey * ey + ez * ez, np.float32(1e-12))
        growth = (np.roll(radii, -1, axis=0) - radii)[:last]
        even = bool(np.all(radii == radii[0]))
        return start.T[:, :, None], step, length, radii[:last], None if even else growth


def _sweep(line: Array, radii: Array, sides: int, loop: bool, edge: float) -> tuple[Array, Faces]:
    """Sweep a circle along a line [K, 3] with rotation-minimising frames and round ends."""
    ahead = np.roll(line, -1, axis=0) - line
    behind = line - np.roll(line, 1, axis=0)
    if not loop:
        ahead[-1], behind[0] = behind[-1], ahead[0]
    unit_ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-12)
    unit_behind = behind / np.maximum(np.linalg.norm(behind, axis=1, keepdims=True), 1e-12)
    tangent = unit_ahead + unit_behind
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    side = cross(tangent[0], np.eye(3)[np.argmin(np.abs(tangent[0]))])
    angles = np.arange(sides) * 2 * np.pi / sides
    across = np.empty_like(line)
    for k, direction in enumerate(tangent):
        side = side - direction * (side @ direction)
        side /= math.sqrt(side @ side)
        across[k] = side
    (tx, ty, tz), (ax, ay, az) = tangent.T, across.T
    up = np.stack([ty * az - tz * ay, tz * ax - tx * az, tx * ay - ty * ax], axis=1)
    circle = np.cos(angles)[:, None] * across[:, None] + np.sin(angles)[:, None] * up[:, None]
    rings = line[:, None] + radii[:, None, None] * circle
    if loop:
        closed = np.concatenate([rings, rings[:1]])
        turn = int(np.argmin(np.linalg.norm(rings[0] - rings[-1, 0], axis=1)))
        closed[-1] = np.roll(rings[0], -turn, axis=0)
        return weld(closed.reshape(-1, 3), grid_faces(len(closed), sides, wrap=True)[:, ::-1])
    caps = []
    for end, sign in ((0, -1.0), (-1, 1.0)):
        steps = max(2, int(np.ceil(radii[end] * np.pi / 2 / edge)))
        rows = []
        for angle in np.linspace(0, np.pi / 2, steps + 1)[1:]:
            spread = (rings[end] - line[end]) * np.cos(angle)
            rows.append(line[end] + spread + sign * radii[end] * np.sin(angle) * tangent[end])
        caps.append(rows[::-1] if sign < 0 else rows)
    grid = np.stack([*caps[0], *rings, *caps[1]])
    return weld(grid.reshape(-1, 3), grid_faces(len(grid), sides, wrap=True)[:, ::-1])


def tube_mesh(
    points: Array, radius: ArrayLike, sides: int = 8, edge: float = 0.03
) -> tuple[Array, Faces]:
    """Return vertices [V, 3] and faces [F, 3] of a round tube along points [K, 3], in metres.

    Raises:
        ValueError: if fewer than two points are given.
    """
    return Tube(_line(points), radius, sides).mesh(edge)


def tube_sdf(points: Array, radius: ArrayLike) -> Callable[[NDArray[np.floating]], Distance]:
    """Return the signed distance function ([N, 3] -> [N]) of the tube along points [K, 3]."""
    tube = Tube(_line(points), radius)

    def distance(samples: NDArray[np.floating]) -> Distance:
        x, y, z = np.ascontiguousarray(np.asarray(samples, np.float32).T)
        return tube.distance(x, y, z)

    return distance


def _line(points: Array) -> Array:
    line = np.asarray(points, float)
    if line.ndim != 2 or line.shape[1] != 3 or len(line) < 2:
        raise ValueError(f"a tube needs points of shape [K >= 2, 3], got {line.shape}")
    return line

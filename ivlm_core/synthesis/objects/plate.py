"""Flat plates with a rounded rim, straight or bent: boards, blades, saddles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from ivlm_core.synthesis.objects.meshing import (
    Array,
    Distance,
    Faces,
    Solid,
    grid_faces,
    split_line,
    weld,
)
from ivlm_core.synthesis.objects.polygon import Polygon


@dataclass(frozen=True)
class Plate:
    """Flat plate in the x-z plane whose outline is given by its two sides along z.

    Args:
        stations: increasing z values [K] in metres.
        low: x of the outline's lower side at each station [K].
        high: x of the upper side [K]; high > low except perhaps at the two ends.
        thickness: full thickness along y in metres.
        rounding: radius of the rim, at most half the thickness. The outline is the outer one.
    """

    stations: ArrayLike
    low: ArrayLike
    high: ArrayLike
    thickness: float
    rounding: float = 0.002

    def _outline(self) -> tuple[Array, float, float]:
        """Return the inner outline [M, 2] of (x, z), counter-clockwise, its half height, radius."""
        radius = min(self.rounding, self.thickness / 2)
        z, low, high = (np.asarray(v, float) for v in (self.stations, self.low, self.high))
        middle = (z[0] + z[-1]) / 2
        scale_z = 1 - 2 * radius / (z[-1] - z[0])
        z = middle + (z - middle) * scale_z
        inset = np.minimum(radius, (high - low) / 2)
        low, high = low + inset, high - inset
        wide = np.flatnonzero(high > low)
        kept = slice(max(wide[0] - 1, 0), wide[-1] + 2)
        z, low, high = z[kept], low[kept], high[kept]
        return np.stack([z, low, high]), self.thickness / 2 - radius, radius

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        rows, half, radius = self._outline()
        line = split_line(rows.T, edge)
        z, low, high = line.T
        columns = max(2, int(np.ceil((high - low).max() / edge)) + 1)
        share = np.linspace(0, 1, columns)
        x = low[:, None] + share * (high - low)[:, None]
        top = np.stack([x, np.full_like(x, half), np.broadcast_to(z[:, None], x.shape)], -1)
        bottom = top * np.array([1.0, -1.0, 1.0])
        cap = grid_faces(len(z), columns)
        vertices = [top.reshape(-1, 3), bottom.reshape(-1, 3)]
        faces = [cap, cap[:, ::-1] + top[..., 0].size]
        rim = np.concatenate([top[0], top[1:, -1], top[-1, ::-1][1:], top[::-1, 0][1:-1]])
        rim = rim[np.linalg.norm(rim - np.roll(rim, 1, axis=0), axis=1) > 1e-7]
        rim, normal = _round_corners(rim)
        tall = max(1, int(np.ceil((2 * half + 1.5 * radius) / edge)))
        bends = int(np.clip(np.ceil(radius * np.pi / 2 / edge), 2, 6)) if radius > 0 else 0
        arc = np.linspace(np.pi / 2, 0, bends + 1)
        if half > 1e-9:
            levels = [(half, t) for t in arc]
            levels += [(half - 2 * half * k / tall, 0.0) for k in range(1, tall)]
            levels += [(-half, -t) for t in arc[::-1]]
        else:
            levels = [(0.0, t) for t in arc] + [(0.0, -t) for t in arc[-2::-1]]
        rings = []
        for height, angle in levels:
            ring = rim + radius * np.cos(angle) * normal
            ring[:, 1] = height + radius * np.sin(angle)
            rings.append(ring)
        vertices[0][:, 1] += radius
        vertices[1][:, 1] -= radius
        grid = np.stack(rings)
        wall = grid_faces(len(rings), len(rim), wrap=True)
        offset = 2 * top[..., 0].size
        faces.append(wall[:, ::-1] + offset)
        vertices.append(grid.reshape(-1, 3))
        return weld(np.concatenate(vertices), np.concatenate(faces))

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        outline, mirrored, half, radius = self._section
        plane = outline.distance(np.abs(x) if mirrored else x, z)
        return _extrude_distance(plane, np.abs(y) - np.float32(half), radius)

    @cached_property
    def _section(self) -> tuple[Polygon, bool, float, float]:
        """The outline, or its half at x >= 0 if the other mirrors it; half height and radius."""
        (stations, low, high), half, radius = self._outline()
        right = np.stack([high, stations], 1)
        left = np.stack([low, stations], 1)[::-1]
        if np.array_equal(low, -high):
            ends = np.array([[(0, stations[0])], [(0, stations[-1])]])
            half_outline = np.concatenate([ends[0], right, ends[1]])
            return Polygon(half_outline, closed=False), True, half, radius
        return Polygon(np.concatenate([right, left]), closed=True), False, half, radius


def _round_corners(rim: Array) -> tuple[Array, Array]:
    """Return a closed line [M, 3] in a plane y = const with its outward normals [M, 3].

    The line turns from z to x seen from above. Its sharp outward corners are repeated, with
    normals that turn by at most 30 degrees from one to the next.
    """
    step = np.roll(rim, -1, axis=0) - rim
    after = np.arctan2(-step[:, 0], step[:, 2])
    before = np.roll(after, 1)
    bend = (after - before + np.pi) % (2 * np.pi) - np.pi
    points, angles = [], []
    for point, start, change in zip(rim, before, bend, strict=True):
        pieces = int(np.ceil(change / np.radians(30))) if change > np.radians(15) else 0
        shares = np.linspace(0, 1, pieces + 1) if pieces else np.array([0.5])
        points.append(np.repeat(point[None], len(shares), axis=0))
        angles.append(start + shares * change)
    angle = np.concatenate(angles)
    normal = np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], 1)
    return np.concatenate(points), normal


def _extrude_distance(plane: Distance, across: Distance, rounding: float) -> Distance:
    """Combine a distance in a plane and one across it into that of the rounded extrusion."""
    a, b = np.maximum(plane, 0.0), np.maximum(across, 0.0)
    outside = np.sqrt(a * a + b * b)
    return np.minimum(np.maximum(plane, across), 0.0) + outside - np.float32(rounding)


@dataclass(frozen=True)
class Bent:
    """A shape whose heights are shifted by a curve of z (boards with kicks and rocker).

    The distance is that of the straight shape at the unbent point: too large by about
    1/cos(slope) of the distance itself.
    """

    solid: Solid
    stations: Sequence[float] | Array
    heights: Sequence[float] | Array

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        vertices, faces = self.solid.mesh(edge)
        lifted = vertices.copy()
        lifted[:, 1] += np.interp(vertices[:, 2], self.stations, self.heights)
        return lifted, faces

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        shift = np.interp(z, self.stations, self.heights).astype(np.float32)
        return self.solid.distance(x, y - shift, z)

"""Boxes, ellipsoids, rings and solids of revolution, each a triangle mesh and a signed distance.

Every shape stands in its own local frame (metres, y up); `instance.Assembly.add` places it.
`mesh(edge)` returns vertices float64 [V, 3] and faces int32 [F, 3] with outward normals and edges
of about `edge` metres. `distance(x, y, z)` takes three float32 arrays [N] and returns the signed
distance float32 [N], negative inside. Mesh and distance come from the same numbers, so they cannot
disagree. Distances are exact unless a shape says otherwise.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ivlm_core.synthesis.objects.meshing import (
    Array,
    Distance,
    Faces,
    cut_line,
    grid_faces,
    revolve,
    split_line,
    weld,
)
from ivlm_core.synthesis.objects.polygon import Polygon


@dataclass(frozen=True)
class Box:
    """Box of full `size` (x, y, z) in metres centred at the origin, edges rounded by `rounding`."""

    size: tuple[float, float, float]
    rounding: float = 0.003

    @cached_property
    def _inner(self) -> tuple[Array, float]:
        half = np.asarray(self.size, float) / 2
        radius = min(self.rounding, float(half.min()))
        return half - radius, radius

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        inner, radius = self._inner
        bend = max(1, int(np.ceil(radius * np.pi / 4 / edge)))
        rim = radius * np.tan(np.linspace(0, np.pi / 4, bend + 1)[1:])
        axes = []
        for reach in inner:
            count = max(1, int(np.ceil(2 * reach / edge)))
            flat = np.linspace(-reach, reach, count + 1) if reach > 1e-9 else np.zeros(1)
            axes.append(np.concatenate([-reach - rim[::-1], flat, reach + rim]))
        vertices, faces, offset = [], [], 0
        half = inner + radius
        for axis in range(3):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            a, b = np.meshgrid(axes[first], axes[second], indexing="ij")
            for side in (-1.0, 1.0):
                face = np.empty((*a.shape, 3))
                face[..., first], face[..., second], face[..., axis] = a, b, side * half[axis]
                triangles = grid_faces(*a.shape) + offset
                vertices.append(face.reshape(-1, 3))
                faces.append(triangles if side > 0 else triangles[:, ::-1])
                offset += a.size
        points = np.concatenate(vertices)
        if radius > 0:
            core = np.clip(points, -inner, inner)
            direction = points - core
            points = core + radius * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        return weld(points, np.concatenate(faces))

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        inner, radius = self._inner
        a, b, c = np.abs(x), np.abs(y), np.abs(z)
        for column, reach in zip((a, b, c), inner.tolist(), strict=True):
            column -= np.float32(reach)
        inside = np.maximum(a, b)
        np.minimum(np.maximum(inside, c, out=inside), 0.0, out=inside)
        for column in (a, b, c):
            np.maximum(column, 0.0, out=column)
            column *= column
        a += b
        a += c
        np.sqrt(a, out=a)
        a += inside
        a -= np.float32(radius)
        return a


@dataclass(frozen=True)
class Ellipsoid:
    """Ellipsoid with the three `radii` in metres; exact as a sphere, else to first order."""

    radii: tuple[float, float, float]

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        count = int(np.clip(np.ceil(np.pi * max(self.radii) / edge), 6, 40))
        angles = np.linspace(-np.pi / 2, np.pi / 2, count + 1)
        profile = np.stack([np.cos(angles), np.sin(angles)], 1)
        profile[[0, -1], 0] = 0.0
        vertices, faces = revolve(profile, 2 * count, closed=False)
        return vertices * np.asarray(self.radii), faces

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        a, b, c = (np.float32(radius) for radius in self.radii)
        if a == b == c:
            return np.sqrt(x * x + y * y + z * z) - a
        u, v, w = x / a, y / b, z / c
        scaled = np.sqrt(u * u + v * v + w * w)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
        return np.where(
            scaled > 1e-3, scaled * (scaled - 1) / np.maximum(slope, 1e-9), -min(self.radii)
        ).astype(np.float32)


@dataclass(frozen=True)
class Torus:
    """Ring around the y axis: `major` to the tube's centre line, `minor` tube radius, metres."""

    major: float
    minor: float
    sides: int = 8

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        around = int(np.clip(np.ceil(2 * np.pi * self.major / edge), 16, 64))
        angles = -np.arange(self.sides) * 2 * np.pi / self.sides
        profile = np.stack(
            [self.major + self.minor * np.cos(angles), -self.minor * np.sin(angles)], 1
        )
        return revolve(profile, around, closed=True)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        ring = np.hypot(x, z) - np.float32(self.major)
        return np.hypot(ring, y) - np.float32(self.minor)


@dataclass(frozen=True)
class Revolution:
    """Solid of revolution about the y axis.

    Args:
        profile: corners [K, 2] of (radius, height) in metres, either starting and ending on the
            axis (radius 0, a full solid) or a loop away from it with `closed` true.
        closed: whether the last corner joins the first.
        stretch: factors of x and z that make the section an ellipse (first order then).
        around: least number of vertices around.
        rows: heights at which the mesh gets a ring of vertices (boundaries between parts).
    """

    profile: Array
    closed: bool = False
    stretch: tuple[float, float] = (1.0, 1.0)
    around: int = 16
    rows: tuple[float, ...] = ()

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        points = np.asarray(self.profile, float)
        following = np.roll(points, -1, axis=0)
        area = np.sum(points[:, 0] * following[:, 1] - points[:, 1] * following[:, 0])
        points = points if area > 0 else points[::-1]
        line = np.concatenate([points, points[:1]]) if self.closed else points
        line = split_line(cut_line(line, self.rows), edge)
        line = line[:-1] if self.closed else line
        wide = points[:, 0].max() * max(self.stretch)
        around = int(np.clip(np.ceil(2 * np.pi * wide / edge), self.around, 64))
        around += -around % 8
        vertices, faces = revolve(line, around, self.closed)
        return vertices * np.array([self.stretch[0], 1.0, self.stretch[1]]), faces

    @cached_property
    def _section(self) -> Polygon:
        return Polygon(np.asarray(self.profile, float), self.closed)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        u, w = x / np.float32(self.stretch[0]), z / np.float32(self.stretch[1])
        radius = np.hypot(u, w)
        if self.stretch == (1.0, 1.0):
            return self._section.distance(radius, y)
        value, du, dv = self._section.offset(radius, y)
        safe = np.maximum(radius, 1e-6)
        growth = np.hypot(u / safe / self.stretch[0], w / safe / self.stretch[1])
        length = np.maximum(np.abs(value), 1e-6)
        slope = np.hypot(du / length * growth, dv / length)
        slope = np.where(radius > 1e-5, slope, 1.0 / min(self.stretch))
        floor = 1.0 / max(*self.stretch, 1.0)
        return (value / np.maximum(slope, floor)).astype(np.float32)


def cylinder(radius: float, height: float, bevel: float = 0.0) -> Revolution:
    """Return a cylinder about y centred at the origin with a bevelled rim (metres)."""
    return frustum(radius, radius, height, bevel)


def frustum(bottom: float, top: float, height: float, bevel: float = 0.0) -> Revolution:
    """Return a cone frustum about y centred at the origin with bevelled rims (metres)."""
    half = height / 2
    if bevel <= 0:
        corners = [(0, -half), (bottom, -half), (top, half), (0, half)]
    else:
        corners = [
            (0, -half),
            (max(bottom - bevel, 0), -half),
            (bottom, -half + bevel),
            (top, half - bevel),
            (max(top - bevel, 0), half),
            (0, half),
        ]
    return Revolution(np.array(corners, float))

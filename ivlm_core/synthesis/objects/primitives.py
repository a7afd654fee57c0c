"""Solid shapes that give both a triangle mesh and a signed distance, so that the two agree.

Every shape stands in its own local frame (metres, y up) and is moved by `Solid` placements.
`mesh(edge)` returns vertices float64 [V, 3] and faces int32 [F, 3] with outward normals and edges
of about `edge` metres. `distance(x, y, z)` takes three float32 arrays [N] and returns the signed
distance float32 [N], negative inside. Exact unless a shape says otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


def _grid_faces(rows: int, columns: int, wrap: bool = False) -> Faces:
    """Return triangles [F, 3] of a rows x columns vertex grid (`wrap`: last column to first)."""
    row = np.arange(rows - 1)[:, None]
    column = np.arange(columns if wrap else columns - 1)[None, :]
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = (row + 1) * columns + column, (row + 1) * columns + following
    first = np.stack([a, c, d], -1).reshape(-1, 3)
    second = np.stack([a, d, b], -1).reshape(-1, 3)
    return np.concatenate([first, second]).astype(np.int32)


def weld(vertices: Array, faces: Faces, tolerance: float = 1e-6) -> tuple[Array, Faces]:
    """Merge vertices closer than about `tolerance` metres and drop faces that collapse."""
    keys = np.round(vertices / tolerance).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    welded = inverse.reshape(-1)[faces].astype(np.int32)
    a, b, c = welded.T
    keep = (a != b) & (b != c) & (c != a)
    return vertices[first], welded[keep]


def _split_line(points: Array, edge: float) -> Array:
    """Return the polyline [K, D] with points added so that no piece is longer than `edge`."""
    pieces = [points[:1]]
    for start, end in zip(points[:-1], points[1:], strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / edge)))
        steps = np.arange(1, count + 1)[:, None] / count
        pieces.append(start + steps * (end - start))
    return np.concatenate(pieces)


def polygon_distance(u: Distance, v: Distance, points: Array, closed: bool) -> Distance:
    """Signed distance [N] to a polygon, negative inside.

    Args:
        u: first coordinates float32 [N].
        v: second coordinates float32 [N].
        points: corners [K, 2].
        closed: whether the last corner joins the first; if not, the polygon is closed by the line
            u = 0, which does not count as surface (for shapes mirrored about it, u >= 0).
    """
    return polygon_offset(u, v, points, closed, direction=False)[0]


def polygon_offset(
    u: Distance, v: Distance, points: Array, closed: bool, direction: bool = True
) -> tuple[Distance, Distance, Distance]:
    """As `polygon_distance`, with the vector (du, dv) [N] from the nearest point if `direction`."""
    corners = points.astype(np.float32)
    following = np.roll(corners, -1, axis=0)
    best = np.full(u.shape, np.inf, np.float32)
    best_u, best_v = (np.zeros_like(u), np.zeros_like(v)) if direction else (u, v)
    inside = np.zeros(u.shape, bool)
    for i in range(len(corners) if closed else len(corners) - 1):
        (au, av), (bu, bv) = corners[i], following[i]
        eu, ev = bu - au, bv - av
        length = eu * eu + ev * ev
        if length == 0.0:
            continue
        wu, wv = u - au, v - av
        if ev != 0.0:
            spans = (v >= min(av, bv)) & (v < max(av, bv))
            left = wu * ev < wv * eu if ev > 0 else wu * ev > wv * eu
            inside ^= spans & left
        t = wu * (eu / length)
        t += wv * (ev / length)
        np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        wu -= t * eu
        wv -= t * ev
        squared = wu * wu
        squared += wv * wv
        if direction:
            nearer = squared < best
            best_u = np.where(nearer, wu, best_u)
            best_v = np.where(nearer, wv, best_v)
        np.minimum(best, squared, out=best)
    distance = np.sqrt(best, out=best)
    np.negative(distance, out=distance, where=inside)
    return distance, best_u, best_v


def _extrude_distance(plane: Distance, across: Distance, rounding: float) -> Distance:
    """Combine a distance in a plane and one across it into that of the rounded extrusion."""
    a, b = np.maximum(plane, 0.0), np.maximum(across, 0.0)
    outside = np.sqrt(a * a + b * b)
    return np.minimum(np.maximum(plane, across), 0.0) + outside - np.float32(rounding)


def _cut_line(points: Array, heights: Sequence[float]) -> Array:
    """Return the polyline [K, 2] with a point added wherever it crosses one of the heights."""
    pieces = [points[:1]]
    for start, end in zip(points[:-1], points[1:], strict=True):
        rise = end[1] - start[1]
        shares = [(h - start[1]) / rise for h in heights] if abs(rise) > 1e-9 else []
        cuts = sorted(share for share in shares if 1e-3 < share < 1 - 1e-3)
        pieces.append(np.array([start + share * (end - start) for share in cuts]).reshape(-1, 2))
        pieces.append(end[None])
    return np.concatenate(pieces)


@dataclass(frozen=True)
class Box:
    """Box of full `size` (x, y, z) in metres centred at the origin, edges rounded by `rounding`."""

    size: tuple[float, float, float]
    rounding: float = 0.003

    def _inner(self) -> tuple[Array, float]:
        half = np.asarray(self.size, float) / 2
        radius = min(self.rounding, float(half.min()))
        return half - radius, radius

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        inner, radius = self._inner()
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
                triangles = _grid_faces(*a.shape) + offset
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
        inner, radius = self._inner()
        a = np.abs(x) - np.float32(inner[0])
        b = np.abs(y) - np.float32(inner[1])
        c = np.abs(z) - np.float32(inner[2])
        inside = np.minimum(np.maximum(np.maximum(a, b), c), 0.0)
        a, b, c = np.maximum(a, 0.0), np.maximum(b, 0.0), np.maximum(c, 0.0)
        return np.sqrt(a * a + b * b + c * c) + inside - np.float32(radius)


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
        vertices, faces = _revolve(profile, 2 * count, closed=False)
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
        return _revolve(profile, around, closed=True)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        ring = np.hypot(x, z) - np.float32(self.major)
        return np.hypot(ring, y) - np.float32(self.minor)


def _revolve(profile: Array, around: int, closed: bool) -> tuple[Array, Faces]:
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
    faces = _grid_faces(len(points), around, wrap=True)[:, ::-1]
    return weld(grid.reshape(-1, 3), faces)


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
        line = _split_line(_cut_line(line, self.rows), edge)
        line = line[:-1] if self.closed else line
        wide = points[:, 0].max() * max(self.stretch)
        around = int(np.clip(np.ceil(2 * np.pi * wide / edge), self.around, 64))
        around += -around % 8
        vertices, faces = _revolve(line, around, self.closed)
        return vertices * np.array([self.stretch[0], 1.0, self.stretch[1]]), faces

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        u, w = x / np.float32(self.stretch[0]), z / np.float32(self.stretch[1])
        radius = np.hypot(u, w)
        profile = np.asarray(self.profile, float)
        if self.stretch == (1.0, 1.0):
            return polygon_distance(radius, y, profile, self.closed)
        value, du, dv = polygon_offset(radius, y, profile, self.closed)
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
        line = _split_line(line, edge)
        line = line[:-1] if self.loop else line
        return _sweep(line[:, :3], line[:, 3], self.sides, self.loop, edge)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        points = np.asarray(self.points, np.float32)
        radii = self._radii().astype(np.float32)
        even = bool(np.all(radii == radii[0]))
        best = np.full(x.shape, np.inf, np.float32)
        for i in range(len(points) if self.loop else len(points) - 1):
            j = (i + 1) % len(points)
            ex, ey, ez = points[j] - points[i]
            wx, wy, wz = x - points[i, 0], y - points[i, 1], z - points[i, 2]
            length = max(float(ex * ex + ey * ey + ez * ez), 1e-12)
            t = np.clip((wx * ex + wy * ey + wz * ez) / np.float32(length), 0.0, 1.0)
            wx -= t * ex
            wy -= t * ey
            wz -= t * ez
            squared = wx * wx + wy * wy + wz * wz
            if even:
                best = np.minimum(best, squared)
            else:
                best = np.minimum(best, np.sqrt(squared) - (radii[i] + t * (radii[j] - radii[i])))
        return np.sqrt(best) - radii[0] if even else best


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
    side = np.cross(tangent[0], np.eye(3)[np.argmin(np.abs(tangent[0]))])
    angles = np.arange(sides) * 2 * np.pi / sides
    rings = np.empty((len(line), sides, 3))
    for k, direction in enumerate(tangent):
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side)
        up = np.cross(direction, side)
        circle = np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * up
        rings[k] = line[k] + radii[k] * circle
    if loop:
        closed = np.concatenate([rings, rings[:1]])
        turn = int(np.argmin(np.linalg.norm(rings[0] - rings[-1, 0], axis=1)))
        closed[-1] = np.roll(rings[0], -turn, axis=0)
        return weld(closed.reshape(-1, 3), _grid_faces(len(closed), sides, wrap=True)[:, ::-1])
    caps = []
    for end, sign in ((0, -1.0), (-1, 1.0)):
        steps = max(2, int(np.ceil(radii[end] * np.pi / 2 / edge)))
        rows = []
        for angle in np.linspace(0, np.pi / 2, steps + 1)[1:]:
            spread = (rings[end] - line[end]) * np.cos(angle)
            rows.append(line[end] + spread + sign * radii[end] * np.sin(angle) * tangent[end])
        caps.append(rows[::-1] if sign < 0 else rows)
    grid = np.stack([*caps[0], *rings, *caps[1]])
    return weld(grid.reshape(-1, 3), _grid_faces(len(grid), sides, wrap=True)[:, ::-1])


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
        line = _split_line(rows.T, edge)
        z, low, high = line.T
        columns = max(2, int(np.ceil((high - low).max() / edge)) + 1)
        share = np.linspace(0, 1, columns)
        x = low[:, None] + share * (high - low)[:, None]
        top = np.stack([x, np.full_like(x, half), np.broadcast_to(z[:, None], x.shape)], -1)
        bottom = top * np.array([1.0, -1.0, 1.0])
        cap = _grid_faces(len(z), columns)
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
        wall = _grid_faces(len(rings), len(rim), wrap=True)
        offset = 2 * top[..., 0].size
        faces.append(wall[:, ::-1] + offset)
        vertices.append(grid.reshape(-1, 3))
        return weld(np.concatenate(vertices), np.concatenate(faces))

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        (stations, low, high), half, radius = self._outline()
        right = np.stack([high, stations], 1)
        left = np.stack([low, stations], 1)[::-1]
        if np.array_equal(low, -high):
            ends = np.array([[(0, stations[0])], [(0, stations[-1])]])
            half_outline = np.concatenate([ends[0], right, ends[1]])
            plane = polygon_distance(np.abs(x), z, half_outline, closed=False)
        else:
            plane = polygon_distance(x, z, np.concatenate([right, left]), closed=True)
        return _extrude_distance(plane, np.abs(y) - np.float32(half), radius)


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


@dataclass(frozen=True)
class Spokes:
    """`count` equal copies of a thin shape lying near the +z axis, turned about the y axis."""

    solid: Solid
    count: int
    phase: float = field(default=0.0)

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        vertices, faces = self.solid.mesh(edge)
        turned, shifted = [], []
        for k in range(self.count):
            angle = self.phase + 2 * np.pi * k / self.count
            c, s = np.cos(angle), np.sin(angle)
            x, y, z = vertices.T
            turned.append(np.stack([c * x + s * z, y, c * z - s * x], 1))
            shifted.append(faces + k * len(vertices))
        return np.concatenate(turned), np.concatenate(shifted)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        sector = np.float32(2 * np.pi / self.count)
        angle = np.arctan2(x, z) - np.float32(self.phase)
        folded = angle - sector * np.round(angle / sector)
        radius = np.hypot(x, z)
        return self.solid.distance(radius * np.sin(folded), y, radius * np.cos(folded))


@dataclass(frozen=True)
class Mirrored:
    """A shape at x > 0 (in this frame) together with its mirror image at x < 0.

    Args:
        solid: the shape.
        at: its origin [3] in metres.
        rotation: 3x3 axes of the shape; none means aligned.
    """

    solid: Solid
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: Array | None = None

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        vertices, faces = self.solid.mesh(edge)
        if self.rotation is not None:
            vertices = vertices @ self.rotation.T
        vertices = vertices + np.asarray(self.at)
        faces = faces[~(vertices[faces, 0] < -1e-6).all(1)]
        other = vertices * np.array([-1.0, 1.0, 1.0])
        return np.concatenate([vertices, other]), np.concatenate(
            [faces, faces[:, ::-1] + len(vertices)]
        )

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        moved = np.stack([np.abs(x), y, z]) - np.asarray(self.at, np.float32)[:, None]
        if self.rotation is not None:
            moved = self.rotation.T.astype(np.float32) @ moved
        return self.solid.distance(*moved)

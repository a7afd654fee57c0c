"""One generated object: mesh with named parts, signed distance, colours and interaction frames.

Frames are 4x4 float64, rigid, from the frame to the object (columns: axes, origin; metres). Kinds:

- `grip*`, `grab`, `carry*`, `strap_*`, `brim`: origin at the centre of what is grasped, +y along
  the grip's axis, +z from the palm into the object; `grip_radius[name]` is the distance in metres
  from the origin back to the surface on the palm's side.
- `palm_left`, `palm_right`: origin on a side face, +y up, +z into the object; radius 0. Left is
  the object's +x side, which a person behind the object who looks along its +z holds on the left.
- `seat`, `saddle`, `deck`: origin at the centre of the supporting surface, +y up, +z the direction
  the sitter faces or the rider travels; `backrest`: origin on the front face, +y up, +z to the
  sitter's front; `pedal_*`: origin on the pedal's top, +y up, +z forward.
- `back`, `crown`, `screen`, `earpiece`, `ear_*`, `mouth`, `loop`: described by their category.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.synthesis.objects.meshing import Array, Solid, corners_of, cross, inside_box

Colour = tuple[int, int, int]
FAR = 0.10
"""Beyond this distance from its bounding box an object's `sdf` is only a lower bound (metres)."""


@dataclass(frozen=True, eq=False)
class Joined:
    """The surface of solids that were joined, what is hidden inside others left out.

    It takes far longer to make than all else of an instance, so it can be kept.

    Attributes:
        vertices: float32 [V, 3] in metres. faces: int32 [F, 3].
        part_index: which part of the assembly each vertex belongs to, int32 [V].
        face_parts: the same of every face, int32 [F]; cleaner for colouring, because boundaries
            between parts run along edges.
        solid_order: the assembly's solids, those with large meshes first, int32 [S].
        solid_spheres: a sphere around each of these: centre and radius, float32 [S, 4].
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    part_index: NDArray[np.int32]
    face_parts: NDArray[np.int32]
    solid_order: NDArray[np.int32]
    solid_spheres: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ObjectInstance:
    """A generated object in its own frame (metres, y up; the category says where x and z point).

    Attributes:
        category: category name.
        seed: seed it was made from.
        mesh: surface; `mesh.parts` maps every part to its vertex indices, each vertex in one part.
        sdf: points [N, 3] to signed distance float32 [N] in metres, negative inside. Farther than
            `FAR` from the bounding box it returns the distance to that box, a lower bound.
        joined: the surface as it was made; its parts are indices into `part_names`.
        frames: named interaction frames, see the module docstring.
        grip_radius: palm-side radius in metres of the frames that a hand takes.
        colours: RGB 0-255 per part.
        affordances: affordance to the parts that offer it.
        sizes: named lengths in metres that a scene builder needs (say `seat_height`).
    """

    category: str
    seed: int
    mesh: Mesh
    sdf: Callable[[NDArray[np.floating]], NDArray[np.float32]]
    joined: Joined
    frames: Mapping[str, Array]
    grip_radius: Mapping[str, float]
    colours: Mapping[str, Colour]
    affordances: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, float]

    @property
    def name(self) -> str:
        """Name of the instance, for instance `bottle-17`."""
        return f"{self.category}-{self.seed}"

    @property
    def part_names(self) -> tuple[str, ...]:
        """Parts in a fixed order."""
        return tuple(self.mesh.parts)

    @cached_property
    def bounds(self) -> NDArray[np.float32]:
        """Lowest and highest corner of the mesh's bounding box [2, 3]."""
        return self.mesh.bounds

    @property
    def vertex_colours(self) -> NDArray[np.uint8]:
        """RGB of every vertex, uint8 [V, 3]."""
        table = np.array([self.colours[part] for part in self.part_names], np.uint8)
        return table[self.joined.part_index]

    @property
    def face_colours(self) -> NDArray[np.uint8]:
        """RGB of every face, uint8 [F, 3]."""
        table = np.array([self.colours[part] for part in self.part_names], np.uint8)
        return table[self.joined.face_parts]

    def affordance_vertices(self, affordance: str) -> NDArray[np.bool_]:
        """Return which vertices [V] offer an affordance.

        Raises:
            ValueError: if the category has no such affordance.
        """
        if affordance not in self.affordances:
            known = ", ".join(self.affordances)
            raise ValueError(f"a {self.category} has no affordance '{affordance}'; it has: {known}")
        mask = np.zeros(len(self.mesh.vertices), bool)
        for part in self.affordances[affordance]:
            mask[self.mesh.parts[part]] = True
        return mask


@dataclass(frozen=True, eq=False)
class Placed:
    """A solid with its placement and part; `split` maps its vertices to indices into `parts`."""

    parts: tuple[str, ...]
    solid: Solid
    rotation: Array
    origin: Array
    edge: float
    split: Callable[[Array], NDArray[np.integer]] | None

    def to_object(self, local: Array) -> Array:
        """Move points [N, 3] from the solid's frame to the object's."""
        return local @ self.rotation.T + self.origin

    def box(self, local: Array) -> NDArray[np.float32]:
        """Return the corners [2, 3] of the box around its mesh vertices [V, 3], in the object."""
        return np.stack(corners_of(self.to_object(local))).astype(np.float32)

    def distance(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return signed distances [N] for points given as columns float32 [3, N]."""
        rotation, origin = self._to_solid
        local = points - origin
        x, y, z = local if rotation is None else rotation @ local
        return self.solid.distance(x, y, z)

    @cached_property
    def _to_solid(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32]]:
        """Rotation [3, 3] into the solid's frame, None if aligned, and its origin [3, 1]."""
        rotation = self.rotation.T.astype(np.float32)
        aligned = np.array_equal(rotation, np.eye(3, dtype=np.float32))
        return None if aligned else rotation, self.origin.astype(np.float32)[:, None]


@dataclass(eq=False)
class Assembly:
    """Collects placed solids, frames and colours of one object, then makes the instance.

    Args:
        edge: usual edge length of the mesh in metres.
    """

    edge: float
    placed: list[Placed] = field(default_factory=list)
    frames: dict[str, Array] = field(default_factory=dict)
    grip_radius: dict[str, float] = field(default_factory=dict)
    colours: dict[str, Colour] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    def add(
        self,
        part: str | tuple[str, ...],
        solid: Solid,
        at: ArrayLike = (0, 0, 0),
        rotation: Array | None = None,
        edge: float | None = None,
        split: Callable[[Array], NDArray[np.integer]] | None = None,
    ) -> None:
        """Add a solid.

        Args:
            part: its part, or several with `split`.
            solid: the shape, in its own frame.
            at: where its origin stands in the object [3].
            rotation: 3x3, its axes in the object; none means aligned.
            edge: edge length of its mesh if not the usual one.
            split: maps its vertices [V, 3] in its own frame to indices into `part`.
        """
        parts = (part,) if isinstance(part, str) else part
        turn = np.eye(3) if rotation is None else np.asarray(rotation, float)
        self.placed.append(
            Placed(parts, solid, turn, np.asarray(at, float), edge or self.edge, split)
        )

    def frame(
        self, name: str, at: ArrayLike, y: ArrayLike, z: ArrayLike, radius: float | None = None
    ) -> None:
        """Add an interaction frame by origin, y axis and (made orthogonal to y) z axis."""
        self.frames[name] = make_frame(at, y, z)
        if radius is not None:
            self.grip_radius[name] = float(radius)

    @property
    def part_names(self) -> list[str]:
        """Parts in the order in which they were added."""
        return list(dict.fromkeys(part for placed in self.placed for part in placed.parts))

    def build(
        self,
        category: str,
        seed: int,
        affordances: Mapping[str, tuple[str, ...]],
        joined: Joined | None = None,
    ) -> ObjectInstance:
        """Return the instance.

        Args:
            category: its name.
            seed: names it, too.
            affordances: affordance to the parts that offer it.
            joined: what `join` gave for the same assembly; None joins anew.
        """
        joined = self.join() if joined is None else joined
        names = self.part_names
        mesh = Mesh(
            vertices=joined.vertices,
            faces=joined.faces,
            parts={part: np.flatnonzero(joined.part_index == k) for k, part in enumerate(names)},
            name=f"{category}-{seed}",
        )
        solids = tuple(self.placed[k] for k in joined.solid_order)
        low, high = corners_of(joined.vertices)
        return ObjectInstance(
            category=category,
            seed=seed,
            mesh=mesh,
            sdf=lambda points: union_distance(solids, joined.solid_spheres, low, high, points),
            joined=joined,
            frames=dict(self.frames),
            grip_radius=dict(self.grip_radius),
            colours={part: self.colours[part] for part in names},
            affordances=dict(affordances),
            sizes=dict(self.sizes),
        )

    def join(self) -> Joined:
        """Join the solids and drop what is hidden inside others."""
        vertices, faces, labels, face_labels = [], [], [], []
        names = self.part_names
        offset = 0
        meshes = [placed.solid.mesh(placed.edge) for placed in self.placed]
        boxes = [placed.box(local) for placed, (local, _) in zip(self.placed, meshes, strict=True)]
        lower, upper = np.stack(boxes, axis=1)
        touching = np.all((lower[:, None] < upper) & (lower < upper[:, None]), axis=2)
        for number, placed in enumerate(self.placed):
            local, triangles = meshes[number]
            choice = np.zeros(len(local), int) if placed.split is None else placed.split(local)
            points = placed.to_object(local)
            hidden = np.zeros(len(triangles), bool)
            for other_number, other in enumerate(self.placed):
                if other_number != number and touching[number, other_number]:
                    hidden |= _covered(points, triangles, other, boxes[other_number])
            triangles = triangles[~hidden]
            is_used = np.zeros(len(local), bool)
            is_used[triangles] = True
            used, compact = np.flatnonzero(is_used), np.cumsum(is_used) - 1
            numbers = np.array([names.index(part) for part in placed.parts])
            if placed.split is None:
                face_labels.append(np.full(len(triangles), numbers[0]))
            else:
                face_labels.append(numbers[placed.split(local[triangles].mean(1))])
            vertices.append(points[used])
            faces.append(compact[triangles] + offset)
            labels.append(numbers[choice[used]])
            offset += len(used)
        order = sorted(range(len(meshes)), key=lambda k: -float(np.ptp(boxes[k], axis=0).max()))
        spheres = [_sphere(self.placed[k].to_object(meshes[k][0])) for k in order]
        return Joined(
            np.concatenate(vertices).astype(np.float32),
            np.concatenate(faces).astype(np.int32),
            np.concatenate(labels).astype(np.int32),
            np.concatenate(face_labels).astype(np.int32),
            np.array(order, np.int32),
            np.stack(spheres),
        )


def _sphere(points: Array) -> NDArray[np.float32]:
    """Return centre and radius, with a little room, of a sphere around points [N, 3]."""
    low, high = corners_of(points)
    centre = (low + high) / 2
    radius = np.linalg.norm(points - centre, axis=1).max()
    return np.append(centre, radius * 1.02 + 1e-3).astype(np.float32)


def _covered(
    points: Array, triangles: NDArray[np.int32], other: Placed, box: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which triangles [F] lie inside another solid with corners and centre."""
    hidden = np.zeros(len(triangles), bool)
    inside = inside_box(points, *box)
    near = np.flatnonzero(inside)
    if len(near) == 0:
        return hidden
    inside[near] = other.distance(np.ascontiguousarray(points[near].T, np.float32)) < -5e-4
    a, b, c = triangles.T
    candidates = np.flatnonzero(inside[a] & inside[b] & inside[c])
    if len(candidates) == 0:
        return hidden
    centres = points[triangles[candidates]].mean(1).astype(np.float32)
    hidden[candidates] = other.distance(np.ascontiguousarray(centres.T)) < -5e-4
    return hidden


def union_distance(
    solids: tuple[Placed, ...],
    spheres: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    points: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Signed distance of a union of solids, the box distance beyond `FAR` (a lower bound).

    Args:
        solids: placed solids.
        spheres: a sphere around each, [S, 4]: centre and radius.
        low: lowest corner [3] of the union.
        high: highest corner [3] of the union.
        points: samples [N, 3] in metres.

    Returns:
        Distances float32 [N] in metres.
    """
    columns = np.ascontiguousarray(np.asarray(points, np.float32).T)
    beyond = np.maximum(np.maximum(low[:, None] - columns, columns - high[:, None]), 0)
    result = np.sqrt((beyond * beyond).sum(0))
    near = np.flatnonzero(result < FAR)
    if len(near) == 0:
        return result
    samples = columns.take(near, axis=1) if len(near) < columns.shape[1] else columns
    best = np.full(len(near), np.inf, np.float32)
    bounds = _sphere_bounds(samples, spheres)
    for solid, bound in zip(solids, bounds, strict=True):
        closer = np.flatnonzero(bound < best)
        if 3 * len(closer) > 2 * len(near):
            np.minimum(best, solid.distance(samples), out=best)
        elif len(closer):
            best[closer] = np.minimum(best[closer], solid.distance(samples.take(closer, axis=1)))
    result[near] = best
    return result


def _sphere_bounds(
    columns: NDArray[np.float32], spheres: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Lower bounds [S, N] of the distance of points [3, N] to spheres [S, 4] (centre, radius)."""
    centres = spheres[:, :3]
    squared = centres @ columns
    squared *= -2
    squared += np.einsum("ij,ij->j", columns, columns)
    squared += np.einsum("ij,ij->i", centres, centres)[:, None]
    np.maximum(squared, 0, out=squared)
    np.sqrt(squared, out=squared)
    squared -= spheres[:, 3:]
    return squared


def make_frame(at: ArrayLike, y: ArrayLike, z: ArrayLike) -> Array:
    """Return a 4x4 frame with origin `at`, y axis `y` and z axis nearest `z` (all [3])."""
    up = np.asarray(y, float)
    up = up / np.linalg.norm(up)
    ahead = np.asarray(z, float)
    ahead = ahead - up * (up @ ahead)
    ahead = ahead / np.linalg.norm(ahead)
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1], frame[:3, 2] = cross(up, ahead), up, ahead
    frame[:3, 3] = np.asarray(at, float)
    return frame


def turn(axis: str, degrees: float) -> Array:
    """Return the 3x3 rotation about one axis ('x', 'y' or 'z') by degrees."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[j, i], matrix[i, j] = s, -s
    return matrix


def align_y(direction: ArrayLike) -> Array:
    """Return a 3x3 rotation whose y axis points along `direction` [3]."""
    vector = np.asarray(direction, float)
    hint = np.eye(3)[np.argmin(np.abs(vector))]
    return make_frame((0, 0, 0), vector, hint)[:3, :3]


Y_TO_Z = turn("x", 90)
"""Rotation that lays a shape's y axis along the object's z axis."""
Y_TO_X = turn("z", -90)
"""Rotation that lays a shape's y axis along the object's x axis."""
Z_TO_Y = turn("x", -90)
"""Rotation that lays a shape's z axis along the object's y axis (plates that stand)."""


def pick(rng: np.random.Generator, *choices: str) -> str:
    """Return one of the choices."""
    return choices[int(rng.integers(len(choices)))]


def paint(rng: np.random.Generator, kind: str = "any") -> Colour:
    """Return a random RGB colour: any, metal, wood, dark, light."""
    if kind == "metal":
        value = rng.uniform(110, 215)
        rgb = value + rng.uniform(-8, 8, 3)
    elif kind == "wood":
        rgb = np.array([190, 135, 80]) * rng.uniform(0.45, 1.2) + rng.uniform(-12, 12, 3)
    elif kind == "dark":
        rgb = rng.uniform(15, 70) + rng.uniform(-10, 25, 3)
    elif kind == "light":
        rgb = rng.uniform(190, 240) + rng.uniform(-20, 15, 3)
    elif kind == "any":
        hue, saturation, value = rng.uniform(), rng.uniform(0.25, 0.95), rng.uniform(0.35, 0.95)
        phase = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
        shade = np.clip(np.minimum(phase, 4 - phase), 0, 1)
        rgb = 255 * value * (1 - saturation * shade)
    else:
        raise ValueError(f"unknown kind of colour '{kind}'; use any, metal, wood, dark or light")
    r, g, b = np.clip(np.round(rgb), 5, 250).astype(int)
    return int(r), int(g), int(b)

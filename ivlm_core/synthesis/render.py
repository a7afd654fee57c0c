"""Pictures of scenes by ray casting: colours, shadows, background, and the maps with them.

One ray through every pixel's centre gives the maps and most colours; pixels at an edge get more.
Vectors and colours of many rays are planes, [3, N]: numpy is slow along rows of three.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.geometry.camera import Camera
from ivlm_core.synthesis.background import Place, backdrop, draw_place
from ivlm_core.synthesis.clutter import behind, in_front
from ivlm_core.synthesis.drawn_body import drawn_faces
from ivlm_core.synthesis.look import Look, body_colours, body_fields, draw_look, hair_colours
from ivlm_core.synthesis.outline import Hair, dressed, hair
from ivlm_core.synthesis.photograph import as_photograph
from ivlm_core.synthesis.rotations import dot, unit
from ivlm_core.synthesis.scene import Scene

GROUND_BIT = 7
_DEPTH_JUMP = 0.06
"""An edge is where depth differs by more than this between neighbours, metres."""
_SPREAD = np.array([0.7548776662, 0.5698402910])
"""Steps of places that fill a pixel evenly, however many (plastic number)."""
_LIFT = 0.004
"""Where rays to the light start, metres above a surface."""
_HEAD_PART = BODY_PARTS.index("head") + 1

Colours = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Picture:
    """An image and its maps, all [S, S]; see the data set's format.

    Attributes:
        image: uint8 RGB [S, S, 3]. part_map, object_map, contact_map: uint8.
        depth: float16 metres.
    """

    image: NDArray[np.uint8]
    part_map: NDArray[np.uint8]
    object_map: NDArray[np.uint8]
    contact_map: NDArray[np.uint8]
    depth: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class _Light:
    """Light of a scene.

    Attributes:
        sun: direction to the light that throws shadows [3]. fill: of a second one without.
        ambient: brightness without either. soft: how dark shadows are. colour: of the sun [3].
    """

    sun: Colours
    fill: Colours
    ambient: np.float32
    soft: np.float32
    colour: Colours

    def on(self, normal: Colours) -> tuple[Colours, Colours]:
        """What normals [3, N] get of the sun where it shines [N], and of all other light [N]."""
        glow = self.ambient * (0.75 + 0.25 * normal[1])
        glow += np.float32(0.18) * np.maximum(self.fill @ normal, 0)
        return np.maximum(self.sun @ normal, 0), glow

    def energy(self, sunlight: Colours, glow: Colours, shadow: Colours) -> Colours:
        """Factors of colours [3, N] from both kinds of light (`on`) and shadow (0 to 1) [N]."""
        share = np.float32(1.05) - self.ambient * np.float32(0.7)
        direct = share * (sunlight * (1 - self.soft * shadow))
        energy = np.multiply.outer(self.colour, direct)
        energy += glow
        return energy


def _normalised(vectors: Colours) -> Colours:
    """Scale vectors [3, N] to length one, in place."""
    vectors /= np.sqrt(dot(vectors, vectors))
    return vectors


def _draw_light(rng: np.random.Generator) -> _Light:
    sun = unit(rng.normal(0, 0.6, 3) + np.array([0, 1.3, 0.5]))
    if sun[1] < 0.35:
        sun = unit(np.array([sun[0], 0.6, sun[2]]))
    fill = unit(rng.normal(0, 1, 3) + np.array([0, 0.6, 0]))
    return _Light(
        sun.astype(np.float32),
        fill.astype(np.float32),
        np.float32(rng.uniform(0.42, 0.75)),
        np.float32(rng.uniform(0.45, 1.0)),
        (1 + rng.normal(0, 0.06, 3)).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class _Hits:
    """What N rays meet.

    Attributes:
        surface: number of the surface, -1 where nothing [N].
        face: of the surface [N]. uv: weights of its second and third corner [2, N].
        normal: of the face [3, N], unit. depth: along the camera's z, metres [N].
    """

    surface: NDArray[np.int32]
    face: NDArray[np.int32]
    uv: Colours
    normal: Colours
    depth: Colours

    def at(self, which: NDArray[np.intp]) -> "_Hits":
        """Some of the rays."""
        return _Hits(*(values.take(which, axis=-1) for values in vars(self).values()))

    def and_then(self, other: "_Hits") -> "_Hits":
        """These rays, then others."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Hits(*(np.concatenate(pair, axis=-1) for pair in pairs))

    def on(self, which: NDArray[np.intp], faces: NDArray[np.int32]) -> "_Places":
        """Where some rays [n] meet a mesh with faces [F, 3]."""
        u, v = self.uv.take(which, axis=1)
        corners = faces.take(self.face[which], axis=0).T
        return _Places(np.ascontiguousarray(corners, np.intp), np.stack([1 - u - v, u, v]))


@dataclass(frozen=True, eq=False)
class _Places:
    """Places on a mesh: corners of their faces and these corners' weights, both [3, N]."""

    corners: NDArray[np.intp]
    weights: Colours

    def nearest(self) -> NDArray[np.intp]:
        """The vertex that each place is nearest to [N]."""
        (a, b, c), (u, v, w) = self.corners, self.weights
        return np.where((u >= v) & (u >= w), a, np.where(v >= w, b, c))

    def blend(self, values: Colours) -> Colours:
        """Values [F, N] from those of vertices [F, V]."""
        values = np.ascontiguousarray(values)
        total = values.take(self.corners[0], axis=1)
        total *= self.weights[0]
        for corner, weight in zip(self.corners[1:], self.weights[1:], strict=True):
            more = values.take(corner, axis=1)
            more *= weight
            total += more
        return total


class _Stage:
    """The surfaces of a picture, numbered: body 0, objects, hair, things behind, in front."""

    def __init__(self, scene: Scene, camera: Camera, rng: np.random.Generator) -> None:
        self.scene = scene
        self.look: Look = draw_look(rng)
        self.place: Place = draw_place(rng)
        self.light = _draw_light(rng)
        self.grain = rng.normal(0, 60, (4, 3)).astype(np.float32)
        self.body = dressed(scene, self.look).astype(np.float32)
        self.hair: Hair | None = hair(scene, self.look)
        self.caster = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._add(self.body, drawn_faces())
        self.tints: dict[int, Colours] = {}
        for slot, item in enumerate(scene.items):
            self._add(item.vertices(), item.instance.mesh.faces)
            self.tints[slot + 1] = item.instance.face_colours.astype(np.float32)
        self.hair_id = len(scene.items) + 1 if self.hair is not None else -2
        if self.hair is not None:
            self._add(self.hair.vertices, self.hair.faces)
        self.first_behind = len(scene.items) + 1 + (self.hair is not None)
        back = behind(rng, scene, camera, self.place.wall_at)
        self.first_in_front = self.first_behind + len(back)
        for number, thing in enumerate([*back, *in_front(rng, scene, camera)], self.first_behind):
            self._add(thing.vertices, thing.faces)
            self.tints[number] = thing.colours

    def _add(self, vertices: Colours, faces: NDArray[np.int32]) -> None:
        tensor = o3d.core.Tensor.from_numpy
        points = np.ascontiguousarray(vertices, np.float32)
        self.caster.add_triangles(tensor(points), tensor(faces.astype(np.uint32)))

    def cast(self, origin: Colours, directions: Colours) -> _Hits:
        """Cast rays with directions [3, N] of depth one from a point [3]."""
        found = self.caster.cast_rays(_rays(origin[:, None], directions))
        return _Hits(
            # Nothing is 2^32 - 1, so -1.
            found["geometry_ids"].numpy().view(np.int32),
            found["primitive_ids"].numpy().view(np.int32),
            np.ascontiguousarray(found["primitive_uvs"].numpy().T),
            np.ascontiguousarray(found["primitive_normals"].numpy().T),
            found["t_hit"].numpy(),
        )

    def shadow(self, points: Colours, facing: NDArray[np.bool_], lift: Colours) -> Colours:
        """Whether points are in the shadow: 0 or 1, float32 [N].

        Args:
            points: in the world, [3, N].
            facing: whether their surfaces face the sun [N]; others are taken as lit.
            lift: where the ray to the sun starts, from the point, [3, N] or [3, 1].
        """
        shadow = np.zeros(len(facing), np.float32)
        asking = np.flatnonzero(facing)
        start = points.take(asking, axis=1)
        start += lift.take(asking, axis=1) if lift.shape[1] > 1 else lift
        shadow[asking] = self.caster.test_occlusions(_rays(start, self.light.sun[:, None])).numpy()
        return shadow

    def shade(self, hits: _Hits, origin: Colours, directions: Colours) -> Colours:
        """Colours [3, N] of rays with directions [3, N] that hit something."""
        position = directions * hits.depth
        position += origin[:, None]
        albedo, normal, gloss = self._surfaces(hits, position)
        normal *= np.where(dot(normal, directions) > 0, np.float32(-1), np.float32(1))
        normal = _normalised(normal)
        sunlight, glow = self.light.on(normal)
        shadow = self.shadow(position, sunlight > 0, normal * np.float32(_LIFT))
        half = self.light.sun[:, None] - _normalised(directions.copy())
        half /= np.sqrt(dot(half, half)) + np.float32(1e-6)
        mirrored = np.maximum(dot(half, normal), 0)
        shine = np.zeros(len(shadow), np.float32)
        bright = np.flatnonzero((mirrored > 0) & (shadow < 1))
        shine[bright] = mirrored[bright] ** 32 * gloss[bright] * (1 - shadow[bright])
        albedo *= self.light.energy(sunlight, glow, shadow)
        albedo += 255 * shine
        return albedo

    def _surfaces(self, hits: _Hits, position: Colours) -> tuple[Colours, Colours, Colours]:
        """Colours without light [3, N], normals [3, N] and gloss [N] of what rays hit [3, N]."""
        albedo = np.empty_like(position)
        normal = hits.normal.copy()
        gloss = np.full(len(hits.depth), 0.12, np.float32)
        mine = np.flatnonzero(hits.surface == 0)
        if len(mine):
            places = hits.on(mine, drawn_faces())
            fields, group = body_fields()
            value = places.blend(fields)
            albedo[:, mine], slope = body_colours(self.look, value, group[places.nearest()])
            normal[:, mine] = places.blend(self.scene.normals.T) - slope
            gloss[mine] = 0.05
        mine = np.flatnonzero(hits.surface == self.hair_id)
        if len(mine) and self.hair is not None:
            places = hits.on(mine, self.hair.faces)
            albedo[:, mine] = hair_colours(self.look, places.blend(self.hair.places.T))
        rest = np.flatnonzero((hits.surface > 0) & (hits.surface != self.hair_id))
        if len(rest):
            surface, face = hits.surface[rest], hits.face[rest]
            colours = np.empty((3, len(rest)), np.float32)
            for number in np.unique(surface).tolist():
                own = np.flatnonzero(surface == number)
                colours[:, own] = self.tints[number].take(face[own], axis=0).T
            grain = np.sin(self.grain @ position[:, rest]).mean(axis=0)
            colours *= 1 + np.float32(0.12) * grain
            albedo[:, rest] = colours
        return albedo, normal, gloss


def _rays(origin: Colours, directions: Colours) -> o3d.core.Tensor:
    """Rays [N, 6] from origins and directions, both [3, N] or [3, 1]."""
    rays = np.empty((np.broadcast(origin[0], directions[0]).size, 6), np.float32)
    for k in range(3):
        rays[:, k], rays[:, 3 + k] = origin[k], directions[k]
    return o3d.core.Tensor.from_numpy(rays)


def render(scene: Scene, camera: Camera, rng: np.random.Generator, edge_rays: int = 2) -> Picture:
    """Draw a scene.

    Args:
        scene: what is seen.
        camera: from where; square image.
        rng: source of colours, light and noise.
        edge_rays: rays per pixel at edges.
    """
    size = camera.height
    stage = _Stage(scene, camera, rng)
    origin = camera.center.astype(np.float32)
    rows, columns = np.ogrid[:size, :size]
    directions = _directions(camera, rows, columns).reshape(3, -1)
    hits = stage.cast(origin, directions)
    back = _back(stage, camera, origin, directions, hits, rng)
    is_near = (hits.surface >= 0) & ~_is_behind(stage, hits.surface)
    edge = np.flatnonzero(_edges(hits, is_near, size))
    inner = is_near.copy()
    inner[edge] = False
    inside = np.flatnonzero(inner)
    rows, columns = np.divmod(edge, size)
    dy, dx = (np.arange(1, edge_rays + 1)[:, None] * _SPREAD % 1 - 0.5).T
    more = _directions(camera, (rows[:, None] + dy).ravel(), (columns[:, None] + dx).ravel())
    fine = stage.cast(origin, more)
    near = np.flatnonzero((fine.surface >= 0) & ~_is_behind(stage, fine.surface))
    drawn = hits.at(inside).and_then(fine.at(near))
    seen = np.concatenate([directions.take(inside, axis=1), more.take(near, axis=1)], axis=1)
    colours = stage.shade(drawn, origin, seen)
    image = back.copy()
    samples = np.repeat(back[edge].T, edge_rays, axis=1)
    samples[:, near] = colours[:, len(inside) :]
    mixed = samples.reshape(3, len(edge), edge_rays).mean(axis=2)
    for k in range(3):
        image[inside, k], image[edge, k] = colours[k, : len(inside)], mixed[k]
    photograph = as_photograph(image.reshape(size, size, 3), rng)
    return Picture(photograph, *_maps(stage, hits, size))


def _directions(camera: Camera, rows: NDArray, columns: NDArray) -> Colours:
    """Directions of depth one through pixels' centres (or shifted places), float32 [3, ...]."""
    to_world = camera.camera_from_world[:3, :3].T @ np.linalg.inv(camera.intrinsics)
    column = (np.asarray(columns) + 0.5).astype(np.float32)
    row = (np.asarray(rows) + 0.5).astype(np.float32)
    return np.stack([column * x + (row * y + one) for x, y, one in to_world.astype(np.float32)])


def _is_behind(stage: _Stage, surface: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which of some surfaces are of the background."""
    return (surface >= stage.first_behind) & (surface < stage.first_in_front)


def _edges(hits: _Hits, is_near: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Pixels [S * S] beside another surface or a step in depth, background apart."""
    surface = np.where(is_near, hits.surface, -1).reshape(size, size)
    depth = np.where(is_near, hits.depth, 0).reshape(size, size)
    edge = np.zeros((size, size), bool)
    for a, b in (
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    ):
        step = surface[a] != surface[b]
        step |= np.abs(depth[a] - depth[b]) > _DEPTH_JUMP
        edge[a] |= step
        edge[b] |= step
    return edge.ravel()


def _back(
    stage: _Stage,
    camera: Camera,
    origin: Colours,
    directions: Colours,
    hits: _Hits,
    rng: np.random.Generator,
) -> Colours:
    """Colours [S * S, 3] of what is behind the person, out of focus in part."""
    size = camera.height
    spread = (0.5, float(rng.uniform(0.5, 2.0)), float(rng.uniform(2.0, 5.0)))
    sigma = spread[int(rng.choice(3, p=(0.35, 0.4, 0.25)))] * size / 256
    softness = float(rng.uniform(0.5, 2.0))
    step = 2 if sigma > 0.9 else 1  # what is out of focus needs no ray for every pixel
    grid = np.arange(size * size).reshape(size, size)[::step, ::step]
    side, grid = len(grid), grid.ravel()
    if step > 1:
        directions, hits = directions.take(grid, axis=1), hits.at(grid)
    scene, light = stage.scene, stage.light
    seen = backdrop(
        stage.place, directions, origin, scene.vertices.mean(0), np.float32(scene.floor)
    )
    colours = seen.colours
    shadow = np.zeros(len(grid), np.float32)
    free = (hits.surface < 0) | (hits.depth > seen.reach)
    sunlight, glow = np.zeros_like(shadow), np.ones_like(shadow)  # what is far away has its own
    planes = (
        (seen.floor, np.array([[0, 1, 0]], np.float32).T),
        (seen.wall, seen.wall_normal[:, None]),
    )
    for mine, normal in planes:
        sunlight[mine], glow[mine] = light.on(normal)
        open_ = mine[free[mine]]
        points = directions.take(open_, axis=1) * seen.reach[open_]
        points += origin[:, None]
        shadow[open_] = stage.shadow(points, sunlight[open_] > 0, normal * np.float32(_LIFT))
    shadow = cv2.GaussianBlur(shadow.reshape(side, side), (0, 0), softness / step).ravel()
    for k, factor in enumerate(light.energy(sunlight, glow, shadow)):
        colours[:, k] *= factor
    things = np.flatnonzero(_is_behind(stage, hits.surface) & (hits.depth < seen.reach))
    if len(things):
        drawn = stage.shade(hits.at(things), origin, directions.take(things, axis=1))
        for k in range(3):
            colours[things, k] = drawn[k]
    back = cv2.GaussianBlur(colours.reshape(side, side, 3), (0, 0), sigma / step)
    return cv2.resize(back, (size, size), interpolation=cv2.INTER_LINEAR).reshape(-1, 3)


def _maps(
    stage: _Stage, hits: _Hits, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float16]]:
    """Part, object and contact maps and depth [S, S], through pixel centres.

    What stands in front hides all; hair is part of the head; clothes are what they cover.
    """
    scene, surface = stage.scene, hits.surface
    part_map = np.zeros(size * size, np.uint8)
    object_map = np.zeros(size * size, np.uint8)
    contact_map = np.zeros(size * size, np.uint8)
    on_body = np.flatnonzero(surface == 0)
    nearest = hits.on(on_body, drawn_faces()).nearest()
    part_map[on_body] = load_body("anny").part_index[nearest] + 1
    part_map[surface == stage.hair_id] = _HEAD_PART
    bits = np.zeros(len(scene.vertices), np.uint8)
    for slot, found in enumerate(scene.contacts):
        bits[found.body] |= np.uint8(1 << slot)
    bits[scene.ground] |= np.uint8(1 << GROUND_BIT)
    contact_map[on_body] = bits[nearest]
    objects = (surface >= 1) & (surface <= len(scene.items))
    object_map[objects] = surface[objects]
    known = (surface >= 0) & (surface < stage.first_behind)
    depth = np.where(known, hits.depth, 0.0).astype(np.float16)
    shape = (size, size)
    return (
        part_map.reshape(shape),
        object_map.reshape(shape),
        contact_map.reshape(shape),
        depth.reshape(shape),
    )

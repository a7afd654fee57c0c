"""Pictures of scenes by ray casting: colours, shadows, background, and the maps with them.

One ray through every pixel's centre gives the maps and most colours; pixels at an edge get more.
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
from ivlm_core.synthesis.rotations import unit
from ivlm_core.synthesis.scene import Scene

GROUND_BIT = 7
_MISS = 2**32 - 1
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

    def energy(self, normal: Colours, shadow: Colours) -> Colours:
        """Factors of colours [N, 3] from normals [N, 3] (or one) and shadow (0 to 1) [N]."""
        direct = np.maximum(normal @ self.sun, 0) * (1 - self.soft * shadow)
        glow = self.ambient * (0.75 + 0.25 * normal[:, 1])
        glow += np.float32(0.18) * np.maximum(normal @ self.fill, 0)
        share = np.float32(1.05) - self.ambient * np.float32(0.7)
        return glow[:, None] + (share * direct)[:, None] * self.colour


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
        face: of the surface [N]. weights: of its three corners [N, 3].
        normal: of the face [N, 3], unit. depth: along the camera's z, metres [N].
    """

    surface: NDArray[np.int32]
    face: NDArray[np.int64]
    weights: Colours
    normal: Colours
    depth: Colours

    def at(self, which: NDArray[np.intp]) -> "_Hits":
        """Some of the rays."""
        return _Hits(
            self.surface[which],
            self.face[which],
            self.weights[which],
            self.normal[which],
            self.depth[which],
        )

    def and_then(self, other: "_Hits") -> "_Hits":
        """These rays, then others."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Hits(*(np.concatenate(pair) for pair in pairs))


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
        """Cast rays with directions [N, 3] of depth one from a point [3]."""
        rays = np.empty((len(directions), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origin, directions
        found = self.caster.cast_rays(o3d.core.Tensor.from_numpy(rays))
        surface = found["geometry_ids"].numpy()
        uv = found["primitive_uvs"].numpy()
        return _Hits(
            np.where(surface == _MISS, -1, surface.astype(np.int64)).astype(np.int32),
            found["primitive_ids"].numpy().astype(np.int64),
            np.stack([1 - uv[:, 0] - uv[:, 1], uv[:, 0], uv[:, 1]], axis=1),
            found["primitive_normals"].numpy(),
            found["t_hit"].numpy(),
        )

    def shadow(self, points: Colours, normals: Colours) -> Colours:
        """Whether points [N, 3] are in the shadow: 0 or 1, float32 [N].

        Args:
            points: in the world.
            normals: of their surfaces, [N, 3], or [1, 3] for all.
        """
        shadow = np.zeros(len(points), np.float32)
        facing = normals @ self.light.sun > 0
        asking = np.flatnonzero(np.broadcast_to(facing, len(points)))
        probe = np.empty((len(asking), 6), np.float32)
        lift = normals * np.float32(_LIFT)
        probe[:, :3] = points[asking] + (lift if len(lift) == 1 else lift[asking])
        probe[:, 3:] = self.light.sun
        found = self.caster.test_occlusions(o3d.core.Tensor.from_numpy(probe))
        shadow[asking] = found.numpy()
        return shadow

    def shade(self, hits: _Hits, origin: Colours, directions: Colours) -> Colours:
        """Colours [N, 3] of rays that hit something."""
        albedo = np.empty((len(directions), 3), np.float32)
        normal = hits.normal.copy()
        position = origin + directions * hits.depth[:, None]
        gloss = np.full(len(directions), 0.12, np.float32)
        mine = np.flatnonzero(hits.surface == 0)
        if len(mine):
            corners = drawn_faces()[hits.face[mine]]
            weights = hits.weights[mine]
            fields, group = body_fields()
            nearest = corners[np.arange(len(corners)), weights.argmax(1)]
            value = _blend(fields, corners, weights)
            albedo[mine], slope, _ = body_colours(self.look, value, group[nearest])
            normal[mine] = _blend(self.scene.normals, corners, weights) - slope
            gloss[mine] = 0.05
        mine = np.flatnonzero(hits.surface == self.hair_id)
        if len(mine) and self.hair is not None:
            corners = self.hair.faces[hits.face[mine]]
            places = _blend(self.hair.places, corners, hits.weights[mine])
            albedo[mine] = hair_colours(self.look, places)
        rest = np.flatnonzero((hits.surface > 0) & (hits.surface != self.hair_id))
        if len(rest):
            surface, face = hits.surface[rest], hits.face[rest]
            for number in np.unique(surface).tolist():
                own = surface == number
                albedo[rest[own]] = self.tints[number][face[own]]
            grain = np.sin(position[rest] @ self.grain.T).mean(axis=1, keepdims=True)
            albedo[rest] *= 1 + np.float32(0.12) * grain
        facing = np.einsum("ij,ij->i", normal, directions)
        normal[facing > 0] *= -1
        normal /= np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None]
        shadow = self.shadow(position, normal)
        ray = directions / np.sqrt(np.einsum("ij,ij->i", directions, directions))[:, None]
        half = self.light.sun - ray
        half /= np.sqrt(np.einsum("ij,ij->i", half, half))[:, None] + np.float32(1e-6)
        shine = np.maximum(np.einsum("ij,ij->i", half, normal), 0) ** 32 * gloss * (1 - shadow)
        return albedo * self.light.energy(normal, shadow) + (255 * shine)[:, None]


def _blend(values: Colours, corners: NDArray[np.int32], weights: Colours) -> Colours:
    """Values of vertices [V, F] at weights [N, 3] of corners [N, 3]."""
    total = values[corners[:, 0]] * weights[:, :1]
    total += values[corners[:, 1]] * weights[:, 1:2]
    total += values[corners[:, 2]] * weights[:, 2:]
    return total


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
    directions = _directions(camera, rows, columns).reshape(-1, 3)
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
    colours = stage.shade(drawn, origin, np.concatenate([directions[inside], more[near]]))
    image = back.copy()
    image[inside] = colours[: len(inside)]
    samples = np.repeat(back[edge], edge_rays, axis=0)
    samples[near] = colours[len(inside) :]
    image[edge] = samples.reshape(len(edge), edge_rays, 3).mean(axis=1)
    photograph = as_photograph(image.reshape(size, size, 3), rng)
    return Picture(photograph, *_maps(stage, hits, size))


def _directions(camera: Camera, rows: NDArray, columns: NDArray) -> Colours:
    """Directions of depth one through pixels' centres (or shifted places), float32 [..., 3]."""
    to_world = camera.camera_from_world[:3, :3].T @ np.linalg.inv(camera.intrinsics)
    x, y, one = to_world.T.astype(np.float32)
    column = (np.asarray(columns) + 0.5).astype(np.float32)[..., None]
    row = (np.asarray(rows) + 0.5).astype(np.float32)[..., None]
    return column * x + (row * y + one)


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
    directions, hits = directions[grid], hits.at(grid)
    scene = stage.scene
    seen = backdrop(
        stage.place, directions, origin, scene.vertices.mean(0), np.float32(scene.floor)
    )
    colours = seen.colours
    shadow = np.zeros(len(directions), np.float32)
    free = (hits.surface < 0) | (hits.depth > seen.reach)
    planes = (
        (seen.floor, np.array([[0, 1, 0]], np.float32)),
        (seen.wall, seen.wall_normal[None]),
    )
    for mine, normal in planes:
        open_ = mine[free[mine]]
        points = origin + directions[open_] * seen.reach[open_, None]
        shadow[open_] = stage.shadow(points, normal)
    shadow = cv2.GaussianBlur(shadow.reshape(side, side), (0, 0), softness / step).ravel()
    for mine, normal in planes:
        colours[mine] *= stage.light.energy(normal, shadow[mine])
    things = np.flatnonzero(_is_behind(stage, hits.surface) & (hits.depth < seen.reach))
    if len(things):
        colours[things] = stage.shade(hits.at(things), origin, directions[things])
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
    corners = drawn_faces()[hits.face[on_body]]
    nearest = corners[np.arange(len(corners)), hits.weights[on_body].argmax(1)]
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

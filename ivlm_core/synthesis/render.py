"""Pictures of scenes by ray casting: colours, shadows, background, and the maps with them."""

from dataclasses import dataclass

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.camera import Camera
from ivlm_core.synthesis.look import body_colours, body_fields, draw_look
from ivlm_core.synthesis.objects.primitives import Box
from ivlm_core.synthesis.rotations import unit, yaw
from ivlm_core.synthesis.scene import Scene

GROUND_BIT = 7
_MISS = 2**32 - 1


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
class _Surface:
    """A mesh in the picture: vertices, faces, smooth normals or none, colours per face or none."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None
    colours: NDArray[np.float32] | None


class _Texture:
    """A pattern over two coordinates in metres."""

    def __init__(self, rng: np.random.Generator) -> None:
        base = rng.uniform(40, 235)
        self.first = np.clip(base + rng.normal(0, 22, 3), 10, 250)
        self.second = np.clip(self.first + rng.normal(0, 28, 3), 5, 255)
        self.kind = str(rng.choice(("plain", "checks", "planks", "spots", "waves")))
        self.scale = float(rng.uniform(1.0, 6.0))
        self.waves = rng.normal(0, 1, (5, 2)) * self.scale
        self.phases = rng.uniform(0, 2 * np.pi, 5)

    def __call__(self, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours [N, 3] at coordinates [N]."""
        s = self.scale
        cloud: NDArray[np.floating] = np.zeros(len(u), np.float32)
        for (a, b), phase in zip(self.waves, self.phases, strict=True):
            cloud += np.sin(float(a) * u + float(b) * v + float(phase))
        cloud /= 5
        mark: NDArray[np.floating]
        if self.kind == "checks":
            mark = ((np.floor(u * s / 2) + np.floor(v * s / 2)) % 2) * 0.8
        elif self.kind == "planks":
            mark = (np.abs((u * s / 2) % 1 - 0.5) > 0.46) * 0.9 + 0.3 * (
                np.floor(u * s / 2) % 3 == 0
            )
        elif self.kind == "spots":
            mark = np.where(cloud > 0.25, 0.8, 0.0)
        elif self.kind == "waves":
            mark = 0.5 + 0.5 * np.sin(u * s * 3 + cloud * 4)
        else:
            mark = np.zeros(len(u))
        mark = np.clip(mark + 0.25 * cloud, 0, 1)[:, None]
        return (self.first * (1 - mark) + self.second * mark).astype(np.float32)


def _clutter(rng: np.random.Generator, scene: Scene, camera: Camera) -> list[_Surface]:
    """Boxes behind the person."""
    away = scene.vertices.mean(0) - camera.center
    away[1] = 0
    away = unit(away)
    aside = np.array([away[2], 0, -away[0]])
    made = []
    for _ in range(int(rng.integers(0, 5))):
        size = rng.uniform((0.15, 0.2, 0.15), (0.9, 1.9, 0.7))
        vertices, faces = Box(tuple(size), 0.0).mesh(3.0)
        place = away * rng.uniform(1.1, 3.0) + aside * rng.uniform(-2.2, 2.2)
        place[1] = scene.floor + size[1] / 2
        points = (vertices @ yaw(rng.uniform(0, np.pi)).T + place).astype(np.float32)
        colour = np.clip(rng.uniform(30, 230) + rng.normal(0, 35, 3), 5, 250)
        tone = np.repeat(colour[None], len(faces), 0) * rng.uniform(0.92, 1.0, (len(faces), 1))
        made.append(_Surface(points, faces, None, tone.astype(np.float32)))
    return made


def render(scene: Scene, camera: Camera, rng: np.random.Generator, oversample: int = 2) -> Picture:
    """Draw a scene.

    Args:
        scene: what is seen.
        camera: from where; square image.
        rng: source of colours, light and noise.
        oversample: rays per pixel side.
    """
    surfaces = [_Surface(scene.vertices, scene.person.pose.rig.faces, scene.normals, None)]
    for item in scene.items:
        vertices, faces = item.vertices(), item.instance.mesh.faces
        tint = item.instance.face_colours.astype(np.float32)
        surfaces.append(_Surface(vertices, faces, None, tint))
    surfaces += _clutter(rng, scene, camera)
    caster = o3d.t.geometry.RaycastingScene(nthreads=1)
    tensor = o3d.core.Tensor.from_numpy
    for surface in surfaces:
        points = np.ascontiguousarray(surface.vertices, np.float32)
        caster.add_triangles(tensor(points), tensor(surface.faces.astype(np.uint32)))
    size = camera.height
    fine = Camera(
        np.diag([oversample, oversample, 1.0]) @ camera.intrinsics,
        camera.camera_from_world,
        size * oversample,
        size * oversample,
    )
    colours = _shade(scene, fine, caster, surfaces, rng)
    colours = colours.reshape(size, oversample, size, oversample, 3).mean(axis=(1, 3))
    maps = _maps(scene, camera, caster)
    return Picture(_as_photograph(colours, rng), *maps)


def _cast(caster: o3d.t.geometry.RaycastingScene, rays: NDArray[np.float32]) -> dict[str, NDArray]:
    """Cast rays [N, 6]; ids are -1 where nothing is hit."""
    found = caster.cast_rays(o3d.core.Tensor.from_numpy(np.ascontiguousarray(rays, np.float32)))
    surface = found["geometry_ids"].numpy().astype(np.int64)
    surface[surface == _MISS] = -1
    return {
        "surface": surface,
        "face": found["primitive_ids"].numpy().astype(np.int64),
        "uv": found["primitive_uvs"].numpy(),
        "normal": found["primitive_normals"].numpy(),
        "t": found["t_hit"].numpy(),
    }


def _weights(uv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Barycentric weights [N, 3] from Embree's uv [N, 2]."""
    return np.stack([1 - uv[:, 0] - uv[:, 1], uv[:, 0], uv[:, 1]], axis=1)


def _maps(
    scene: Scene, camera: Camera, caster: o3d.t.geometry.RaycastingScene
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float16]]:
    """Part, object and contact maps and depth [S, S], through pixel centres."""
    size = camera.height
    hits = _cast(caster, camera.pixel_rays().reshape(-1, 6))
    surface = hits["surface"]
    part_map = np.zeros(size * size, np.uint8)
    object_map = np.zeros(size * size, np.uint8)
    contact_map = np.zeros(size * size, np.uint8)
    on_body = np.flatnonzero(surface == 0)
    corners = scene.person.pose.rig.faces[hits["face"][on_body]]
    nearest = corners[np.arange(len(corners)), _weights(hits["uv"][on_body]).argmax(1)]
    part_map[on_body] = load_body("anny").part_index[nearest] + 1
    bits = np.zeros(len(scene.vertices), np.uint8)
    for slot, found in enumerate(scene.contacts):
        bits[found.body] |= np.uint8(1 << slot)
    bits[scene.ground] |= np.uint8(1 << GROUND_BIT)
    contact_map[on_body] = bits[nearest]
    objects = (surface >= 1) & (surface <= len(scene.items))
    object_map[objects] = surface[objects]
    depth = np.where(surface >= 0, hits["t"], 0.0).astype(np.float16)
    shape = (size, size)
    return (
        part_map.reshape(shape),
        object_map.reshape(shape),
        contact_map.reshape(shape),
        depth.reshape(shape),
    )


def _shade(
    scene: Scene,
    camera: Camera,
    caster: o3d.t.geometry.RaycastingScene,
    surfaces: list[_Surface],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Colours of all pixels, float32 [H * W, 3], 0 to 255."""
    rays = camera.pixel_rays().reshape(-1, 6)
    hits = _cast(caster, rays)
    surface, count = hits["surface"], len(rays)
    origin, direction = rays[0, :3].astype(np.float32), rays[:, 3:]
    albedo = np.zeros((count, 3), np.float32)
    normal = hits["normal"]
    reach = hits["t"].copy()

    on_body = np.flatnonzero(surface == 0)
    if len(on_body):
        fields, group = body_fields()
        corners = surfaces[0].faces[hits["face"][on_body]]
        weights = _weights(hits["uv"][on_body])
        value = np.einsum("nk,nkf->nf", weights, fields[corners])
        nearest = corners[np.arange(len(corners)), weights.argmax(1)]
        albedo[on_body] = body_colours(draw_look(rng), value, group[nearest])
        normal[on_body] = np.einsum("nk,nkf->nf", weights, scene.normals[corners])
    for k in range(1, len(surfaces)):
        mine = np.flatnonzero(surface == k)
        if len(mine):
            tint = surfaces[k].colours
            if tint is not None:
                albedo[mine] = tint[hits["face"][mine]]

    # Floor and wall are planes, not meshes.
    empty = np.flatnonzero(surface < 0)
    floor_texture, wall_texture = _Texture(rng), _Texture(rng)
    light = unit(rng.normal(0, 0.6, 3) + np.array([0, 1.3, 0.5]))
    if light[1] < 0.35:
        light = unit(np.array([light[0], 0.6, light[2]]))
    away = scene.vertices.mean(0) - camera.center
    away[1] = 0.0
    away = unit(away).astype(np.float32)
    wall_at = float(rng.uniform(1.0, 5.0))
    has_floor, has_wall = rng.uniform() < 0.85, rng.uniform() < 0.7
    d = direction[empty]
    t_floor = np.where(d[:, 1] < -1e-4, (scene.floor - origin[1]) / np.minimum(d[:, 1], -1e-4), 1e9)
    toward = d @ away
    start = float((scene.vertices.mean(0) - origin) @ away) + wall_at
    t_wall = np.where(toward > 1e-4, start / np.maximum(toward, 1e-4), 1e9)
    if not has_floor:
        t_floor[:] = 1e9
    if not has_wall:
        t_wall[:] = 1e9
    t_floor[t_floor > 60] = 1e9
    near = np.minimum(t_floor, t_wall)
    is_floor, is_wall = (t_floor < 1e8) & (t_floor <= t_wall), (t_wall < 1e8) & (t_wall < t_floor)
    points = origin + d * np.minimum(near, 100)[:, None]
    is_sky = ~(is_floor | is_wall)
    colour = np.zeros_like(d)
    colour[is_sky] = _sky(d[is_sky], rng)
    if is_floor.any():
        colour[is_floor] = floor_texture(points[is_floor, 0], points[is_floor, 2])
    if is_wall.any():
        across = points[is_wall] @ np.array([away[2], 0, -away[0]], np.float32)
        colour[is_wall] = wall_texture(across, points[is_wall, 1])
    albedo[empty] = colour
    normal[empty] = np.where(is_floor[:, None], (0.0, 1.0, 0.0), -away)
    reach[empty] = near
    lit = np.ones(count, bool)
    lit[empty[is_sky]] = False

    facing = np.einsum("ij,ij->i", normal, direction)
    normal = np.where(facing[:, None] > 0, -normal, normal)
    position = origin + direction * np.minimum(reach, 100)[:, None]
    strength = np.clip(normal @ light.astype(np.float32), 0, 1)
    asking = np.flatnonzero(lit & (strength > 0))
    shadow = np.zeros(count, np.float32)
    probe = np.empty((len(asking), 6), np.float32)
    probe[:, :3] = position[asking] + normal[asking] * 0.004
    probe[:, 3:] = light
    blocked = caster.test_occlusions(o3d.core.Tensor.from_numpy(probe)).numpy()
    shadow[asking] = blocked
    ambient = rng.uniform(0.42, 0.75)
    fill = unit(rng.normal(0, 1, 3) + np.array([0, 0.6, 0])).astype(np.float32)
    light_colour = (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
    soft = rng.uniform(0.55, 1.0)
    glow = ambient * (0.75 + 0.25 * normal[:, 1]) + 0.18 * np.clip(normal @ fill, 0, 1)
    energy = glow[:, None] + (1.05 - ambient * 0.7) * (
        (strength * (1 - soft * shadow))[:, None] * light_colour
    )
    energy[~lit] = 1.0
    return albedo * energy


def _sky(direction: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Background colours [N, 3] of rays that hit nothing: a gradient with clouds of noise."""
    low = np.clip(rng.uniform(60, 235) + rng.normal(0, 20, 3), 5, 250)
    high = np.clip(rng.uniform(60, 245) + rng.normal(0, 25, 3), 5, 250)
    height = np.clip(0.5 + direction[:, 1:2] / 1.2, 0, 1)
    colour = low * (1 - height) + high * height
    if rng.uniform() < 0.6:
        wave = np.zeros(len(direction))
        for _ in range(6):
            wave += np.sin(direction @ rng.normal(0, 9, 3) + rng.uniform(0, 6))
        colour = colour + wave[:, None] * rng.normal(0, 6, 3)
    return colour.astype(np.float32)


def _as_photograph(image: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, gamma, blur and noise: uint8 [S, S, 3]."""
    from scipy.ndimage import gaussian_filter

    image = np.clip(image * rng.uniform(0.9, 1.4), 0, 255)
    image = 255 * (image / 255) ** rng.uniform(0.65, 1.1)
    if rng.uniform() < 0.5:
        spread = rng.uniform(0.2, 0.7)
        image = gaussian_filter(image, (spread, spread, 0))
    image = image + rng.normal(0, rng.uniform(0.5, 6), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)

"""Pictures of a mesh coloured by score, drawn by the ray caster that makes the model's views."""

from collections import OrderedDict
from threading import Lock

import numpy as np
from PIL import Image

from ivlm_core.geometry.camera import Camera, look_at
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.visualize.colours import UNSEEN_GREY, ramp, shaded
from ivlm_core.visualize.point_mesh import drawable

_MARGIN = 0.04
_SUPERSAMPLING = 2
_KEPT = 8
_CREASE_COSINE = 0.77
"""Of 40 degrees: faces further from the vertex normal than that meet in an edge."""


class _Picture:
    """What of a picture does not depend on the scores: which vertices each pixel blends."""

    def __init__(self, mesh: Mesh, camera: Camera) -> None:
        from ivlm_core.render.rasterizer import rasterize  # here: Open3D takes a second to import

        pixel_map = rasterize(mesh, [camera])
        self.hit = np.asarray(pixel_map.face_ids[0]) >= 0
        self.vertex_ids = np.asarray(pixel_map.vertex_ids[0])[self.hit]
        self.barycentric = np.asarray(pixel_map.barycentric[0])[self.hit]
        flat = mesh.face_normals[np.asarray(pixel_map.face_ids[0])[self.hit]]
        smooth = (mesh.vertex_normals[self.vertex_ids] * self.barycentric[..., None]).sum(axis=1)
        rays = mesh.vertices[self.vertex_ids[:, 0]] - camera.center
        sharp = (creases(mesh)[self.vertex_ids] * self.barycentric).sum(axis=1)[:, None]
        mixed = _towards(flat, rays) * sharp + _towards(smooth, rays) * (1 - sharp)
        self.normals = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
        right, down, forward = camera.camera_from_world[:3, :3]
        light = -forward - 0.45 * down - 0.35 * right
        self.to_light = light / np.linalg.norm(light)


_pictures: "OrderedDict[tuple, _Picture]" = OrderedDict()
_lock = Lock()


def render_scores(
    mesh: Mesh,
    scores: np.ndarray,
    seen: np.ndarray,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 5.0,
    size: tuple[int, int] = (600, 480),
    background: tuple[int, int, int] = (255, 255, 255),
    focus: np.ndarray | None = None,
) -> np.ndarray:
    """Draw a mesh coloured by its scores, fitted to the picture.

    Scores are blended within a face and then coloured, so that edges of contact look the same on
    coarse and fine meshes.

    Args:
        mesh: what to draw, +y up; a point cloud is drawn as small octahedra.
        scores: float [V], in [0, 1].
        seen: bool [V].
        azimuth_deg: where the camera stands around +y; 0 is in front (+z), 90 at +x.
        elevation_deg: how high the camera stands above the xz plane; within -80 to 80.
        size: (height, width), pixels.
        background: RGB.
        focus: float [N, 3], points that shall fill the picture instead of the whole mesh.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        ValueError: there is not one score and one flag per vertex.
    """
    if scores.shape != (mesh.num_vertices,) or seen.shape != scores.shape:
        raise ValueError(
            f"scores {scores.shape} and seen {seen.shape} must both have one entry for each of "
            f"the {mesh.num_vertices} vertices of the mesh"
        )
    mesh, scores, seen = drawable(mesh, scores, seen)
    if focus is None:
        picture = _whole(mesh, azimuth_deg, elevation_deg, size)
    else:
        picture = _Picture(mesh, fitted_camera(focus, azimuth_deg, elevation_deg, size))
    weights = picture.barycentric * seen[picture.vertex_ids]
    share = weights.sum(axis=1)
    score = (weights * scores[picture.vertex_ids]).sum(axis=1) / np.maximum(share, 1e-6)
    colours = ramp(score) * share[:, None] + np.array(UNSEEN_GREY) * (1 - share[:, None])
    canvas = np.full((*picture.hit.shape, 3), background, dtype=np.uint8)
    canvas[picture.hit] = shaded(colours, picture.normals, picture.to_light)
    small = Image.fromarray(canvas).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(small)


def fitted_camera(
    points: np.ndarray, azimuth_deg: float, elevation_deg: float, size: tuple[int, int]
) -> Camera:
    """A camera from that direction whose image the points just fill, supersampled.

    Args:
        points: float [N, 3], metres.
        azimuth_deg: as in `render_scores`.
        elevation_deg: as in `render_scores`.
        size: (height, width) of the picture, pixels; the camera has `_SUPERSAMPLING` as many.
    """
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-9)
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    direction = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ]
    )
    pose = look_at(centre + 4.0 * radius * direction, centre)
    local = points @ pose[:3, :3].T + pose[:3, 3]
    flat = local[:, :2] / local[:, 2:]
    near, far = flat.min(axis=0), flat.max(axis=0)
    height, width = size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING
    room = (1 - 2 * _MARGIN) * np.array([width, height])
    focal = float((room / np.maximum(far - near, 1e-9)).min())
    middle = np.array([width, height]) / 2 - focal * (near + far) / 2
    intrinsics = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
    return Camera(intrinsics, pose, height, width)


def _towards(normals: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Unit normals turned to the camera, so that the inside of an open surface is lit too."""
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    away = (normals * rays).sum(axis=1, keepdims=True) > 0
    return np.where(away, -normals, normals)


def creases(mesh: Mesh) -> np.ndarray:
    """Which vertices lie on a sharp edge, where shading must not be smooth: bool [V]."""
    corner = mesh.vertex_normals[mesh.faces]
    sharp = (corner * mesh.face_normals[:, None]).sum(axis=-1) < _CREASE_COSINE
    out = np.zeros(mesh.num_vertices, dtype=bool)
    out[mesh.faces[sharp]] = True
    return out


def _whole(mesh: Mesh, azimuth_deg: float, elevation_deg: float, size: tuple[int, int]) -> _Picture:
    """A picture of the whole mesh, kept for the next prediction on it."""
    key = (mesh.content_hash, azimuth_deg, elevation_deg, size)
    with _lock:
        if key in _pictures:
            _pictures.move_to_end(key)
            return _pictures[key]
    picture = _Picture(mesh, fitted_camera(mesh.vertices, azimuth_deg, elevation_deg, size))
    with _lock:
        _pictures[key] = picture
        while len(_pictures) > _KEPT:
            _pictures.popitem(last=False)
    return picture

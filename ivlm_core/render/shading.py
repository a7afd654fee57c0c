"""Pixel map to the shaded view that the image encoder sees.

Per-pixel Phong shading of smooth vertex normals with one point light, as the published
InteractVLM models were trained on: ambient 0.5, diffuse 0.3, specular 0.2, shininess 64, white
background, 8 bits by truncation.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.render.interpolate import interpolate
from ivlm_core.render.rasterizer import PixelMap

Style = Literal["normal", "position"]
AMBIENT, DIFFUSE, SPECULAR, SHININESS = 0.5, 0.3, 0.2, 64


def style_colors(mesh: Mesh, style: Style) -> np.ndarray:
    """Vertex colours of a style, float32 [V, 3] in [0, 1].

    "normal": (unit vertex normal + 1) / 2. "position": position scaled per axis to [0.1, 0.9].
    """
    if style == "normal":
        return (mesh.vertex_normals + 1.0) / 2.0
    if style == "position":
        return position_colors(mesh.vertices)
    raise ValueError(f"Unknown shading style '{style}'; expected 'normal' or 'position'.")


def position_colors(points: np.ndarray) -> np.ndarray:
    """Colours by position, scaled per axis to [0.1, 0.9]: float32 [P, 3] to float32 [P, 3]."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.where(high > low, high - low, 1.0)
    return (points - low) / extent * 0.8 + 0.1


def shade(
    mesh: Mesh,
    pixel_map: PixelMap,
    cameras: Sequence[Camera],
    style: Style = "normal",
    light_positions: np.ndarray | None = None,
    vertex_colors: np.ndarray | None = None,
) -> np.ndarray:
    """Shade the views of a pixel map.

    Args:
        mesh: the mesh that was rasterized.
        pixel_map: its J views.
        cameras: the J cameras used.
        style: how vertices are coloured, see ``style_colors``.
        light_positions: float [J, 3], metres, world frame; by default a light at each camera.
        vertex_colors: float [V, 3] in [0, 1]; replaces the colours of ``style``.

    Returns:
        uint8 [J, H, W, 3], RGB on white.
    """
    if len(cameras) != len(pixel_map.face_ids):
        raise ValueError(
            f"shade got {len(cameras)} cameras for {len(pixel_map.face_ids)} views; give one each."
        )
    colors = style_colors(mesh, style) if vertex_colors is None else np.asarray(vertex_colors)
    if light_positions is None:
        light_positions = np.stack([camera.center for camera in cameras])
    fields = np.concatenate([mesh.vertices, mesh.vertex_normals, colors], axis=1)
    pixels = interpolate(fields, pixel_map)
    views = np.full((*pixel_map.hit.shape, 3), 255, dtype=np.uint8)
    for view, camera in enumerate(cameras):
        hit = pixel_map.hit[view]
        position, normal, texel = np.split(pixels[view][hit], 3, axis=1)
        normal = _unit(normal)
        to_light = _unit(np.asarray(light_positions[view], dtype=np.float32) - position)
        to_eye = _unit(camera.center.astype(np.float32) - position)
        cosine = _dot(normal, to_light)
        mirrored = 2.0 * cosine * normal - to_light
        highlight = np.maximum(_dot(to_eye, mirrored), 0.0) * (cosine > 0)
        light = AMBIENT + DIFFUSE * np.maximum(cosine, 0.0)
        color = light * texel + SPECULAR * highlight**SHININESS
        views[view][hit] = (np.clip(color, 0.0, 1.0) * 255.0).astype(np.uint8)
    return views


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row-wise dot product, [N, 1]."""
    return np.einsum("nk,nk->n", a, b)[:, None]


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

"""Vertex values to pixel values."""

import numpy as np

from ivlm_core.render.rasterizer import PixelMap


def interpolate(
    vertex_values: np.ndarray, pixel_map: PixelMap, background: float = 0.0
) -> np.ndarray:
    """Barycentric interpolation of a vertex field into every pixel.

    Args:
        vertex_values: [V] or [V, C].
        pixel_map: J views of the same mesh.
        background: value where nothing is hit.

    Returns:
        float32 [J, H, W] or [J, H, W, C].

    Raises:
        ValueError: the pixel map names vertices that ``vertex_values`` does not have.
    """
    values = np.asarray(vertex_values, dtype=np.float32)
    hit = pixel_map.hit
    ids = pixel_map.vertex_ids[hit]
    if ids.size and ids.max() >= len(values):
        raise ValueError(
            f"vertex_values has {len(values)} rows but the pixel map names vertex {ids.max()}; "
            "give one row per vertex of the rendered mesh."
        )
    out = np.full((*hit.shape, *values.shape[1:]), background, dtype=np.float32)
    weights = pixel_map.barycentric[hit]
    out[hit] = np.einsum("pk,pk...->p...", weights, values[ids])
    return out


def part_image(part_index: np.ndarray, pixel_map: PixelMap) -> np.ndarray:
    """Part of the nearest corner in every pixel.

    Args:
        part_index: int [V], part of each vertex.
        pixel_map: J views of the same mesh.

    Returns:
        int32 [J, H, W], -1 where nothing is hit.
    """
    corner = pixel_map.barycentric.argmax(axis=-1)[..., None]
    vertex = np.take_along_axis(pixel_map.vertex_ids, corner, axis=-1)[..., 0]
    return np.where(pixel_map.hit, np.asarray(part_index)[vertex], -1).astype(np.int32)

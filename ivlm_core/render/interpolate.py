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


def contact_mask(contact: np.ndarray, vertex_ids: np.ndarray, min_vertices: int = 3) -> np.ndarray:
    """Mask of the faces that are in contact: what the published mask data were rendered as.

    Args:
        contact: [V], positive where a vertex is in contact.
        vertex_ids: int [J, H, W, 3], corners of the face that each pixel sees, -1 for none.
        min_vertices: corners in contact that put a face in contact, 1 to 3 (published: 3; 2 in
            the view set ``4MV-Z_Vitru_mv2``).

    Returns:
        uint8 [J, H, W], 255 in contact and 0 elsewhere.

    Raises:
        ValueError: ``min_vertices`` is not 1, 2 or 3, or a pixel names a vertex that is not there.
    """
    if min_vertices not in (1, 2, 3):
        raise ValueError(f"min_vertices must be 1, 2 or 3, got {min_vertices}.")
    touched = np.asarray(contact) > 0
    if vertex_ids.size and vertex_ids.max() >= len(touched):
        raise ValueError(
            f"contact has {len(touched)} rows but the pixels name vertex {vertex_ids.max()}."
        )
    corners = (touched[vertex_ids] & (vertex_ids >= 0)).sum(axis=-1)
    return np.where(corners >= min_vertices, 255, 0).astype(np.uint8)


def point_image(
    point_values: np.ndarray, point_ids: np.ndarray, background: float = 0.0
) -> np.ndarray:
    """Value of the point that each pixel sees.

    Args:
        point_values: float [P].
        point_ids: int [J, H, W], -1 for none.
        background: value where there is none.

    Returns:
        float32 [J, H, W].
    """
    values = np.asarray(point_values, dtype=np.float32)[point_ids]
    return np.where(point_ids >= 0, values, np.float32(background))

"""A mesh drawn where it is in a photograph, coloured by score."""

from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.geometry.camera import Camera
from ivlm_core.render.rasterizer import cast_pixels
from ivlm_core.visualize.colours import ColourMap, score_colours, shaded
from ivlm_core.visualize.drawing import check_photo

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_FAINT, _STRONG = 0.45, 0.9
"""How much of a mesh covers the photo, with score 0 and from `_FULL` on."""
_FULL = 0.3
_TO_LIGHT = np.array([-0.3, -0.6, -0.74])
"""Towards the light in the camera's frame: from above, beside the camera."""


def mesh_in_photo(
    photo: np.ndarray,
    prediction: "Prediction",
    camera_from_mesh: np.ndarray,
    camera: Camera,
    colour_map: ColourMap = "warm",
) -> np.ndarray:
    """Draw a prediction's mesh into the photo; the photo is seen through it where its score is low.

    Args:
        photo: uint8 [H, W, 3], RGB.
        prediction: its mesh and scores are read; the mesh has faces.
        camera_from_mesh: float [4, 4], rigid: the mesh to the frame the camera stands in.
        camera: of the photo.
        colour_map: which colours.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: the camera is of another image size.
    """
    photo = check_photo(photo)
    if photo.shape[:2] != (camera.height, camera.width):
        raise ValueError(
            f"the photo has {photo.shape[1]}x{photo.shape[0]} pixels, its camera "
            f"{camera.width}x{camera.height}"
        )
    hits = cast_pixels(prediction.mesh.transformed(camera_from_mesh), [camera])
    plain = score_colours(prediction.scores, prediction.known, colour_map)
    to_light = _TO_LIGHT @ np.asarray(camera_from_mesh)[:3, :3]  # in the mesh's frame
    lit = shaded(plain, prediction.mesh.vertex_normals, to_light).astype(np.float32)
    values = np.column_stack([lit, prediction.scores])[hits.vertex_ids]
    values = np.einsum("pk,pkc->pc", hits.barycentric, values)
    cover = _FAINT + (_STRONG - _FAINT) * (values[:, 3:] / _FULL).clip(0, 1)
    drawn = photo.reshape(-1, 3).astype(np.float32)
    drawn[hits.pixels] = (1 - cover) * drawn[hits.pixels] + cover * values[:, :3]
    return drawn.round().astype(np.uint8).reshape(photo.shape)

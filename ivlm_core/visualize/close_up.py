"""The surface around the highest score, from where most of the contact there is seen."""

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.visualize.drawing import PANEL
from ivlm_core.visualize.mesh_picture import fitted_camera, render_scores
from ivlm_core.visualize.point_mesh import drawable

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_ELEVATIONS = (15.0, 40.0, 65.0, -15.0, -40.0, -65.0)
_AZIMUTHS = range(0, 360, 30)
_LOOK = (32, 32)
"""Size of the pictures that directions are compared by, pixels before supersampling."""
_USUAL = np.array([0.35, 0.5, 0.8])
"""Towards who looks at things: from the front, and from above."""
_USUAL_GAIN = 0.15
"""How much more contact must be seen from elsewhere; both sides of a plate show the same."""


def close_up(prediction: "Prediction", side: int = 380) -> np.ndarray | None:
    """The surface around the highest score, from where most of the contact there is seen.

    Args:
        prediction: what to show.
        side: of the picture, pixels.

    Returns:
        uint8 [side, side, 3], RGB; None where no vertex is in contact.
    """
    mesh, scores = prediction.mesh, prediction.scores
    peak = int(scores.argmax())
    if scores[peak] < prediction.threshold:
        return None
    least = 0.05 * float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))
    most = least if prediction.task == "human_contact" else 4 * least
    distance = np.linalg.norm(mesh.vertices - mesh.vertices[peak], axis=1)
    weights = scores * (distance < most)
    centre = (mesh.vertices * weights[:, None]).sum(axis=0) / weights.sum()
    weights = weights * prediction.contact
    span = np.linalg.norm(mesh.vertices[weights > 0] - centre, axis=1).max()
    reach = min(max(1.5 * float(span), least), most)
    around = centre + reach * np.array([[-1, -1, -1], [1, 1, 1], [-1, 1, 1], [1, -1, -1]])
    azimuth, elevation = best_direction(mesh, weights, around)
    return render_scores(
        mesh,
        scores,
        prediction.known,
        azimuth,
        elevation,
        (side, side),
        PANEL,
        focus=around,
    )


def best_direction(mesh: Mesh, weights: np.ndarray, around: np.ndarray) -> tuple[float, float]:
    """From where most of a weighted surface is seen, what hides it considered.

    Args:
        mesh: the surface.
        weights: float [V], 0 where it does not count.
        around: float [N, 3], points that fill the picture.

    Returns:
        Azimuth and elevation in degrees; outwards of the surface where it is seen from nowhere.
    """
    from ivlm_core.render.rasterizer import cast_pixels  # here: Open3D takes a second to import

    directions = [_outwards(mesh, weights)]
    directions += [(float(a), e) for e, a in product(_ELEVATIONS, _AZIMUTHS)]
    mesh, weights, _ = drawable(mesh, weights, weights > 0)
    cameras = [fitted_camera(around, *direction, _LOOK) for direction in directions]
    hits = cast_pixels(mesh, cameras)
    views = hits.pixels // np.prod(hits.image_shape[1:])
    counted = (weights[hits.vertex_ids] * hits.barycentric).sum(axis=1)
    seen = np.bincount(views, counted * hits.depth**2, minlength=len(cameras))
    focal = np.array([camera.intrinsics[0, 0] for camera in cameras])
    forward = np.array([camera.camera_from_world[2, :3] for camera in cameras])
    usual = 1 - _USUAL_GAIN * forward @ _USUAL
    return directions[int((seen / focal**2 * usual).argmax())]


def _outwards(mesh: Mesh, weights: np.ndarray) -> tuple[float, float]:
    """Azimuth and elevation of the mean normal, degrees."""
    x, y, z = (mesh.vertex_normals * weights[:, None]).sum(axis=0)
    elevation = float(np.rad2deg(np.arctan2(y, np.hypot(x, z)))) * 0.8
    return float(np.rad2deg(np.arctan2(x, z))), float(np.clip(elevation, -70.0, 70.0))

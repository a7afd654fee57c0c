"""Predictions as point clouds that any planner can crop by score."""

from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.messages.cdr import CloudData, Stamp
from ivlm_core.visualize.colours import ColourMap, score_colours

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("score", "<f4")])
"""One point, 20 bytes: metres, colour 0x00RRGGBB, score in [0, 1]."""


def contact_cloud(
    prediction: "Prediction", points: np.ndarray, header: Stamp, colour_map: ColourMap = "warm"
) -> CloudData:
    """Return all vertices as a cloud; point i is vertex i of the mesh.

    Args:
        prediction: vertices without a score have score 0 and the unseen colour.
        points: float32 [vertex, 3], the vertices in the header's frame, metres.
        header: of the image.
        colour_map: of field `rgb`.
    """
    rows = np.empty(len(points), POINT)
    rows["x"], rows["y"], rows["z"] = points.T
    colours = score_colours(prediction.scores, prediction.known, colour_map)
    red, green, blue = colours.T.astype(np.uint32)
    rows["rgb"] = red << 16 | green << 8 | blue
    rows["score"] = prediction.scores
    return CloudData(header, rows, bool(np.isfinite(points).all()))

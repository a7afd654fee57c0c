"""Predictions as point clouds that any planner can crop by score."""

import array
from typing import TYPE_CHECKING

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ivlm_core.visualize.colours import score_colours

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("score", "<f4")])
"""One point, 20 bytes: metres, colour 0x00RRGGBB, score in [0, 1]."""


def contact_cloud(prediction: "Prediction", points: np.ndarray, header: Header) -> PointCloud2:
    """Return all vertices as a cloud; point i is vertex i of the mesh.

    Args:
        prediction: scores and seen flags; unseen vertices have score 0 and the unseen colour.
        points: float32 [vertex, 3], the vertices in the header's frame, metres.
        header: of the image.
    """
    rows = np.empty(len(points), POINT)
    rows["x"], rows["y"], rows["z"] = points.T
    red, green, blue = score_colours(prediction.scores, prediction.seen).T.astype(np.uint32)
    rows["rgb"] = red << 16 | green << 8 | blue
    rows["score"] = np.where(prediction.seen, prediction.scores, 0)
    data = array.array("B")
    data.frombytes(rows.tobytes())
    return PointCloud2(
        header=header,
        height=1,
        width=len(rows),
        fields=[_field(name) for name in POINT.names or ()],
        is_bigendian=False,
        point_step=POINT.itemsize,
        row_step=POINT.itemsize * len(rows),
        data=data,
        is_dense=bool(np.isfinite(points).all()),
    )


def _field(name: str) -> PointField:
    # RViz and PCL read `rgb` as the bits of a float.
    offset = POINT.fields[name][1]  # type: ignore[index]
    return PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)

"""Where body and object are shown relative to the camera.

The estimate says where on a surface contact is, not where person and object stand in the room: a
single image gives no metric pose. Where something else estimates the object's pose, that is used.
Else, for RViz and for clouds, the meshes are *displayed* side by side in front of the camera, in
the image's own frame, at true size. The frame is taken to be a ROS optical frame (REP 103): x
right, y down, z forward, metres.

Bodies and object meshes have +y up and the body looks along +z, so half a turn about the x axis
stands them upright and turns the body's face to the camera.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ivlm_core.messages.cdr import Pose

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

OPTICAL_FROM_MESH = np.diag([1.0, -1.0, -1.0])
"""Rotation, determinant +1: mesh up (+y) to optical up (-y), mesh front (+z) to the camera (-z)."""

_HALF_TURN_ABOUT_X = (1.0, 0.0, 0.0, 0.0)

AT_CAMERA = Pose(orientation=_HALF_TURN_ABOUT_X)
"""Of a mesh whose vertices are the camera's, turned by `OPTICAL_FROM_MESH`."""


class Placed(NamedTuple):
    """A prediction and where its mesh is in the image's frame."""

    prediction: "Prediction"
    pose: Pose
    where: Literal["display", "object", "person"] = "display"
    """`display`: only shown there; `object`: the object is there; `person`: the mesh is the posed
    body of the person, who is there."""


def display_pose(vertices: np.ndarray, position: Sequence[float]) -> Pose:
    """Return the pose that centres a mesh at a place in front of the camera.

    Args:
        vertices: [vertex, 3], metres, +y up.
        position: place of the centre of the mesh's bounding box: x right, y down, z forward.
    """
    centre = (vertices.min(axis=0) + vertices.max(axis=0)).astype(np.float64) / 2
    x, y, z = np.asarray(position, np.float64) - OPTICAL_FROM_MESH @ centre
    return Pose(position=(float(x), float(y), float(z)), orientation=_HALF_TURN_ABOUT_X)


def place_vertices(vertices: np.ndarray, pose: Pose) -> np.ndarray:
    """Return vertices, float32 [vertex, 3], in the frame that a mesh has a pose in."""
    matrix = camera_from_mesh(pose)
    placed = vertices @ matrix[:3, :3].T + matrix[:3, 3]
    return placed.astype(np.float32)


def camera_from_mesh(pose: Pose) -> np.ndarray:
    """Return a pose as a matrix, float64 [4, 4]: mesh to image's frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(pose.orientation).as_matrix()
    matrix[:3, 3] = pose.position
    return matrix

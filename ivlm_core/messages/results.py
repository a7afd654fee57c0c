"""Everything that is sent about one image, as bytes: the node's topics, and those of a bag."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ivlm_core.grasping.samples import Axis, affordance_samples
from ivlm_core.grasping.surface import scored_points
from ivlm_core.messages.cdr import (
    ContactMeshData,
    Pose,
    Stamp,
    encode_contact_mesh,
    encode_image,
    encode_point_cloud,
    encode_pose_array,
)
from ivlm_core.messages.clouds import contact_cloud
from ivlm_core.messages.markers import MarkerScene
from ivlm_core.messages.placement import camera_from_mesh, display_pose, place_vertices
from ivlm_core.pipeline import TASKS, Prediction
from ivlm_core.visualize.colours import ColourMap
from ivlm_core.visualize.overlay import overlay_image

_GAP = 0.3
"""Between two bodies, and between two objects, metres."""
_MOST_SAMPLES = 20

Placed = Sequence[tuple[Prediction, Pose]]
"""Predictions and where each is shown in the image's frame."""

TYPES = {
    **{task: "ivlm_msgs/msg/ContactMesh" for task in TASKS},
    **{f"{task}_cloud": "sensor_msgs/msg/PointCloud2" for task in TASKS},
    "affordance_samples": "geometry_msgs/msg/PoseArray",
    "overlay": "sensor_msgs/msg/Image",
    "markers": "visualization_msgs/msg/MarkerArray",
}
"""Type of every topic, by its name below the node's."""


@dataclass(frozen=True)
class Display:
    """Where and how results are shown."""

    body_position: tuple[float, ...] = (-0.8, 0.0, 3.0)
    """Centre of the first body: metres in the image's optical frame (right, down, forward)."""
    object_position: tuple[float, ...] = (0.8, 0.0, 3.0)
    """The same for the first object."""
    approach_axis: Axis = "x"
    """Of the poses of samples; it points into the surface."""
    sample_spacing_m: float = 0.03
    """Least distance between two samples."""
    colour_map: ColourMap = "warm"
    """Of markers and clouds."""


class Message(NamedTuple):
    """One message."""

    topic: str
    """Below the node's name; `TYPES` has its type."""
    data: bytes


class ResultMessages:
    """Makes the messages about one image after another."""

    def __init__(self) -> None:
        self._scene = MarkerScene()

    @property
    def shown(self) -> tuple[str, ...]:
        """Namespaces of the markers that RViz shows; set it to go on after another's messages."""
        return self._scene.shown

    @shown.setter
    def shown(self, namespaces: tuple[str, ...]) -> None:
        self._scene.shown = namespaces

    def of_image(
        self,
        header: Stamp,
        photo: np.ndarray,
        placed: Placed,
        display: Display,
        wanted: Callable[[str], bool] = lambda topic: True,
    ) -> Iterator[Message]:
        """Yield the messages, `markers` last; all carry the image's header.

        Args:
            header: of the image.
            photo: the image, uint8 [height, width, 3] RGB.
            placed: of every label asked about one prediction per task, label by label.
            display: how results are shown.
            wanted: whether a topic that is not always made, overlay or samples, is made.
        """
        for prediction, pose in placed:
            points = place_vertices(prediction.mesh.vertices, pose)
            mesh = contact_mesh_data(prediction, header)
            yield Message(prediction.task, encode_contact_mesh(mesh))
            cloud = contact_cloud(prediction, points, header, display.colour_map)
            yield Message(f"{prediction.task}_cloud", encode_point_cloud(cloud))
        if wanted("affordance_samples"):
            for prediction, pose in of_objects(placed):
                poses = sample_poses(prediction, pose, display)
                yield Message("affordance_samples", encode_pose_array(header, poses))
        if placed and wanted("overlay"):
            picture = overlays(photo, [prediction for prediction, _ in placed])
            yield Message("overlay", encode_image(header, picture))
        yield Message("markers", self._scene.show(placed, header, display.colour_map))

    def clearing_markers(self) -> bytes | None:
        """Return the `MarkerArray` that removes everything; None where nothing is shown."""
        return self._scene.clear()


def overlays(photo: np.ndarray, predictions: Sequence[Prediction]) -> np.ndarray:
    """Return the overlays of all predictions in one picture: a row a label, a column a task."""
    rows: dict[str, list[np.ndarray]] = {}
    for prediction in predictions:
        rows.setdefault(prediction.label, []).append(overlay_image(photo, prediction))
    pictures = [np.hstack(row) for row in rows.values()]
    width = max(picture.shape[1] for picture in pictures)
    filled = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in pictures]
    return np.vstack(filled)


def display_poses(
    predictions: Sequence[Prediction],
    display: Display,
    object_poses: Mapping[str, Pose] = MappingProxyType({}),
) -> list[tuple[Prediction, Pose]]:
    """Return each prediction with the pose it is shown at.

    An object whose pose is known is where it is. Else the first body and the first object stand
    where `display` says; further bodies to the left of it, further objects to the right.

    Args:
        predictions: of one image.
        display: how results are shown.
        object_poses: poses of objects in the image's frame, by label.
    """
    placed = []
    next_x = {True: display.body_position[0], False: display.object_position[0]}
    for prediction in predictions:
        on_body = prediction.task == "human_contact"
        if not on_body and prediction.label in object_poses:
            placed.append((prediction, object_poses[prediction.label]))
            continue
        _, y, z = display.body_position if on_body else display.object_position
        vertices = prediction.mesh.vertices
        placed.append((prediction, display_pose(vertices, (next_x[on_body], y, z))))
        step = float(np.ptp(vertices[:, 0])) + _GAP
        next_x[on_body] += -step if on_body else step
    return placed


def of_objects(placed: Placed) -> list[tuple[Prediction, Pose]]:
    """Return what is known about objects, one a label: affordance where asked, else contact."""
    found: dict[str, tuple[Prediction, Pose]] = {}
    for task in ("object_contact", "object_affordance"):
        found |= {p.label: (p, pose) for p, pose in placed if p.task == task}
    return list(found.values())


def sample_poses(prediction: Prediction, pose: Pose, display: Display) -> np.ndarray:
    """Return the best places of an object in the image's frame, best first; maybe none.

    Returns:
        float64 [sample, 7]: position in metres and quaternion x y z w.
    """
    try:
        points = scored_points(prediction.mesh, prediction.scores, prediction.seen)
    except ValueError:  # no face was seen whole
        return np.zeros((0, 7))
    samples = affordance_samples(
        points,
        prediction.threshold,
        display.sample_spacing_m,
        _MOST_SAMPLES,
        display.approach_axis,
    )
    if not len(samples.scores):
        return np.zeros((0, 7))
    matrix = camera_from_mesh(pose)
    turn, shift = matrix[:3, :3], matrix[:3, 3]
    quaternions = Rotation.from_matrix(turn @ samples.rotations).as_quat()
    return np.hstack([samples.positions @ turn.T + shift, quaternions])


def contact_mesh_data(prediction: Prediction, header: Stamp) -> ContactMeshData:
    """Return the content of a `ContactMesh` message."""
    return ContactMeshData(
        header=header,
        task=prediction.task,
        label=prediction.label,
        answer=prediction.answer,
        vertices=prediction.mesh.vertices,
        faces=prediction.mesh.faces,
        scores=prediction.scores,
        seen=prediction.seen,
        threshold=prediction.threshold,
        topology=prediction.topology,
        part_names=list(prediction.part_scores),
        part_scores=list(prediction.part_scores.values()),
    )

"""Everything that is sent about one image, as bytes: the node's topics, and those of a bag."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ivlm_core.geometry.camera import Camera
from ivlm_core.grasping.samples import affordance_samples
from ivlm_core.grasping.surface import scored_points
from ivlm_core.labels import MAX_LABELS
from ivlm_core.messages.arrangement import NOTHING, Display, Known, of_objects
from ivlm_core.messages.cdr import (
    ContactMeshData,
    Pose,
    Stamp,
    encode_affordance_samples,
    encode_contact_mesh,
    encode_image,
    encode_point_cloud,
    encode_pose_array,
)
from ivlm_core.messages.clouds import contact_cloud
from ivlm_core.messages.collision_objects import CollisionObjects
from ivlm_core.messages.markers import MarkerScene
from ivlm_core.messages.placement import Placed, camera_from_mesh, place_vertices
from ivlm_core.pipeline import TASKS, Prediction
from ivlm_core.visualize.in_photo import mesh_in_photo
from ivlm_core.visualize.overlay import attention_overlay, overlay_image

_MOST_SAMPLES = 20

DEPTH = 2 * MAX_LABELS
"""Messages of a topic that wait for a slow reader: one image may give one a label, at once."""

TYPES = {
    **{task: "ivlm_msgs/msg/ContactMesh" for task in TASKS},
    **{f"{task}_cloud": "sensor_msgs/msg/PointCloud2" for task in TASKS},
    "human_contact_posed_cloud": "sensor_msgs/msg/PointCloud2",
    "affordance_samples": "geometry_msgs/msg/PoseArray",
    "labelled_affordance_samples": "ivlm_msgs/msg/AffordanceSamples",
    "attention": "sensor_msgs/msg/Image",
    "collision_object": "moveit_msgs/msg/CollisionObject",
    "overlay": "sensor_msgs/msg/Image",
    "markers": "visualization_msgs/msg/MarkerArray",
}
"""Type of every topic, by its name below the node's."""


class Message(NamedTuple):
    """One message."""

    topic: str
    """Below the node's name; `TYPES` has its type."""
    data: bytes


class ResultMessages:
    """Makes the messages about one image after another."""

    def __init__(self) -> None:
        self._scene = MarkerScene()
        self._collision = CollisionObjects()

    @property
    def shown(self) -> tuple[str, ...]:
        """Namespaces that RViz may show; set it to go on after another's messages."""
        return self._scene.shown

    @shown.setter
    def shown(self, namespaces: tuple[str, ...]) -> None:
        self._scene.shown = namespaces

    def of_image(
        self,
        header: Stamp,
        photo: np.ndarray,
        placed: Sequence[Placed],
        display: Display,
        known: Known = NOTHING,
        wanted: Callable[[str], bool] = lambda topic: True,
    ) -> Iterator[Message]:
        """Yield the messages, `markers` last; all carry the image's header.

        Args:
            header: of the image.
            photo: the image, uint8 [height, width, 3] RGB.
            placed: of every label asked about one prediction per task, label by label (`arrange`).
            display: how results are shown.
            known: what else is known about the image.
            wanted: whether a topic is made; `markers` always are, for those who come later.
        """
        for prediction, pose, where in placed:
            if where != "person" and wanted(prediction.task):
                mesh = contact_mesh_data(prediction, header)
                yield Message(prediction.task, encode_contact_mesh(mesh))
            cloud_topic = f"{prediction.task}{'_posed' if where == 'person' else ''}_cloud"
            if wanted(cloud_topic):
                points = place_vertices(prediction.mesh.vertices, pose)
                cloud = contact_cloud(prediction, points, header, display.colour_map)
                yield Message(cloud_topic, encode_point_cloud(cloud))
        shown, labelled = "affordance_samples", "labelled_affordance_samples"
        if wanted(shown) or wanted(labelled):
            for prediction, pose, where in of_objects(placed):
                if where == "object" or not known.poses_expected:
                    poses, scores = sample_poses(prediction, pose, display)
                    if wanted(shown):
                        yield Message(shown, encode_pose_array(header, poses))
                    if wanted(labelled):
                        about = (prediction.task, prediction.label)
                        data = encode_affordance_samples(header, *about, poses, scores)
                        yield Message(labelled, data)
        if wanted("collision_object"):
            for data in self._collision.add(header, placed, display):
                yield Message("collision_object", data)
        predictions = [item.prediction for item in placed if item.where != "person"]
        if predictions and wanted("overlay"):
            picture = overlays(photo, placed, known.camera, display)
            yield Message("overlay", encode_image(header, picture))
        looked = [p for p in predictions if p.attention is not None]
        if looked and wanted("attention"):
            pictures = [attention_overlay(photo, p) for p in looked]
            yield Message("attention", encode_image(header, _in_rows(looked, pictures)))
        yield Message("markers", self._scene.show(placed, header, display.colour_map))

    def clearing_objects(self) -> list[bytes]:
        """Return what removes every object that was added to planning scenes."""
        return self._collision.remove()

    def clearing_markers(self) -> bytes | None:
        """Return the `MarkerArray` that removes everything; None where nothing is shown."""
        return self._scene.clear()


def overlays(
    photo: np.ndarray,
    placed: Sequence[Placed],
    camera: Camera | None = None,
    display: Display = Display(),  # noqa: B008, it is frozen
) -> np.ndarray:
    """Return the overlays of all predictions in one picture: a row a label, a column a task.

    With a camera, what is there is drawn where it is.
    """
    there = {
        (item.prediction.label, item.prediction.task): item
        for item in placed
        if item.where != "display"
    }
    shown = [item.prediction for item in placed if item.where != "person"]
    pictures = []
    for prediction in shown:
        item, picture = there.get((prediction.label, prediction.task)), photo
        if camera is not None and item is not None and not item.prediction.mesh.is_cloud:
            pose = camera_from_mesh(item.pose)
            picture = mesh_in_photo(photo, item.prediction, pose, camera, display.colour_map)
        pictures.append(overlay_image(picture, prediction))
    return _in_rows(shown, pictures)


def _in_rows(predictions: Sequence[Prediction], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return one picture of the pictures of predictions: a row a label."""
    rows: dict[str, list[np.ndarray]] = {}
    for prediction, picture in zip(predictions, pictures, strict=True):
        rows.setdefault(prediction.label, []).append(picture)
    joined = [np.hstack(row) for row in rows.values()]
    width = max(row.shape[1] for row in joined)
    filled = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in joined]
    return np.vstack(filled)


def sample_poses(
    prediction: Prediction, pose: Pose, display: Display
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best places of an object in the image's frame, best first; maybe none.

    Returns:
        Poses, float64 [sample, 7]: position in metres and quaternion x y z w; scores [sample].
    """
    none = np.zeros((0, 7)), np.zeros(0)
    try:
        points = scored_points(prediction.mesh, prediction.scores, prediction.seen)
    except ValueError:  # no face was seen whole
        return none
    samples = affordance_samples(
        points,
        prediction.threshold,
        display.sample_spacing_m,
        _MOST_SAMPLES,
        display.approach_axis,
    )
    if not len(samples.scores):
        return none
    matrix = camera_from_mesh(pose)
    turn, shift = matrix[:3, :3], matrix[:3, 3]
    quaternions = Rotation.from_matrix(turn @ samples.rotations).as_quat()
    return np.hstack([samples.positions @ turn.T + shift, quaternions]), samples.scores


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

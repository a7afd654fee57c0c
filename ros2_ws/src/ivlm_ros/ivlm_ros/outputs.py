"""The node's result topics and services: names, types, quality of service, what is sent on each."""

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ivlm_core.pipeline import Prediction
from ivlm_core.visualize.overlay import overlay_image
from ivlm_msgs.msg import ContactMesh
from ivlm_msgs.srv import ScoreGrasps
from ivlm_ros import qos
from ivlm_ros.affordances import Affordances, sample_poses
from ivlm_ros.cdr import (
    DELETE,
    ContactMeshData,
    MarkerData,
    Pose,
    Stamp,
    encode_contact_mesh,
    encode_marker_array,
)
from ivlm_ros.clouds import contact_cloud
from ivlm_ros.conversions import fill_image
from ivlm_ros.markers import MarkerMaker, clearing_marker
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.placement import display_pose, place_vertices

_OBJECT_GAP = 0.3
_CLEAR_TIMEOUT = Duration(seconds=2)


class Outputs:
    """Managed publishers of one configured node.

    Args:
        node: the node that publishes.
        tasks: tasks that get a contact mesh topic and a cloud topic each.
    """

    def __init__(self, node: LifecycleNode, tasks: Sequence[str]) -> None:
        self._node = node
        self._markers = MarkerMaker()
        self._marker_frame = ""
        self._shown: set[str] = set()
        create = node.create_lifecycle_publisher
        self._mesh_pub = {t: create(ContactMesh, f"~/{t}", qos.RESULT) for t in tasks}
        self._cloud_pub = {t: create(PointCloud2, f"~/{t}_cloud", qos.RESULT) for t in tasks}
        self._overlay_pub = create(Image, "~/overlay", qos.RESULT)
        self._samples_pub = create(PoseArray, "~/affordance_samples", qos.RESULT)
        self._marker_pub = create(MarkerArray, "~/markers", qos.LATCHED)
        self._affordances = Affordances()
        self._score_srv = node.create_service(
            ScoreGrasps, "~/score_grasps", self._affordances.score
        )

    def publish(
        self,
        header: Header,
        photo: np.ndarray,
        predictions: Sequence[Prediction],
        parameters: NodeParameters,
    ) -> None:
        """Send everything known about one image; all of it carries the image's header.

        Args:
            header: of the image.
            photo: the image, uint8 [height, width, 3] RGB.
            predictions: one per task.
            parameters: where to show body and object.
        """
        stamp = Stamp(header.stamp.sec, header.stamp.nanosec, header.frame_id)
        markers = []
        placed = display_poses(predictions, parameters)
        for prediction, pose in placed:
            points = place_vertices(prediction.mesh.vertices, pose)
            mesh = encode_contact_mesh(contact_mesh_data(prediction, stamp))
            self._mesh_pub[prediction.task].publish(mesh)
            self._cloud_pub[prediction.task].publish(contact_cloud(prediction, points, header))
            markers.append(self._markers.mesh_marker(prediction, stamp, pose))
            markers.append(self._markers.caption(prediction, stamp, pose))
        seen = self._affordances.remember(placed, header)
        if seen is not None and self._samples_pub.get_subscription_count():
            self._samples_pub.publish(sample_poses(seen, parameters))
        if predictions and self._overlay_pub.get_subscription_count():
            pictures = [overlay_image(photo, prediction) for prediction in predictions]
            overlay = fill_image(Image(header=header), np.hstack(pictures), "rgb8")
            self._overlay_pub.publish(overlay)
        self._publish_markers(markers, stamp)

    def _publish_markers(self, markers: list[MarkerData], header: Stamp) -> None:
        """Send the full picture, and remove what the one before had and this one lacks."""
        names = {marker.ns for marker in markers}
        gone = [MarkerData(header, ns, 0, action=DELETE) for ns in sorted(self._shown - names)]
        self._marker_pub.publish(encode_marker_array(markers + gone))
        self._shown = names
        self._marker_frame = header.frame_id

    def clear(self) -> None:
        """Remove the markers from every RViz, present or future, and wait until they know.

        What was known about objects is forgotten.
        """
        self._affordances.forget()
        if self._shown:
            header = Stamp(frame_id=self._marker_frame)
            self._marker_pub.publish(encode_marker_array([clearing_marker(header)]))
            self._marker_pub.wait_for_all_acked(_CLEAR_TIMEOUT)  # the process may end right after
            self._shown = set()

    def destroy(self) -> None:
        """Take the topics down."""
        publishers: list[LifecyclePublisher] = [
            *self._mesh_pub.values(),
            *self._cloud_pub.values(),
            self._overlay_pub,
            self._samples_pub,
            self._marker_pub,
        ]
        self._node.destroy_service(self._score_srv)
        for publisher in publishers:
            self._node.destroy_lifecycle_publisher(publisher)


def display_poses(
    predictions: Sequence[Prediction], parameters: NodeParameters
) -> list[tuple[Prediction, Pose]]:
    """Return each prediction with the pose it is shown at; a second object stands to the right."""
    placed = []
    x, y, z = parameters.object_position
    for prediction in predictions:
        vertices = prediction.mesh.vertices
        if prediction.task == "human_contact":
            place = tuple(parameters.body_position)
        else:
            place = (x, y, z)
            x += float(np.ptp(vertices[:, 0])) + _OBJECT_GAP
        placed.append((prediction, display_pose(vertices, place)))
    return placed


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

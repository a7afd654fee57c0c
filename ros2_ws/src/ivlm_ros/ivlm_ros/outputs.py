"""The node's result topics and `~/score_grasps`: names, types, quality of service."""

from collections.abc import Mapping, Sequence

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ivlm_core.messages.cdr import Pose, Stamp
from ivlm_core.messages.results import ResultMessages, display_poses, of_objects
from ivlm_core.pipeline import Prediction
from ivlm_msgs.msg import ContactMesh
from ivlm_msgs.srv import ScoreGrasps
from ivlm_ros import qos
from ivlm_ros.affordances import Affordances, Seen
from ivlm_ros.parameters import NodeParameters

_CLEAR_TIMEOUT = Duration(seconds=2)


class Outputs:
    """Managed publishers of one configured node.

    Args:
        node: the node that publishes.
        tasks: tasks that get a contact mesh topic and a cloud topic each.
    """

    def __init__(self, node: LifecycleNode, tasks: Sequence[str]) -> None:
        self._node = node
        self._messages = ResultMessages()
        create = node.create_lifecycle_publisher
        self._publishers: dict[str, LifecyclePublisher] = {
            **{t: create(ContactMesh, f"~/{t}", qos.RESULT) for t in tasks},
            **{f"{t}_cloud": create(PointCloud2, f"~/{t}_cloud", qos.RESULT) for t in tasks},
            "overlay": create(Image, "~/overlay", qos.RESULT),
            "affordance_samples": create(PoseArray, "~/affordance_samples", qos.RESULT),
            "markers": create(MarkerArray, "~/markers", qos.LATCHED),
        }
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
        object_poses: Mapping[str, Pose],
        samples: bool,
    ) -> None:
        """Send everything known about one image; all of it carries the image's header.

        Args:
            header: of the image.
            photo: the image, uint8 [height, width, 3] RGB.
            predictions: of every label asked about one per task, label by label.
            parameters: where to show bodies and objects.
            object_poses: where objects are, by label, as far as that is known.
            samples: whether places to grasp at may be sent: not where a pose is missing.
        """
        stamp = Stamp(header.stamp.sec, header.stamp.nanosec, header.frame_id)
        placed = display_poses(predictions, parameters.display, object_poses)
        self._affordances.remember([Seen(p, pose, header) for p, pose in of_objects(placed)])

        def wanted(topic: str) -> bool:
            listened = self._publishers[topic].get_subscription_count() > 0
            return listened and (samples or topic != "affordance_samples")

        for topic, data in self._messages.of_image(
            stamp, photo, placed, parameters.display, wanted
        ):
            self._publishers[topic].publish(data)

    def clear(self) -> None:
        """Remove the markers from every RViz, present or future, and wait until they know.

        What was known about objects is forgotten.
        """
        self._affordances.forget()
        clearing = self._messages.clearing_markers()
        if clearing is not None:
            markers = self._publishers["markers"]
            markers.publish(clearing)
            markers.wait_for_all_acked(_CLEAR_TIMEOUT)  # the process may end right after

    def destroy(self) -> None:
        """Take the topics down."""
        self._node.destroy_service(self._score_srv)
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)

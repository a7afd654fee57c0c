"""The node's result topics and `~/score_grasps`: names, types, quality of service."""

from collections.abc import Callable, Sequence

import numpy as np
from geometry_msgs.msg import PoseArray
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from ivlm_core.messages.arrangement import Known, arrange, of_objects
from ivlm_core.messages.cdr import Stamp
from ivlm_core.messages.results import ResultMessages
from ivlm_core.pipeline import Prediction
from ivlm_msgs.msg import AffordanceSamples, ContactMesh
from ivlm_msgs.srv import ScoreGrasps
from ivlm_ros import qos
from ivlm_ros.affordances import Affordances, Seen
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.planning_scene import CollisionObject

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
        posed = ["human_contact_posed"] if "human_contact" in tasks else []
        self._publishers: dict[str, LifecyclePublisher] = {
            **{t: create(ContactMesh, f"~/{t}", qos.RESULT) for t in tasks},
            **{f"{name}_cloud": self._cloud(name) for name in (*tasks, *posed)},
            "attention": create(Image, "~/attention", qos.RESULT),
            "overlay": create(Image, "~/overlay", qos.RESULT),
            "affordance_samples": create(PoseArray, "~/affordance_samples", qos.RESULT),
            "labelled_affordance_samples": create(
                AffordanceSamples, "~/labelled_affordance_samples", qos.RESULT
            ),
            "markers": create(MarkerArray, "~/markers", qos.LATCHED),
        }
        if CollisionObject is not None:
            self._publishers["collision_object"] = create(
                CollisionObject, "~/collision_object", qos.RESULT
            )
        self._affordances = Affordances()
        self._score_srv = node.create_service(
            ScoreGrasps, "~/score_grasps", self._affordances.score
        )

    def _cloud(self, name: str) -> LifecyclePublisher:
        return self._node.create_lifecycle_publisher(PointCloud2, f"~/{name}_cloud", qos.RESULT)

    def wanted(self, topic: str) -> bool:
        """Return whether somebody listens to a topic."""
        publisher = self._publishers.get(topic)
        return publisher is not None and publisher.get_subscription_count() > 0

    def publish(
        self,
        header: Header,
        photo: np.ndarray,
        predictions: Sequence[Prediction],
        parameters: NodeParameters,
        known: Known,
        doubt: Callable[[str], None],
    ) -> None:
        """Send everything known about one image; all of it carries the image's header.

        Args:
            header: of the image.
            photo: the image, uint8 [height, width, 3] RGB.
            predictions: of every label asked about one per task, label by label.
            parameters: where to show bodies and objects.
            known: where things are, as far as that is known.
            doubt: told why something of it is not believed.
        """
        stamp = Stamp(header.stamp.sec, header.stamp.nanosec, header.frame_id)
        placed = arrange(predictions, parameters.display, known, doubt)
        seen = []
        for prediction, pose, where in of_objects(placed):
            only_shown = known.poses_expected and where != "object"
            seen.append(Seen(prediction, None if only_shown else pose, header))
        self._affordances.remember(seen)
        for topic, data in self._messages.of_image(
            stamp, photo, placed, parameters.display, known, self.wanted
        ):
            self._publishers[topic].publish(data)

    def clear(self) -> None:
        """Remove the markers from every RViz, present or future, and wait until they know.

        What was known about objects is forgotten, by planning scenes as well.
        """
        self._affordances.forget()
        for data in self._messages.clearing_objects():
            self._publishers["collision_object"].publish(data)
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

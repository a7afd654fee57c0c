"""What others know about an image: where the object and the person are, and what the camera is."""

from collections.abc import Callable, Sequence

from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from ivlm_core.messages.arrangement import Known
from ivlm_ros import detection_input, transforms
from ivlm_ros.bodies import Bodies
from ivlm_ros.camera_info_input import CameraInfoInput
from ivlm_ros.matching import nanoseconds
from ivlm_ros.object_poses import ObjectPoses
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.statistics import Health, NodeStatistics
from ivlm_ros.transforms import Transforms


class Places:
    """Subscriptions of one configured node beside images and labels, all optional.

    Args:
        node: the node that subscribes.
        settings: gives the present parameters.
        statistics: counts images about which something was missing.
        changed: told in words what is wrong with what came.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], NodeParameters],
        statistics: NodeStatistics,
        changed: Callable[[str], None],
    ) -> None:
        self._statistics, self._changed = statistics, changed
        self._transforms = Transforms(node)
        self.object_poses = ObjectPoses(node, settings, self._transforms, changed)
        self.bodies = Bodies(node, settings, self._transforms, changed)
        self.camera_info = CameraInfoInput(node, settings, changed)
        self._parts = {
            "camera_info": self.camera_info,
            "object pose": self.object_poses,
            "body": self.bodies,
        }
        self._doubt = ""

    def start(self) -> None:
        """Subscribe."""
        for part in self._parts.values():
            part.start()

    def stop(self) -> None:
        """Unsubscribe and forget."""
        for part in self._parts.values():
            part.stop()
        self._transforms.stop()
        self._doubt = ""

    def hold(self, header: Header) -> None:
        """Keep what belongs to an image, however long that is in work."""
        for part in (self.object_poses, self.bodies):
            part.hold(nanoseconds(header.stamp))

    def at(self, header: Header, labels: Sequence[str], width: int, height: int) -> Known:
        """Return what is known about an image.

        Args:
            header: of the image.
            labels: it is asked about.
            width: of the image, pixels.
            height: of the image, pixels.
        """
        poses, expected = self.object_poses.at(header, labels), self.object_poses.expected
        if expected and labels[0] not in poses:
            self._statistics.count("without object pose")
        self._doubt = ""
        return Known(
            poses, expected, self.bodies.at(header), self.camera_info.at(header, width, height)
        )

    def doubt(self, text: str) -> None:
        """Note that something of it could not be believed."""
        self._statistics.count("with a pose that cannot be")
        self._doubt = text
        self._changed(text)

    def health(self) -> dict[str, Health]:
        """Return a line of diagnostics for each part that has something to say."""
        found = {name: part.health() for name, part in self._parts.items()}
        lines = {name: health for name, health in found.items() if health is not None}
        if self._doubt:
            name = "body" if self._doubt.startswith("body") else "object pose"
            lines[name] = Health(1, self._doubt, lines[name].values if name in lines else {})
        return lines


def check_installed(settings: NodeParameters) -> None:
    """Check that what parameters ask for is installed.

    Raises:
        ImportError: it is not; the text says what to install.
    """
    if settings.use_detections:
        detection_input.check_installed()
    if settings.object_pose_source == "tf":
        transforms.check_installed()

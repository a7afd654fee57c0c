"""Where objects are, if something knows that: a topic, tf or a parameter."""

import math
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from ivlm_core.messages.cdr import Pose
from ivlm_core.messages.placement import camera_from_mesh
from ivlm_ros import qos
from ivlm_ros.matching import nanoseconds
from ivlm_ros.parameters import object_frame
from ivlm_ros.placed_input import PlacedInput
from ivlm_ros.statistics import Health
from ivlm_ros.transforms import MISSING


class ObjectPoses(PlacedInput[Pose]):
    """The poses that came on `object_pose`, and those that belong to an image."""

    REMEMBERED = 200

    def start(self) -> None:
        """Subscribe to what the parameters say."""
        source = self._settings().object_pose_source
        if source == "topic":
            self._subscription = self._node.create_subscription(
                PoseStamped, "object_pose", self._on_pose, qos.LABEL
            )
        elif source == "tf":
            self._transforms.start()

    @property
    def expected(self) -> bool:
        """Whether poses come in: then an object without one is the exception."""
        return self._settings().object_pose_source != "topic" or bool(self._known)

    def at(self, header: Header, labels: Sequence[str]) -> dict[str, Pose]:
        """Return the poses in an image's frame, by label, as far as they are known.

        Topic and parameter tell of the first label's object.
        """
        settings = self._settings()
        if settings.object_pose_source == "parameter":
            return {labels[0]: _pose(np.array(settings.object_pose))}
        if settings.object_pose_source == "topic":
            pose = self._of_topic(header, settings.object_pose_timeout_s)
            return {} if pose is None else {labels[0]: pose}
        found, problems = {}, []
        for label in labels:
            frame = object_frame(settings.object_frame, label)
            try:
                matrix = self._transforms.lookup(header.frame_id, frame, nanoseconds(header.stamp))
            except LookupError as error:
                problems.append(str(error))
            else:
                found[label] = _pose_of_matrix(matrix)
        self._problem = "; ".join(problems)
        return found

    def health(self) -> Health | None:
        """Return what is wrong; None where nothing has come."""
        if not self.expected and not self._problem:
            return None
        values = {"source": self._settings().object_pose_source}
        if self._problem:
            return Health(1, f"object pose not known: {self._problem}", values)
        return Health(0, "ok", values)

    def _of_topic(self, header: Header, limit_s: float) -> Pose | None:
        stamp = nanoseconds(header.stamp)
        only = None if self._transforms.available else header.frame_id
        known = self._known.nearest(stamp, limit_s, only)
        if known is None:
            other = self._known.nearest(stamp, limit_s)
            self._problem = (
                f"object_pose is in {other.frame_id!r}, the image in {header.frame_id!r}; {MISSING}"
                if other is not None
                else f"no pose within {limit_s:g} s of the image"
                if self._known
                else ""
            )
            return None
        try:
            matrix = self._transforms.lookup(header.frame_id, known.frame_id, stamp)
        except LookupError as error:
            self._problem = str(error)
            return None
        self._problem = ""
        if known.frame_id == header.frame_id:
            return known.value
        return _pose_of_matrix(matrix @ camera_from_mesh(known.value))

    def _on_pose(self, message: PoseStamped) -> None:
        self._transforms.start_if_wanted()
        p, q = message.pose.position, message.pose.orientation
        numbers = np.array([p.x, p.y, p.z, q.x, q.y, q.z, q.w])
        try:
            pose = _pose(numbers)
        except ValueError as error:
            self._refuse("object_pose", error)
            return
        self._known.add(nanoseconds(message.header.stamp), message.header.frame_id, pose)


def _pose(numbers: np.ndarray) -> Pose:
    """Return position and quaternion x y z w as a pose.

    Raises:
        ValueError: numbers that are not finite, or a quaternion that is no rotation.
    """
    place, turn = numbers[:3], numbers[3:]
    length = math.hypot(*turn)  # of huge numbers too, without a warning
    if not (np.isfinite(numbers).all() and abs(length - 1) < 0.01):
        raise ValueError(
            f"position {place.tolist()}, orientation {turn.tolist()}; "
            "expected finite numbers and a quaternion of length one"
        )
    x, y, z = place.tolist()
    a, b, c, d = (turn / length).tolist()
    return Pose((x, y, z), (a, b, c, d))


def _pose_of_matrix(matrix: np.ndarray) -> Pose:
    turn = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    return _pose(np.concatenate([matrix[:3, 3], turn]))

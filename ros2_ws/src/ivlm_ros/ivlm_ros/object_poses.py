"""Where the object is, if something estimates that: poses matched to images by their stamps."""

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from std_msgs.msg import Header

from ivlm_core.messages.cdr import Pose
from ivlm_ros import qos

_REMEMBERED = 200


class Known(NamedTuple):
    """A pose that was received."""

    stamp_ns: int
    frame_id: str
    pose: Pose


class ObjectPoses:
    """The subscription `object_pose`, and the pose that belongs to an image.

    Args:
        node: the node that subscribes.
        timeout_s: gives how far apart the stamps of pose and image may be; 0 for any distance.
        changed: told in words what is wrong with a pose.
    """

    def __init__(
        self,
        node: LifecycleNode,
        timeout_s: Callable[[], float],
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._timeout_s, self._changed = node, timeout_s, changed
        self._known: deque[Known] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Subscribe."""
        self._subscription = self._node.create_subscription(
            PoseStamped, "object_pose", self._on_pose, qos.LABEL
        )

    def stop(self) -> None:
        """Unsubscribe and forget."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        with self._lock:
            self._known.clear()

    @property
    def expected(self) -> bool:
        """Whether poses have come: then an image without one is the exception."""
        return bool(self._known)

    def at(self, header: Header) -> Pose | None:
        """Return the pose nearest to an image in time; None where none is near, or in its frame."""
        stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
        with self._lock:
            known = [k for k in self._known if k.frame_id == header.frame_id]
        if not known:
            return None
        nearest = min(known, key=lambda k: abs(k.stamp_ns - stamp))
        limit = self._timeout_s()
        return None if limit and abs(nearest.stamp_ns - stamp) > limit * 1e9 else nearest.pose

    def _on_pose(self, message: PoseStamped) -> None:
        p, q = message.pose.position, message.pose.orientation
        place, turn = np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w])
        length = np.linalg.norm(turn)
        if not (np.isfinite(place).all() and np.isfinite(length) and abs(length - 1) < 0.01):
            text = (
                f"object_pose ignored: position {place.tolist()}, orientation {turn.tolist()}; "
                "expected finite numbers and a quaternion of length one"
            )
            self._node.get_logger().error(text, throttle_duration_sec=1.0)
            self._changed(text)
            return
        x, y, z = place.tolist()
        a, b, c, d = (turn / length).tolist()
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        pose = Pose((x, y, z), (a, b, c, d))
        with self._lock:
            self._known.append(Known(stamp, message.header.frame_id, pose))

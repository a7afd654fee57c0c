"""Topic `body`: the person's posed body, from any estimator of bodies; optional."""

from collections.abc import Callable

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from std_msgs.msg import Header

from ivlm_core.messages.arrangement import PosedBody as Body
from ivlm_msgs.msg import PosedBody
from ivlm_ros import qos
from ivlm_ros.matching import Remembered, nanoseconds
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.statistics import Health
from ivlm_ros.transforms import Transforms

_REMEMBERED = 30
_MOST_VERTICES = 200_000
_FARTHEST_M = 1000.0


class Bodies:
    """The subscription, and the body that belongs to an image.

    Args:
        node: the node that subscribes.
        settings: gives the present parameters.
        transforms: tf.
        changed: told in words what is wrong with a body.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], NodeParameters],
        transforms: Transforms,
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._settings, self._changed = node, settings, changed
        self._transforms = transforms
        self._known: Remembered[Body] = Remembered(_REMEMBERED)
        self._subscription: Subscription | None = None
        self._problem = ""

    def start(self) -> None:
        """Subscribe."""
        self._subscription = self._node.create_subscription(
            PosedBody, "body", self._on_body, qos.LABEL
        )

    def stop(self) -> None:
        """Unsubscribe and forget."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self._known.clear()
        self._problem = ""

    def at(self, header: Header) -> Body | None:
        """Return the body nearest to an image in time, in its frame; None where none is near."""
        stamp, limit = nanoseconds(header.stamp), self._settings().body_timeout_s
        known = self._known.nearest(stamp, limit)
        if known is None:
            self._problem = f"no body within {limit:g} s of the image" if self._known else ""
            return None
        try:
            matrix = self._transforms.lookup(header.frame_id, known.frame_id, stamp)
        except LookupError as error:
            self._problem = str(error)
            return None
        self._problem = ""
        if known.frame_id == header.frame_id:
            return known.value
        vertices = known.value.vertices @ matrix[:3, :3].T + matrix[:3, 3]
        return Body(known.value.topology, vertices.astype(np.float32))

    def health(self) -> Health | None:
        """Return what is wrong; None where nothing has come."""
        if self._problem:
            return Health(1, f"person's body not known: {self._problem}", {})
        return Health(0, "ok", {}) if self._known else None

    def _on_body(self, message: PosedBody) -> None:
        self._transforms.start_if_wanted()
        try:
            body = read_body(message)
        except ValueError as error:
            self._problem = str(error)
            text = f"body ignored: {error}"
            self._node.get_logger().error(text, throttle_duration_sec=1.0)
            self._changed(text)
            return
        self._known.add(nanoseconds(message.header.stamp), message.header.frame_id, body)


def read_body(message: PosedBody) -> Body:
    """Return a message as a body.

    Raises:
        ValueError: numbers that make no body.
    """
    numbers = np.asarray(message.vertices, np.float32)
    if len(numbers) % 3 or not 0 < len(numbers) <= 3 * _MOST_VERTICES:
        raise ValueError(
            f"{len(numbers)} numbers; expected x, y, z of 1 to {_MOST_VERTICES} vertices"
        )
    if not (np.abs(numbers) < _FARTHEST_M).all():  # NaN is not
        raise ValueError(f"vertices that are not finite, or {_FARTHEST_M:g} m away or more")
    return Body(message.topology, numbers.reshape(-1, 3).copy())

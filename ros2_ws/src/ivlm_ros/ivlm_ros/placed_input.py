"""What the topics that tell where something is have in common."""

from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription

from ivlm_ros.matching import Remembered
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.transforms import Transforms

T = TypeVar("T")


class PlacedInput(Generic[T]):
    """A subscription, what came lately, and what is wrong with it.

    Args:
        node: the node that subscribes.
        settings: gives the present parameters.
        transforms: tf.
        changed: told in words what is wrong with a message.
    """

    REMEMBERED: int
    """Most messages that are kept."""

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], NodeParameters],
        transforms: Transforms,
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._settings, self._changed = node, settings, changed
        self._transforms = transforms
        self._known: Remembered[T] = Remembered(self.REMEMBERED)
        self._subscription: Subscription | None = None
        self._problem = ""

    def stop(self) -> None:
        """Unsubscribe and forget."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self._known.clear()
        self._problem = ""

    def hold(self, stamp_ns: int) -> None:
        """Keep what belongs to an image, however much comes while it is in work."""
        self._known.hold(stamp_ns)

    def _refuse(self, what: str, error: ValueError) -> None:
        """Say that a message is not used, and why."""
        text = f"{what} ignored: {error}"
        self._node.get_logger().error(text, throttle_duration_sec=1.0)
        self._changed(text)

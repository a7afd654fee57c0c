"""The image subscription: connects to any publisher, and loses no large images where it can help.

A best-effort subscriber connects to every publisher, but Fast DDS with its default settings then
loses images above half a megabyte (64 % of 640x480 RGB at 30 Hz between two processes of one
machine, none when reliable). So the subscription is best effort until publishers are there and all
of them are reliable, and reliable from then on.
"""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from ivlm_ros import qos


class ImageInput:
    """Subscribes a node to `image`.

    Args:
        node: the node.
        callback: gets each message.
        reliability: "auto" as described above, "best_effort" or "reliable".
        transport: "raw", or "compressed" for `image`'s sibling of that name.
    """

    def __init__(
        self,
        node: LifecycleNode,
        callback: Callable[[Any], None],
        reliability: str,
        transport: str = "raw",
    ) -> None:
        self._node = node
        self._callback = callback
        self._auto = reliability == "auto"
        # A new publisher is judged by the executor's next step, outside the event itself.
        self._changed = node.create_guard_condition(self.adapt)
        self._profile = qos.CAMERA_IN
        self._type = CompressedImage if transport == "compressed" else Image
        # The sibling of whatever `image` is remapped to, as image_transport names it.
        self._topic = node.resolve_topic_name("image")
        if transport == "compressed":
            self._topic += "/compressed"
        first = self._auto and bool(self._all_reliable(self._topic))
        self._subscription = self._subscribe(first or reliability == "reliable")

    @property
    def topic(self) -> str:
        """Resolved name of the topic."""
        return str(self._subscription.topic_name)

    @property
    def reliable(self) -> bool:
        """Whether lost images are sent again."""
        return bool(self._profile.reliability == ReliabilityPolicy.RELIABLE)

    def adapt(self) -> None:
        """Subscribe anew if the publishers that are there now allow or need another profile."""
        if not self._auto:
            return
        wanted = self._all_reliable(self.topic)
        if wanted is not None and wanted != self.reliable:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe(wanted)

    def _all_reliable(self, topic: str) -> bool | None:
        """Whether the publishers that are there now are all reliable; None without any."""
        found = self._node.get_publishers_info_by_topic(topic)
        if not found:
            return None
        return all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in found)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_guard_condition(self._changed)

    def _subscribe(self, reliable: bool) -> Subscription:
        self._profile = qos.CAMERA_IN_RELIABLE if reliable else qos.CAMERA_IN

        def matched(_: Any) -> None:
            self._changed.trigger()

        return self._node.create_subscription(
            self._type,
            self._topic,
            self._callback,
            self._profile,
            event_callbacks=SubscriptionEventCallbacks(matched=matched),
        )

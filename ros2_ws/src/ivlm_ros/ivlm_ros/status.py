"""Topic `~/status`: what the node is doing, latched, sent when something of it changes."""

import threading
from collections.abc import Callable

from builtin_interfaces.msg import Time
from rclpy.node import Node

from ivlm_msgs.msg import Status
from ivlm_ros import qos


class StatusTopic:
    """Not a managed publisher, so that it tells of every state; used by several threads.

    Args:
        node: the node that publishes.
        look: gives the present content, without stamp and note.
    """

    def __init__(self, node: Node, look: Callable[[], Status]) -> None:
        self._node, self._look = node, look
        self._publisher = node.create_publisher(Status, "~/status", qos.LATCHED)
        self._lock = threading.Lock()
        self._note = ""
        self._sent: Status | None = None

    def say(self, note: str) -> None:
        """Tell what has happened, and everything that changed with it."""
        with self._lock:
            self._note = note
        self.refresh()

    def refresh(self) -> None:
        """Send the present content if it differs from what was sent last."""
        now = self._look()
        with self._lock:
            now.note, now.stamp = self._note, Time()
            if now == self._sent:
                return
            self._sent = now
            message = Status(
                **{name: getattr(now, name) for name in Status.get_fields_and_field_types()}
            )
            message.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(message)

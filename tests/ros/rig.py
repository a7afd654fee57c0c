"""A node and a camera on one executor, inside the test's process."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from ivlm_core.messages.images import fill_image
from ivlm_msgs.msg import ContactMesh, Status
from ivlm_ros import qos
from ivlm_ros.node import IvlmNode


class Rig:
    """An active node, and what it says."""

    def __init__(self, make_listener: Callable[..., Any], node: IvlmNode) -> None:
        self.node = node
        self.listener = make_listener(node)
        compressed = self._parameter("image_transport") == "compressed"
        self.images = self.listener.node.create_publisher(
            CompressedImage if compressed else Image,
            "image/compressed" if compressed else "image",
            qos.RESULT,
        )
        self.labels = self.listener.node.create_publisher(String, "label", qos.LABEL)
        self.name = node.get_name()
        for task in ("human_contact", "object_contact", "object_affordance"):
            self.listener.listen(f"/{self.name}/{task}", ContactMesh, qos.EVENT)
        self.listener.listen(f"/{self.name}/status", Status, qos.LATCHED)
        self.listener.listen("/diagnostics", DiagnosticArray)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.listener.until(
            lambda: (
                node._intake.image_in.reliable
                == (self._parameter("image_reliability") != "best_effort")
                and self.images.get_subscription_count()
                and self.labels.get_subscription_count()
            ),
            "the node to subscribe for good",
        )

    def _parameter(self, name: str) -> Any:
        return self.node.get_parameter(name).value

    def image(self, photo: np.ndarray, seconds_old: float = 0.0, frame_id: str = "camera") -> Image:
        """Make an image message."""
        message = fill_image(Image(), photo, "rgb8")
        now = self.listener.node.get_clock().now().nanoseconds - int(seconds_old * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        message.header.frame_id = frame_id
        return message

    def send(self, photo: np.ndarray, seconds_old: float = 0.0, frame_id: str = "camera") -> None:
        """Send an image."""
        self.images.publish(self.image(photo, seconds_old, frame_id))

    def hold_up(self, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
        """Keep images in work: the first event tells that one is, the second lets them go on."""
        working, go_on = threading.Event(), threading.Event()
        estimate = self.node._estimator.estimate

        def held_up(*arguments: Any, **options: Any) -> Any:
            working.set()
            assert go_on.wait(20)
            return estimate(*arguments, **options)

        monkeypatch.setattr(self.node._estimator, "estimate", held_up)
        return working, go_on

    def say(self, label: str) -> None:
        """Send a label; the node reads it before the next image."""
        self.labels.publish(String(data=label))

    def counted(self, event: str, at_least: int = 1) -> None:
        """Wait until the node has counted an event."""
        counts = self.node._statistics.counts
        self.listener.until(lambda: counts().get(event, 0) >= at_least, f"{event} x {at_least}")

    def got(self, task: str) -> list[ContactMesh]:
        """Return the results of a task so far."""
        return self.listener.messages[f"/{self.name}/{task}"]

    @property
    def status(self) -> list[Status]:
        """What the node has said of itself so far."""
        return self.listener.messages[f"/{self.name}/status"]

    def call(self, kind: type, service: str, **fields: Any) -> Any:
        """Call a service of the node."""
        return self.listener.call(kind, f"/{self.name}/{service}", kind.Request(**fields))

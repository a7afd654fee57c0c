"""A camera in front of a node in its own process, that notes when the node answered what."""

import time
from collections.abc import Callable, Sequence
from struct import unpack_from
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from ivlm_core.messages.images import fill_image
from ivlm_msgs.msg import ContactMesh
from ivlm_ros import qos
from ivlm_ros.processes import NodeProcess

LAST = "markers"
"""The output that is published last about an image."""

OVERLAY = "overlay"
"""The output that is made only while someone listens."""

_START_TIMEOUT_S = 120.0
_RESULT_TIMEOUT_S = 30.0
_WARM_UP_IMAGES = 5
_AGAIN_S = 1.0


class Camera:
    """Sends images and notes when each output about them was published, as DDS attaches it.

    Args:
        width: of the images, pixels.
        height: of the images, pixels.
        process: the node.
    """

    def __init__(self, width: int, height: int, process: NodeProcess) -> None:
        self.node = Node("ivlm_bench")
        self._process = process
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._images = self.node.create_publisher(Image, "image", qos.RESULT)
        self._published: dict[str, dict[int, int]] = {}
        self._health: dict[str, str] = {}
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._note_health, qos.DIAGNOSTICS
        )
        noise = np.random.default_rng(0).integers(0, 255, (height, width, 3))
        self._message = fill_image(Image(), noise.astype(np.uint8), "rgb8")
        self._message.header.frame_id = "camera_optical_frame"
        for task in ("human_contact", "object_affordance"):
            self._listen(ContactMesh, task)
            self._listen(PointCloud2, f"{task}_cloud")
        self._listen(MarkerArray, LAST)

    def _listen(self, kind: type, topic: str) -> None:
        published = self._published.setdefault(topic, {})
        stamp_at = 8 if topic == LAST else 4  # an array begins with its length

        def note(data: bytes, info: dict[str, int]) -> None:
            if len(data) >= stamp_at + 8:
                seconds, nanoseconds = unpack_from("<iI", data, stamp_at)
                published[seconds * 10**9 + nanoseconds] = info["source_timestamp"]

        callback: Any = note  # rclpy also takes callbacks with the message's info
        self.node.create_subscription(kind, f"/ivlm_node/{topic}", callback, qos.RESULT, raw=True)

    def show_overlay(self) -> None:
        """Subscribe to the overlay, which is made on demand only, and wait for the first ones."""
        self._listen(Image, OVERLAY)
        self._warm_up(OVERLAY)

    @property
    def outputs(self) -> list[str]:
        """Topics that have been published, the last one last."""
        return [topic for topic, published in self._published.items() if published]

    def wait_for_node(self) -> None:
        """Wait until the node listens and has answered."""
        self._until(self._images.get_subscription_count, _START_TIMEOUT_S, "the node to start")
        self._warm_up(LAST)

    def _warm_up(self, topic: str) -> None:
        for _ in range(1 + _WARM_UP_IMAGES):
            self._answered_image(topic)

    def _answered_image(self, topic: str) -> None:
        """Send an image until an output about it arrives.

        Each side finds the other in its own time, and the node subscribes anew when it has seen
        that the camera is reliable, so the first images or outputs may be lost.
        """
        sent: list[int] = []
        begin = time.monotonic()

        def answered() -> bool:
            if time.monotonic() >= begin + len(sent) * _AGAIN_S:
                sent.append(self._send())
            return any(stamp in self._published[topic] for stamp in sent)

        self._until(answered, _RESULT_TIMEOUT_S, f"a first message of '{topic}'")

    def one_image(self, *topics: str) -> int:
        """Send an image, wait for the last output about it and `topics`; return its stamp."""
        stamp = self._send()
        for topic in (LAST, *topics):
            self._until(
                lambda topic=topic: stamp in self._published[topic],
                _RESULT_TIMEOUT_S,
                f"'{topic}' about an image",
            )
        return stamp

    def stream(self, rate_hz: float, seconds: float) -> list[int]:
        """Send images at a rate, wait for the answer to the last one; return their stamps."""
        begin, stamps = time.monotonic(), []
        while (now := time.monotonic() - begin) < seconds:
            if now * rate_hz >= len(stamps):
                stamps.append(self._send())
            self._executor.spin_once(timeout_sec=max(0.0, len(stamps) / rate_hz - now))
        return [*stamps, self.one_image()]

    def latencies(self, stamps: Sequence[int], topic: str = LAST) -> list[float]:
        """Return seconds from stamp to publication of an output, of those images that have it."""
        published = self._published[topic]
        return [(published[stamp] - stamp) / 1e9 for stamp in stamps if stamp in published]

    def forget(self) -> None:
        """Forget the results so far: a long run keeps none."""
        for published in self._published.values():
            published.clear()

    def _send(self) -> int:
        stamp = self.node.get_clock().now().nanoseconds
        self._message.header.stamp.sec, self._message.header.stamp.nanosec = divmod(stamp, 10**9)
        self._images.publish(self._message)
        return stamp

    def stages(self) -> dict[str, str]:
        """Return counts and times by stage as the node reports them once a second."""
        self._health = {}
        self._until(lambda: self._health, _RESULT_TIMEOUT_S, "diagnostics")
        return self._health

    def _note_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "ivlm_node: pipeline":
                self._health = {value.key: value.value for value in status.values}

    def _until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            self._process.check_alive()
            if time.monotonic() > end:
                raise RuntimeError(
                    f"waited {timeout_s:.0f} s in vain for {what}; the node said:\n"
                    f"{self._process.last_lines()}"
                )
            self._executor.spin_once(timeout_sec=0.5)

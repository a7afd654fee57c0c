"""A camera made of files: publishes an image, a folder of images or a video at a rate.

Topics out: `image` (sensor_msgs/Image, rgb8) and, where there is one, `label` (std_msgs/String)
before the image it belongs to. The label is parameter `label`, or that of a file named
`label__name.png`. Topic in: `next` (std_msgs/Empty), where parameter `hold` is set.
"""

from collections.abc import Iterator
from typing import Any

import rclpy
import rclpy.logging
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.timer import Timer
from sensor_msgs.msg import Image
from std_msgs.msg import Empty, String

from ivlm_core.messages.images import fill_image
from ivlm_ros import qos
from ivlm_ros.frame_source import SHIPPED, CameraFrame, open_source, source_path

_LABEL_TIMEOUT = Duration(seconds=10)


class ImageReplay(Node):
    """Publishes frames until the source ends; `finished` tells."""

    def __init__(self) -> None:
        super().__init__("image_replay")
        named = self._declare("source", SHIPPED, "image, video, or folder of them; or 'demo'")
        source = open_source(source_path(named))
        rate = self._declare(
            "rate_hz", 0.0, "images per second; 0: a video's own rate, else 5", (0.0, 1000.0)
        )
        self._rate = rate or source.rate_hz
        self._label = self._declare("label", "", "object asked about; empty: from the file names")
        self._frame_id = self._declare("frame_id", "camera_optical_frame", "frame of the images")
        loop = self._declare("loop", True, "begin again after the last image")
        self._hold = self._declare(
            "hold", False, "repeat each image until a message arrives on topic 'next'"
        )
        self._wanted = self._declare(
            "wait_for_subscribers", 0, "begin once so many listen to the images", (0, 1000)
        )
        warn = self.get_logger().warning
        self._frames: Iterator[CameraFrame] = source.frames(loop, warn)
        self._frame: CameraFrame | None = None
        self._sent_label: str | None = None
        self._timer: Timer | None = None
        self._listeners = {"image": 0, "label": 0}
        self.finished = False
        self._label_pub = self._make_publisher(String, "label", qos.LABEL)
        self._image_pub = self._make_publisher(Image, "image", qos.RESULT)
        if self._hold:
            self.create_subscription(Empty, "next", self._on_next, qos.EVENT)
        self._begin_when_heard()

    def _on_next(self, _: Empty) -> None:
        self._frame = None

    def _declare(
        self, name: str, default: Any, description: str, bounds: tuple | None = None
    ) -> Any:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if bounds and isinstance(default, float):
            low, high = bounds
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif bounds:
            low, high = bounds
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return self.declare_parameter(name, default, descriptor).value

    def _make_publisher(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        def matched(info: Any) -> None:
            self._listeners[topic] = info.current_count
            self._begin_when_heard()

        events = PublisherEventCallbacks(matched=matched)
        return self.create_publisher(kind, topic, profile, event_callbacks=events)

    def _begin_when_heard(self) -> None:
        """Start the clock once enough subscribers are there, those of the label included."""
        if self._timer is None and min(self._listeners.values()) >= self._wanted:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = self.create_timer(1 / self._rate, self._send_next, clock=steady)

    def _send_next(self) -> None:
        frame = self._frame or next(self._frames, None)
        if frame is None:
            self.finished = True
            return
        self._frame = frame if self._hold else None
        self._send_label(self._label or frame.label)
        message = fill_image(Image(), frame.pixels, "rgb8")
        message.header.frame_id = self._frame_id
        message.header.stamp = self.get_clock().now().to_msg()
        self._image_pub.publish(message)

    def _send_label(self, label: str) -> None:
        """Send the label with every image, for listeners that came late; wait when it changes."""
        if not label:
            return
        self._label_pub.publish(String(data=label))
        if label != self._sent_label:
            if not self._label_pub.wait_for_all_acked(_LABEL_TIMEOUT):
                self.get_logger().warning(
                    f"label '{label}' did not reach every listener in time; the images that follow "
                    "may be taken for the label before"
                )
            self._sent_label = label


def main(args: list[str] | None = None) -> int:
    """Run until the source ends or the process is told to stop; 2 when the source is unusable."""
    rclpy.init(args=args)
    try:
        replay = ImageReplay()
        while not replay.finished:
            rclpy.spin_once(replay)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        rclpy.logging.get_logger("image_replay").fatal(str(error))
        return 2
    except (ValueError, FileNotFoundError) as error:
        rclpy.logging.get_logger("image_replay").fatal(f"parameter source: {error}")
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

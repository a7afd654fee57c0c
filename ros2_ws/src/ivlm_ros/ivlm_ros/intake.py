"""What comes in: images, labels and detections, matched, and handed to the inference thread."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from ivlm_core.detections import Detection, detected_labels
from ivlm_core.labels import MAX_LABELS, read_labels
from ivlm_ros import qos
from ivlm_ros.detection_input import DetectionInput
from ivlm_ros.image_input import ImageInput
from ivlm_ros.matching import Pairing, nanoseconds
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.pending import take_pending
from ivlm_ros.statistics import Health, NodeStatistics, input_health

_ARRIVALS = 60
"""Images whose times of arrival are kept."""
_WAITING = 10
"""Images that wait for their detections."""


class Frame(NamedTuple):
    """A camera image, the labels that hold for it, and what a detector found in it."""

    message: Image | CompressedImage
    labels: tuple[str, ...]
    detections: tuple[Detection, ...] = ()
    era: int = 0
    """`Intake.era` when the image came."""


class Intake:
    """Subscriptions of one configured node; callbacks store and return.

    Args:
        node: the node that subscribes.
        put: takes a frame that is to be worked on.
        settings: gives the present parameters.
        statistics: counts what came and what was left out.
        changed: told in words that labels have changed.
    """

    def __init__(
        self,
        node: LifecycleNode,
        put: Callable[[Frame], None],
        settings: Callable[[], NodeParameters],
        statistics: NodeStatistics,
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._put, self._settings = node, put, settings
        self._statistics, self._changed = statistics, changed
        self._label_in: Subscription | None = None
        self._detections_in: DetectionInput | None = None
        self.image_in: ImageInput | None = None
        self._pairing = self._new_pairing()
        self._labels: tuple[str, ...] = ()
        self._last_image_s = self._last_detections_s = 0.0
        self._next_image_s = 0.0
        self._arrivals_s: deque[float] = deque(maxlen=_ARRIVALS)
        self.newest: Image | CompressedImage | None = None
        """The image that came last."""
        self.era = 0
        """Rises with `forget` and `stop`: images that came before are not to be answered."""

    def start(self) -> None:
        """Subscribe."""
        self._last_image_s, self._next_image_s = time.monotonic(), 0.0
        self._statistics.begin()
        # The label first: of messages that wait together, the executor takes it before the image.
        self._label_in = self._node.create_subscription(String, "label", self._on_label, qos.LABEL)
        settings = self._settings()
        self._pairing = self._new_pairing()
        if settings.use_detections:
            self._detections_in = DetectionInput(self._node, self._on_detections)
            self._last_detections_s = time.monotonic()
        self.image_in = ImageInput(
            self._node, self._on_image, settings.image_reliability, settings.image_transport
        )
        names = f"{self._label_in.topic_name} and {self.image_in.topic}"
        self._node.get_logger().info(f"active, listening to {names}")

    def stop(self) -> None:
        """Unsubscribe."""
        if self._label_in is not None:
            self._node.destroy_subscription(self._label_in)
        if self.image_in is not None:
            self.image_in.destroy()
        if self._detections_in is not None:
            self._detections_in.destroy()
        self._label_in = self.image_in = self._detections_in = None
        self.newest = None
        self.era += 1

    def forget(self) -> None:
        """Forget what topic label said: parameter label holds again."""
        self._labels = ()
        self.era += 1

    @property
    def labels(self) -> tuple[str, ...]:
        """What the next image is asked about."""
        return self._labels or self._usable(self._settings().label)

    def health(self) -> Health | None:
        """Return whether images come in; None while not subscribed."""
        if self.image_in is None:
            return None
        self.image_in.adapt()
        topic, silence = self.image_in.topic, time.monotonic() - self._last_image_s
        publishers = self._node.count_publishers(topic)
        health = input_health(topic, publishers, silence, self._settings().input_timeout_s)
        values = {**health.values, "rate Hz": f"{self._rate_hz(silence):.1f}"}
        return replace(health, values=values)

    def detections_health(self) -> Health | None:
        """Return whether detections come in; None where nobody waits for them."""
        if self._detections_in is None:
            return None
        topic, silence = self._detections_in.topic, time.monotonic() - self._last_detections_s
        publishers = self._node.count_publishers(topic)
        limit = self._settings().input_timeout_s
        return input_health(topic, publishers, silence, limit, what="detections")

    def _rate_hz(self, silence_s: float) -> float:
        """Return how many images came a second lately; 0 where they have stopped."""
        if len(self._arrivals_s) < 2:
            return 0.0
        span = self._arrivals_s[-1] - self._arrivals_s[0]
        between = span / (len(self._arrivals_s) - 1)
        return 1 / between if between and silence_s < max(1.0, 3 * between) else 0.0

    def _on_label(self, message: String) -> None:
        labels = self._usable(message.data)
        if (labels or not message.data.strip()) and labels != self._labels:
            self._labels = labels
            self._changed(f"labels: {', '.join(self.labels) or 'none'}")

    def _on_image(self, message: Image | CompressedImage) -> None:
        if self._label_in is not None:
            for label_message in take_pending(self._label_in):
                self._on_label(label_message)
        now = time.monotonic()
        self._last_image_s = now
        self._arrivals_s.append(now)
        self.newest = message
        self._statistics.count("received")
        rate = self._settings().max_rate_hz
        if rate and now < self._next_image_s:
            self._statistics.count("over the rate limit")
            return
        if rate:  # keep the beat of a camera that is a little irregular; begin anew after a pause
            in_beat = now - self._next_image_s < 1 / rate
            self._next_image_s = (self._next_image_s if in_beat else now) + 1 / rate
        asked = Frame(message, self.labels, era=self.era)
        if self._detections_in is None:
            self._ask(asked, ())
        else:
            self._ask_pair(self._pairing.first(nanoseconds(message.header.stamp), asked))

    def _on_detections(self, stamp_ns: int, found: tuple[Detection, ...]) -> None:
        self._last_detections_s = time.monotonic()
        self._ask_pair(self._pairing.second(stamp_ns, found))

    def _new_pairing(self) -> Pairing[Frame, tuple[Detection, ...]]:
        return Pairing(_WAITING, lambda: self._statistics.left_out("without detections"))

    def _ask_pair(self, pair: tuple[Frame, tuple[Detection, ...]] | None) -> None:
        if pair is not None:
            self._ask(*pair)

    def _ask(self, frame: Frame, found: tuple[Detection, ...]) -> None:
        """Hand an image on with the labels that hold for it, else those of what was detected."""
        labels = frame.labels or detected_labels(found, MAX_LABELS)
        if labels:
            self._put(frame._replace(labels=labels, detections=found))
        elif self._detections_in is not None:
            self._statistics.count("without label")  # nothing was detected, which is no fault
        else:
            self._statistics.left_out("without label")
            self._node.get_logger().warning(
                "images come in but no label is set: publish std_msgs/String on topic 'label' or "
                "set parameter 'label' ('scene' asks for contact with the ground)",
                throttle_duration_sec=10.0,
            )

    def _usable(self, text: str) -> tuple[str, ...]:
        """Return the labels of a text; none where it cannot be used, with a log line."""
        try:
            return read_labels(text)
        except ValueError as error:
            self._node.get_logger().error(f"label ignored: {error}", throttle_duration_sec=1.0)
            self._changed(f"label ignored: {error}")
            return ()

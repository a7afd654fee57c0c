"""Topic `detections`: what a detector found in the images, where vision_msgs is installed.

`vision_msgs` comes from apt (`ros-jazzy-vision-msgs`) and is not on PyPI.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription

from ivlm_core.detections import Detection
from ivlm_core.labels import read_label
from ivlm_ros import qos
from ivlm_ros.matching import nanoseconds

try:
    from vision_msgs.msg import Detection2DArray
except ImportError:
    Detection2DArray = None

MISSING = "vision_msgs is not installed: sudo apt install ros-jazzy-vision-msgs"

_MOST = 200
"""Detections of one image that are read."""


class DetectionInput:
    """The subscription.

    Args:
        node: the node that subscribes.
        callback: gets the stamp of an image and what was found in it.

    Raises:
        ImportError: vision_msgs is not installed.
    """

    def __init__(
        self, node: LifecycleNode, callback: Callable[[int, tuple[Detection, ...]], None]
    ) -> None:
        check_installed()
        self._node, self._callback = node, callback
        self._subscription: Subscription = node.create_subscription(
            Detection2DArray, "detections", self._on_detections, qos.LABEL
        )

    @property
    def topic(self) -> str:
        """Resolved name of the topic."""
        return str(self._subscription.topic_name)

    def destroy(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    def _on_detections(self, message: Any) -> None:
        self._callback(nanoseconds(message.header.stamp), read_detections(message))


def check_installed() -> None:
    """Check that detections can be read.

    Raises:
        ImportError: vision_msgs is not installed.
    """
    if Detection2DArray is None:
        raise ImportError(MISSING)


def read_detections(message: Any) -> tuple[Detection, ...]:
    """Return what was found; what has no usable label or box is left out.

    Args:
        message: any object with the fields of `vision_msgs/Detection2DArray`; class ids are
            labels in words.
    """
    found = []
    for detection in message.detections[:_MOST]:
        hypotheses = [result.hypothesis for result in detection.results]
        box = _upright_box(detection.bbox)
        if not hypotheses or box is None:
            continue
        best = max(hypotheses, key=lambda h: h.score)
        try:
            label = read_label(best.class_id)
        except ValueError:
            continue
        found.append(Detection(label, float(best.score), box))
    return tuple(found)


def _upright_box(bbox: Any) -> tuple[float, float, float, float] | None:
    """Return left, top, right, bottom of a box that may be turned; None where it makes no sense."""
    middle, angle = bbox.center.position, float(bbox.center.theta)
    x, y, wide, high = float(middle.x), float(middle.y), float(bbox.size_x), float(bbox.size_y)
    if not np.isfinite([x, y, wide, high, angle]).all() or wide <= 0 or high <= 0:
        return None
    cosine, sine = abs(np.cos(angle)), abs(np.sin(angle))
    half_x = (wide * cosine + high * sine) / 2
    half_y = (wide * sine + high * cosine) / 2
    with np.errstate(over="ignore"):
        left, top, right, bottom = x - half_x, y - half_y, x + half_x, y + half_y
    if not (np.isfinite([left, top, right, bottom]).all() and left < right and top < bottom):
        return None  # beyond the numbers of pixels by far
    return (float(left), float(top), float(right), float(bottom))

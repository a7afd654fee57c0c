"""tf, where it is installed.

`tf2_ros` comes from apt (`ros-jazzy-tf2-ros-py`) and is not on PyPI. Without it, everything has to
be in the image's frame.
"""

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from ivlm_core.messages.cdr import Pose
from ivlm_core.messages.placement import camera_from_mesh

try:
    import tf2_ros
except ImportError:
    tf2_ros = None

MISSING = "tf2_ros is not installed: sudo apt install ros-jazzy-tf2-ros-py"


def check_installed() -> None:
    """Check that tf can be asked.

    Raises:
        ImportError: tf2_ros is not installed.
    """
    if tf2_ros is None:
        raise ImportError(MISSING)


class Transforms:
    """Listens to tf once somebody needs it.

    Args:
        node: the node that subscribes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self._wanted = False

    @property
    def available(self) -> bool:
        """Whether tf is installed."""
        return tf2_ros is not None

    def start(self) -> None:
        """Subscribe, unless that has happened; only from the executor's thread."""
        if self.available and self._listener is None:
            self._buffer = tf2_ros.Buffer()
            self._listener = tf2_ros.TransformListener(self._buffer, self._node)

    def start_if_wanted(self) -> None:
        """Subscribe if a transform was asked for in vain; only from the executor's thread."""
        if self._wanted:
            self.start()

    def stop(self) -> None:
        """Unsubscribe."""
        if self._listener is not None:
            self._listener.unregister()
        self._buffer = self._listener = None
        self._wanted = False

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """Return target from source, float64 [4, 4], at a time; never waits, never the latest.

        Raises:
            LookupError: it is not known; the text says why.
        """
        if target == source:
            return np.eye(4)
        if not self.available:
            raise LookupError(f"{source!r} is another frame than {target!r}, and {MISSING}")
        buffer = self._buffer
        if buffer is None:
            self._wanted = True
            raise LookupError(f"listening to tf for {target!r} from {source!r} from now on")
        if stamp_ns < 0:
            raise LookupError(f"the stamp is {stamp_ns / 1e9:g} s; tf knows no time before 0")
        try:
            found = buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns))
        except tf2_ros.TransformException as error:
            raise LookupError(f"tf has no {target!r} from {source!r}: {error}") from error
        t, q = found.transform.translation, found.transform.rotation
        return camera_from_mesh(Pose((t.x, t.y, t.z), (q.x, q.y, q.z, q.w)))

"""Topic `camera_info`: the camera's intrinsics, checked; optional."""

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from ivlm_core.geometry.camera import Camera
from ivlm_core.messages.camera_info import CameraInfoError, camera_of_info
from ivlm_ros import qos
from ivlm_ros.matching import Remembered, nanoseconds
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.statistics import Health

_REMEMBERED = 30


class CameraInfoInput:
    """The subscription, and the camera that took an image.

    Args:
        node: the node that subscribes.
        settings: gives the present parameters.
        changed: told in words what is wrong with a calibration.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Callable[[], NodeParameters],
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._settings, self._changed = node, settings, changed
        self._subscription: Subscription | None = None
        self._known: Remembered[Camera] = Remembered(_REMEMBERED)
        self._last: tuple[CameraInfo, bool, Camera | None] | None = None
        self._problem = ""

    def start(self) -> None:
        """Subscribe."""
        self._subscription = self._node.create_subscription(
            CameraInfo, "camera_info", self._on_info, qos.CAMERA_IN
        )

    def stop(self) -> None:
        """Unsubscribe and forget."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self._last = None
        self._known.clear()
        self._problem = ""

    def at(self, header: Header, width: int, height: int) -> Camera | None:
        """Return the camera of an image; None where none is known, or it belongs to another image.

        Args:
            header: of the image.
            width: of the image, pixels.
            height: of the image, pixels.
        """
        found = self._known.nearest(nanoseconds(header.stamp))
        if found is None:
            return None
        camera, problem = found.value, ""
        if found.frame_id != header.frame_id:
            problem = f"it is of frame {found.frame_id!r}, the image of {header.frame_id!r}"
        elif (camera.width, camera.height) != (width, height):
            problem = (
                f"it is of {camera.width}x{camera.height} pixels, the image has {width}x{height}"
            )
        self._tell(problem)
        return None if problem else camera

    def health(self) -> Health | None:
        """Return what is wrong; None where nothing has come."""
        if self._last is None:
            return None
        camera = self._last[2]
        values = {}
        if camera is not None:
            (fx, _, cx), (_, fy, cy) = camera.intrinsics[:2]
            values["size"] = f"{camera.width}x{camera.height}"
            values["fx fy cx cy"] = f"{fx:.1f} {fy:.1f} {cx - 0.5:.1f} {cy - 0.5:.1f}"
        if self._problem:
            return Health(1, f"camera_info not used: {self._problem}", values)
        return Health(0, "ok", values)

    def _on_info(self, message: CameraInfo) -> None:
        camera = self._camera(message)
        if camera is not None:
            self._known.add(nanoseconds(message.header.stamp), message.header.frame_id, camera)

    def _camera(self, message: CameraInfo) -> Camera | None:
        """Return the camera of a message; the same as before for the same calibration."""
        rectified = self._settings().image_rectified
        if self._last is not None and (_content(self._last[0]), self._last[1]) == (
            _content(message),
            rectified,
        ):
            return self._last[2]
        try:
            camera, problem = camera_of_info(message, rectified), ""
        except CameraInfoError as error:
            camera, problem = None, str(error)
            self._known.clear()
        self._last = (message, rectified, camera)
        self._tell(problem)
        return camera

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            text = f"camera_info not used: {problem}"
            self._node.get_logger().warning(text)
            self._changed(text)
        self._problem = problem


def _content(message: CameraInfo) -> tuple[object, ...]:
    """Return what makes a calibration."""
    roi = message.roi
    return (
        *(message.width, message.height, message.distortion_model),
        *(message.k.tobytes(), message.p.tobytes(), message.d.tobytes()),
        *(message.binning_x, message.binning_y),
        *(roi.x_offset, roi.y_offset, roi.width, roi.height),
    )

"""What RViz 2 would refuse, hide or draw wrongly in a message, found before it is sent.

Each rule was read in the sources of rviz_default_plugins, rviz_common and rviz_rendering (Jazzy).
Used by the tests on every message they receive, and by the demo.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message

from ivlm_core.messages.cdr import MarkerData, decode_marker_array

_KNOWN_TYPES = range(12)  # ARROW_STRIP (12) is in the message but not in RViz
_ADD, _DELETE, _DELETE_ALL = 0, 2, 3
_ARROW, _LINE_STRIP, _LINE_LIST, _CUBE_LIST, _SPHERE_LIST, _POINTS, _TEXT, _MESH, _TRIANGLES = (
    0, 4, 5, 6, 7, 8, 9, 10, 11,
)  # fmt: skip
_IMAGE_ENCODINGS = (
    "rgb8", "rgba8", "bgr8", "bgra8", "8UC1", "8UC3", "8UC4", "mono8", "mono16", "16UC1",
    "32FC1", "yuv422", "yuv422_yuy2",
)  # fmt: skip
_FLOAT32, _UINT32, _INT32 = 7, 6, 5


def rviz_problems(message: Any) -> list[str]:
    """Return everything RViz would stumble over, empty when there is nothing.

    Args:
        message: a MarkerArray, Marker, PointCloud2, PoseArray or Image.

    Raises:
        TypeError: another kind of message.
    """
    kind = type(message).__name__
    if kind == "PoseArray":
        return list(_pose_array_problems(message))
    if kind == "MarkerArray":
        return list(_marker_array_problems(message))
    if kind == "Marker":
        return list(_marker_problems(message))
    if kind == "PointCloud2":
        return list(_cloud_problems(message))
    if kind == "Image":
        return list(_image_problems(message))
    raise TypeError(f"expected MarkerArray, Marker, PointCloud2, PoseArray or Image, got {kind}")


def problems_of_bytes(kind: type, data: bytes) -> list[str]:
    """Return `rviz_problems` of a message as it was sent.

    A marker array that this package packed is read as arrays: a hundred times as fast as objects.
    """
    if kind.__name__ != "MarkerArray":
        return rviz_problems(deserialize_message(data, kind))
    markers = [_as_message(marker) for marker in decode_marker_array(data)]
    return list(_marker_array_problems(SimpleNamespace(markers=markers)))


def _as_message(data: MarkerData) -> Any:
    """Return a marker with the message's names; points and colours stay arrays."""
    x, y, z = data.pose.position
    a, b, c, d = data.pose.orientation
    named = SimpleNamespace
    stamp = named(sec=data.header.sec, nanosec=data.header.nanosec)
    return named(
        header=named(stamp=stamp, frame_id=data.header.frame_id),
        **{name: getattr(data, name) for name in ("ns", "id", "type", "action", "text")},
        pose=named(position=named(x=x, y=y, z=z), orientation=named(x=a, y=b, z=c, w=d)),
        scale=named(**dict(zip("xyz", data.scale, strict=True))),
        color=named(**dict(zip("rgba", data.color, strict=True))),
        lifetime=named(sec=0, nanosec=0),
        frame_locked=data.frame_locked,
        points=data.points,
        colors=data.colors,
    )


def _numbers(values: Any, names: str) -> np.ndarray:
    """Return a list of messages with number fields as rows; an array is one already."""
    if isinstance(values, np.ndarray):
        return values
    rows = [[getattr(value, name) for name in names] for value in values]
    return np.array(rows, np.float64).reshape(-1, len(names))


def _pose_array_problems(message: Any) -> Iterator[str]:
    yield from _frame_problems(message.header, "poses")
    places = _numbers([pose.position for pose in message.poses], "xyz")
    turns = _numbers([pose.orientation for pose in message.poses], "xyzw")
    if not (np.isfinite(places).all() and np.isfinite(turns).all()):
        yield "poses: not all numbers are finite"
    elif (np.abs(np.linalg.norm(turns, axis=1) - 1) > 1e-6).any():
        yield "poses: a quaternion is not of length one"


def _marker_array_problems(message: Any) -> Iterator[str]:
    seen = set()
    for marker in message.markers:
        key = (marker.ns, marker.id)
        if key in seen:
            yield f"marker {key}: namespace and id are used twice in one array"
        seen.add(key)
        yield from _marker_problems(marker)


def _marker_problems(marker: Any) -> Iterator[str]:
    where = f"marker {(marker.ns, marker.id)}"
    yield from _frame_problems(marker.header, where)
    if marker.action not in (_ADD, _DELETE, _DELETE_ALL):
        yield f"{where}: action {marker.action} is unknown"
    if marker.action != _ADD:
        return
    if not marker.ns:
        yield f"{where}: empty namespace"
    if marker.type not in _KNOWN_TYPES:
        yield f"{where}: type {marker.type} is unknown to RViz"
    yield from _pose_problems(marker, where)
    points, colours = _numbers(marker.points, "xyz"), _numbers(marker.colors, "rgba")
    if not np.isfinite(points).all():
        yield f"{where}: points that are not finite"
    if not np.isfinite(colours).all() or (colours < 0).any() or (colours > 1).any():
        yield f"{where}: colours outside [0, 1]"
    lifetime = marker.lifetime.sec + marker.lifetime.nanosec * 1e-9
    if lifetime < 0 or 0 < lifetime < 1e-4:
        yield f"{where}: lifetime {lifetime} s must be 0 or above 0.1 ms"
    stamp = marker.header.stamp
    if lifetime == 0 and (stamp.sec or stamp.nanosec) and not marker.frame_locked:
        yield f"{where}: lasts for ever with a stamp; its transform ages out, use frame_locked"
    yield from _type_problems(marker, points, colours, where)


def _frame_problems(header: Any, where: str) -> Iterator[str]:
    if not header.frame_id or header.frame_id.startswith("/"):
        yield f"{where}: frame_id {header.frame_id!r} is empty or begins with a slash"


def _pose_problems(marker: Any, where: str) -> Iterator[str]:
    p, q, s, c = marker.pose.position, marker.pose.orientation, marker.scale, marker.color
    values = [p.x, p.y, p.z, q.x, q.y, q.z, q.w, s.x, s.y, s.z, c.r, c.g, c.b, c.a]
    if not np.isfinite(values).all():
        yield f"{where}: pose, scale or colour is not finite"
    norm = float(np.linalg.norm([q.x, q.y, q.z, q.w]))
    if abs(norm - 1) > 1e-6:
        yield f"{where}: quaternion has norm {norm}"
    if c.a != 1.0:
        yield f"{where}: color.a is {c.a}; 0 hides the marker, less than 1 does not blend"


def _type_problems(
    marker: Any, points: np.ndarray, colours: np.ndarray, where: str
) -> Iterator[str]:
    s, count = marker.scale, len(points)
    if marker.type == _TRIANGLES:
        if count == 0 or count % 3:
            yield f"{where}: {count} points are not triangles"
            return
        if len(colours) not in (0, count, count // 3):
            yield f"{where}: {len(colours)} colours for {count} points are ignored"
        if s.x * s.y * s.z == 0:
            yield f"{where}: scale has a zero"
        if len(colours) and (colours[:, 3] < 0.9998).any():
            yield f"{where}: translucent corners switch depth writing off"
        if not np.isfinite(points).all():
            return
        a, b, c = points.reshape(-1, 3, 3).transpose(1, 0, 2)
        flat = int((np.linalg.norm(np.cross(b - a, c - a), axis=1) == 0).sum())
        if flat:
            yield f"{where}: {flat} triangles have no area"
    elif marker.type in (_POINTS, _SPHERE_LIST, _CUBE_LIST):
        if len(colours) not in (0, count):
            yield f"{where}: {len(colours)} colours for {count} points"
        if s.x * s.y == 0:
            yield f"{where}: scale has a zero"
    elif marker.type in (_LINE_LIST, _LINE_STRIP):
        if (marker.type == _LINE_LIST and count % 2) or s.x <= 0:
            yield f"{where}: odd number of points or no line width"
    elif marker.type == _TEXT:
        if s.z <= 0 or not marker.text:
            yield f"{where}: text without height or without words"
    elif marker.type == _MESH:
        if not marker.mesh_resource.startswith(("package://", "file://", "http://")):
            yield f"{where}: mesh_resource {marker.mesh_resource!r} is not a URI RViz loads"
    elif marker.type == _ARROW:
        if count not in (0, 2) or s.x + s.y == 0:
            yield f"{where}: arrows take no or two points and a size"
    elif s.x * s.y * s.z == 0:
        yield f"{where}: scale has a zero"


def _cloud_problems(cloud: Any) -> Iterator[str]:
    yield from _frame_problems(cloud.header, "cloud")
    fields = {f.name: f for f in cloud.fields}
    for name in "xyz":
        if name not in fields or fields[name].datatype != _FLOAT32:
            yield f"cloud: field {name} is missing or not FLOAT32"
    for name in ("rgb", "rgba"):
        if name in fields and fields[name].datatype not in (_FLOAT32, _UINT32, _INT32):
            yield f"cloud: field {name} has datatype {fields[name].datatype}"
    if any(f.offset % 4 or f.offset + 4 > cloud.point_step for f in cloud.fields):
        yield "cloud: a field is not aligned or lies outside the point"
    if len(cloud.data) != cloud.width * cloud.height * cloud.point_step:
        yield f"cloud: {len(cloud.data)} bytes do not make {cloud.width * cloud.height} points"
        return
    if cloud.row_step != cloud.width * cloud.point_step or cloud.is_bigendian:
        yield "cloud: row_step or byte order is wrong"
    if cloud.is_dense and not np.isfinite(_cloud_positions(cloud, fields)).all():
        yield "cloud: claims to be dense but has points that are not finite"


def _cloud_positions(cloud: Any, fields: dict[str, Any]) -> np.ndarray:
    rows = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)
    columns = [rows[:, fields[n].offset : fields[n].offset + 4] for n in "xyz" if n in fields]
    return np.concatenate(columns, axis=1).copy().view("<f4") if columns else np.zeros(0)


def _image_problems(image: Any) -> Iterator[str]:
    if image.encoding not in _IMAGE_ENCODINGS and not image.encoding.startswith("bayer"):
        yield f"image: encoding {image.encoding!r} is unknown to RViz"
    if image.encoding == "32FC1":
        yield "image: RViz shows floats in [0, 1] as garbage; publish a picture"
    if image.height <= 0 or image.width <= 0 or len(image.data) != image.step * image.height:
        yield f"image: {len(image.data)} bytes do not make {image.width}x{image.height} pixels"
    channels = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}.get(image.encoding)
    if channels and image.step != image.width * channels:
        yield "image: padded rows; RViz ignores step"

"""Large messages packed with numpy straight into the wire format.

rclpy serialises message by message object: 0.2-0.7 s for the coloured mesh of a body. The same
bytes laid out here take about a millisecond, and `publisher.publish(bytes)` sends them as they are.
The format is XCDR1, little endian: a four-byte encapsulation header, then each primitive aligned to
its size, counted from behind that header; a sequence is its length (uint32) and its elements.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_ENCAPSULATION = b"\x00\x01\x00\x00"

TRIANGLE_LIST = 11
TEXT_VIEW_FACING = 9
ADD, DELETE, DELETE_ALL = 0, 2, 3
OBJECT_ADD, OBJECT_REMOVE = 0, 1
_FLOAT32 = 7


@dataclass(frozen=True)
class Stamp:
    """A header as plain data: time in seconds and nanoseconds, and the frame's name."""

    sec: int = 0
    nanosec: int = 0
    frame_id: str = ""


@dataclass(frozen=True)
class Pose:
    """Position in metres and orientation as a unit quaternion (x, y, z, w)."""

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    orientation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class MarkerData:
    """The fields of `visualization_msgs/Marker` that this package fills.

    `points` are float64 [corner, 3] in metres, `colors` float32 [corner, 4] RGBA in [0, 1].
    """

    header: Stamp
    ns: str
    id: int
    type: int = TRIANGLE_LIST
    action: int = ADD
    pose: Pose = Pose()
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    frame_locked: bool = False
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    colors: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    text: str = ""


@dataclass(frozen=True)
class ContactMeshData:
    """The fields of `ivlm_msgs/ContactMesh`.

    `vertices` float [vertex, 3], `faces` int [face, 3], `scores` float [vertex] in [0, 1],
    `seen` bool [vertex].
    """

    header: Stamp
    task: str
    label: str
    answer: str
    vertices: np.ndarray
    faces: np.ndarray
    scores: np.ndarray
    seen: np.ndarray
    threshold: float
    topology: str
    part_names: Sequence[str] = ()
    part_scores: Sequence[float] = ()


@dataclass(frozen=True)
class CloudData:
    """The fields of a `sensor_msgs/PointCloud2` of one row.

    `rows` is a structured array of 4-byte little-endian values, each of which is sent as FLOAT32:
    RViz and PCL read `rgb` as the bits of a float.
    """

    header: Stamp
    rows: np.ndarray
    is_dense: bool


@dataclass(frozen=True)
class CollisionObjectData:
    """The fields of `moveit_msgs/CollisionObject` that this package fills: one mesh, subframes.

    `vertices` float [vertex, 3] and `faces` int [face, 3] are in the object's frame, as
    `subframe_poses`, float64 [subframe, 7]: position and quaternion x y z w. Without vertices there
    is no mesh.
    """

    header: Stamp
    id: str
    pose: Pose = Pose()
    vertices: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    faces: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.uint32))
    subframe_names: Sequence[str] = ()
    subframe_poses: np.ndarray = field(default_factory=lambda: np.zeros((0, 7)))
    operation: int = 0
    """`OBJECT_ADD` or `OBJECT_REMOVE`."""


class CdrWriter:
    """Appends values at their alignment and keeps count of the offset."""

    def __init__(self) -> None:
        self._chunks: list[bytes | memoryview] = [_ENCAPSULATION]
        self._offset = 0

    def _append(self, chunk: bytes | memoryview, size: int, alignment: int) -> None:
        padding = -self._offset % alignment
        if padding:
            self._chunks.append(bytes(padding))
        self._chunks.append(chunk)
        self._offset += padding + size

    def scalars(self, code: str, *values: float) -> None:
        """Write values of one `struct` type, for instance ("d", x, y, z)."""
        packed = struct.pack(f"<{len(values)}{code}", *values)
        self._append(packed, len(packed), struct.calcsize(code))

    def boolean(self, value: bool) -> None:
        """Write a bool."""
        self.scalars("B", int(value))

    def string(self, text: str) -> None:
        """Write a string: length with the closing zero byte, UTF-8 bytes, zero byte."""
        encoded = text.encode() + b"\0"
        self.scalars("I", len(encoded))
        self._append(encoded, len(encoded), 1)

    def sequence(self, values: np.ndarray, dtype: str, elements: int | None = None) -> None:
        """Write a sequence of primitives, or of structs made of one primitive type only.

        Args:
            values: array; its first axis counts the elements.
            dtype: little-endian numpy type on the wire, for instance "<f8".
            elements: number of elements, when it is not the length of the first axis.
        """
        packed = np.ascontiguousarray(values, dtype=dtype)
        self.scalars("I", len(packed) if elements is None else elements)
        if packed.size:
            view = packed.reshape(-1).view(np.uint8).data
            self._append(view, packed.nbytes, packed.dtype.itemsize)

    def header(self, header: Stamp) -> None:
        """Write a `std_msgs/Header`."""
        self.scalars("i", header.sec)
        self.scalars("I", header.nanosec)
        self.string(header.frame_id)

    def to_bytes(self) -> bytes:
        """Return the whole message."""
        return b"".join(self._chunks)


def encode_contact_mesh(data: ContactMeshData) -> bytes:
    """Return an `ivlm_msgs/ContactMesh` as bytes to publish.

    Raises:
        ValueError: scores, seen flags or parts do not match in number.
    """
    count = len(data.vertices)
    if len(data.scores) != count or len(data.seen) != count:
        raise ValueError(
            f"contact mesh has {count} vertices but {len(data.scores)} scores and "
            f"{len(data.seen)} seen flags; all three must match"
        )
    if len(data.part_names) != len(data.part_scores):
        raise ValueError(
            f"contact mesh has {len(data.part_names)} part names but {len(data.part_scores)} "
            f"part scores"
        )
    writer = CdrWriter()
    writer.header(data.header)
    for text in (data.task, data.label, data.answer):
        writer.string(text)
    writer.sequence(data.faces, "<u4")
    writer.sequence(data.vertices, "<f8")
    writer.sequence(data.scores, "<f4")
    writer.sequence(data.seen, "u1")
    writer.scalars("f", data.threshold)
    writer.string(data.topology)
    writer.scalars("I", len(data.part_names))
    for name in data.part_names:
        writer.string(name)
    writer.sequence(np.asarray(data.part_scores, np.float32), "<f4")
    return writer.to_bytes()


class CdrReader:
    """Reads values at their alignment from bytes that a raw subscription gives."""

    def __init__(self, data: bytes) -> None:
        if bytes(data[:2]) != _ENCAPSULATION[:2]:
            raise ValueError(
                f"expected little-endian XCDR1 (encapsulation 0001), got {data[:2].hex()}; "
                f"subscribe without raw=True instead"
            )
        self._data = memoryview(data)[len(_ENCAPSULATION) :]
        self._offset = 0

    def scalar(self, code: str) -> Any:
        """Read one value of a `struct` type."""
        size = struct.calcsize(code)
        self._offset += -self._offset % size
        (value,) = struct.unpack_from(f"<{code}", self._data, self._offset)
        self._offset += size
        return value

    def string(self) -> str:
        """Read a string."""
        size = self.scalar("I")
        text = bytes(self._data[self._offset : self._offset + size - 1])
        self._offset += size
        return text.decode()

    def sequence(self, dtype: str, width: int = 1) -> np.ndarray:
        """Read a sequence of elements of `width` values each, as a view: [element(, width)]."""
        count = self.scalar("I")
        item = np.dtype(dtype)
        if count:
            self._offset += -self._offset % item.itemsize
        values = np.frombuffer(self._data, item, count * width, self._offset)
        self._offset += values.nbytes
        return values.reshape(count, width) if width > 1 else values

    def header(self) -> Stamp:
        """Read a `std_msgs/Header`."""
        return Stamp(self.scalar("i"), self.scalar("I"), self.string())


def decode_contact_mesh(data: bytes) -> ContactMeshData:
    """Return what an `ivlm_msgs/ContactMesh` holds, from a subscription with `raw=True`.

    Takes microseconds where reading the message object by object takes a tenth of a second.

    Raises:
        ValueError: the bytes are of another encapsulation.
    """
    reader = CdrReader(data)
    header = reader.header()
    task, label, answer = (reader.string() for _ in range(3))
    faces, vertices = reader.sequence("<u4", 3), reader.sequence("<f8", 3)
    scores, seen = reader.sequence("<f4"), reader.sequence("u1").astype(bool)
    threshold, topology = reader.scalar("f"), reader.string()
    names = [reader.string() for _ in range(reader.scalar("I"))]
    part_scores = reader.sequence("<f4").tolist()
    return ContactMeshData(
        header, task, label, answer, vertices, faces, scores, seen, threshold, topology, names,
        part_scores,
    )  # fmt: skip


def encode_point_cloud(data: CloudData) -> bytes:
    """Return a `sensor_msgs/PointCloud2` as bytes to publish."""
    kind, count = data.rows.dtype, len(data.rows)
    writer = CdrWriter()
    writer.header(data.header)
    writer.scalars("I", 1, count)  # height, width
    writer.scalars("I", len(kind.names or ()))
    for name in kind.names or ():
        writer.string(name)
        writer.scalars("I", kind.fields[name][1])  # type: ignore[index]
        writer.scalars("B", _FLOAT32)
        writer.scalars("I", 1)
    writer.boolean(False)  # is_bigendian
    writer.scalars("I", kind.itemsize, kind.itemsize * count)
    writer.sequence(np.frombuffer(data.rows.tobytes(), np.uint8), "u1")
    writer.boolean(data.is_dense)
    return writer.to_bytes()


def encode_image(header: Stamp, pixels: np.ndarray) -> bytes:
    """Return uint8 RGB `[height, width, 3]` as the bytes of a `sensor_msgs/Image`."""
    height, width, channels = pixels.shape
    writer = CdrWriter()
    writer.header(header)
    writer.scalars("I", height, width)
    writer.string("rgb8")
    writer.boolean(False)  # is_bigendian
    writer.scalars("I", width * channels)
    writer.sequence(pixels.reshape(-1), "u1")
    return writer.to_bytes()


def encode_pose_array(header: Stamp, poses: np.ndarray) -> bytes:
    """Return positions and quaternions x y z w, `[pose, 7]`, as a `geometry_msgs/PoseArray`."""
    writer = CdrWriter()
    writer.header(header)
    writer.sequence(poses, "<f8")
    return writer.to_bytes()


def encode_affordance_samples(
    header: Stamp, task: str, label: str, poses: np.ndarray, scores: np.ndarray
) -> bytes:
    """Return an `ivlm_msgs/AffordanceSamples` as bytes to publish.

    Args:
        header: of the image.
        task: what was asked.
        label: what was asked about.
        poses: float64 `[sample, 7]`: position in metres and quaternion x y z w.
        scores: `[sample]` in [0, 1].
    """
    writer = CdrWriter()
    writer.header(header)
    writer.string(task)
    writer.string(label)
    writer.sequence(poses, "<f8")
    writer.sequence(scores, "<f4")
    return writer.to_bytes()


def encode_collision_object(data: CollisionObjectData) -> bytes:
    """Return a `moveit_msgs/CollisionObject` as bytes to publish.

    Raises:
        ValueError: names and poses of subframes do not match in number.
    """
    if len(data.subframe_names) != len(data.subframe_poses):
        raise ValueError(
            f"collision object has {len(data.subframe_names)} subframe names but "
            f"{len(data.subframe_poses)} poses"
        )
    meshes = int(len(data.vertices) > 0)
    writer = CdrWriter()
    writer.header(data.header)
    writer.scalars("d", *data.pose.position, *data.pose.orientation)
    for text in (data.id, "", ""):  # type: key and db
        writer.string(text)
    writer.scalars("I", 0, 0)  # primitives and their poses
    writer.scalars("I", meshes)
    if meshes:
        writer.sequence(data.faces, "<u4")
        writer.sequence(data.vertices, "<f8")
    identity = (*Pose().position, *Pose().orientation)
    writer.sequence(np.tile(identity, (meshes, 1)), "<f8")
    writer.scalars("I", 0, 0)  # planes and their poses
    writer.scalars("I", len(data.subframe_names))
    for name in data.subframe_names:
        writer.string(name)
    writer.sequence(data.subframe_poses, "<f8")
    writer.scalars("B", data.operation)
    return writer.to_bytes()


def encode_marker_array(markers: Sequence[MarkerData]) -> bytes:
    """Return a `visualization_msgs/MarkerArray` as bytes to publish."""
    writer = CdrWriter()
    writer.scalars("I", len(markers))
    for marker in markers:
        _write_marker(writer, marker)
    return writer.to_bytes()


def decode_marker_array(data: bytes) -> list[MarkerData]:
    """Return what a `visualization_msgs/MarkerArray` of ours holds.

    Raises:
        ValueError: the bytes are of another encapsulation, or a marker has what ours never have: a
            lifetime, a texture or a mesh file.
    """
    reader = CdrReader(data)
    return [_read_marker(reader) for _ in range(reader.scalar("I"))]


def _read_marker(reader: CdrReader) -> MarkerData:
    header, ns = reader.header(), reader.string()
    number, kind, action = (reader.scalar("i") for _ in range(3))
    x, y, z, a, b, c, d, *scale = (reader.scalar("d") for _ in range(10))
    color = tuple(reader.scalar("f") for _ in range(4))
    lifetime = reader.scalar("i"), reader.scalar("I")
    locked = bool(reader.scalar("B"))
    points, colors = reader.sequence("<f8", 3), reader.sequence("<f4", 4)
    texture = reader.string(), reader.header(), reader.string(), reader.scalar("I")
    coordinates = reader.scalar("I")
    text = reader.string()
    file = reader.string(), reader.string(), reader.scalar("I"), reader.scalar("B")
    rest = (lifetime, texture, coordinates, file)
    if rest != ((0, 0), ("", Stamp(), "", 0), 0, ("", "", 0, 0)):
        raise ValueError(f"marker {ns!r} has a lifetime, a texture or a mesh file: {rest}")
    return MarkerData(
        header, ns, number, kind, action, Pose((x, y, z), (a, b, c, d)), tuple(scale), color,
        locked, points, colors, text,
    )  # fmt: skip


def _write_marker(writer: CdrWriter, marker: MarkerData) -> None:
    writer.header(marker.header)
    writer.string(marker.ns)
    writer.scalars("i", marker.id, marker.type, marker.action)
    writer.scalars("d", *marker.pose.position, *marker.pose.orientation, *marker.scale)
    writer.scalars("f", *marker.color)
    writer.scalars("i", 0)  # lifetime: for ever
    writer.scalars("I", 0)
    writer.boolean(marker.frame_locked)
    writer.sequence(marker.points, "<f8")
    writer.sequence(marker.colors, "<f4")
    writer.string("")  # texture_resource
    writer.header(Stamp())  # texture: header, format, data
    writer.string("")
    writer.scalars("I", 0)
    writer.scalars("I", 0)  # uv_coordinates
    writer.string(marker.text)
    writer.string("")  # mesh_resource
    writer.string("")  # mesh_file: name, data
    writer.scalars("I", 0)
    writer.boolean(False)  # mesh_use_embedded_materials

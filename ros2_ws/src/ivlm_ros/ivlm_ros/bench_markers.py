"""`ivlm bench markers`: messages about a mesh as packed bytes and as message objects, in one run.

Both ways end with the bytes that go over the wire, and the bytes are compared by what rclpy reads
from them.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
import tyro
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from shape_msgs.msg import MeshTriangle
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from ivlm_core.commands.console import emit, say
from ivlm_core.messages.cdr import (
    ContactMeshData,
    MarkerData,
    Stamp,
    encode_contact_mesh,
    encode_marker_array,
)
from ivlm_core.text_table import table
from ivlm_msgs.msg import ContactMesh

_HEADER = Stamp(1, 2, "camera")


@dataclass(frozen=True)
class Options:
    """Time the making of messages about one mesh."""

    subdivisions: int = 5
    """Of an icosahedron: 5 gives 20,480 faces, each one more four times as many."""
    runs: int = 30
    """Times that packing is repeated; objects are made a tenth as often."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse numbers that give no figure."""
        if self.runs < 1 or not 0 <= self.subdivisions <= 8:
            raise ValueError("--runs must be positive and --subdivisions 0 to 8")


def marker_objects(marker: MarkerData) -> bytes:
    """Return the marker's bytes by way of message objects."""
    message = Marker(ns=marker.ns, type=marker.type, frame_locked=marker.frame_locked)
    message.header.frame_id = marker.header.frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = 1, 2
    message.scale.x, message.scale.y, message.scale.z = marker.scale
    message.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
    message.points = [Point(x=x, y=y, z=z) for x, y, z in marker.points.tolist()]
    message.colors = [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in marker.colors.tolist()]
    return serialize_message(MarkerArray(markers=[message]))


def contact_objects(data: ContactMeshData) -> bytes:
    """Return a contact mesh's bytes by way of message objects."""
    message = ContactMesh(task=data.task, label=data.label, answer=data.answer)
    message.header.frame_id = data.header.frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = 1, 2
    message.mesh.vertices = [Point(x=x, y=y, z=z) for x, y, z in data.vertices.tolist()]
    message.mesh.triangles = [
        MeshTriangle(vertex_indices=face) for face in data.faces.astype(np.uint32)
    ]
    message.scores, message.seen = data.scores.tolist(), data.seen.astype(int).tolist()
    message.threshold, message.topology = data.threshold, data.topology
    return serialize_message(message)


def measure(options: Options) -> dict[str, Any]:
    """Return the report.

    Raises:
        AssertionError: the two ways do not mean the same.
    """
    mesh = trimesh.creation.icosphere(subdivisions=options.subdivisions)
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces
    rng = np.random.default_rng(0)
    corners = vertices[faces.ravel()].astype(np.float64)
    colours = rng.random((len(corners), 4)).astype(np.float32)
    marker = MarkerData(_HEADER, "bottle", 0, points=corners, colors=colours)
    seen, scores = np.ones(len(vertices), bool), rng.random(len(vertices)).astype(np.float32)
    contact = ContactMeshData(
        _HEADER, "object_contact", "bottle", "yes", vertices, faces, scores, seen, 0.5, "mesh"
    )
    ways: dict[str, tuple[Callable[[], bytes], Callable[[], bytes], type]] = {
        "MarkerArray": (
            lambda: encode_marker_array([marker]),
            lambda: marker_objects(marker),
            MarkerArray,
        ),
        "ContactMesh": (
            lambda: encode_contact_mesh(contact),
            lambda: contact_objects(contact),
            ContactMesh,
        ),
    }
    report: dict[str, Any] = {"faces": len(faces), "vertices": len(vertices), "messages": {}}
    for name, (packed, objects, kind) in ways.items():
        same = deserialize_message(packed(), kind) == deserialize_message(objects(), kind)
        assert same, f"{name}: packed bytes and message objects differ"
        fast = _median_ms(packed, options.runs)
        slow = _median_ms(objects, max(1, options.runs // 10))
        report["messages"][name] = {
            "megabytes": round(len(packed()) / 1e6, 2),
            "packed_ms": round(fast, 3),
            "objects_ms": round(slow, 1),
            "times_as_fast": round(slow / fast, 1),
        }
    return report


def _median_ms(make: Callable[[], bytes], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        make()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) * 1000


def main(args: list[str] | None = None) -> int:
    """Run the benchmark."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench_markers", args=args)
    report = measure(options)
    say(f"a mesh of {report['faces']} faces and {report['vertices']} vertices, to bytes")
    rows = [("message", "MB", "packed ms", "objects ms", "times as fast")]
    for name, figures in report["messages"].items():
        rows.append((name, *(str(value) for value in figures.values())))
    say(table(rows))
    if options.json:
        emit(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

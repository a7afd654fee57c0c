"""Bytes laid out by hand mean the same to rclpy as messages built from objects."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import Point, PoseArray, Quaternion, Vector3  # noqa: E402
from geometry_msgs.msg import Pose as PoseMsg  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import Image, PointCloud2, PointField  # noqa: E402
from shape_msgs.msg import Mesh as MeshMsg  # noqa: E402
from shape_msgs.msg import MeshTriangle  # noqa: E402
from std_msgs.msg import ColorRGBA, Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ivlm_core.messages.cdr import (  # noqa: E402
    DELETE_ALL,
    TEXT_VIEW_FACING,
    CloudData,
    CollisionObjectData,
    ContactMeshData,
    MarkerData,
    Pose,
    Stamp,
    decode_contact_mesh,
    decode_marker_array,
    encode_affordance_samples,
    encode_collision_object,
    encode_contact_mesh,
    encode_image,
    encode_marker_array,
    encode_point_cloud,
    encode_pose_array,
)
from ivlm_core.messages.images import fill_image  # noqa: E402
from ivlm_msgs.msg import AffordanceSamples, ContactMesh  # noqa: E402
from ivlm_ros.rviz_problems import problems_of_bytes, rviz_problems  # noqa: E402


def header_message(stamp: Stamp) -> Header:
    header = Header(frame_id=stamp.frame_id)
    header.stamp.sec, header.stamp.nanosec = stamp.sec, stamp.nanosec
    return header


def marker_message(data: MarkerData) -> Marker:
    x, y, z = data.pose.position
    a, b, c, d = data.pose.orientation
    marker = Marker(ns=data.ns, id=data.id, type=data.type, action=data.action, text=data.text)
    marker.header = header_message(data.header)
    marker.pose = PoseMsg(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=a, y=b, z=c, w=d))
    marker.scale = Vector3(x=data.scale[0], y=data.scale[1], z=data.scale[2])
    marker.color = ColorRGBA(**dict(zip("rgba", data.color, strict=True)))
    marker.frame_locked = data.frame_locked
    marker.points = [Point(x=p[0], y=p[1], z=p[2]) for p in data.points.tolist()]
    marker.colors = [ColorRGBA(r=c[0], g=c[1], b=c[2], a=c[3]) for c in data.colors.tolist()]
    return marker


def contact_message(data: ContactMeshData) -> ContactMesh:
    vertices = data.vertices.astype(np.float64).tolist()
    mesh = MeshMsg(
        triangles=[MeshTriangle(vertex_indices=f) for f in data.faces.astype(np.uint32)],
        vertices=[Point(x=v[0], y=v[1], z=v[2]) for v in vertices],
    )
    return ContactMesh(
        header=header_message(data.header),
        task=data.task,
        label=data.label,
        answer=data.answer,
        mesh=mesh,
        scores=[float(s) for s in data.scores],
        seen=[int(s) for s in data.seen],
        threshold=data.threshold,
        topology=data.topology,
        part_names=list(data.part_names),
        part_scores=[float(s) for s in data.part_scores],
    )


ARRAYS = ("points", "colors")

text = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=9)
stamps = st.builds(Stamp, st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**32 - 1), text)


@st.composite
def markers(draw: st.DrawFn) -> MarkerData:
    corners = 3 * draw(st.integers(0, 4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return MarkerData(
        header=draw(stamps),
        ns=draw(text),
        id=draw(st.integers(-9, 9)),
        pose=Pose((1.5, -2.0, 3.25), (0.0, 0.6, 0.8, 0.0)),
        scale=(1.0, 2.0, 4.0),
        color=(0.25, 0.5, 0.75, 1.0),
        frame_locked=draw(st.booleans()),
        points=rng.normal(size=(corners, 3)),
        colors=rng.random((corners, 4)).astype(np.float32),
        text=draw(text),
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(markers(), max_size=3))
def test_marker_arrays_equal_the_object_route(data: list[MarkerData]) -> None:
    read = deserialize_message(encode_marker_array(data), MarkerArray)
    by_objects = MarkerArray(markers=[marker_message(d) for d in data])
    assert read == deserialize_message(serialize_message(by_objects), MarkerArray)
    for sent in (encode_marker_array(data), serialize_message(by_objects)):
        for again, meant in zip(decode_marker_array(sent), data, strict=True):
            for field in dataclasses.fields(meant):
                one, other = getattr(again, field.name), getattr(meant, field.name)
                assert np.array_equal(one, other) if field.name in ARRAYS else one == other
    assert problems_of_bytes(MarkerArray, encode_marker_array(data)) == rviz_problems(read)


@settings(deadline=None, max_examples=40)
@given(stamps, st.integers(0, 7), st.booleans())
def test_clouds_equal_the_object_route(header: Stamp, points: int, dense: bool) -> None:
    rows = np.zeros(points, [("x", "<f4"), ("longer name", "<f4"), ("rgb", "<u4")])
    rows["x"], rows["rgb"] = np.arange(points) / 3, np.arange(points) << 20
    by_objects = PointCloud2(
        header=header_message(header),
        height=1,
        width=points,
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(rows.dtype.names)
        ],
        point_step=12,
        row_step=12 * points,
        data=rows.tobytes(),
        is_dense=dense,
    )
    read = deserialize_message(encode_point_cloud(CloudData(header, rows, dense)), PointCloud2)
    assert read == by_objects


@settings(deadline=None, max_examples=40)
@given(stamps, st.integers(1, 5), st.integers(1, 5))
def test_images_equal_the_object_route(header: Stamp, height: int, width: int) -> None:
    pixels = np.random.default_rng(width).integers(0, 255, (height, width, 3), dtype=np.uint8)
    by_objects = fill_image(Image(header=header_message(header)), pixels, "rgb8")
    assert deserialize_message(encode_image(header, pixels), Image) == by_objects


def pose_messages(poses: np.ndarray) -> list[PoseMsg]:
    return [
        PoseMsg(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=a, y=b, z=c, w=d))
        for x, y, z, a, b, c, d in poses.tolist()
    ]


@settings(deadline=None, max_examples=40)
@given(stamps, st.integers(0, 4))
def test_pose_arrays_equal_the_object_route(header: Stamp, count: int) -> None:
    poses = np.random.default_rng(count).normal(size=(count, 7))
    by_objects = PoseArray(header=header_message(header), poses=pose_messages(poses))
    assert deserialize_message(encode_pose_array(header, poses), PoseArray) == by_objects


@settings(deadline=None, max_examples=40)
@given(stamps, text, text, st.integers(0, 4))
def test_labelled_samples_equal_the_object_route(
    header: Stamp, task: str, label: str, count: int
) -> None:
    rng = np.random.default_rng(count)
    poses, scores = rng.normal(size=(count, 7)), rng.random(count).astype(np.float32)
    by_objects = AffordanceSamples(
        header=header_message(header),
        task=task,
        label=label,
        poses=pose_messages(poses),
        scores=scores.tolist(),
    )
    data = encode_affordance_samples(header, task, label, poses, scores)
    assert deserialize_message(data, AffordanceSamples) == by_objects


@settings(deadline=None, max_examples=40)
@given(stamps, text, text, st.integers(0, 5), st.lists(text, max_size=3))
def test_contact_meshes_equal_the_object_route(
    header: Stamp, label: str, answer: str, vertices: int, parts: list[str]
) -> None:
    rng = np.random.default_rng(vertices)
    data = ContactMeshData(
        header=header,
        task="human_contact",
        label=label,
        answer=answer,
        vertices=rng.normal(size=(vertices, 3)).astype(np.float32),
        faces=rng.integers(0, 9, (vertices * 2, 3), dtype=np.int32),
        scores=rng.random(vertices).astype(np.float32),
        seen=rng.random(vertices) < 0.5,
        threshold=0.5,
        topology="anny",
        part_names=parts,
        part_scores=[0.5 ** (i + 1) for i in range(len(parts))],
    )
    encoded = encode_contact_mesh(data)
    read = deserialize_message(encoded, ContactMesh)
    assert read == deserialize_message(serialize_message(contact_message(data)), ContactMesh)

    for sent in (encoded, serialize_message(read)):
        again = decode_contact_mesh(sent)
        for field in dataclasses.fields(data):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(data, field.name))


def test_markers_that_are_not_ours_are_refused() -> None:
    lasting = Marker(ns="theirs")
    lasting.lifetime.sec = 3
    with pytest.raises(ValueError, match="lifetime"):
        decode_marker_array(serialize_message(MarkerArray(markers=[lasting])))


@settings(deadline=None, max_examples=40)
@given(stamps, text, st.integers(0, 5), st.lists(text, max_size=3))
def test_collision_objects_equal_the_object_route(
    header: Stamp, name: str, vertices: int, frames: list[str]
) -> None:
    """Where moveit_msgs is installed; tests/messages reads the same bytes without it."""
    moveit = pytest.importorskip("moveit_msgs.msg", reason="moveit_msgs is not on PyPI")
    rng = np.random.default_rng(vertices)
    points, faces = rng.normal(size=(vertices, 3)), rng.integers(0, 9, (vertices, 3))
    poses = rng.normal(size=(len(frames), 7))
    data = CollisionObjectData(
        header, name, vertices=points, faces=faces, subframe_names=frames, subframe_poses=poses
    )
    by_objects = moveit.CollisionObject(
        header=header_message(header), id=name, operation=b"\0", subframe_names=frames
    )
    for x, y, z, a, b, c, d in poses.tolist():
        turn = Quaternion(x=a, y=b, z=c, w=d)
        by_objects.subframe_poses.append(PoseMsg(position=Point(x=x, y=y, z=z), orientation=turn))
    if vertices:
        triangles = [MeshTriangle(vertex_indices=face) for face in faces.astype(np.uint32)]
        corners = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
        by_objects.meshes = [MeshMsg(triangles=triangles, vertices=corners)]
        by_objects.mesh_poses = [PoseMsg()]
    read = deserialize_message(encode_collision_object(data), moveit.CollisionObject)
    assert read == by_objects


def test_other_byte_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="raw=True"):
        decode_contact_mesh(bytes(40))


def test_delete_all_and_text() -> None:
    data = [
        MarkerData(Stamp(1, 2, "camera"), "", 0, action=DELETE_ALL),
        MarkerData(Stamp(1, 2, "camera"), "caption", 3, TEXT_VIEW_FACING, text="bottle: left hand"),
    ]
    read = deserialize_message(encode_marker_array(data), MarkerArray)
    assert [m.action for m in read.markers] == [Marker.DELETEALL, Marker.ADD]
    assert read.markers[1].text == "bottle: left hand"
    assert read.markers[1].type == Marker.TEXT_VIEW_FACING


def test_numbers_that_do_not_match_are_refused() -> None:
    vertices, faces = np.zeros((3, 3)), np.array([[0, 1, 2]])
    arguments = (Stamp(), "human_contact", "cup", "", vertices, faces)
    with pytest.raises(ValueError, match="3 vertices but 2 scores"):
        encode_contact_mesh(ContactMeshData(*arguments, np.zeros(2), np.ones(3), 0.5, "mesh"))
    with pytest.raises(ValueError, match="1 part names but 0 part"):
        encode_contact_mesh(
            ContactMeshData(*arguments, np.zeros(3), np.ones(3), 0.5, "mesh", ["rim"])
        )

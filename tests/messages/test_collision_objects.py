"""Bytes for planning scenes, read by another implementation of the wire format."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.messages.arrangement import Display
from ivlm_core.messages.cdr import (
    OBJECT_REMOVE,
    CollisionObjectData,
    Pose,
    Stamp,
    encode_collision_object,
)
from ivlm_core.messages.collision_objects import CollisionObjects
from ivlm_core.messages.placement import Placed
from ivlm_core.pipeline import Pipeline

rosbags_typesys = pytest.importorskip("rosbags.typesys", reason="the extra 'bag' is not installed")

COLLISION_OBJECT = "moveit_msgs/msg/CollisionObject"
DEFINITION = """
std_msgs/Header header
geometry_msgs/Pose pose
string id
object_recognition_msgs/ObjectType type
shape_msgs/SolidPrimitive[] primitives
geometry_msgs/Pose[] primitive_poses
shape_msgs/Mesh[] meshes
geometry_msgs/Pose[] mesh_poses
shape_msgs/Plane[] planes
geometry_msgs/Pose[] plane_poses
string[] subframe_names
geometry_msgs/Pose[] subframe_poses
byte ADD=0
byte REMOVE=1
byte APPEND=2
byte MOVE=3
byte operation
"""


@pytest.fixture(scope="module")
def store() -> Any:
    store = rosbags_typesys.get_typestore(rosbags_typesys.Stores.ROS2_JAZZY)
    get = rosbags_typesys.get_types_from_msg
    store.register(get("string key\nstring db\n", "object_recognition_msgs/msg/ObjectType"))
    store.register(get(DEFINITION, COLLISION_OBJECT))
    return store


text = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=9)


@settings(deadline=None, max_examples=60)
@given(text, text, st.integers(0, 6), st.lists(text, max_size=4), st.integers(0, 1))
def test_the_bytes_are_the_message(
    store: Any, frame: str, name: str, vertices: int, names: list[str], operation: int
) -> None:
    rng = np.random.default_rng(vertices)
    data = CollisionObjectData(
        header=Stamp(-3, 5, frame),
        id=name,
        pose=Pose((1.5, -2.0, 0.25), (0.0, 0.6, 0.8, 0.0)),
        vertices=rng.normal(size=(vertices, 3)).astype(np.float32),
        faces=rng.integers(0, 9, (2 * vertices, 3)),
        subframe_names=names,
        subframe_poses=rng.normal(size=(len(names), 7)),
        operation=operation,
    )
    sent = encode_collision_object(data)
    read = store.deserialize_cdr(sent, COLLISION_OBJECT)
    assert (read.header.stamp.sec, read.header.stamp.nanosec) == (-3, 5)
    assert (read.header.frame_id, read.id, read.operation) == (frame, name, operation)
    assert (read.pose.position.y, read.pose.orientation.z) == (-2.0, 0.8)
    assert read.type.key == read.type.db == ""
    assert len(read.meshes) == len(read.mesh_poses) == int(vertices > 0)
    if vertices:
        (mesh,) = read.meshes
        found = np.array([(p.x, p.y, p.z) for p in mesh.vertices], np.float32)
        np.testing.assert_array_equal(found, data.vertices)
        corners = np.array([t.vertex_indices for t in mesh.triangles]).reshape(-1, 3)
        np.testing.assert_array_equal(corners, data.faces)
        assert read.mesh_poses[0].orientation.w == 1
    assert list(read.subframe_names) == names
    found = [(p.position.x, p.orientation.w) for p in read.subframe_poses]
    assert found == [tuple(row) for row in data.subframe_poses[:, [0, 6]].tolist()]
    again = bytes(store.serialize_cdr(read, COLLISION_OBJECT))
    assert len(again) == len(sent), "nothing is left over"


def test_names_without_poses_are_refused() -> None:
    with pytest.raises(ValueError, match="1 subframe names but 0 poses"):
        encode_collision_object(CollisionObjectData(Stamp(), "mug", subframe_names=["handle"]))


def test_objects_that_are_there_with_their_regions(store: Any, answering_model: Any) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu")
    photo = np.full((48, 64, 3), 90, np.uint8)
    found = pipeline.predict(photo, "coffee mug", "object_affordance")
    height = found.mesh.vertices[:, 1]
    scores = (height > np.median(height)).astype(np.float32)
    found = replace(found, scores=scores, seen=np.ones(len(scores), bool), threshold=0.5)
    pose = Pose((0.0, 0.1, 1.0), (1.0, 0.0, 0.0, 0.0))
    objects, header = CollisionObjects(), Stamp(1, 2, "camera")
    assert list(objects.add(header, [Placed(found, pose)], Display())) == [], "only shown there"
    (data,) = objects.add(header, [Placed(found, pose, "object")], Display())
    read = store.deserialize_cdr(data, COLLISION_OBJECT)
    assert (read.id, read.operation, read.pose.position.z) == ("coffee_mug", 0, 1.0)
    assert len(read.meshes[0].triangles) <= 2000
    assert len(read.subframe_names) == len(set(read.subframe_names)) > 0
    for frame in read.subframe_poses:
        q = frame.orientation
        assert np.linalg.norm([q.x, q.y, q.z, q.w]) == pytest.approx(1)
        assert frame.position.y > np.median(height)
    (gone,) = objects.remove()
    removed = store.deserialize_cdr(gone, COLLISION_OBJECT)
    assert (removed.id, removed.operation) == ("coffee_mug", OBJECT_REMOVE)
    assert removed.header.frame_id == "camera" and objects.remove() == []

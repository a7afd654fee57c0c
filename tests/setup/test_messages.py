"""The messages as they were built: fields, types and their Python form."""

import array

import pytest

rclpy_serialization = pytest.importorskip("rclpy.serialization")
messages = pytest.importorskip("ivlm_msgs.msg")


def test_contact_mesh_fields_and_their_order() -> None:
    fields = messages.ContactMesh.get_fields_and_field_types()
    assert list(fields.items()) == [
        ("header", "std_msgs/Header"),
        ("task", "string"),
        ("label", "string"),
        ("answer", "string"),
        ("mesh", "shape_msgs/Mesh"),
        ("scores", "sequence<float>"),
        ("seen", "sequence<uint8>"),
        ("threshold", "float"),
        ("topology", "string"),
        ("part_names", "sequence<string>"),
        ("part_scores", "sequence<float>"),
    ]


def test_posed_body_fields_and_their_order() -> None:
    fields = messages.PosedBody.get_fields_and_field_types()
    assert list(fields.items()) == [
        ("header", "std_msgs/Header"),
        ("topology", "string"),
        ("vertices", "sequence<float>"),
        ("joint_rotations", "sequence<float>"),
        ("betas", "sequence<float>"),
        ("translation", "float[3]"),
    ]


def test_task_constants_are_the_tasks_of_the_core() -> None:
    pipeline = pytest.importorskip("ivlm_core.pipeline")
    message = messages.ContactMesh
    constants = (message.HUMAN_CONTACT, message.OBJECT_CONTACT, message.OBJECT_AFFORDANCE)
    assert set(constants) == set(pipeline.TASKS)


def test_contact_mesh_survives_the_wire() -> None:
    message = messages.ContactMesh(label="Fahrrad ü", threshold=0.25, part_names=["left hand"])
    message.scores = array.array("f", [0.0, 0.5, 1.0])
    message.seen = array.array("B", [0, 1, 1])
    message.part_scores = array.array("f", [0.75])
    copy = rclpy_serialization.deserialize_message(
        rclpy_serialization.serialize_message(message), messages.ContactMesh
    )
    assert copy == message

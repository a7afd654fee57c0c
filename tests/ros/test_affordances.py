"""What grasp planners get: places to grasp at, and scores for their own candidates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import trimesh

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import Pose as PoseMessage  # noqa: E402
from geometry_msgs.msg import PoseArray, Vector3  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from ivlm_core.messages.arrangement import Display, of_objects  # noqa: E402
from ivlm_core.messages.images import fill_image  # noqa: E402
from ivlm_core.messages.placement import Placed, display_pose, place_vertices  # noqa: E402
from ivlm_core.messages.results import sample_poses  # noqa: E402
from ivlm_msgs.msg import AffordanceSamples  # noqa: E402
from ivlm_msgs.srv import ScoreGrasps  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.affordances import Affordances, Seen  # noqa: E402
from ivlm_ros.parameters import NodeParameters, ParameterError  # noqa: E402

FRAME = "camera_optical_frame"


@pytest.fixture
def seen(object_prediction: Any) -> Seen:
    """A bottle whose upper half can be grasped, shown in front of the camera."""
    mesh = object_prediction.mesh
    height = mesh.vertices[:, 1]
    scores = ((height - height.min()) / np.ptp(height)).astype(np.float32)
    prediction = replace(
        object_prediction, scores=scores, seen=np.ones(len(scores), bool), threshold=0.5
    )
    pose = display_pose(mesh.vertices, (0.8, 0.1, 3.0))
    return Seen(prediction, pose, Header(frame_id=FRAME))


@pytest.fixture
def known(seen: Seen) -> Affordances:
    affordances = Affordances()
    affordances.remember([seen])
    return affordances


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_samples_stand_on_the_surface_and_point_into_it(seen: Seen, axis: str) -> None:
    display = Display(approach_axis=axis, sample_spacing_m=0.02)
    poses, scores = sample_poses(seen.prediction, seen.pose, display)
    places, turns = poses[:, :3], Rotation.from_quat(poses[:, 3:]).as_matrix()
    assert 3 <= len(places) <= 20
    shown = trimesh.Trimesh(
        place_vertices(seen.prediction.mesh.vertices, seen.pose),
        seen.prediction.mesh.faces,
        process=False,
    )
    _, distance, face = trimesh.proximity.closest_point_naive(shown, places)
    assert distance.max() < 1e-4
    inward = -(turns[:, :, "xyz".index(axis)] * shown.face_normals[face]).sum(axis=1)
    assert (inward > 0.9).all()
    apart = np.linalg.norm(places[:, None] - places, axis=2) + np.eye(len(places))
    assert apart.min() >= 0.02
    middle = (shown.bounds[0, 1] + shown.bounds[1, 1]) / 2
    assert (places[:, 1] <= middle + 1e-3).all(), "the upper half, y being down"
    assert places[0, 1] == places[:, 1].min(), "best first"
    assert (np.diff(scores) <= 0).all() and scores.min() >= seen.prediction.threshold


def test_nothing_above_the_threshold_or_in_sight_is_no_sample(seen: Seen) -> None:
    low = seen._replace(prediction=replace(seen.prediction, scores=seen.prediction.scores * 0.4))
    hidden = seen._replace(prediction=replace(seen.prediction, seen=~seen.prediction.seen))
    for case in (low, hidden):
        assert [len(of) for of in sample_poses(case.prediction, case.pose, Display())] == [0, 0]


def ask(known: Affordances, poses: list[PoseMessage], frame: str, **fields: Any) -> Any:
    request = ScoreGrasps.Request(**fields)
    request.grasps.poses, request.grasps.header.frame_id = poses, frame
    if "box_size" not in fields:
        request.box_size = Vector3(x=0.06, y=0.06, z=0.06)
    return known.score(request, ScoreGrasps.Response())


def test_candidates_are_scored_in_the_cameras_and_the_meshs_frame(
    known: Affordances, seen: Seen
) -> None:
    vertices = seen.prediction.mesh.vertices
    top, bottom = vertices[vertices[:, 1].argmax()], vertices[vertices[:, 1].argmin()]
    far = top + 5

    def candidates(points: np.ndarray) -> list[PoseMessage]:
        found = []
        for x, y, z in points.astype(float):
            pose = PoseMessage()
            pose.position.x, pose.position.y, pose.position.z = x, y, z
            found.append(pose)
        return found

    points = np.stack([top, bottom, far])
    own = ask(known, candidates(points), "")
    assert own.success and own.task == seen.prediction.task and own.header == seen.header
    assert own.scores[0] > 0.8 > 0.3 > own.scores[1] and own.scores[2] == 0
    shown = ask(known, candidates(place_vertices(points, seen.pose)), FRAME, label="bottle")
    np.testing.assert_allclose(shown.scores, own.scores, atol=0.05)
    spoken = ask(known, candidates(points), "", label=" Bottle ")
    assert spoken.success and spoken.label == "bottle", "labels are read as everywhere"
    assert list(ask(known, [], "").scores) == []


def test_wrong_requests_are_answered_with_the_reason(known: Affordances, seen: Seen) -> None:
    good, crooked, lost = PoseMessage(), PoseMessage(), PoseMessage()
    crooked.orientation.w = 0.5
    lost.position.x = float("nan")
    cases = [
        (Affordances(), [good], "", {}, "no object has been looked at"),
        (known, [good], "map", {}, "transform them first"),
        (known, [crooked], "", {}, "quaternion of length one"),
        (known, [lost], "", {}, "finite numbers"),
        (known, [good], "", {"label": "piano"}, "no estimate about 'piano'; there is one about"),
        (known, [good], "", {"box_size": Vector3()}, "three positive extents"),
    ]
    for affordances, poses, frame, fields, reason in cases:
        answer = ask(affordances, poses, frame, **fields)
        assert not answer.success and reason in answer.message and len(answer.scores) == 0


def test_an_object_whose_place_is_not_known_is_scored_in_its_own_frame_only(seen: Seen) -> None:
    affordances = Affordances()
    affordances.remember([seen._replace(pose=None)])
    refused = ask(affordances, [PoseMessage()], FRAME)
    assert not refused.success and "no pose for the last image" in refused.message
    assert ask(affordances, [PoseMessage()], "").success


def test_affordance_counts_more_than_contact_and_a_body_is_no_object(
    seen: Seen, prediction: Any
) -> None:
    contact = replace(seen.prediction, task="object_contact")
    placed = [Placed(p, seen.pose) for p in (prediction, seen.prediction, contact)]
    assert of_objects(placed) == placed[1:2]
    assert of_objects(placed[::2]) == placed[2:]


def test_the_last_objects_are_remembered(known: Affordances, seen: Seen) -> None:
    for number in range(16):
        known.remember(
            [seen._replace(prediction=replace(seen.prediction, label=f"thing {number}"))]
        )
    assert ask(known, [], "").label == "thing 15"
    assert not ask(known, [], "", label="bottle").success, "the longest unseen is out"
    known.forget()
    assert not ask(known, [], "").success


def test_axes_have_names() -> None:
    with pytest.raises(ParameterError, match="approach_axis must be one of x, y, z"):
        NodeParameters(approach_axis="w")


def test_samples_say_what_they_are_of(make_rig: Callable[..., Any], photo: np.ndarray) -> None:
    rig = make_rig(label="bottle, mug", threshold=0.001)
    topics = [
        f"/{rig.name}/{name}" for name in ("labelled_affordance_samples", "affordance_samples")
    ]
    for topic, kind in zip(topics, (AffordanceSamples, PoseArray), strict=True):
        rig.listener.listen(topic, kind, qos.RESULT)
    rig.listener.until(
        lambda: (
            [p.get_subscription_count() for p in rig.node.publishers if p.topic_name in topics]
            == [1, 1]
        ),
        "both topics",
    )
    rig.send(photo)
    labelled, shown = (rig.listener.messages[topic] for topic in topics)
    rig.listener.until(lambda: len(labelled) == len(shown) == 2, "samples of both objects")
    assert [m.header for m in labelled] == [m.header for m in shown]
    assert [(m.label, m.task) for m in labelled] == [
        ("bottle", "object_affordance"),
        ("mug", "object_affordance"),
    ]
    assert [m.poses for m in labelled] == [m.poses for m in shown]
    for message in labelled:
        assert message.header.frame_id == "camera"
        assert 0 < len(message.poses) == len(message.scores) <= 20
        assert list(message.scores) == sorted(message.scores, reverse=True)


def test_over_dds(listener: Any, node_process: Any, photo: np.ndarray) -> None:
    topic = "/ivlm_node/affordance_samples"
    listener.listen(topic, PoseArray, qos.RESULT)
    images = listener.node.create_publisher(Image, "image", qos.RESULT)
    listener.until(images.get_subscription_count, "the node to subscribe")
    sent: list[Any] = []

    def answered() -> Any:
        stamps = {(h.stamp.sec, h.stamp.nanosec) for h in sent}
        for message in listener.messages[topic]:
            if (message.header.stamp.sec, message.header.stamp.nanosec) in stamps:
                return message
        image = fill_image(Image(), photo, "rgb8")
        image.header.frame_id = FRAME
        image.header.stamp = listener.node.get_clock().now().to_msg()
        sent.append(image.header)
        images.publish(image)
        return None

    message = listener.until(answered, "samples of an image")
    assert message.header.frame_id == FRAME
    call: Callable[..., Any] = listener.call
    request = ScoreGrasps.Request(box_size=Vector3(x=0.2, y=0.2, z=0.2))
    request.grasps.poses = [PoseMessage()]
    answer = call(ScoreGrasps, "/ivlm_node/score_grasps", request)
    assert answer.success, answer.message
    assert len(answer.scores) == 1 and answer.label == "bottle"
    request.label = "piano"
    refused = call(ScoreGrasps, "/ivlm_node/score_grasps", request)
    assert not refused.success and "piano" in refused.message

"""camera_info, poses, tf, the person's body: what others know, used where it makes sense."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import PoseStamped, TransformStamped  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from ivlm_core.messages.clouds import POINT  # noqa: E402
from ivlm_core.messages.images import image_to_rgb  # noqa: E402
from ivlm_core.visualize.overlay import overlay_image  # noqa: E402
from ivlm_msgs.msg import PosedBody  # noqa: E402
from ivlm_ros import qos, transforms  # noqa: E402
from ivlm_ros.bodies import Parameters, read_body  # noqa: E402
from ivlm_ros.matching import Pairing, Remembered  # noqa: E402
from ivlm_ros.parameters import NodeParameters, ParameterError, object_frame  # noqa: E402
from ivlm_ros.rviz_problems import rviz_problems  # noqa: E402
from tests.geometry.body_files import tiny_model, write_npz  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

MakeRig = Callable[..., Rig]


# --- matching, without ROS ---


def test_the_nearest_in_time_and_frame() -> None:
    kept: Remembered[str] = Remembered(3)
    assert kept.nearest(0) is None
    for second, frame, value in ((1, "a", "old"), (2, "b", "x"), (3, "a", "y"), (5, "b", "z")):
        kept.add(second * 10**9, frame, value)
    assert len(kept) == 3

    def value(seconds: float, *limits: Any) -> str | None:
        found = kept.nearest(int(seconds * 1e9), *limits)
        return None if found is None else found.value

    assert value(0) == "x", "the oldest is out"
    assert value(4.2) == "z" and value(4.0) == "z", "of two equally near the later"
    assert value(4.2, 0.0, "a") == "y"
    assert value(6, 0.9) is None and value(6, 1.0) == "z"
    kept.hold(int(4.2e9))
    for second, frame in ((4, "b"), (9, "a"), (10, "a"), (11, "a")):
        kept.add(second * 10**9, frame, f"{second}")
    assert value(4.2) == "4" and value(4.2, 0.0, "a") == "y", "held, in each frame"
    assert len(kept) == 3
    kept.hold(int(20e9))
    assert value(4.2) == "9", "held no longer"
    kept.clear()
    assert value(6) is None


def test_pairs_are_made_in_any_order_and_what_waits_in_vain_is_counted() -> None:
    lost: list[None] = []
    pairing: Pairing[str, str] = Pairing(2, lambda: lost.append(None))
    assert pairing.first(1, "image 1") is None
    assert pairing.second(2, "boxes 2") is None
    assert pairing.first(2, "image 2") == ("image 2", "boxes 2")
    assert pairing.second(1, "boxes 1") == ("image 1", "boxes 1")
    assert pairing.second(1, "again") is None
    for stamp in range(10, 15):
        pairing.first(stamp, "image")
    assert len(lost) == 3, "two wait"
    pairing.first(14, "the same stamp once more")
    assert len(lost) == 4


# --- camera_info ---


def info_message(rig: Rig, **fields: Any) -> CameraInfo:
    """The calibration of the photo of 120 x 80 pixels."""
    k = [100.0, 0.0, 60.0, 0.0, 100.0, 40.0, 0.0, 0.0, 1.0]
    p = [100.0, 0.0, 60.0, 0.0, 0.0, 100.0, 40.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    message = CameraInfo(width=120, height=80, k=k, p=p, distortion_model="plumb_bob")
    message.header.frame_id = "camera"
    message.header.stamp = rig.listener.node.get_clock().now().to_msg()
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def told(rig: Rig, line: str, text: str) -> Callable[[], bool]:
    """Whether the last /diagnostics have a text on a line."""

    def condition() -> bool:
        last = rig.listener.messages["/diagnostics"][-1:]
        return any(
            s.name == f"{rig.name}: {line}" and text in s.message for m in last for s in m.status
        )

    return condition


def publisher(rig: Rig, kind: type, topic: str, profile: Any = qos.LABEL) -> Any:
    made = rig.listener.node.create_publisher(kind, topic, profile)
    rig.listener.until(made.get_subscription_count, f"the node to listen to {topic}")
    return made


def listen(rig: Rig, name: str, kind: type, profile: Any = qos.RESULT) -> list[Any]:
    """Messages of an output; the node knows that somebody listens."""
    topic = f"/{rig.name}/{name}"
    rig.listener.listen(topic, kind, profile)
    rig.listener.until(
        lambda: rig.node._outputs._publishers[name].get_subscription_count(), f"{topic} to connect"
    )
    return rig.listener.messages[topic]


def next_of(rig: Rig, messages: list[Any], photo: np.ndarray, **image: Any) -> Any:
    """Send an image and return the next message."""
    before = len(messages)
    rig.send(photo, **image)
    rig.listener.until(lambda: len(messages) > before, "a message about an image")
    return messages[-1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"k": [0.0] * 9}, "not calibrated"),
        ({"k": [-100.0, 0.0, 60.0, 0.0, 100.0, 40.0, 0.0, 0.0, 1.0]}, "positive"),
        ({"width": 240}, "240x80 pixels, the image has 120x80"),
        ({"header": Header(frame_id="left")}, "frame 'left', the image of 'camera'"),
        ({"d": [0.1] * 5, "distortion_model": "magic"}, "model 'magic'"),
    ],
)
def test_calibrations_that_cannot_be_are_told_and_not_used(
    make_rig: MakeRig, photo: np.ndarray, fields: dict[str, Any], reason: str
) -> None:
    rig = make_rig(tasks=["human_contact"])
    infos = publisher(rig, CameraInfo, "camera_info")
    infos.publish(info_message(rig, **fields))
    camera_info = rig.node._places.camera_info
    rig.listener.until(lambda: camera_info._last is not None, "the calibration")
    next_of(rig, rig.got("human_contact"), photo)
    rig.listener.until(told(rig, "camera_info", reason), f"{reason} on /diagnostics")
    rig.listener.until(lambda: any(reason in s.note for s in rig.status), "the status")
    infos.publish(info_message(rig))
    rig.listener.until(lambda: len(camera_info._known), "a calibration that can be used")
    next_of(rig, rig.got("human_contact"), photo)
    rig.listener.until(told(rig, "camera_info", "ok"), "all well on /diagnostics")


def test_the_overlay_shows_the_object_where_it_is(
    make_rig: MakeRig, photo: np.ndarray, object_prediction: Any
) -> None:
    rig = make_rig(
        tasks=["object_affordance"],
        object_pose_source="parameter",
        object_pose=[0.0, 0.0, 0.6, 1.0, 0.0, 0.0, 0.0],
    )
    shown = listen(rig, "overlay", Image)
    plain = image_to_rgb(next_of(rig, shown, photo)).astype(int)
    alone = overlay_image(photo, object_prediction).astype(int)
    assert np.abs(plain - alone).max() <= 2, "without a camera nothing is drawn"
    infos = publisher(rig, CameraInfo, "camera_info")
    infos.publish(info_message(rig))
    rig.listener.until(lambda: len(rig.node._places.camera_info._known), "the calibration")
    message = next_of(rig, shown, photo)
    assert rviz_problems(message) == []
    rows, columns = np.nonzero(np.abs(image_to_rgb(message).astype(int) - plain).max(axis=2) > 5)
    assert len(rows) > 50
    vertices = object_prediction.mesh.vertices * (1, -1, -1) + (0, 0, 0.6)
    pixels = vertices[:, :2] / vertices[:, 2:] * 100 + (60, 40)
    assert columns.min() >= pixels[:, 0].min() - 2 and columns.max() <= pixels[:, 0].max() + 2
    assert rows.min() >= pixels[:, 1].min() - 2


# --- poses ---


def test_a_pose_out_of_sight_is_not_believed(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig(
        tasks=["object_affordance"],
        object_pose_source="parameter",
        object_pose=[0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 1.0],
    )
    clouds = listen(rig, "object_affordance_cloud", PointCloud2)
    centre = cloud_points(next_of(rig, clouds, photo)).mean(axis=0)
    assert centre[2] > 2, "shown where objects are shown"
    rig.listener.until(told(rig, "object pose", "behind the camera"), "why, on /diagnostics")
    rig.counted("with a pose that cannot be")
    infos = publisher(rig, CameraInfo, "camera_info")
    infos.publish(info_message(rig))
    rig.listener.until(lambda: len(rig.node._places.camera_info._known), "the calibration")
    aside = Parameter("object_pose", value=[9.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    assert rig.node.set_parameters([aside])[0].successful
    next_of(rig, clouds, photo)
    rig.listener.until(told(rig, "object pose", "outside the image"), "why, on /diagnostics")
    there = Parameter("object_pose", value=[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    assert rig.node.set_parameters([there])[0].successful
    centre = cloud_points(next_of(rig, clouds, photo)).mean(axis=0)
    np.testing.assert_allclose(centre[2], 1.0, atol=0.1)
    rig.listener.until(told(rig, "object pose", "ok"), "all well on /diagnostics")


def test_poses_as_parameters_are_checked() -> None:
    for value in ((0.0,) * 7, (0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, float("nan"))):
        with pytest.raises(ParameterError, match="quaternion of length one, 7 numbers"):
            NodeParameters(object_pose=value)
    with pytest.raises(ParameterError, match="object_pose_source must be one of topic, tf"):
        NodeParameters(object_pose_source="guess")


def test_object_frames_are_named_by_labels() -> None:
    assert object_frame("{label}", "coffee mug") == "coffee_mug"
    assert object_frame("objects/{label}_link", "mug") == "objects/mug_link"
    assert object_frame("the_object", "mug") == "the_object"


class StandIn:
    """What is used of `tf2_ros`, which is not on PyPI: its buffer, listener and exception.

    Named and called as in geometry2's Jazzy sources; it holds what the test puts in.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[float, float, float]] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.listening = 0
        stand_in = self

        class TransformException(Exception):  # noqa: N818
            pass

        class Buffer:
            def lookup_transform(self, target_frame: str, source_frame: str, time: Any) -> Any:
                stand_in.asked.append((target_frame, source_frame, time.nanoseconds))
                if (target_frame, source_frame) not in stand_in.known:
                    raise TransformException(f"{source_frame} passed to lookupTransform is unknown")
                found = TransformStamped()
                t = found.transform.translation
                t.x, t.y, t.z = stand_in.known[target_frame, source_frame]
                return found

        class TransformListener:
            def __init__(self, buffer: Buffer, node: Any) -> None:
                stand_in.listening += 1

            def unregister(self) -> None:
                stand_in.listening -= 1

        self.module = SimpleNamespace(
            Buffer=Buffer,
            TransformListener=TransformListener,
            TransformException=TransformException,
        )


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn()
    monkeypatch.setattr(transforms, "tf2_ros", stand_in.module)
    yield stand_in


def cloud_points(cloud: PointCloud2) -> np.ndarray:
    rows = np.frombuffer(cloud.data, POINT)
    return np.stack([rows["x"], rows["y"], rows["z"]], axis=1)


def test_every_object_at_its_own_frame(make_rig: MakeRig, photo: np.ndarray, tf: StandIn) -> None:
    tf.known["camera", "obj_bottle"] = (0.25, 0.0, 1.5)
    rig = make_rig(
        tasks=["object_affordance"],
        label="bottle, chair",
        object_pose_source="tf",
        object_frame="obj_{label}",
    )
    assert tf.listening == 1
    clouds = listen(rig, "object_affordance_cloud", PointCloud2)
    rig.send(photo)
    rig.listener.until(lambda: len(clouds) == 2, "two clouds")
    bottle, chair = (cloud_points(cloud) for cloud in clouds)
    assert bottle[:, 2].mean() == pytest.approx(1.5, abs=0.2)
    assert chair[:, 2].mean() > 2, "only shown"
    stamp = clouds[0].header.stamp
    asked = stamp.sec * 10**9 + stamp.nanosec
    assert {(t, s, n) for t, s, n in tf.asked} == {
        ("camera", "obj_bottle", asked),
        ("camera", "obj_chair", asked),
    }, "at the image's time, never the latest"
    rig.listener.until(told(rig, "object pose", "tf has no 'camera' from 'obj_chair'"), "why")
    rig.node.trigger_deactivate()
    assert tf.listening == 0


def test_poses_of_other_frames_go_through_tf(
    make_rig: MakeRig, photo: np.ndarray, tf: StandIn
) -> None:
    rig = make_rig(tasks=["object_affordance"])
    assert tf.listening == 0, "nobody needs tf"
    tf.known["camera", "map"] = (0.0, 0.0, 2.0)
    poses = publisher(rig, PoseStamped, "object_pose")
    clouds = listen(rig, "object_affordance_cloud", PointCloud2)

    def answer() -> np.ndarray:
        before = len(rig.node._places.object_poses._known)
        pose = PoseStamped(header=rig.image(photo, frame_id="map").header)
        pose.pose.position.z = -0.5
        poses.publish(pose)
        rig.listener.until(
            lambda: len(rig.node._places.object_poses._known) > before, "the pose to arrive"
        )
        return cloud_points(next_of(rig, clouds, photo))

    assert answer()[:, 2].mean() > 2.5, "tf is not listened to yet"
    assert answer()[:, 2].mean() == pytest.approx(1.5, abs=0.2)
    assert tf.listening == 1


def test_transforms_of_no_time_and_of_the_same_frame(ros: None, tf: StandIn) -> None:
    known = transforms.Transforms(SimpleNamespace())
    known.start()
    with pytest.raises(LookupError, match="no time before 0"):
        known.lookup("camera", "map", -1)
    np.testing.assert_array_equal(known.lookup("map", "map", -1), np.eye(4))
    tf.known["camera", "map"] = (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(known.lookup("camera", "map", 5)[:3, 3], (1, 2, 3))
    known.stop()
    with pytest.raises(LookupError, match="from now on"):
        known.lookup("camera", "map", 5)
    assert tf.listening == 0
    known.start_if_wanted()
    assert tf.listening == 1


def test_without_tf_that_is_told(
    make_node: Callable[..., Any],
    make_rig: MakeRig,
    photo: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(transforms, "tf2_ros", None)
    node = make_node(object_pose_source="tf")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "apt install ros-jazzy-tf2-ros-py" in "".join(capfd.readouterr())
    rig = make_rig(tasks=["object_affordance"])
    poses = publisher(rig, PoseStamped, "object_pose")
    poses.publish(PoseStamped(header=rig.image(photo, frame_id="map").header))
    rig.listener.until(lambda: len(rig.node._places.object_poses._known), "the pose")
    next_of(rig, rig.got("object_affordance"), photo)
    rig.listener.until(told(rig, "object pose", "tf2_ros is not installed"), "why")


# --- the person ---


def body_message(rig: Rig, prediction: Any, **fields: Any) -> PosedBody:
    """The canonical body, turned to the camera and 2 m away."""
    vertices = prediction.mesh.vertices * (1, -1, -1) + (0.2, 0.0, 2.0)
    message = PosedBody(topology=prediction.topology)
    message.vertices = vertices.astype(np.float32).ravel().tolist()
    message.header = rig.image(np.zeros((2, 2, 3), np.uint8)).header
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_contact_is_shown_on_the_person_too(
    make_rig: MakeRig, photo: np.ndarray, prediction: Any
) -> None:
    rig = make_rig(tasks=["human_contact"])
    bodies = publisher(rig, PosedBody, "body")
    posed = listen(rig, "human_contact_posed_cloud", PointCloud2)
    markers = listen(rig, "markers", MarkerArray, qos.LATCHED)
    first = next_of(rig, markers, photo)
    assert [m.ns for m in first.markers] == ["bottle/human_contact", "bottle/human_contact_caption"]
    assert posed == []
    sent = body_message(rig, prediction)
    bodies.publish(sent)
    rig.listener.until(lambda: len(rig.node._places.bodies._known), "the body")
    second = next_of(rig, markers, photo)
    assert rviz_problems(second) == []
    assert [m.ns for m in second.markers][2:] == ["bottle/human_contact_posed"]
    rig.listener.until(lambda: posed, "the cloud")
    assert rviz_problems(posed[0]) == []
    assert posed[0].header == rig.got("human_contact")[-1].header
    points = np.array(sent.vertices).reshape(-1, 3)
    np.testing.assert_allclose(cloud_points(posed[0]), points, atol=1e-5)
    rows = np.frombuffer(posed[0].data, POINT)
    np.testing.assert_allclose(rows["score"], rig.got("human_contact")[-1].scores, atol=1e-5)
    marker = second.markers[2]
    corners = np.array([(p.x, p.y, p.z) for p in marker.points])
    np.testing.assert_allclose((corners * (1, -1, -1)).min(axis=0), points.min(axis=0), atol=1e-5)
    assert (marker.pose.orientation.x, marker.pose.position.z) == (1.0, 0.0)
    late = next_of(rig, markers, photo, seconds_old=60.0)
    assert [(m.ns, m.action) for m in late.markers][-1] == ("bottle/human_contact_posed", 2)
    rig.listener.until(told(rig, "body", "no body within 0.2 s"), "why, on /diagnostics")


def test_bodies_of_other_frames_go_through_tf(
    make_rig: MakeRig, photo: np.ndarray, prediction: Any, tf: StandIn
) -> None:
    rig = make_rig(tasks=["human_contact"], body_timeout_s=0.0)
    tf.known["camera", "map"] = (1.0, 0.0, -0.5)
    bodies = publisher(rig, PosedBody, "body")
    posed = listen(rig, "human_contact_posed_cloud", PointCloud2)
    sent = body_message(rig, prediction)
    sent.header.frame_id = "map"
    known = rig.node._places.bodies._known
    bodies.publish(sent)
    rig.listener.until(lambda: len(known) == 1, "the body")
    next_of(rig, rig.got("human_contact"), photo)
    rig.listener.until(told(rig, "body", "listening to tf"), "that tf is wanted")
    bodies.publish(sent)
    rig.listener.until(lambda: len(known) == 2, "the body")
    points = cloud_points(next_of(rig, posed, photo))
    moved = np.array(sent.vertices).reshape(-1, 3) + (1.0, 0.0, -0.5)
    np.testing.assert_allclose(points, moved, atol=1e-5)


@pytest.mark.parametrize("topic", ["body", "object_pose"])
def test_what_belongs_to_an_image_is_kept_however_long_that_takes(
    make_rig: MakeRig,
    photo: np.ndarray,
    prediction: Any,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
) -> None:
    """An estimator that is fast sends more than is remembered while the model answers."""
    rig = make_rig()
    working, go_on = rig.hold_up(monkeypatch)
    image = rig.image(photo)
    if topic == "body":
        places, message = rig.node._places.bodies, body_message(rig, prediction)
    else:
        places, message = rig.node._places.object_poses, PoseStamped()
        message.pose.position.z = 1.5
    sent = publisher(rig, type(message), topic)
    rig.images.publish(image)
    rig.listener.until(working.is_set, "the image to be taken")
    message.header = image.header
    for late in range(places.REMEMBERED + 1):  # the first is the image's
        sent.publish(message)
        stamp = message.header.stamp.sec
        rig.listener.until(
            lambda s=stamp: any(k.stamp_ns // 10**9 == s for k in places._known._kept), "it"
        )
        message.header.stamp.sec = image.header.stamp.sec + 10 + late
    go_on.set()
    rig.counted("published")
    assert places._problem == ""
    places._known.clear()
    assert places._known.nearest(0) is None


def test_the_person_is_drawn_into_the_photo(
    make_rig: MakeRig, photo: np.ndarray, prediction: Any
) -> None:
    rig = make_rig(tasks=["human_contact"], body_timeout_s=0.0)
    shown = listen(rig, "overlay", Image)
    plain = image_to_rgb(next_of(rig, shown, photo)).astype(int)
    publisher(rig, PosedBody, "body").publish(body_message(rig, prediction))
    publisher(rig, CameraInfo, "camera_info").publish(info_message(rig))
    places = rig.node._places
    rig.listener.until(
        lambda: len(places.bodies._known) and len(places.camera_info._known), "body and camera"
    )
    drawn = image_to_rgb(next_of(rig, shown, photo)).astype(int)
    changed = np.abs(drawn - plain).max(axis=2) > 5
    assert changed.mean() > 0.05
    assert not changed[:, :20].any(), "the body stands in the middle"


BAD_BODIES: list[tuple[dict[str, Any], str]] = [
    ({"vertices": [1.0, 2.0]}, "2 numbers; expected x, y, z"),
    ({"vertices": []}, "0 numbers"),
    ({"vertices": [float("nan")] * 3}, "not finite"),
    ({"vertices": [0.0, 0.0, 1e6]}, "1000 or more"),
    ({"vertices": [], "joint_rotations": [0.0] * 3}, "joint_rotations for topology 'anny'"),
    ({"vertices": [], "joint_rotations": [0.0] * 4, "topology": "smpl"}, "4 joint_rotations"),
]


def test_bodies_that_make_no_sense_are_told(make_rig: MakeRig, prediction: Any) -> None:
    rig = make_rig(tasks=["human_contact"])
    bodies = publisher(rig, PosedBody, "body")
    for fields, reason in BAD_BODIES:
        with pytest.raises(ValueError, match=reason):
            read_body(body_message(rig, prediction, **fields))
        bodies.publish(body_message(rig, prediction, **fields))
        rig.listener.until(
            lambda r=reason: any(r in s.note for s in rig.status), f"{reason} on ~/status"
        )
    assert len(rig.node._places.bodies._known) == 0


numbers = st.lists(st.floats(width=32), max_size=12)


@settings(deadline=None, max_examples=300)
@given(numbers, numbers, numbers, st.sampled_from(["anny", "smpl", "smplx", "\x00?"]))
def test_whatever_comes_is_a_body_or_refused(
    vertices: list[float], rotations: list[float], betas: list[float], topology: str
) -> None:
    message = PosedBody(
        topology=topology, vertices=vertices, joint_rotations=rotations, betas=betas
    )
    try:
        body = read_body(message)
    except ValueError as error:
        assert str(error)
    else:
        values = body.rotations if isinstance(body, Parameters) else body.vertices
        assert np.isfinite(values).all() and values.shape[1] == 3


def test_bodies_of_another_model_and_behind_the_camera(
    make_rig: MakeRig, photo: np.ndarray, prediction: Any
) -> None:
    rig = make_rig(tasks=["human_contact"], body_timeout_s=0.0)
    bodies = publisher(rig, PosedBody, "body")
    known = rig.node._places.bodies._known
    behind = np.array(body_message(rig, prediction).vertices).reshape(-1, 3) - (0, 0, 9)
    cases = [
        ({"topology": "smplx"}, "topology 'smplx'"),
        ({"vertices": [0.0, 0.0, 1.0]}, "1 vertices"),
        ({"vertices": behind.ravel().tolist()}, "behind the camera"),
        ({"vertices": [0.0, 0.0, 1.0] * (behind.size // 3)}, "no area"),
    ]
    for count, (fields, reason) in enumerate(cases, start=1):
        bodies.publish(body_message(rig, prediction, **fields))
        rig.listener.until(lambda c=count: len(known) == c, "the body")
        next_of(rig, rig.got("human_contact"), photo)
        rig.listener.until(told(rig, "body", reason), f"{reason} on /diagnostics")


def test_parameters_pose_the_users_own_model(
    make_rig: MakeRig,
    photo: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As far as the model's body allows: this one's is Anny, so a body of SMPL is told from it."""
    rig = make_rig(tasks=["human_contact"], body_timeout_s=0.0)
    bodies = publisher(rig, PosedBody, "body")
    message = PosedBody(topology="smpl", joint_rotations=[np.pi, 0.0, 0.0], betas=[0.5])
    message.translation = np.array([0.0, 0.0, 3.0], np.float32)
    message.header = rig.image(photo).header
    bodies.publish(message)
    rig.listener.until(lambda: len(rig.node._places.bodies._known), "the body")
    monkeypatch.delenv("IVLM_BODY_MODELS", raising=False)
    next_of(rig, rig.got("human_contact"), photo)
    rig.listener.until(told(rig, "body", "needs a model file"), "what is missing")
    data = tiny_model("smpl")
    monkeypatch.setenv(
        "IVLM_BODY_MODELS", str(write_npz(tmp_path / "SMPL_NEUTRAL.npz", data).parent)
    )
    body = rig.node._places.bodies.at(message.header)
    assert body is not None and body.topology == "smpl"
    assert body.vertices.shape == data["v_template"].shape
    assert body.vertices[:, 2].mean() == pytest.approx(3.0, abs=0.5)
    head, feet = body.vertices[6 * 15 : 6 * 16], body.vertices[6 * 10 : 6 * 11]
    assert head[:, 1].mean() < feet[:, 1].mean() - 0.5, "upright in the optical frame"
    next_of(rig, rig.got("human_contact"), photo)
    rig.listener.until(told(rig, "body", "topology 'smpl' and 144 vertices"), "the topology")

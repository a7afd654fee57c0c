"""The real node in its own process, spoken to over DDS."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import unpack_from
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as PilImage

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rclpy.action import (  # noqa: E402
    ActionClient,
    get_action_server_names_and_types_by_node,
)
from rclpy.node import NodeNameNonExistentError  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from sensor_msgs.msg import Image, PointCloud2  # noqa: E402
from std_msgs.msg import Empty, String  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ivlm_core.labels import MAX_LABELS, read_labels  # noqa: E402
from ivlm_core.messages.cdr import decode_contact_mesh  # noqa: E402
from ivlm_core.messages.clouds import POINT  # noqa: E402
from ivlm_core.messages.images import fill_image, image_to_rgb  # noqa: E402
from ivlm_core.messages.markers import shaded_colours  # noqa: E402
from ivlm_core.messages.placement import display_pose, place_vertices  # noqa: E402
from ivlm_core.pipeline import Query  # noqa: E402
from ivlm_core.visualize.overlay import attention_overlay, overlay_image  # noqa: E402
from ivlm_msgs.action import Estimate  # noqa: E402
from ivlm_msgs.msg import ContactMesh, Status  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.node import THREAD_TIMEOUT_S  # noqa: E402
from ivlm_ros.parameters import NodeParameters  # noqa: E402
from ivlm_ros.planning_scene import CollisionObject  # noqa: E402
from ivlm_ros.rviz_problems import rviz_problems  # noqa: E402

OUTPUTS = {
    "human_contact": ContactMesh,
    "object_affordance": ContactMesh,
    "human_contact_cloud": PointCloud2,
    "object_affordance_cloud": PointCloud2,
    "attention": Image,
    "overlay": Image,
    "markers": MarkerArray,
}
Names = tuple[str, ...]
ALL: Names = tuple(OUTPUTS)
MESHES: Names = ("human_contact", "object_affordance")
MOVEIT = {"/ivlm_node/collision_object": ["moveit_msgs/msg/CollisionObject"]}


class Camera:
    """Sends images and labels to the node and collects what it says about them."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener
        self.number = 0
        self.labels = listener.node.create_publisher(String, "label", qos.LABEL)
        self.images = listener.node.create_publisher(Image, "image", qos.RESULT)
        for name, kind in OUTPUTS.items():
            profile = qos.LATCHED if name == "markers" else qos.RESULT
            listener.listen(f"/ivlm_node/{name}", kind, profile, raw=True)
        listener.listen("/diagnostics", DiagnosticArray, 10)
        listener.listen("/ivlm_node/status", Status, qos.LATCHED)
        listener.until(
            lambda: self.images.get_subscription_count() and self.labels.get_subscription_count(),
            "the node to subscribe",
        )

    def label(self, text: str) -> None:
        """Set the labels and wait until the node says that it has them, or why not."""
        said = self.listener.messages["/ivlm_node/status"]
        before = len(said)
        self.labels.publish(String(data=text))
        try:
            wanted = list(read_labels(text)) or ["bottle"]  # the parameter
        except ValueError:
            self.listener.until(
                lambda: any("label ignored" in s.note for s in said[before:]), "a refusal"
            )
            return
        self.listener.until(lambda: said and said[-1].labels == wanted, f"labels {wanted}")

    def label_unheard(self, text: str) -> None:
        """Set the label and wait until it has arrived, whether or not the node has read it."""
        from rclpy.duration import Duration

        self.labels.publish(String(data=text))
        assert self.labels.wait_for_all_acked(Duration(seconds=10))

    def image(self, pixels: np.ndarray) -> Image:
        """Make an image message with a stamp of its own."""
        self.number += 1
        message = fill_image(Image(), pixels, "rgb8")
        message.header.frame_id = "camera_optical_frame"
        message.header.stamp = self.listener.node.get_clock().now().to_msg()
        return message

    def indices(self, name: str, header: Any) -> list[int]:
        """Places of the messages on a topic that carry a header's stamp."""
        start = 8 if name == "markers" else 4  # an array begins with its length
        wanted = (header.stamp.sec, header.stamp.nanosec)
        messages = self.listener.messages[f"/ivlm_node/{name}"]
        return [i for i, m in enumerate(messages) if unpack_from("<iI", m, start) == wanted]

    def results(self, header: Any, names: Names = ALL) -> dict[str, Any] | None:
        """The one output per topic that carries a header, or None while one is missing."""
        found = {name: self.indices(name, header) for name in names}
        if not all(found.values()):
            return None
        assert all(len(places) == 1 for places in found.values())
        return {n: self.listener.messages[f"/ivlm_node/{n}"][found[n][0]] for n in names}

    def ask(self, pixels: np.ndarray, names: Names = ALL) -> dict[str, Any]:
        """Send one image and wait for the outputs that belong to it."""
        message = self.image(pixels)
        self.images.publish(message)
        what = f"outputs of image {self.number}"
        found = self.listener.until(lambda: self.results(message.header, names), what)
        return {n: deserialize_message(m, OUTPUTS[n]) for n, m in found.items()}

    def published_at(self, name: str, header: Any) -> int:
        """When the output with a header left the node, nanoseconds."""
        (place,) = self.indices(name, header)
        return self.listener.sent[f"/ivlm_node/{name}"][place]

    def first_contact(self, pixels: np.ndarray) -> None:
        """Send images until one is answered on every topic: then all endpoints know each other.

        Those that were sent meanwhile are waited for, so that none is answered later with the
        label of a test.
        """

        def answered() -> bool:
            complete = [h for h in sent if self.results(h)]
            if not complete:
                message = self.image(pixels)
                sent.append(message.header)
                self.images.publish(message)
            return bool(complete)

        sent: list[Any] = []
        self.listener.until(answered, "a first answer on every topic")
        self.listener.until(lambda: self.results(sent[-1]), "the answer to the last image")


@pytest.fixture
def camera(listener: Any, node_process: Any, photo: np.ndarray) -> Iterator[Camera]:
    camera = Camera(listener)
    camera.label("bottle")
    camera.first_contact(photo)
    yield camera


def check_contact_mesh(message: ContactMesh, expected: Any) -> None:
    assert (message.task, message.label) == (expected.task, expected.label)
    assert message.answer == expected.answer
    assert message.topology == expected.topology
    assert message.threshold == pytest.approx(expected.threshold)
    vertices = np.array([(v.x, v.y, v.z) for v in message.mesh.vertices])
    np.testing.assert_array_equal(vertices.astype(np.float32), expected.mesh.vertices)
    faces = np.array([t.vertex_indices for t in message.mesh.triangles])
    np.testing.assert_array_equal(faces, expected.mesh.faces)
    np.testing.assert_allclose(message.scores, expected.scores, atol=1e-5)
    np.testing.assert_array_equal(message.seen, expected.seen)
    np.testing.assert_allclose(message.part_scores, list(expected.part_scores.values()), atol=1e-5)
    assert set(message.part_names) == set(expected.part_scores)


def test_every_output_of_one_image(camera: Camera, tiny_pipeline: Any, photo: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    results = camera.ask(picture)
    queries = [Query(picture, "bottle", task) for task in MESHES]
    predictions = tiny_pipeline.predict_batch(queries, attention=True)
    expected = {prediction.task: prediction for prediction in predictions}
    places = {"human_contact": "body_position", "object_affordance": "object_position"}
    for task, prediction in expected.items():
        assert results[task].header.frame_id == "camera_optical_frame"
        check_contact_mesh(results[task], prediction)
        cloud = results[f"{task}_cloud"]
        assert cloud.header == results[task].header
        rows = np.frombuffer(cloud.data, POINT)
        np.testing.assert_allclose(rows["score"], prediction.scores, atol=1e-5)
        vertices = prediction.mesh.vertices
        pose = display_pose(vertices, getattr(NodeParameters(), places[task]))
        points = np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
        np.testing.assert_allclose(points, place_vertices(vertices, pose), atol=1e-5)
        assert rviz_problems(cloud) == []
        (marker,) = [m for m in results["markers"].markers if m.ns == f"bottle/{task}"]
        colours = np.array([(c.r, c.g, c.b, c.a) for c in marker.colors])
        expected_colours = shaded_colours(prediction)[prediction.mesh.faces].reshape(-1, 4)
        np.testing.assert_allclose(colours, expected_colours, atol=2 / 255)
        assert (marker.pose.position.x, marker.pose.position.z) == pose.position[::2]
    assert expected["human_contact"].scores.max() > 0
    assert rviz_problems(results["markers"]) == []
    for name, draw in (("overlay", overlay_image), ("attention", attention_overlay)):
        assert rviz_problems(results[name]) == []
        pictures = np.hstack([draw(picture, p) for p in expected.values()])
        difference = image_to_rgb(results[name]).astype(int) - pictures
        assert np.abs(difference).max() <= 2
    header = results["overlay"].header
    assert max(ALL, key=lambda name: camera.published_at(name, header)) == "markers"


def test_two_labels_two_answers(camera: Camera, photo: np.ndarray) -> None:
    meshes = {}
    for label in ("Chair", "bottle"):
        camera.label(label)
        results = camera.ask(photo, MESHES)
        assert results["human_contact"].label == label.lower()
        assert results["object_affordance"].label == label.lower()
        meshes[label] = len(results["object_affordance"].mesh.vertices)
    assert meshes["Chair"] != meshes["bottle"]


def test_every_label_of_an_image_arrives(camera: Camera, photo: np.ndarray) -> None:
    """Eight messages on one topic at once; this process reads none while they come."""
    labels = [f"thing {i}" for i in range(MAX_LABELS)]
    camera.label(", ".join(labels))
    for _ in range(5):
        message = camera.image(photo)
        camera.images.publish(message)
        header = message.header
        camera.listener.until(lambda h=header: camera.indices("markers", h), "the markers")
        camera.listener.until(
            lambda h=header: len(camera.indices("human_contact", h)) == MAX_LABELS,
            "an answer about each label",
        )
        meshes = [
            decode_contact_mesh(camera.listener.messages["/ivlm_node/human_contact"][i])
            for i in camera.indices("human_contact", header)
        ]
        assert [mesh.label for mesh in meshes] == labels


def test_scene_has_no_object(camera: Camera, photo: np.ndarray) -> None:
    camera.label("scene")
    results = camera.ask(photo, ("human_contact", "human_contact_cloud", "markers"))
    assert results["human_contact"].label == "scene"
    actions = {m.ns: m.action for m in results["markers"].markers}
    before = {ns for ns in actions if not ns.startswith(("scene/", "bottle/"))}
    assert actions == {
        "scene/human_contact": Marker.ADD,
        "scene/human_contact_caption": Marker.ADD,
        "bottle/human_contact": Marker.DELETE,
        "bottle/human_contact_caption": Marker.DELETE,
        "bottle/object_affordance": Marker.DELETE,
        "bottle/object_affordance_caption": Marker.DELETE,
        **dict.fromkeys(before, Marker.DELETE),  # what earlier tests have shown
    }
    assert rviz_problems(results["markers"]) == []


def test_unusable_labels_are_ignored(camera: Camera, photo: np.ndarray) -> None:
    camera.label("chair")
    camera.label("<img>")
    assert camera.ask(photo, MESHES)["human_contact"].label == "chair"
    camera.label("")  # back to the parameter
    assert camera.ask(photo, MESHES)["human_contact"].label == "bottle"


def test_labels_that_queue_up_are_all_older_than_the_image_after_them(
    camera: Camera, photo: np.ndarray
) -> None:
    """A busy node still has labels of earlier images to read when a new label and image come."""
    for last in ("bottle", "mug"):
        for label in ("scene", "chair", "box", "hat"):
            camera.labels.publish(String(data=label))
        camera.label_unheard(last)
        assert camera.ask(photo, ("human_contact",))["human_contact"].label == last


BAD_IMAGES: list[tuple[dict[str, Any], str]] = [
    ({"encoding": "jpeg"}, "image encoding 'jpeg' is not known"),
    ({"step": 1}, "got step 1 "),
    ({"height": 0}, "both sides must be positive"),
    ({"data": [1, 2, 3]}, "3 bytes in all"),
]


@pytest.mark.parametrize(
    ("fault", "reason"), BAD_IMAGES, ids=[next(iter(f)) for f, _ in BAD_IMAGES]
)
def test_bad_images_are_told_and_survived(
    camera: Camera, photo: np.ndarray, fault: dict[str, Any], reason: str
) -> None:
    camera.label("bottle")

    def told() -> bool:
        bad = camera.image(photo)
        for name, value in fault.items():
            setattr(bad, name, value)
        camera.images.publish(bad)  # again and again, as a camera would
        said = [
            status.message
            for message in camera.listener.messages["/diagnostics"]
            for status in message.status
            if status.name == "ivlm_node: pipeline" and status.level == DiagnosticStatus.ERROR
        ]
        return any("last image failed" in text and reason in text for text in said)

    camera.listener.until(told, f"{reason!r} on /diagnostics")
    assert camera.ask(photo, MESHES)["human_contact"].label == "bottle"


def change_state(listener: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return listener.call(ChangeState, "/ivlm_node/change_state", request).success


def state(listener: Any) -> int:
    answer = listener.call(GetState, "/ivlm_node/get_state", GetState.Request())
    return answer.current_state.id


def test_lifecycle_up_down_and_up_again(
    camera: Camera, make_listener: Callable[..., Any], photo: np.ndarray
) -> None:
    listener = camera.listener
    assert state(listener) == State.PRIMARY_STATE_ACTIVE
    assert not change_state(listener, Transition.TRANSITION_CONFIGURE)  # rclpy#1209
    assert camera.ask(photo, MESHES)
    assert change_state(listener, Transition.TRANSITION_DEACTIVATE)
    late = make_listener()
    late.listen("/ivlm_node/markers", MarkerArray, qos.LATCHED)
    late.until(lambda: late.messages["/ivlm_node/markers"], "what a late RViz is told")
    (cleared,) = late.messages["/ivlm_node/markers"][-1].markers
    assert cleared.action == Marker.DELETEALL
    late.close()
    assert change_state(listener, Transition.TRANSITION_ACTIVATE)
    camera.first_contact(photo)
    assert camera.ask(photo, MESHES)["human_contact"].label == "bottle"
    assert change_state(listener, Transition.TRANSITION_DEACTIVATE)
    assert change_state(listener, Transition.TRANSITION_CLEANUP)
    assert state(listener) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change_state(listener, Transition.TRANSITION_ACTIVATE)
    names = dict(listener.node.get_publisher_names_and_types_by_node("ivlm_node", "/"))
    assert "/ivlm_node/human_contact" not in names
    assert change_state(listener, Transition.TRANSITION_CONFIGURE)
    assert change_state(listener, Transition.TRANSITION_ACTIVATE)
    camera.first_contact(photo)
    assert camera.ask(photo, MESHES)["human_contact"].label == "bottle"


Graph = dict[str, dict[str, list[str]]]


def node_graph(node: Any) -> Graph:
    """Names and types by what the node does with them; nothing while it is not discovered."""
    whose = ("ivlm_node", "/")
    try:
        found = {
            "publish": node.get_publisher_names_and_types_by_node(*whose),
            "subscribe": node.get_subscriber_names_and_types_by_node(*whose),
            "reply": node.get_service_names_and_types_by_node(*whose),
            "execute": get_action_server_names_and_types_by_node(node, *whose),
        }
    except NodeNameNonExistentError:
        found = dict.fromkeys(("publish", "subscribe", "reply", "execute"), [])
    return {kind: {n: t for n, t in ends if "_action/" not in n} for kind, ends in found.items()}


def wait_for_graph(listener: Any, read: Callable[[Graph], Any], expected: Any) -> None:
    """A node's name and its ends are discovered one by one, also after its first messages."""

    def as_expected() -> bool:
        return bool(read(node_graph(listener.node)) == expected)

    try:
        listener.until(as_expected, "the node's part of the graph")
    finally:
        assert read(node_graph(listener.node)) == expected


def test_the_interface_is_the_documented_one(camera: Camera) -> None:
    """Frozen: users build on these names and types."""
    of_every_node = ("/rosout", "/parameter_events", "/ivlm_node/transition_event")

    def interface(graph: Graph) -> Graph:
        ours = {"ivlm_msgs/srv", "std_srvs/srv"}
        read = graph["subscribe"].items()
        return {
            "publish": {n: t for n, t in graph["publish"].items() if n not in of_every_node},
            "subscribe": {n: t for n, t in read if n != "/parameter_events"},
            "reply": {n: t for n, t in graph["reply"].items() if t[0].rpartition("/")[0] in ours},
            "execute": graph["execute"],
        }

    expected = {
        "publish": {
            "/diagnostics": ["diagnostic_msgs/msg/DiagnosticArray"],
            "/ivlm_node/affordance_samples": ["geometry_msgs/msg/PoseArray"],
            "/ivlm_node/attention": ["sensor_msgs/msg/Image"],
            "/ivlm_node/labelled_affordance_samples": ["ivlm_msgs/msg/AffordanceSamples"],
            "/ivlm_node/human_contact": ["ivlm_msgs/msg/ContactMesh"],
            "/ivlm_node/human_contact_cloud": ["sensor_msgs/msg/PointCloud2"],
            "/ivlm_node/human_contact_posed_cloud": ["sensor_msgs/msg/PointCloud2"],
            "/ivlm_node/markers": ["visualization_msgs/msg/MarkerArray"],
            "/ivlm_node/object_affordance": ["ivlm_msgs/msg/ContactMesh"],
            "/ivlm_node/object_affordance_cloud": ["sensor_msgs/msg/PointCloud2"],
            "/ivlm_node/overlay": ["sensor_msgs/msg/Image"],
            "/ivlm_node/status": ["ivlm_msgs/msg/Status"],
            **({} if CollisionObject is None else MOVEIT),
        },
        "subscribe": {
            "/body": ["ivlm_msgs/msg/PosedBody"],
            "/camera_info": ["sensor_msgs/msg/CameraInfo"],
            "/image": ["sensor_msgs/msg/Image"],
            "/label": ["std_msgs/msg/String"],
            "/object_pose": ["geometry_msgs/msg/PoseStamped"],
        },
        "reply": {
            "/ivlm_node/clear": ["std_srvs/srv/Trigger"],
            "/ivlm_node/reload": ["std_srvs/srv/Trigger"],
            "/ivlm_node/score_grasps": ["ivlm_msgs/srv/ScoreGrasps"],
            "/ivlm_node/set_object": ["ivlm_msgs/srv/SetObject"],
        },
        "execute": {"/ivlm_node/estimate": ["ivlm_msgs/action/Estimate"]},
    }
    wait_for_graph(camera.listener, interface, expected)


def test_the_security_policy_allows_what_the_node_does(camera: Camera, repository: Path) -> None:
    """All of it and, but for what other parameters bring, nothing else."""
    path = repository / "ros2_ws" / "src" / "ivlm_ros" / "security" / "ivlm_node.policy.xml"
    (profile,) = ElementTree.parse(path).getroot().iter("profile")

    def allowed(kind: str, right: str) -> set[str]:
        (group,) = [g for g in profile.findall(kind) if g.get(right) == "ALLOW"]
        names = {item.text or "" for item in group}
        return {n.replace("~", "/ivlm_node") if n[0] == "~" else f"/{n.lstrip('/')}" for n in names}

    # With other parameters than here.
    unread = {"/image/compressed", "/detections", "/tf", "/tf_static", "/clock"}
    unread.add("/parameter_events")
    unsaid = {"/ivlm_node/object_contact", "/ivlm_node/object_contact_cloud"}
    unsaid |= set() if CollisionObject else MOVEIT.keys()

    def used(graph: Graph) -> dict[str, set[str]]:
        read = set(graph["subscribe"]) - {"/parameter_events"}
        return {kind: set(ends) for kind, ends in graph.items()} | {"subscribe": read}

    expected = {
        "publish": allowed("topics", "publish") - unsaid,
        "subscribe": allowed("topics", "subscribe") - unread,
        "reply": allowed("services", "reply"),
        "execute": allowed("actions", "execute"),
    }
    wait_for_graph(camera.listener, used, expected)


def test_replayed_folder_is_answered_with_its_labels(
    listener: Any, node_process: Any, start: Callable[..., Any], tmp_path: Path, photo: np.ndarray
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    PilImage.fromarray(photo).save(folder / "bottle__one.png")
    PilImage.fromarray(photo[::-1].copy()).save(folder / "chair__two.png")
    listener.listen("/ivlm_node/human_contact", ContactMesh)
    replay = start(
        "ivlm_ros.image_replay",
        f"source:={folder}",
        "rate_hz:=5.0",
        "wait_for_subscribers:=1",
        "frame_id:=replayed",
    )
    got = listener.messages["/ivlm_node/human_contact"]

    def labels() -> set[str]:
        return {m.label for m in got if m.header.frame_id == "replayed"}

    listener.until(lambda: labels() == {"bottle", "chair"}, "both labels")
    assert replay.stop(signal.SIGINT) == 0


def test_replay_ends_with_its_source(
    listener: Any, start: Callable[..., Any], tmp_path: Path, photo: np.ndarray
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        PilImage.fromarray(photo).save(tmp_path / name)
    listener.listen("replayed_image", Image, qos.RESULT)
    listener.listen("replayed_label", String, qos.RESULT)
    replay = start(
        "ivlm_ros.image_replay",
        f"source:={tmp_path}",
        "rate_hz:=50.0",
        "loop:=false",
        "label:=cup",
        "wait_for_subscribers:=1",
        remaps=("image:=replayed_image", "label:=replayed_label"),
    )
    listener.until(lambda: len(listener.messages["replayed_image"]) == 3, "three images")
    assert replay.wait() == 0
    np.testing.assert_array_equal(image_to_rgb(listener.messages["replayed_image"][0]), photo)
    assert {m.data for m in listener.messages["replayed_label"]} == {"cup"}
    missing = start("ivlm_ros.image_replay", "source:=/missing.png")
    assert missing.wait() == 2
    assert "/missing.png is neither a file nor a folder" in missing.output
    mistyped = start("ivlm_ros.image_replay", "rate_hz:=1")
    assert mistyped.wait() == 2
    assert "expecting type 'DOUBLE'" in mistyped.output and "Traceback" not in mistyped.output


def test_replay_holds_an_image_until_told(
    listener: Any, start: Callable[..., Any], tmp_path: Path, photo: np.ndarray
) -> None:
    for value in (10, 20):
        PilImage.fromarray(np.full((4, 4, 3), value, np.uint8)).save(tmp_path / f"{value}.png")
    got = listener.messages["held_image"]
    listener.listen("held_image", Image, qos.RESULT)
    go_on = listener.node.create_publisher(Empty, "held_next", qos.EVENT)
    start(
        "ivlm_ros.image_replay",
        *(f"source:={tmp_path}", "rate_hz:=50.0", "hold:=true"),
        remaps=("image:=held_image", "next:=held_next", "label:=held_label"),
    )
    listener.until(lambda: len(got) >= 5 and go_on.get_subscription_count(), "five images")
    assert {m.data[0] for m in got} == {10}

    def went_on() -> bool:
        go_on.publish(Empty())
        return got[-1].data[0] == 20

    listener.until(went_on, "the next image")


def test_failed_autostart_ends_the_process(start: Callable[..., Any]) -> None:
    missing = start("ivlm_ros", "autostart:=true", "model:=/missing/model")
    assert missing.wait() == 1
    assert "cannot configure" in missing.output and "/missing/model" in missing.output


def test_a_signal_ends_the_process_while_a_model_loads(
    start: Callable[..., Any], listener: Any
) -> None:
    """However long that takes."""
    node = start("tests.ros.faults.stuck", "autostart:=true")
    listener.until(lambda: "loading" in node.output, "the load", 120.0)
    assert node.stop(signal.SIGINT) == 0
    assert "stopped while a model was being loaded" in node.output


APART = ("__node:=stuck", "image:=stuck/image")
"""From the node that the other tests share."""


def test_a_signal_does_not_wait_for_an_image_in_work(
    start: Callable[..., Any],
    listener: Any,
    tiny_model: Path,
    photo: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of which nothing would be published any more."""
    monkeypatch.setenv("STUCK", "answer")
    parameters = ("autostart:=true", f"model:={tiny_model}", "label:=cup")
    node = start("tests.ros.faults.stuck", *parameters, remaps=APART)
    images = listener.node.create_publisher(Image, "stuck/image", qos.RESULT)
    message = fill_image(Image(), photo, "rgb8")

    def taken() -> bool:
        images.publish(message)
        return "answering" in node.output

    listener.until(taken, "an image in work", 120.0)
    begin = time.monotonic()
    assert node.stop(signal.SIGINT) == 0
    assert time.monotonic() - begin < THREAD_TIMEOUT_S / 2
    assert "Traceback" not in node.output and "[ERROR]" not in node.output


def test_a_second_signal_does_not_wait_for_a_goal_either(
    start: Callable[..., Any], listener: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUCK", "answer")
    parameters = ("autostart:=true", f"model:={tiny_model}")
    node = start("tests.ros.faults.stuck", *parameters, remaps=APART)
    listener.listen("/stuck/status", Status, qos.LATCHED)
    said = listener.messages["/stuck/status"]
    listener.until(lambda: said and said[-1].state == "active", "the node to be active", 120.0)
    client = ActionClient(listener.node, Estimate, "/stuck/estimate")
    listener.until(client.server_is_ready, "the action")
    photo = fill_image(Image(), np.zeros((8, 8, 3), np.uint8), "rgb8")
    client.send_goal_async(Estimate.Goal(label="cup", image=photo))
    listener.until(lambda: "answering" in node.output, "the goal in work")
    begin = time.monotonic()
    node.popen.send_signal(signal.SIGINT)

    def ended() -> bool:
        node.popen.send_signal(signal.SIGTERM)
        return node.popen.poll() is not None

    listener.until(ended, "the end")
    assert node.popen.returncode == 1
    assert 1.0 <= time.monotonic() - begin < THREAD_TIMEOUT_S / 2


def test_sigint_clears_the_markers_answers_goals_and_ends_well(
    camera: Camera, node_process: Any, photo: np.ndarray
) -> None:
    """Last in this file: it ends the shared process."""
    camera.ask(photo, MESHES)
    listener = camera.listener
    client = ActionClient(listener.node, Estimate, "/ivlm_node/estimate")
    listener.until(client.server_is_ready, "the action")
    sent = client.send_goal_async(Estimate.Goal(label="bottle"))
    listener.until(sent.done, "the goal's acceptance")
    result = sent.result().get_result_async()
    node_process.popen.send_signal(signal.SIGINT)
    listener.until(result.done, "the goal's result")
    assert result.result().result.estimates or result.result().result.message
    assert node_process.wait() == 0

    def cleared() -> bool:
        last = deserialize_message(listener.messages["/ivlm_node/markers"][-1], MarkerArray)
        return last.markers[0].action == Marker.DELETEALL

    listener.until(cleared, "the clearing marker")
    assert "Traceback" not in node_process.output

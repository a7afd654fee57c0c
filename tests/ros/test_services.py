"""Services, the action, several labels and compressed images of a running node."""

import shutil
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from action_msgs.msg import GoalStatus  # noqa: E402
from geometry_msgs.msg import Point, PoseArray, PoseStamped, Vector3  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, RegionOfInterest  # noqa: E402
from shape_msgs.msg import Mesh as MeshMessage  # noqa: E402
from shape_msgs.msg import MeshTriangle  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ivlm_core.geometry.mesh import Mesh, save_mesh  # noqa: E402
from ivlm_core.messages.clouds import POINT  # noqa: E402
from ivlm_core.visualize.colours import ramp  # noqa: E402
from ivlm_msgs.action import Estimate  # noqa: E402
from ivlm_msgs.srv import ScoreGrasps, SetObject  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.rviz_problems import rviz_problems  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

MakeRig = Callable[..., Rig]


@pytest.fixture(scope="module")
def box() -> Mesh:
    import trimesh

    made = trimesh.creation.box(extents=(0.1, 0.2, 0.3)).subdivide()
    return Mesh(made.vertices, made.faces)


def message_of(mesh: Mesh) -> MeshMessage:
    return MeshMessage(
        vertices=[Point(x=float(x), y=float(y), z=float(z)) for x, y, z in mesh.vertices],
        triangles=[MeshTriangle(vertex_indices=face.astype(np.uint32)) for face in mesh.faces],
    )


def vertices_of(message: Any) -> np.ndarray:
    return np.array([(v.x, v.y, v.z) for v in message.mesh.vertices], np.float32)


def answered(rig: Rig, photo: np.ndarray, task: str, what: str) -> Any:
    """Send an image and return the answer to it."""
    before = len(rig.got(task))
    rig.send(photo)
    rig.listener.until(lambda: len(rig.got(task)) > before, what)
    return rig.got(task)[-1]


# --- several labels ---


def test_several_labels_of_one_image(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig(label="")
    rig.listener.listen(f"/{rig.name}/markers", MarkerArray, qos.LATCHED)
    rig.say("Bottle, chair,bottle")
    rig.send(photo)
    got = rig.listener.messages[f"/{rig.name}/markers"]
    tasks = ("human_contact", "object_affordance")
    rig.listener.until(lambda: got and all(len(rig.got(t)) == 2 for t in tasks), "all answers")
    assert [m.label for m in rig.got("human_contact")] == ["bottle", "chair"]
    assert [m.label for m in rig.got("object_affordance")] == ["bottle", "chair"]
    assert len({m.header.stamp.nanosec for m in rig.got("human_contact")}) == 1
    assert rviz_problems(got[0]) == []
    meshes = {m.ns: m for m in got[0].markers if not m.ns.endswith("_caption")}
    assert list(meshes) == [
        "bottle/human_contact",
        "bottle/object_affordance",
        "chair/human_contact",
        "chair/object_affordance",
    ]
    x = {ns: marker.pose.position.x for ns, marker in meshes.items()}
    assert x["chair/human_contact"] < x["bottle/human_contact"] - 1, "bodies do not overlap"
    assert x["chair/object_affordance"] > x["bottle/object_affordance"]
    assert rig.status[-1].labels == ["bottle", "chair"]
    rig.say("chair")
    rig.send(photo)
    rig.listener.until(lambda: len(got) == 2, "the next markers")
    gone = {m.ns for m in got[1].markers if m.action == Marker.DELETE}
    assert gone == {ns for m in got[0].markers if (ns := m.ns).startswith("bottle/")}


def test_all_three_tasks_at_once(make_rig: MakeRig, photo: np.ndarray) -> None:
    tasks = ["human_contact", "object_contact", "object_affordance"]
    rig = make_rig(tasks=tasks)
    clouds = {task: f"/{rig.name}/{task}_cloud" for task in tasks}
    for topic in clouds.values():
        rig.listener.listen(topic, PointCloud2, qos.EVENT)
    rig.listener.listen(f"/{rig.name}/markers", MarkerArray, qos.LATCHED)
    rig.send(photo)
    markers = rig.listener.messages[f"/{rig.name}/markers"]
    rig.listener.until(lambda: markers, "markers, which come last")
    rig.listener.until(lambda: all(rig.listener.messages[t] for t in clouds.values()), "clouds")
    names = [m.ns for m in markers[0].markers if not m.ns.endswith("_caption")]
    assert names == [f"bottle/{task}" for task in tasks]
    contact, affordance = rig.got("object_contact")[0], rig.got("object_affordance")[0]
    np.testing.assert_array_equal(vertices_of(contact), vertices_of(affordance))
    for task, message in (("object_contact", contact), ("object_affordance", affordance)):
        (cloud,) = rig.listener.messages[clouds[task]]
        rows = np.frombuffer(cloud.data, POINT)
        np.testing.assert_allclose(rows["score"], message.scores, atol=1e-6)
        assert message.task == task and cloud.header == message.header


# --- compressed images ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_compressed_images(make_rig: MakeRig, photo: np.ndarray, kind: str) -> None:
    rig = make_rig(image_transport="compressed")
    data = BytesIO()
    PilImage.fromarray(photo).save(data, kind)
    message = CompressedImage(format=kind.lower(), data=data.getvalue())
    message.header.frame_id, message.header.stamp.sec = "camera", 17
    rig.images.publish(message)
    rig.listener.until(lambda: rig.got("human_contact"), "an answer")
    assert rig.got("human_contact")[0].header == message.header


def test_damaged_compressed_images_are_survived(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig(image_transport="compressed")
    rig.images.publish(CompressedImage(format="jpeg", data=b"\xff\xd8 no picture"))
    rig.counted("failed")
    health = rig.node._statistics.pipeline_health()
    assert health.level == 2 and "cannot be read as JPEG or PNG" in health.message


# --- set_object, clear ---


def test_an_object_is_set_by_message_or_file_and_cleared(
    make_rig: MakeRig, photo: np.ndarray, box: Mesh, tmp_path: Path
) -> None:
    save_mesh(box, tmp_path / "any name.ply")
    rig = make_rig(label="flux capacitor", object_mesh_dir=str(tmp_path))
    for how in ({"mesh": message_of(box)}, {"mesh_file": "any name.ply"}):
        answer = rig.call(SetObject, "set_object", label="Flux_Capacitor", **how)
        assert answer.success, answer.message
        assert (answer.vertices, answer.faces) == (len(box.vertices), len(box.faces))
        message = answered(rig, photo, "object_affordance", "an answer on the given mesh")
        np.testing.assert_array_equal(vertices_of(message), box.vertices)
        rig.listener.until(lambda: rig.status[-1].objects == ["flux capacitor"], "the status")
        rig.say("chair")
        answered(rig, photo, "object_affordance", "an answer about the chair")
        assert rig.call(Trigger, "clear").success
        rig.listener.until(lambda: rig.status[-1].objects == [], "the status after clear")
        assert rig.status[-1].labels == ["flux capacitor"], "the parameter holds again"
        rig.send(photo)
        before = len(rig.got("human_contact"))
        rig.listener.until(lambda b=before: len(rig.got("human_contact")) > b, "human contact")
        assert rig.got("object_affordance")[-1].label == "chair", "nothing new"


def test_an_image_in_work_is_not_answered_after_clear(
    make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a label nothing would ever remove its markers, nor its object from a planning scene;
    nor is one answered that waits."""
    rig = make_rig(label="")
    rig.listener.listen(f"/{rig.name}/markers", MarkerArray, qos.LATCHED)
    working, go_on = rig.hold_up(monkeypatch)
    rig.say("bottle")
    rig.send(photo)
    rig.listener.until(working.is_set, "the image to be taken")
    rig.send(photo)
    rig.counted("received", 2)
    assert rig.call(Trigger, "clear").success
    go_on.set()
    rig.say("chair")
    assert answered(rig, photo, "human_contact", "an answer about the chair").label == "chair"
    assert [m.label for m in rig.got("human_contact")] == ["chair"]
    markers = rig.listener.messages[f"/{rig.name}/markers"]
    rig.listener.until(lambda: markers, "the markers")
    assert {m.ns.split("/")[0] for m in markers[-1].markers} == {"chair"}


def test_unusable_objects_are_refused_and_change_nothing(
    make_rig: MakeRig, box: Mesh, tmp_path: Path
) -> None:
    folder = tmp_path / "meshes"
    folder.mkdir()
    (folder / "broken.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 3\n")
    save_mesh(box, tmp_path / "outside.ply")
    rig = make_rig(object_mesh_dir=str(folder))
    good = message_of(box)
    nan, wild, empty = message_of(box), message_of(box), message_of(box)
    nan.vertices[3].y = float("nan")
    wild.triangles[0].vertex_indices = np.array([0, 1, 4_000_000_000], np.uint32)
    empty.triangles = []
    cases: list[tuple[dict[str, Any], str]] = [
        ({"label": "cup"}, "either mesh_file or a mesh"),
        ({"label": "cup", "mesh": good, "mesh_file": "broken.ply"}, "either mesh_file or a mesh"),
        ({"label": "", "mesh": good}, "is empty"),
        ({"label": "cup, mug", "mesh": good}, "a comma"),
        ({"label": "scene", "mesh": good}, "not an object"),
        ({"label": "cup", "mesh": nan}, "NaN or infinite"),
        ({"label": "cup", "mesh": wild}, "name vertices 0 to 2147483647"),
        ({"label": "cup", "mesh": empty}, "no surface"),
        ({"label": "cup", "mesh_file": "broken.ply"}, "broken.ply"),
        ({"label": "cup", "mesh_file": "../outside.ply"}, "leads out of"),
        ({"label": "cup", "mesh_file": "missing.ply"}, "no such file"),
    ]
    for fields, reason in cases:
        answer = rig.call(SetObject, "set_object", **fields)
        assert not answer.success and reason in answer.message, (fields["label"], answer.message)
    assert rig.node._meshes.given == []


# --- what can be changed while running ---


def test_threshold_and_mesh_folder_change_at_once(
    make_rig: MakeRig, photo: np.ndarray, box: Mesh, tmp_path: Path
) -> None:
    rig = make_rig()
    shipped = answered(rig, photo, "object_affordance", "an answer on the shipped mesh")
    save_mesh(box, tmp_path / "bottle.ply")
    rig.listener.listen(f"/{rig.name}/human_contact_cloud", PointCloud2, qos.EVENT)
    changes = [
        Parameter("threshold", value=0.123),
        Parameter("colour_map", value="viridis"),
        Parameter("object_mesh_dir", value=str(tmp_path)),
    ]
    assert all(r.successful for r in rig.node.set_parameters(changes))
    message = answered(rig, photo, "object_affordance", "an answer on the user's mesh")
    assert message.threshold == pytest.approx(0.123) != shipped.threshold
    assert len(message.scores) == len(box.vertices) != len(shipped.scores)
    clouds = rig.listener.messages[f"/{rig.name}/human_contact_cloud"]
    rig.listener.until(lambda: clouds, "a cloud")
    rows = np.frombuffer(clouds[-1].data, POINT)
    colours = np.unique(rows["rgb"][rows["score"] > 0])
    viridis = ramp(np.linspace(0, 1, 1024), "viridis").astype(np.uint32) @ [1 << 16, 1 << 8, 1]
    assert np.isin(colours, viridis).all()
    save_mesh(box, tmp_path / "gizmo.ply")
    rig.say("gizmo")
    answered(rig, photo, "human_contact", "an answer about what has no mesh yet")
    assert rig.got("object_affordance")[-1].label == "bottle"
    again = Parameter("object_mesh_dir", value=str(tmp_path))
    assert all(r.successful for r in rig.node.set_parameters([again]))
    found = answered(rig, photo, "object_affordance", "an answer on a file that came later")
    assert found.label == "gizmo"
    (refused,) = rig.node.set_parameters([Parameter("object_mesh_dir", value="/missing")])
    assert not refused.successful and "'/missing' is not a folder" in refused.reason
    (refused,) = rig.node.set_parameters([Parameter("label", value="<mug>")])
    assert not refused.successful and "must not contain" in refused.reason


def test_another_model_takes_over_while_images_are_answered(
    make_rig: MakeRig, photo: np.ndarray, tiny_model: Path, tmp_path: Path
) -> None:
    rig = make_rig()
    first = rig.node._estimator
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    (changed,) = rig.node.set_parameters([Parameter("model", value=str(other))])
    assert changed.successful
    answered(rig, photo, "human_contact", "an answer meanwhile")
    rig.listener.until(lambda: rig.node._estimator is not first, "the other model")
    rig.listener.until(lambda: "has taken over" in rig.status[-1].note, "the status")
    assert rig.status[-1].loading == ""
    answered(rig, photo, "human_contact", "an answer of the other model")
    second = rig.node._estimator
    assert rig.call(Trigger, "reload").success
    rig.listener.until(lambda: rig.node._estimator is not second, "the model anew")


def test_a_model_that_cannot_be_loaded_changes_nothing(
    make_rig: MakeRig, photo: np.ndarray, tiny_model: Path, tmp_path: Path
) -> None:
    rig = make_rig()
    first = rig.node._estimator
    cut = tmp_path / "cut"
    shutil.copytree(tiny_model, cut)
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for model in ("/missing/model", str(cut)):
        rig.node.set_parameters([Parameter("model", value=model)])

        def told(model: str = model) -> bool:
            statuses = [s for m in rig.listener.messages["/diagnostics"] for s in m.status]
            return any(
                s.level == b"\2" and f"{model!r} could not be" in s.message for s in statuses
            )

        rig.listener.until(told, f"the failure to load {model}")
    assert rig.node._estimator is first
    answered(rig, photo, "human_contact", "an answer of the first model")


# --- action ---


class Asker:
    """A client of `~/estimate`."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.client = ActionClient(rig.listener.node, Estimate, f"/{rig.name}/estimate")
        rig.listener.until(self.client.server_is_ready, "the action")
        self.stages: list[str] = []

    def ask(self, **fields: Any) -> Any:
        """Send a goal and return its handle once it is accepted or refused."""
        future = self.client.send_goal_async(
            Estimate.Goal(**fields), lambda m: self.stages.append(m.feedback.stage)
        )
        self.rig.listener.until(future.done, "the goal's acceptance")
        return future.result()

    def result(self, handle: Any) -> Any:
        """Wait for status and result."""
        future = handle.get_result_async()
        self.rig.listener.until(future.done, "the goal's result")
        return future.result()


def test_a_question_beside_the_stream(make_rig: MakeRig, photo: np.ndarray, box: Mesh) -> None:
    rig = make_rig()
    streamed = answered(rig, photo, "human_contact", "the stream's answer")
    asker = Asker(rig)
    image = rig.image(photo[::-1].copy(), frame_id="hand camera")
    handle = asker.ask(
        label="Chair",
        tasks=["human_contact", "object_contact"],
        image=image,
        mesh=message_of(box),
    )
    assert handle.accepted
    answer = asker.result(handle)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert answer.result.success and answer.result.message == ""
    human, thing = answer.result.estimates
    assert (human.task, thing.task) == ("human_contact", "object_contact")
    assert human.label == thing.label == "chair"
    assert human.header == thing.header == image.header
    np.testing.assert_array_equal(vertices_of(thing), box.vertices)
    assert asker.stages == ["waiting", "human_contact", "object_contact"]
    assert len(rig.got("human_contact")) == 1, "the answer is not on the stream's topics"
    newest = asker.result(asker.ask(label="bottle")).result
    assert [e.task for e in newest.estimates] == ["human_contact", "object_affordance"]
    assert newest.estimates[0].header == streamed.header
    np.testing.assert_allclose(newest.estimates[0].scores, streamed.scores, atol=1e-5)


def test_a_question_tells_where_the_object_is(
    make_rig: MakeRig, photo: np.ndarray, told_model: Path
) -> None:
    rig = make_rig(model=str(told_model), tasks=["human_contact"])
    asker, image = Asker(rig), rig.image(photo)

    def scores(**fields: Any) -> np.ndarray:
        result = asker.result(asker.ask(label="bottle", image=image, **fields)).result
        assert result.success, result.message
        return np.array(result.estimates[0].scores)

    box = RegionOfInterest(x_offset=20, y_offset=10, width=50, height=40)
    pipeline = rig.node._estimator.pipeline
    expected = pipeline.predict(photo, "bottle", box=(20, 10, 70, 50)).scores
    np.testing.assert_allclose(scores(box=box), expected, atol=1e-6)
    assert not np.array_equal(scores(), expected), "a region without area tells nothing"
    outside = RegionOfInterest(x_offset=900, width=5, height=5)
    answer = asker.result(asker.ask(label="bottle", image=image, box=outside))
    assert "outside the image" in answer.result.message


def test_questions_that_cannot_be_answered_say_why(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig()
    asker = Asker(rig)
    image = rig.image(photo)
    bad = Image(height=7, width=7, encoding="rgb8", step=21, data=b"short")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"label": "bottle"}, "no image"),
        ({"label": "", "image": image}, "is empty"),
        ({"label": "bottle", "image": bad}, "bytes in all"),
        ({"label": "bottle", "image": image, "tasks": ["dance"]}, "dance"),
        (
            {"label": "flux capacitor", "image": image, "tasks": ["object_contact"]},
            "no mesh for label",
        ),
        (
            {"label": "bottle", "image": image, "box": RegionOfInterest(width=9, height=9)},
            "leave the box out",
        ),
    ]
    for fields, reason in cases:
        answer = asker.result(asker.ask(**fields))
        assert answer.status == GoalStatus.STATUS_ABORTED
        assert not answer.result.success and reason in answer.result.message
    assert asker.result(asker.ask(label="bottle", image=image)).result.success
    rig.node.trigger_deactivate()
    assert not asker.ask(label="bottle", image=image).accepted


class HeldUp:
    """A goal in work, whose answer is kept back until it may go on."""

    def __init__(self, rig: Rig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
        working, self.go_on = threading.Event(), threading.Event()
        self._working, self._answer = working, rig.node._estimator.estimate_on
        monkeypatch.setattr(rig.node._estimator, "estimate_on", self._slow)
        self.asker = Asker(rig)
        self.handle = self.asker.ask(label="bottle", image=rig.image(photo))
        rig.listener.until(working.is_set, "the goal to be taken")

    def _slow(self, *arguments: Any) -> Any:
        self._working.set()
        assert self.go_on.wait(20)
        return self._answer(*arguments)


def test_one_goal_at_a_time_and_it_can_be_cancelled(
    make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    held = HeldUp(rig, photo, monkeypatch)
    asker, handle = held.asker, held.handle
    assert not asker.ask(label="chair", image=rig.image(photo)).accepted
    cancel = handle.cancel_goal_async()
    rig.listener.until(cancel.done, "the cancel's acceptance")
    held.go_on.set()
    cancelled = asker.result(handle)
    assert cancelled.status == GoalStatus.STATUS_CANCELED
    assert cancelled.result.message == "cancelled" and not cancelled.result.success
    assert asker.result(asker.ask(label="chair", image=rig.image(photo))).result.success


def test_a_goal_in_work_gets_its_result_when_the_node_is_cleaned_up(
    make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    held = HeldUp(rig, photo, monkeypatch)
    asker, handle = held.asker, held.handle
    rig.node.trigger_deactivate()
    held.go_on.set()
    rig.node.trigger_cleanup()
    answer = asker.result(handle)
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.message == "the node was deactivated"
    assert not asker.ask(label="bottle").accepted, "an unconfigured node refuses goals"


# --- where the object is ---


def pose_message(rig: Rig, seconds_old: float, frame: str, z: float, w: float = 0.0) -> PoseStamped:
    message = PoseStamped(
        header=rig.image(np.zeros((2, 2, 3), np.uint8), seconds_old, frame).header
    )
    message.pose.position.x, message.pose.position.z = 0.5, z
    message.pose.orientation.w, message.pose.orientation.y = w, (1 - w**2) ** 0.5
    return message


def test_an_object_is_shown_and_grasped_where_it_is(
    make_rig: MakeRig, photo: np.ndarray, box: Mesh
) -> None:
    rig = make_rig(threshold=0.001)
    rig.call(SetObject, "set_object", label="bottle", mesh=message_of(box))
    poses = rig.listener.node.create_publisher(PoseStamped, "object_pose", qos.LABEL)
    rig.listener.until(poses.get_subscription_count, "the node to listen to poses")
    rig.listener.listen(f"/{rig.name}/object_affordance_cloud", PointCloud2, qos.RESULT)
    rig.listener.listen(f"/{rig.name}/affordance_samples", PoseArray, qos.EVENT)
    rig.listener.until(
        lambda: rig.listener.node.count_publishers(f"/{rig.name}/affordance_samples"), "samples"
    )
    clouds = rig.listener.messages[f"/{rig.name}/object_affordance_cloud"]
    samples = rig.listener.messages[f"/{rig.name}/affordance_samples"]

    def centre() -> np.ndarray:
        before = len(clouds)
        rig.send(photo)
        rig.listener.until(lambda: len(clouds) > before, "a cloud")
        rows = np.frombuffer(clouds[-1].data, POINT)
        points = np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
        return (points.min(axis=0) + points.max(axis=0)) / 2

    def known(count: int) -> None:
        rig.listener.until(lambda: len(rig.node._places.object_poses._known) == count, "the pose")

    np.testing.assert_allclose(centre(), (0.8, 0, 3), atol=1e-4)
    poses.publish(pose_message(rig, 5.0, "camera", 1.0))
    known(1)
    np.testing.assert_allclose(centre(), (0.8, 0, 3), atol=1e-4)
    rig.counted("without object pose")
    only_shown = clouds[-1].header
    poses.publish(pose_message(rig, 0.0, "camera", 2.0, w=0.6))
    poses.publish(pose_message(rig, 0.0, "elsewhere", 9.0))
    known(3)
    np.testing.assert_allclose(centre(), (0.5, 0, 2), atol=1e-4)
    there = clouds[-1].header
    rig.listener.until(
        lambda: samples and samples[-1].header == there, "samples where the object is"
    )
    for place in samples[-1].poses:
        assert np.hypot(place.position.x - 0.5, place.position.z - 2) < 0.3
    assert only_shown not in [s.header for s in samples], "that is no place to grasp at"
    grasps = PoseArray(header=there, poses=[samples[-1].poses[0]])
    size = Vector3(x=0.1, y=0.1, z=0.1)
    assert rig.call(ScoreGrasps, "score_grasps", grasps=grasps, box_size=size).scores[0] > 0.5
    bad = pose_message(rig, 0.0, "camera", 1.0)
    bad.pose.orientation.y = 0.2
    poses.publish(bad)
    rig.listener.until(lambda: "object_pose ignored" in rig.status[-1].note, "the status")

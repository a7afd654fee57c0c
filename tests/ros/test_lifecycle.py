"""The node inside the test's process: transitions, their failures, and parameters at work."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rclpy.exceptions import InvalidParameterValueException  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from ivlm_core.geometry.mesh import Mesh, save_mesh  # noqa: E402
from ivlm_ros import node as node_module  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.node import IvlmNode  # noqa: E402
from tests.ros.faults.lab import damaged_model  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


def state(node: IvlmNode) -> int:
    return node._state_machine.current_state[0]


@contextmanager
def torch_hooks(note: Callable[..., None]) -> Iterator[None]:
    """Call `note` in the thread of every forward pass of a vision tower."""
    from torch.nn.modules.module import register_module_forward_hook

    from ivlm_core.model.vision import VisionTower

    handle = register_module_forward_hook(
        lambda module, *more: note() if isinstance(module, VisionTower) else None
    )
    yield
    handle.remove()


def inference_threads() -> int:
    return sum(thread.name == "inference" for thread in threading.enumerate())


def test_up_and_down_many_times_leaves_nothing(make_node: Callable[..., IvlmNode]) -> None:
    node = make_node()
    before = inference_threads()
    publishers = len(list(node.publishers))
    for _ in range(3):
        assert node.trigger_configure() == SUCCESS
        assert inference_threads() == before + 1
        assert node.trigger_activate() == SUCCESS
        assert len(list(node.subscriptions)) >= 2
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        assert state(node) == State.PRIMARY_STATE_UNCONFIGURED
        assert inference_threads() == before
        assert len(list(node.publishers)) == publishers
        assert node._estimator is None


def test_nothing_is_loaded_once_the_program_ends(
    make_node: Callable[..., IvlmNode], capfd: pytest.CaptureFixture[str]
) -> None:
    stopping = threading.Event()
    node = make_node(stopping=stopping)
    stopping.set()
    assert node.trigger_configure() == FAILURE
    assert state(node) == State.PRIMARY_STATE_UNCONFIGURED and node._estimator is None
    logged = "".join(capfd.readouterr())
    assert "the node is being stopped" in logged and "ERROR" not in logged


def test_shutdown_from_active(make_node: Callable[..., IvlmNode]) -> None:
    node = make_node()
    node.trigger_configure()
    node.trigger_activate()
    node.shut_down()
    assert state(node) == State.PRIMARY_STATE_FINALIZED
    assert node._outputs is None and node._worker is None
    node.shut_down()  # nothing more to do


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": "/missing/model"}, "/missing/model"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "toaster"}, "toaster"),
        ({"object_mesh_dir": "/missing/meshes"}, "object_mesh_dir '/missing/meshes'"),
        ({"tasks": ["dance"]}, "tasks must name"),
    ],
)
def test_what_can_be_mended_is_a_failure_with_a_reason(
    make_node: Callable[..., IvlmNode],
    tiny_model: Path,
    capfd: pytest.CaptureFixture[str],
    values: dict[str, Any],
    said: str,
) -> None:
    node = make_node(**values)
    assert node.trigger_configure() == FAILURE
    assert state(node) == State.PRIMARY_STATE_UNCONFIGURED
    logged = "".join(capfd.readouterr())
    assert "cannot configure" in logged and said in logged
    good = {"model": str(tiny_model), "device": "cpu", "object_mesh_dir": ""}
    mended = [Parameter(n, value=good.get(n, ["human_contact"])) for n in values]
    assert all(result.successful for result in node.set_parameters(mended))
    assert node.trigger_configure() == SUCCESS


def test_parameters_out_of_range_are_refused_at_start(make_node: Callable[..., IvlmNode]) -> None:
    with pytest.raises(InvalidParameterValueException, match="max_rate_hz"):
        make_node(max_rate_hz=-1.0)


def test_unexpected_errors_are_logged_and_leave_nothing(
    make_node: Callable[..., IvlmNode],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the card fell out")

    node = make_node()
    with monkeypatch.context() as patch:
        patch.setattr(node_module, "Outputs", broken)
        assert node.trigger_configure() == ERROR
    assert state(node) == State.PRIMARY_STATE_UNCONFIGURED
    assert "on_configure failed" in (logged := "".join(capfd.readouterr()))
    assert "the card fell out" in logged
    assert node.trigger_configure() == SUCCESS
    with monkeypatch.context() as patch:
        patch.setattr(node, "create_subscription", broken)
        assert node.trigger_activate() == ERROR
    assert state(node) == State.PRIMARY_STATE_UNCONFIGURED
    assert node._outputs is None and node._worker is None and not node._active
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS


def test_start_up_parameters_are_locked_while_configured(
    make_node: Callable[..., IvlmNode],
) -> None:
    node = make_node()
    node.trigger_configure()
    (refused,) = node.set_parameters([Parameter("device", value="cpu")])
    assert not refused.successful and "clean up the node first" in refused.reason
    (taken,) = node.set_parameters([Parameter("label", value="chair")])
    assert taken.successful and node._settings.label == "chair"


def test_meshes_of_the_users_folder_are_used(
    make_rig: Callable[..., Rig], tmp_path: Path, photo: np.ndarray
) -> None:
    """The user's vertices come back in the user's order, for every task that was asked for."""
    import trimesh

    box = trimesh.creation.box(extents=(0.1, 0.2, 0.3)).subdivide()
    order = np.random.default_rng(0).permutation(len(box.vertices))
    mesh = Mesh(box.vertices[order].astype(np.float32), np.argsort(order)[box.faces])
    save_mesh(mesh, tmp_path / "Tea_Box.ply")
    rig = make_rig(
        object_mesh_dir=str(tmp_path),
        tasks=["object_contact", "object_affordance"],
        label="tea box",
    )
    rig.send(photo)
    rig.listener.until(lambda: rig.got("object_affordance"), "the affordance")
    for task in ("object_contact", "object_affordance"):
        message = rig.got(task)[-1]
        vertices = np.array([(v.x, v.y, v.z) for v in message.mesh.vertices], np.float32)
        np.testing.assert_allclose(vertices, mesh.vertices, atol=1e-6)
        assert (message.topology, message.label) == ("mesh", "tea box")
        assert len(message.scores) == len(order)
    assert rig.got("human_contact") == []


def test_label_without_mesh_still_gives_human_contact(
    make_rig: Callable[..., Rig], photo: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    rig = make_rig(label="flux capacitor")
    for _ in range(2):
        rig.send(photo)
        rig.counted("received")
    rig.listener.until(lambda: rig.got("human_contact"), "human contact")
    logged = "".join(capfd.readouterr())
    assert logged.count("object_affordance left out: no mesh for label 'flux capacitor'") == 1
    assert rig.got("object_affordance") == []


def test_no_label_no_guess(
    make_rig: Callable[..., Rig], photo: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    rig = make_rig(label="")
    rig.send(photo)
    rig.counted("without label")
    assert "no label is set" in "".join(capfd.readouterr())
    rig.node.set_parameters([Parameter("label", value="chair")])
    rig.send(photo)
    rig.listener.until(lambda: rig.got("human_contact"), "human contact")
    assert rig.got("human_contact")[0].label == "chair"


def test_old_and_too_many_images_are_dropped(
    make_rig: Callable[..., Rig], photo: np.ndarray
) -> None:
    rig = make_rig(discard_msg_older_than_ms=60_000.0)
    rig.send(photo, seconds_old=3600)
    rig.counted("too old")
    rig.send(photo)
    rig.counted("published")
    rig.node.set_parameters([Parameter("max_rate_hz", value=0.001)])
    rig.send(photo)
    rig.counted("published", 2)
    rig.send(photo)
    rig.counted("over the rate limit")
    assert rig.node._statistics.counts()["published"] == 2


@pytest.mark.parametrize(
    ("wanted", "publisher", "reliable"),
    [
        ("auto", qos.RESULT, True),
        ("auto", qos.CAMERA_IN, False),
        ("best_effort", qos.RESULT, False),
        ("reliable", qos.RESULT, True),
    ],
)
def test_reliability_follows_the_publishers(
    make_rig: Callable[..., Rig], photo: np.ndarray, wanted: str, publisher: Any, reliable: bool
) -> None:
    rig = make_rig(image_reliability=wanted)
    rig.listener.node.destroy_publisher(rig.images)
    rig.images = rig.listener.node.create_publisher(Image, "image", publisher)
    source = rig.node._intake.image_in
    rig.listener.until(
        lambda: source.reliable == reliable and rig.images.get_subscription_count(),
        f"a subscription that is {'reliable' if reliable else 'best effort'}",
    )

    next_image_s = 0.0

    def answered() -> bool:
        """Send once a second: best effort may lose an image, a flood starves the answers."""
        nonlocal next_image_s
        if time.monotonic() >= next_image_s:
            rig.send(photo)
            next_image_s = time.monotonic() + 1.0
        return bool(rig.got("human_contact"))

    rig.listener.until(answered, "an answer")
    assert source.reliable == reliable


def test_silence_is_reported(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(input_timeout_s=0.1)

    def told() -> bool:
        statuses = [s for m in rig.listener.messages["/diagnostics"] for s in m.status]
        return any(s.level == b"\1" and "no image on /image" in s.message for s in statuses)

    rig.listener.until(told, "a warning about missing images")


def test_images_that_are_all_left_out_are_told(
    make_rig: Callable[..., Rig], photo: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    """Such as those of a bag that is played without its clock."""
    rig = make_rig(input_timeout_s=0.1, discard_msg_older_than_ms=60_000.0)

    def pipeline() -> list[Any]:
        statuses = [s for m in rig.listener.messages["/diagnostics"][-1:] for s in m.status]
        return [s for s in statuses if s.name.endswith(": pipeline")]

    rig.send(photo, seconds_old=3600)
    rig.listener.until(
        lambda: any("none answered for" in s.message for s in pipeline()), "a warning"
    )
    (told,) = pipeline()
    assert told.level == b"\1" and told.message.endswith(": 1 too old")
    assert told.message.split(" for ")[0] in "".join(capfd.readouterr())
    rig.send(photo)
    rig.counted("published")
    rig.listener.until(lambda: all(s.level == b"\0" for s in pipeline()), "that it is over")


@pytest.mark.parametrize("frame", ["", "/camera"])
def test_a_frame_that_tf_refuses_is_told_once(
    make_rig: Callable[..., Rig], photo: np.ndarray, capfd: pytest.CaptureFixture[str], frame: str
) -> None:
    rig = make_rig()
    for count in (1, 2):
        rig.send(photo, frame_id=frame)
        rig.counted("published", count)
    logged = "".join(capfd.readouterr())
    assert logged.count(f"the image's frame_id is {frame!r}; tf takes none") == 1


def test_nodes_of_several_robots_are_told_apart(
    make_node: Callable[..., Any], make_listener: Callable[..., Any]
) -> None:
    node = make_node(namespace="/robot1")
    listener = make_listener(node)
    listener.listen("/diagnostics", DiagnosticArray)

    def named() -> set[str]:
        statuses = [s for m in listener.messages["/diagnostics"] for s in m.status]
        return {s.name.split(": ")[0] for s in statuses}

    assert listener.until(named, "diagnostics") == {"robot1/node_0"}
    listener.close()


def test_an_image_in_work_is_not_published_after_deactivation(
    make_rig: Callable[..., Rig], photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    working, go_on = rig.hold_up(monkeypatch)
    rig.send(photo)
    rig.listener.until(working.is_set, "the image to be taken")
    assert rig.node.trigger_deactivate() == SUCCESS  # does not wait for the model
    go_on.set()
    assert rig.node.trigger_cleanup() == SUCCESS
    assert rig.node._statistics.counts().get("published", 0) == 0


def test_an_image_of_before_is_not_published_after_activating_again(
    make_rig: Callable[..., Rig], photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known about it, where the object is, say, has been forgotten."""
    rig = make_rig()
    working, go_on = rig.hold_up(monkeypatch)
    rig.send(photo)
    rig.listener.until(working.is_set, "the image to be taken")
    assert rig.node.trigger_deactivate() == SUCCESS
    assert rig.node.trigger_activate() == SUCCESS
    rig.listener.until(
        lambda: rig.node._intake.image_in.reliable and rig.images.get_subscription_count(),
        "the node to subscribe for good",
    )
    go_on.set()
    message = rig.image(photo)
    rig.images.publish(message)
    rig.listener.until(lambda: rig.got("human_contact"), "an answer")
    assert rig.got("human_contact")[0].header == message.header


def test_diagnostics_tell_rate_queue_latency_and_memory(
    make_rig: Callable[..., Rig], photo: np.ndarray
) -> None:
    rig = make_rig()

    def told() -> dict[str, dict[str, str]] | None:
        """Send the next image once the last is answered, as long as nothing is told of them."""
        if len(rig.got("human_contact")) == rig.node._statistics.counts().get("received", 0):
            rig.send(photo)
        found = {
            s.name.split(": ")[1]: {v.key: v.value for v in s.values}
            for message in rig.listener.messages["/diagnostics"][-1:]
            for s in message.status
        }
        several = int(found.get("pipeline", {}).get("images published", 0)) >= 3
        return found if several and float(found["input"]["rate Hz"]) > 0 else None

    told_all = rig.listener.until(told, "images and their rate on /diagnostics")
    assert float(told_all["model"]["memory MB"]) > 50
    pipeline = told_all["pipeline"]
    assert int(pipeline["waiting"]) <= 1
    latencies = [float(pipeline[f"stamp to publication p{p} ms"]) for p in (50, 95, 99)]
    assert 0 < latencies[0] <= latencies[1] <= latencies[2]


def test_weights_are_given_back_on_request_and_loaded_again(
    make_rig: Callable[..., Rig], photo: np.ndarray, tmp_path: Path
) -> None:
    rig = make_rig(release_on_deactivate=True)
    rig.send(photo)
    rig.counted("published")
    pipeline = weakref.ref(rig.node._estimator.pipeline)
    threads = inference_threads()
    assert rig.node.trigger_deactivate() == SUCCESS
    gc.collect()
    assert pipeline() is None and inference_threads() == threads - 1
    (locked,) = rig.node.set_parameters([Parameter("device", value="cpu")])
    assert not locked.successful, "the node is still configured"
    answer = rig.call(Trigger, "reload")
    assert answer.success and "when the node is activated" in answer.message
    model = rig.node.get_parameter("model").value
    rig.node.set_parameters([Parameter("model", value=str(tmp_path / "missing"))])
    assert rig.node.trigger_activate() == FAILURE
    assert state(rig.node) == State.PRIMARY_STATE_INACTIVE
    assert "cannot activate" in rig.node._status._note
    rig.node.set_parameters([Parameter("model", value=model)])
    assert rig.node.trigger_activate() == SUCCESS
    rig.listener.until(lambda: rig.images.get_subscription_count(), "the node to subscribe")
    before = len(rig.got("human_contact"))
    rig.send(photo)
    rig.listener.until(lambda: len(rig.got("human_contact")) > before, "an answer")


def test_the_model_of_a_later_activation_answers_once_before_it_takes_over(
    make_rig: Callable[..., Rig], photo: np.ndarray
) -> None:
    """Renders and encodings are made by whoever loads, not by the first image."""
    rig = make_rig()
    encoded: list[str] = []

    def note(*_: Any) -> None:
        encoded.append(threading.current_thread().name)

    with torch_hooks(note):
        first = rig.node._estimator
        rig.call(Trigger, "reload")
        rig.listener.until(lambda: rig.node._estimator is not first, "the model anew")
        assert encoded and set(encoded) == {"loader"}
        encoded.clear()
        rig.send(photo)
        rig.counted("published")
    assert set(encoded) == {"inference"}


ILLEGAL = {
    "unconfigured": ("activate", "deactivate", "cleanup"),
    "inactive": ("configure", "deactivate"),
    "active": ("configure", "activate", "cleanup"),
    "finalized": ("configure", "activate", "deactivate", "cleanup"),
}
IDS = {
    name: getattr(Transition, f"TRANSITION_{name.upper()}")
    for name in ("configure", "activate", "deactivate", "cleanup")
}


@pytest.mark.parametrize("where", ILLEGAL)
def test_illegal_transitions_are_refused_in_every_state(
    make_node: Callable[..., IvlmNode], make_listener: Callable[..., Any], where: str
) -> None:
    node = make_node()
    steps: dict[str, tuple[Callable[[], Any], ...]] = {
        "unconfigured": (),
        "inactive": (node.trigger_configure,),
        "active": (node.trigger_configure, node.trigger_activate),
        "finalized": (node.trigger_shutdown,),
    }
    for step in steps[where]:
        assert step() == SUCCESS
    listener = make_listener(node)
    before = state(node)
    for name in ILLEGAL[where]:
        request = ChangeState.Request(transition=Transition(id=IDS[name]))
        answer = listener.call(ChangeState, f"/{node.get_name()}/change_state", request)
        assert not answer.success, name
        assert state(node) == before
    listener.close()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("model.safetensors", b"cut off"),
        ("model.safetensors", None),
        ("config.json", b"{"),
        ("tokenizer.json", None),
    ],
)
def test_a_damaged_model_leaves_the_node_unconfigured_until_it_is_mended(
    make_node: Callable[..., IvlmNode], tiny_model: Path, tmp_path: Path, name: str, data: Any
) -> None:
    node = make_node(model=damaged_model(tiny_model, tmp_path, name, data))
    assert node.trigger_configure() == FAILURE
    assert state(node) == State.PRIMARY_STATE_UNCONFIGURED
    assert "cannot configure" in node._status._note
    node.set_parameters([Parameter("model", value=str(tiny_model))])
    assert node.trigger_configure() == SUCCESS

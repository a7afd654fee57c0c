"""What goes wrong around the node: memory, disk, clock, publishers, its own callbacks."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

import torch  # noqa: E402
from rclpy.clock import Clock, ClockType  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rosgraph_msgs.msg import Clock as ClockMessage  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from ivlm_core.geometry.mesh import Mesh, save_mesh  # noqa: E402
from ivlm_core.model.ivlm import IvlmModel  # noqa: E402
from ivlm_core.object_meshes import MAX_FACES  # noqa: E402
from ivlm_msgs.srv import SetObject  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.spinning import Fatal, spin  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

MakeRig = Callable[..., Rig]


def answer(rig: Rig, photo: np.ndarray, sec: int | None = None) -> Any:
    """Send an image, with a stamp of one's own maybe, and return the answer to it."""
    before = len(rig.got("human_contact"))
    message = rig.image(photo)
    if sec is not None:
        message.header.stamp.sec, message.header.stamp.nanosec = sec, 0
    rig.images.publish(message)
    rig.listener.until(lambda: len(rig.got("human_contact")) > before, "an answer")
    return rig.got("human_contact")[-1]


def said(rig: Rig, text: str) -> Any:
    """Wait for a status that says so."""
    return rig.listener.until(
        lambda: next((s for s in rig.status if text in s.note), None), f"a status with {text!r}"
    )


# --- memory ---


def test_a_full_gpu_costs_precision_and_a_reload_goes_back(
    make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    usual = answer(rig, photo)
    full = IvlmModel.answer_features

    def limited(self: IvlmModel, *arguments: Any, **more: Any) -> Any:
        if next(self.parameters()).dtype == torch.float32:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return full(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(IvlmModel, "answer_features", limited)
        found = answer(rig, photo)
    np.testing.assert_allclose(found.scores, usual.scores, atol=0.05)
    said(rig, "GPU memory is full (CUDA out of memory.")

    def model_line() -> Any:
        statuses = [s for m in rig.listener.messages["/diagnostics"][-1:] for s in m.status]
        return next((s for s in statuses if s.name.endswith(": model")), None)

    def precision() -> str:
        line = model_line()
        return next((v.value for v in line.values if v.key == "precision"), "") if line else ""

    rig.listener.until(lambda: precision() == "bfloat16", "the precision on /diagnostics")
    assert model_line().level == b"\1" and "goes on in bfloat16" in model_line().message
    rig.call(Trigger, "reload")
    rig.listener.until(lambda: precision() == "float32", "the full precision again")
    assert model_line().level == b"\0"
    assert answer(rig, photo).scores == usual.scores


def test_without_leave_an_image_fails_with_what_to_do_and_the_next_is_answered(
    make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(gpu_memory_fallback="none")

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(IvlmModel, "answer_features", full)
        rig.send(photo)
        rig.counted("failed")
    assert "free GPU memory, or allow" in rig.node._statistics.pipeline_health().message
    answer(rig, photo)


def test_a_mesh_too_fine_to_send_is_refused_and_left_out(
    make_rig: MakeRig, photo: np.ndarray, tmp_path: Path
) -> None:
    corners = np.random.default_rng(0).random((3, 3))
    faces = np.tile(np.arange(3), (MAX_FACES + 1, 1))
    save_mesh(Mesh(corners, faces), tmp_path / "carpet.ply")
    rig = make_rig(object_mesh_dir=str(tmp_path))
    refused = rig.call(SetObject, "set_object", label="rug", mesh_file="carpet.ply")
    assert not refused.success and f"expected {MAX_FACES} or fewer" in refused.message
    rig.say("carpet")
    assert answer(rig, photo).label == "carpet"
    assert rig.got("object_affordance") == []
    said(rig, "object_affordance left out: a mesh of")


# --- disk ---


@pytest.mark.parametrize("trouble", ["No space left on device", "/proc/ivlm"])
def test_a_cache_that_cannot_be_written_is_said_and_costs_nothing_else(
    make_rig: MakeRig,
    photo: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    trouble: str,
) -> None:
    """A full disk, and a folder that nobody, root included, may make."""
    folder = Path("/proc/ivlm")
    if trouble != str(folder):
        folder, write = tmp_path / "cache", Path.write_bytes

        def full(self: Path, data: bytes) -> int:
            if self.is_relative_to(folder):
                raise OSError(errno.ENOSPC, trouble, str(self))
            return write(self, data)

        monkeypatch.setattr(Path, "write_bytes", full)
    rig = make_rig(cache_dir=str(folder))
    answer(rig, photo)
    logged = [line for line in "".join(capfd.readouterr()).splitlines() if trouble in line]
    assert logged and all(f"[{rig.name}]" in line and "[WARN]" in line for line in logged)
    assert "Cannot write to the cache folder" in logged[0]


# --- time ---


def test_simulated_time_without_a_clock(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig(use_sim_time=True, discard_msg_older_than_ms=100.0)
    assert rig.node.get_clock().now().nanoseconds == 0
    answer(rig, photo, sec=5)
    before = len(rig.listener.messages["/diagnostics"])
    rig.listener.until(
        lambda: len(rig.listener.messages["/diagnostics"]) >= before + 2, "diagnostics to go on"
    )
    answer(rig, photo, sec=4)


def test_a_clock_that_jumps_back_and_far_ahead(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig(use_sim_time=True, discard_msg_older_than_ms=500.0)
    clock = rig.listener.node.create_publisher(ClockMessage, "/clock", 10)
    rig.listener.until(clock.get_subscription_count, "the node to listen to the clock")

    def set_clock(sec: int) -> None:
        message = ClockMessage()
        message.clock.sec = sec
        clock.publish(message)
        rig.listener.until(
            lambda: rig.node.get_clock().now().nanoseconds == sec * 10**9, f"second {sec}"
        )

    for now in (1000, 10, 2_000_000_000, 500):
        set_clock(now)
        assert answer(rig, photo, sec=now).header.stamp.sec == now
    rig.send(photo, seconds_old=0)  # stamped with the wall clock: ahead of this one
    rig.counted("published", 5)
    set_clock(1000)
    message = rig.image(photo)
    message.header.stamp.sec = 10
    rig.images.publish(message)
    rig.counted("too old")


# --- publishers ---


def test_a_camera_that_restarts(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig()
    for _ in range(3):
        answer(rig, photo)
        rig.listener.node.destroy_publisher(rig.images)
        rig.images = rig.listener.node.create_publisher(Image, "image", qos.RESULT)
        rig.listener.until(
            lambda: rig.images.get_subscription_count() and rig.node._intake.image_in.reliable,
            "the node to subscribe to the new publisher",
        )
    answer(rig, photo)


def test_fifty_cameras_at_once(make_rig: MakeRig, photo: np.ndarray) -> None:
    rig = make_rig()
    node = rig.listener.node
    cameras = [node.create_publisher(Image, "image", qos.RESULT) for _ in range(50)]
    rig.listener.until(
        lambda: all(c.get_subscription_count() for c in cameras), "all cameras to be connected"
    )
    waiting = []
    for camera in cameras:
        camera.publish(rig.image(photo))
        rig.listener.executor.spin_once(timeout_sec=0.0)
        waiting.append(rig.node._slot.waiting)
    rig.counted("published")
    assert max(waiting) <= 1, "only the newest image waits"
    for camera in cameras:
        node.destroy_publisher(camera)
    answer(rig, photo)


# --- itself ---


def test_a_callback_that_fails_ends_nothing(ros: None) -> None:
    """A fault of our own is told, and the other callbacks go on."""
    node = Node("clumsy")
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    told: list[str] = []
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise KeyError("a fault of our own")
        if calls == 5:
            executor.shutdown(timeout_sec=0.0)

    node.create_timer(0.001, tick, clock=steady)
    thread = threading.Thread(target=spin, args=(executor, told.append))
    thread.start()
    thread.join(60)
    assert not thread.is_alive() and calls >= 5
    assert len(told) == 2 and all("a fault of our own" in text for text in told)
    node.destroy_node()


def test_what_is_fatal_ends_the_spinning(ros: None) -> None:
    node = Node("hopeless")
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def give_up() -> None:
        raise Fatal("no use")

    node.create_timer(0.001, give_up, clock=Clock(clock_type=ClockType.STEADY_TIME))
    with pytest.raises(Fatal, match="no use"):
        spin(executor, lambda text: None)
    executor.shutdown()
    node.destroy_node()

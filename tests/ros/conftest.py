"""A tiny model that answers, and helpers that wait for messages by event."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TIMEOUT_S = 60.0
"""Long, because other work may slow the machine; nothing waits for it to pass."""


@pytest.fixture(scope="session")
def tiny_model(answering_model: Path) -> Path:
    """The model of every node here."""
    return answering_model


@pytest.fixture(scope="session")
def tiny_pipeline(tiny_model: Path) -> Any:
    from ivlm_core.pipeline import Pipeline

    return Pipeline.from_pretrained(tiny_model, "cpu")


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A picture of 80 x 120 pixels with a gradient and a block."""
    y, x = np.mgrid[:80, :120]
    picture = np.stack([x * 2, y * 3, (x + y) % 256], axis=-1).astype(np.uint8)
    picture[20:50, 30:60] = (200, 30, 30)
    return picture


@pytest.fixture(scope="session")
def prediction(tiny_pipeline: Any, photo: np.ndarray) -> Any:
    return tiny_pipeline.predict(photo, "bottle", "human_contact")


@pytest.fixture(scope="session")
def object_prediction(tiny_pipeline: Any, photo: np.ndarray) -> Any:
    return tiny_pipeline.predict(photo, "bottle", "object_affordance")


VISUAL = ("MarkerArray", "PointCloud2", "PoseArray", "Image")
"""Messages that RViz shows: each one that a test receives is checked."""


class Listener:
    """A ROS node of the test with its own executor; everything waits by events with a timeout."""

    def __init__(self, *others: Any) -> None:
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self.node = Node(f"test_{os.getpid()}_{time.monotonic_ns() % 10**9}")
        self.executor = SingleThreadedExecutor()
        for node in (self.node, *others):
            self.executor.add_node(node)
        self.rviz_problems: list[str] = []
        """Of the visual messages so far; checked when the listener is closed."""
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self.sent: dict[str, list[int]] = defaultdict(list)

    def listen(self, topic: str, kind: type, profile: Any = 10, raw: bool = False) -> None:
        """Keep messages in `messages[topic]` and their times of publication in `sent[topic]`.

        Raw messages stay bytes, because a mesh takes Python half a second to read.
        """

        from ivlm_ros.rviz_problems import problems_of_bytes, rviz_problems

        def keep(message: Any, info: Any) -> None:
            self.messages[topic].append(message)
            if kind.__name__ in VISUAL:
                found = problems_of_bytes(kind, message) if raw else rviz_problems(message)
                self.rviz_problems += [f"{topic}: {problem}" for problem in found]
            self.sent[topic].append(info["source_timestamp"])

        self.node.create_subscription(kind, topic, keep, profile, raw=raw)

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
        """Spin until the condition holds, and return its value."""
        end = time.monotonic() + timeout_s
        while not (value := condition()):
            left = end - time.monotonic()
            assert left > 0, f"waited {timeout_s} s in vain for {what}"
            self.executor.spin_once(timeout_sec=min(left, 0.5))
        return value

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and return its answer."""
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.until(future.done, f"answer of {name}")
        self.node.destroy_client(client)
        return future.result()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        assert self.rviz_problems == []


@pytest.fixture(scope="session")
def ros() -> Iterator[None]:
    """A running rclpy."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def listener(ros: None) -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="session")
def make_listener(ros: None) -> type[Listener]:
    return Listener


class Process:
    """A Python module of ours in a process of its own, as `ros2 run` would start it."""

    def __init__(self, module: str, *parameters: str, log: Path, remaps: tuple = ()) -> None:
        arguments = [a for p in parameters for a in ("-p", p)]
        arguments += [a for r in remaps for a in ("-r", r)]
        ros_arguments = ["--ros-args", *arguments] if arguments else []
        self.log = log
        with log.open("w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", module, *ros_arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def stop(self, signal_number: int) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(signal_number)
        return self.wait()

    def wait(self) -> int:
        return self.popen.wait(2 * TIMEOUT_S)

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    @property
    def output(self) -> str:
        return self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start modules; what still runs after the test is ended."""
    started: list[Process] = []

    def start_one(module: str, *parameters: str, remaps: tuple = ()) -> Process:
        log = tmp_path / f"{len(started)}.log"
        started.append(Process(module, *parameters, log=log, remaps=remaps))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()


@pytest.fixture(scope="module")
def node_process(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The real node, active, in its own process."""
    pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")
    process = Process(
        "ivlm_ros",
        "autostart:=true",
        f"model:={tiny_model}",
        "device:=cpu",
        "label:=bottle",
        log=tmp_path_factory.mktemp("node") / "node.log",
    )
    yield process
    process.kill()


@pytest.fixture
def make_node(ros: None, tiny_model: Path) -> Iterator[Callable[..., Any]]:
    """Make nodes inside the test's process; they are shut down after it."""
    from rclpy.parameter import Parameter

    from ivlm_ros.node import IvlmNode

    nodes: list[Any] = []

    def make(namespace: str = "", stopping: Any = None, **values: Any) -> Any:
        values = {"model": str(tiny_model), "device": "cpu", "label": "bottle", **values}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        name = f"node_{len(nodes)}"
        nodes.append(IvlmNode(name, stopping, namespace=namespace, parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.shut_down()
        node.destroy_node()


@pytest.fixture
def make_rig(
    make_listener: Callable[..., Any], make_node: Callable[..., Any]
) -> Iterator[Callable[..., Any]]:
    """Make active nodes with a camera each."""
    from tests.ros.rig import Rig

    rigs: list[Any] = []

    def make(**values: Any) -> Any:
        rigs.append(Rig(make_listener, make_node(**values)))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.node.shut_down()
        rig.listener.close()

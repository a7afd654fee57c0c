"""`ivlm bench churn`: a node taken up, asked and taken down, again and again; does memory grow?"""

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
import tyro
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from tqdm import tqdm

from ivlm_core.commands.console import complain, emit, say
from ivlm_core.heap import few_arenas
from ivlm_core.messages.images import fill_image
from ivlm_msgs.msg import ContactMesh
from ivlm_ros import qos
from ivlm_ros.node import IvlmNode
from ivlm_ros.processes import memory_mb, stay_on_this_machine

_ANSWER_TIMEOUT_S = 60.0
_AGAIN_S = 0.2


@dataclass(frozen=True)
class Options:
    """Take a node up, send it an image, wait for the answer, take it down."""

    rounds: int = 500
    """Times."""
    warm_up_rounds: int = 20
    """At the beginning, left out of the slope."""
    model: str = "nano"
    """'nano' (shipped) or a model folder."""
    device: str = ""
    """A torch device; empty: a GPU if there is one."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse numbers that give no figure."""
        if not 0 <= self.warm_up_rounds < self.rounds - 1:
            raise ValueError("--rounds must be greater than --warm-up-rounds by two or more")


class _Camera:
    """Sends one picture until it is answered."""

    def __init__(self, executor: SingleThreadedExecutor) -> None:
        self._executor, self._answers = executor, 0
        node = Node("ivlm_bench")
        executor.add_node(node)
        self._publisher = node.create_publisher(Image, "image", qos.RESULT)
        node.create_subscription(
            ContactMesh, "/ivlm_node/human_contact", self._count, qos.RESULT, raw=True
        )
        self._message = fill_image(Image(), np.full((480, 640, 3), 127, np.uint8), "rgb8")
        self._message.header.frame_id = "camera_optical_frame"
        self._clock = node.get_clock()

    def _count(self, _: bytes) -> None:
        self._answers += 1

    def ask(self) -> None:
        """Return when the node has answered.

        Raises:
            RuntimeError: it did not.
        """
        self._answers, begin, sent = 0, time.monotonic(), 0
        while not self._answers:
            waited = time.monotonic() - begin
            if waited > _ANSWER_TIMEOUT_S:
                raise RuntimeError(f"no answer after {_ANSWER_TIMEOUT_S:.0f} s")
            if waited >= sent * _AGAIN_S:
                # Each side finds the other in its own time, so the first images may be lost.
                self._message.header.stamp = self._clock.now().to_msg()
                self._publisher.publish(self._message)
                sent += 1
            self._executor.spin_once(timeout_sec=_AGAIN_S)


def churn(options: Options) -> dict[str, Any]:
    """Return the report.

    Raises:
        RuntimeError: a transition failed, or an image was not answered.
    """
    values = {"model": options.model, "device": options.device, "label": "bottle"}
    node = IvlmNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    camera = _Camera(executor)

    def take(number: int, *steps: Callable[[], TransitionCallbackReturn]) -> None:
        for step in steps:
            if step() != TransitionCallbackReturn.SUCCESS:
                raise RuntimeError(f"round {number}: {step.__name__} failed")
            executor.spin_once(timeout_sec=0.0)

    memory, seconds = [], []
    for number in tqdm(range(options.rounds), unit="round"):
        start = time.perf_counter()
        take(number, node.trigger_configure, node.trigger_activate)
        camera.ask()
        take(number, node.trigger_deactivate, node.trigger_cleanup)
        seconds.append(time.perf_counter() - start)
        gc.collect()
        memory.append(memory_mb(os.getpid()))
    executor.shutdown()
    node.destroy_node()
    warm = np.array(memory[options.warm_up_rounds :])
    slope = float(np.polyfit(np.arange(len(warm)), warm, 1)[0])
    return {
        "model": options.model,
        "rounds": options.rounds,
        "seconds_per_round": round(float(np.median(seconds)), 3),
        "memory_mb": {
            "after_warm_up": float(warm[0]),
            "at_end": float(warm[-1]),
            "highest": float(warm.max()),
            "course": warm[np.linspace(0, len(warm) - 1, min(11, len(warm))).astype(int)].tolist(),
        },
        "slope_kb_per_round": round(1024 * slope, 1),
    }


def main(args: list[str] | None = None) -> int:
    """Run the benchmark; returns 1 when a transition fails."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench_churn", args=args)
    few_arenas()
    stay_on_this_machine()
    rclpy.init()
    try:
        report = churn(options)
    except RuntimeError as error:
        complain(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
    memory = report["memory_mb"]
    say(
        f"{report['model']}, {report['rounds']} rounds of {report['seconds_per_round']} s: "
        f"memory {memory['after_warm_up']} MB after {options.warm_up_rounds} rounds, "
        f"{memory['at_end']} MB at the end, {report['slope_kb_per_round']:+} kB a round"
    )
    if options.json:
        emit(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

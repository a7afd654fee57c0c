"""`ivlm bench start`: from the start of the node's process until it is active, over real DDS."""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
import tyro
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from ivlm_core.commands.console import complain, emit, say
from ivlm_msgs.msg import Status
from ivlm_ros import qos
from ivlm_ros.processes import NodeProcess, cpu_seconds, running, stay_on_this_machine

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Options:
    """Start the node again and again."""

    runs: int = 5
    """Times."""
    model: str = "nano"
    """'nano' (shipped) or a model folder."""
    device: str = ""
    """A torch device; empty: a GPU if there is one."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse numbers that give no figure."""
        if self.runs < 1:
            raise ValueError("--runs must be 1 or more")


def measure(options: Options) -> dict[str, Any]:
    """Return the report.

    Raises:
        RuntimeError: a node ended, or did not become active.
    """
    watcher = Node("ivlm_bench")
    active: list[float] = []

    def note(message: Status) -> None:
        if message.state == "active":
            active.append(message.stamp.sec + message.stamp.nanosec / 1e9)

    watcher.create_subscription(Status, "/ivlm_node/status", note, qos.LATCHED)
    executor = SingleThreadedExecutor()
    executor.add_node(watcher)
    seconds, worked = [], []
    values: dict[str, str | bool | float] = {
        "autostart": True,
        "model": options.model,
        "device": options.device,
        "label": "bottle",
    }
    with tempfile.TemporaryDirectory(prefix="ivlm-bench-") as folder:
        for _ in range(options.runs):
            begin = time.time()
            process = NodeProcess("ivlm_ros", values, Path(folder) / "node.log")
            with running([process]):
                # What the process before said may still be on its way.
                while not (since := [stamp for stamp in active if stamp >= begin]):
                    process.check_alive()
                    if time.time() > begin + _TIMEOUT_S:
                        raise RuntimeError(
                            f"not active after {_TIMEOUT_S:.0f} s:\n{process.last_lines()}"
                        )
                    executor.spin_once(timeout_sec=0.5)
                seconds.append(round(since[0] - begin, 2))
                worked.append(round(cpu_seconds(process.pid), 2))
    return {
        "model": options.model,
        "cpus": len(os.sched_getaffinity(0)),
        "seconds_to_active": seconds,
        "median_s": statistics.median(seconds),
        "cpu_s": statistics.median(worked),
    }


def main(args: list[str] | None = None) -> int:
    """Run the benchmark; returns 1 when the node does not start."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench_start", args=args)
    stay_on_this_machine()
    rclpy.init()
    try:
        report = measure(options)
    except RuntimeError as error:
        complain(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
    every = ", ".join(f"{value:.2f}" for value in report["seconds_to_active"])
    say(
        f"{report['model']}, {report['cpus']} CPUs: from process start to active "
        f"{report['median_s']:.2f} s (median of {every}), {report['cpu_s']:.2f} s of a core"
    )
    if options.json:
        emit(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`ivlm bench churn`: a node taken up and down, again and again; does memory grow?"""

import gc
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
import tyro
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from tqdm import tqdm

from ivlm_core.commands.console import complain, emit, say
from ivlm_ros.node import IvlmNode
from ivlm_ros.processes import memory_mb, stay_on_this_machine


@dataclass(frozen=True)
class Options:
    """Take a node up and down."""

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


def churn(options: Options) -> dict[str, Any]:
    """Return the report.

    Raises:
        RuntimeError: a transition failed.
    """
    values = {"model": options.model, "device": options.device, "label": "bottle"}
    node = IvlmNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    steps = (
        node.trigger_configure,
        node.trigger_activate,
        node.trigger_deactivate,
        node.trigger_cleanup,
    )
    memory, seconds = [], []
    for number in tqdm(range(options.rounds), unit="round"):
        start = time.perf_counter()
        for step in steps:
            if step() != TransitionCallbackReturn.SUCCESS:
                raise RuntimeError(f"round {number}: {step.__name__} failed")
            executor.spin_once(timeout_sec=0.0)
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
        },
        "slope_kb_per_round": round(1024 * slope, 1),
    }


def main(args: list[str] | None = None) -> int:
    """Run the benchmark; returns 1 when a transition fails."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench_churn", args=args)
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

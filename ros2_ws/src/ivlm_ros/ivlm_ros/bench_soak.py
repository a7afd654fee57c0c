"""`ivlm bench soak`: the node under a camera for a long time; does anything grow or slow down?"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import tyro
from std_msgs.msg import String

from ivlm_core.commands.console import complain, emit, say
from ivlm_core.text_table import table
from ivlm_ros import qos
from ivlm_ros.bench_camera import Camera
from ivlm_ros.processes import NodeProcess, memory_mb, running, stay_on_this_machine


@dataclass(frozen=True)
class Options:
    """Run a camera for some minutes and watch the node."""

    minutes: float = 10.0
    """Length."""
    warm_up_minutes: float = 1.0
    """At the beginning, left out of the slope of memory and of the drift of latency."""
    model: str = "nano"
    """'nano' (shipped) or a model folder."""
    device: str = ""
    """A torch device; empty: a GPU if there is one."""
    labels: tuple[str, ...] = ("bottle", "chair", "mug", "scene")
    """Asked about in turn."""
    label_seconds: float = 5.0
    """How long each is asked about."""
    width: int = 640
    """Image width, pixels."""
    height: int = 480
    """Image height, pixels."""
    camera_hz: float = 30.0
    """Rate of the camera."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse numbers that give no figure."""
        if not 0 <= self.warm_up_minutes < self.minutes:
            raise ValueError("--warm-up-minutes must be less than --minutes")
        if self.camera_hz <= 0 or self.label_seconds <= 0 or not self.labels:
            raise ValueError("--camera-hz, --label-seconds and --labels must be given")


@dataclass(frozen=True)
class Window:
    """One stretch with one label."""

    minute: float
    """Since the beginning, at its end."""
    sent: int
    latencies_ms: tuple[float, ...]
    memory_mb: float


def watch(options: Options, process: NodeProcess) -> list[Window]:
    """Send images until the time is over."""
    camera = Camera(options.width, options.height, process)
    labels = camera.node.create_publisher(String, "label", qos.LABEL)
    camera.wait_for_node()
    begin, windows = time.monotonic(), []
    while (elapsed := time.monotonic() - begin) < options.minutes * 60:
        label = options.labels[len(windows) % len(options.labels)]
        labels.publish(String(data=label))
        seconds = min(options.label_seconds, options.minutes * 60 - elapsed)
        sent = camera.stream(options.camera_hz, seconds)
        latencies = camera.latencies(sent)
        camera.forget()
        windows.append(
            Window(
                (time.monotonic() - begin) / 60,
                len(sent),
                tuple(1000 * value for value in latencies),
                memory_mb(process.pid),
            )
        )
    return windows


def summary(options: Options, windows: list[Window]) -> dict[str, Any]:
    """Return the report: by quarters of the time after warming up, and slopes over all of it."""
    warm = [window for window in windows if window.minute > options.warm_up_minutes] or windows
    minutes = np.array([window.minute for window in warm])
    memory = np.array([window.memory_mb for window in warm])
    medians = np.array([np.median(window.latencies_ms or [np.nan]) for window in warm])
    known = np.isfinite(medians)
    parts = []
    for part in np.array_split(np.arange(len(warm)), min(4, len(warm))):
        chosen = [warm[i] for i in part]
        latencies = np.concatenate([w.latencies_ms for w in chosen])
        parts.append(
            {
                "until_minute": round(chosen[-1].minute, 1),
                "sent": sum(w.sent for w in chosen),
                "answered": len(latencies),
                "p50_ms": round(float(np.percentile(latencies, 50)), 1) if len(latencies) else None,
                "p99_ms": round(float(np.percentile(latencies, 99)), 1) if len(latencies) else None,
                "memory_mb": round(float(np.mean([w.memory_mb for w in chosen])), 1),
            }
        )
    return {
        "model": options.model,
        "minutes": round(windows[-1].minute, 2),
        "cpus": len(os.sched_getaffinity(0)),
        "parts": parts,
        "memory_slope_mb_per_hour": round(60 * _slope(minutes, memory), 2),
        "latency_slope_ms_per_hour": round(60 * _slope(minutes[known], medians[known]), 2),
    }


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else 0.0


def main(args: list[str] | None = None) -> int:
    """Run the soak; returns 1 when the node dies or does not answer."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench_soak", args=args)
    stay_on_this_machine()
    with tempfile.TemporaryDirectory(prefix="ivlm-soak-") as folder:
        parameters: dict[str, str | bool | float] = {
            "autostart": True,
            "model": options.model,
            "label": options.labels[0],
            "device": options.device,
        }
        process = NodeProcess("ivlm_ros", parameters, Path(folder) / "node.log")
        rclpy.init()
        try:
            with running([process]):
                report = summary(options, watch(options, process))
        except RuntimeError as error:
            complain(str(error))
            return 1
        finally:
            rclpy.try_shutdown()
    say(
        f"{report['model']}, camera at {options.camera_hz:g} Hz for {report['minutes']} minutes, "
        f"{len(options.labels)} labels in turn, {report['cpus']} CPUs"
    )
    rows = [("until minute", "answered", "p50 ms", "p99 ms", "memory MB")]
    for part in report["parts"]:
        answered = f"{part['answered']} of {part['sent']}"
        figures = (part["until_minute"], answered, part["p50_ms"], part["p99_ms"])
        rows.append((*map(str, figures), str(part["memory_mb"])))
    say(table(rows))
    say(
        f"memory {report['memory_slope_mb_per_hour']:+} MB an hour, "
        f"latency {report['latency_slope_ms_per_hour']:+} ms an hour"
    )
    if options.json:
        emit(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

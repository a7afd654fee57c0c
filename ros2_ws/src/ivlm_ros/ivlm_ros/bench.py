"""`ivlm bench node`: from an image's stamp to each publication about it, over real DDS.

The node runs as a process of its own; this process is the camera and the subscriber. The time of
publication is the one DDS attaches when the node sends.
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import tyro

from ivlm_core.commands.console import complain, emit, say
from ivlm_core.text_table import table
from ivlm_ros.bench_camera import OVERLAY, Camera
from ivlm_ros.processes import (
    NodeProcess,
    cpu_seconds,
    memory_mb,
    running,
    stay_on_this_machine,
)


@dataclass(frozen=True)
class Options:
    """Measure the node's latency with images of one size."""

    model: str = "nano"
    """'nano' (shipped) or a model folder."""
    label: str = "bottle"
    """Object asked about; give one with a shipped mesh to measure both tasks."""
    device: str = ""
    """A torch device; empty: a GPU if there is one."""
    images: int = 100
    """Images sent one at a time, each after the last publication about the one before."""
    width: int = 640
    """Image width, pixels."""
    height: int = 480
    """Image height, pixels."""
    camera_hz: float = 30.0
    """Rate of the camera of the second measurement."""
    camera_seconds: float = 5.0
    """Length of the second measurement; 0 leaves it out."""
    json: bool = False
    """Print the report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse numbers that give no figure."""
        if self.images < 1 or self.width < 2 or self.height < 2 or self.camera_hz <= 0:
            raise ValueError("--images, --camera-hz and the image size must be positive")


def measure(options: Options, process: NodeProcess) -> dict[str, Any]:
    """Return the report of a running node."""
    camera = Camera(options.width, options.height, process)
    camera.wait_for_node()
    alone = [camera.one_image() for _ in range(options.images)]
    report: dict[str, Any] = {
        "model": options.model,
        "label": options.label,
        "image_size": f"{options.width}x{options.height}",
        "cpus": len(os.sched_getaffinity(0)),
        "one_at_a_time_ms": _summary(camera.latencies(alone)),
        "outputs_ms": _by_output(camera, alone),
        "camera_ms": {"sent": 0, "answered": 0},
    }
    if options.camera_seconds > 0:
        report["camera_ms"] = _streamed(options, process, camera)
    camera.show_overlay()
    overlay = [camera.one_image(OVERLAY) for _ in range(max(1, options.images // 3))]
    report["one_at_a_time_with_overlay_ms"] = _summary(camera.latencies(overlay))
    report["outputs_ms"][OVERLAY] = _summary(camera.latencies(overlay, OVERLAY))
    return {**report, "stages": camera.stages(), "node_memory_mb": memory_mb(process.pid)}


def _streamed(options: Options, process: NodeProcess, camera: Camera) -> dict[str, Any]:
    """Return figures of a camera: what was answered when, what was dropped, and the node's work."""
    begin, worked = time.monotonic(), cpu_seconds(process.pid)
    sent = camera.stream(options.camera_hz, options.camera_seconds)
    seconds, worked = time.monotonic() - begin, cpu_seconds(process.pid) - worked
    latencies = camera.latencies(sent)
    return {
        "rate_hz": options.camera_hz,
        "sent": len(sent),
        "answered": len(latencies),
        "dropped": len(sent) - len(latencies),
        "answered_hz": round(len(latencies) / seconds, 2),
        "cpu_percent": round(100 * worked / seconds, 1),
        **_summary(latencies),
        "outputs_ms": _by_output(camera, sent),
    }


def _by_output(camera: Camera, stamps: list[int]) -> dict[str, dict[str, float]]:
    """Return figures of every output about images; each is as old as the image when it leaves."""
    found = {topic: camera.latencies(stamps, topic) for topic in camera.outputs}
    return {topic: _summary(latencies) for topic, latencies in found.items() if latencies}


def _summary(seconds: list[float]) -> dict[str, float]:
    milliseconds = np.asarray(seconds) * 1000
    return {
        "count": len(seconds),
        "p50": round(float(np.percentile(milliseconds, 50)), 2),
        "p99": round(float(np.percentile(milliseconds, 99)), 2),
        "mean": round(statistics.fmean(milliseconds), 2),
        "max": round(float(milliseconds.max()), 2),
    }


def main(args: list[str] | None = None) -> int:
    """Run the benchmark; returns 1 when the node does not answer."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.bench", args=args)
    stay_on_this_machine()
    with tempfile.TemporaryDirectory(prefix="ivlm-bench-") as folder:
        parameters: dict[str, str | bool | float] = {
            "autostart": True,
            "model": options.model,
            "label": options.label,
            "device": options.device,
        }
        process = NodeProcess("ivlm_ros", parameters, Path(folder) / "node.log")
        rclpy.init()
        try:
            with running([process]):
                report = measure(options, process)
        except RuntimeError as error:
            complain(str(error))
            return 1
        finally:
            rclpy.try_shutdown()
    _print(report)
    if options.json:
        emit(report)
    return 0


def _print(report: dict[str, Any]) -> None:
    say(
        f"{report['model']}, '{report['label']}', {report['image_size']}, {report['cpus']} CPUs: "
        f"stamp of the image to last publication about it"
    )
    streamed = report["camera_ms"]
    rows = [("measured", "images", "p50 ms", "p99 ms", "max ms")]
    for name, figures in (
        ("one image at a time", report["one_at_a_time_ms"]),
        ("the same, overlay shown", report["one_at_a_time_with_overlay_ms"]),
    ):
        rows.append(_row(name, str(figures["count"]), figures))
    if streamed["answered"]:
        answered = f"{streamed['answered']} of {streamed['sent']}"
        rows.append(_row(f"camera at {streamed['rate_hz']:g} Hz", answered, streamed))
    say(table(rows))
    rows = [("one image at a time, to", "images", "p50 ms", "p99 ms", "max ms")]
    rows += [_row(t, str(f["count"]), f) for t, f in report["outputs_ms"].items()]
    say(table(rows))
    if streamed["answered"]:
        say(
            f"with the camera: {streamed['dropped']} images dropped for newer ones, the node works "
            f"{streamed['cpu_percent']:g} % of a core"
        )
    say(f"the node takes {report['node_memory_mb']} MB of memory")


def _row(name: str, images: str, figures: dict[str, float]) -> tuple[str, ...]:
    return (name, images, *(str(figures[key]) for key in ("p50", "p99", "max")))


if __name__ == "__main__":
    sys.exit(main())

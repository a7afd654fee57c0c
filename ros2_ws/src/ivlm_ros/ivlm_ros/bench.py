"""`ivlm bench node`: from an image's stamp to the last publication about it, over real DDS.

The node runs as a process of its own; this process is the camera and the subscriber. The time of
publication is the one DDS attaches when the node sends.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
import rclpy
import tyro
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from ivlm_core.commands.console import complain, emit, say
from ivlm_core.messages.images import fill_image
from ivlm_core.text_table import table
from ivlm_msgs.msg import ContactMesh
from ivlm_ros import qos
from ivlm_ros.processes import NodeProcess, memory_mb, running, stay_on_this_machine

_START_TIMEOUT_S = 120.0
_RESULT_TIMEOUT_S = 30.0
_WARM_UP_IMAGES = 5


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


class Camera:
    """Sends images and notes when the markers, the last output, were published."""

    def __init__(self, options: Options, process: NodeProcess) -> None:
        self.node = Node("ivlm_bench")
        self._process = process
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._images = self.node.create_publisher(Image, "image", qos.RESULT)
        self._published: dict[int, int] = {}
        self._health: dict[str, str] = {}
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._note_health, qos.DIAGNOSTICS
        )
        noise = np.random.default_rng(0).integers(0, 255, (options.height, options.width, 3))
        self._message = fill_image(Image(), noise.astype(np.uint8), "rgb8")
        self._message.header.frame_id = "camera_optical_frame"
        for task in ("human_contact", "object_affordance"):
            self._listen(ContactMesh, task)
            self._listen(PointCloud2, f"{task}_cloud")
        note: Any = self._note  # rclpy also takes callbacks with the message's info
        self.node.create_subscription(MarkerArray, "/ivlm_node/markers", note, qos.RESULT, raw=True)

    def _listen(self, kind: type, topic: str) -> Any:
        return self.node.create_subscription(
            kind, f"/ivlm_node/{topic}", lambda _: None, qos.RESULT, raw=True
        )

    def show_overlay(self) -> None:
        """Subscribe to the overlay, which is made on demand only."""
        self._listen(Image, "overlay")

    def wait_for_node(self) -> None:
        """Wait until the node listens and has answered."""
        self._until(self._images.get_subscription_count, _START_TIMEOUT_S, "the node to start")
        # Each side finds the other in its own time, so the first images may be lost.
        self._until(self._answered_one_more, _RESULT_TIMEOUT_S, "a first result")
        for _ in range(_WARM_UP_IMAGES):
            self.one_image()

    def _answered_one_more(self) -> bool:
        if not self._published:
            self._send()
        return bool(self._published)

    def one_image(self) -> float:
        """Send an image; return the seconds from its stamp to the last publication about it."""
        stamp = self._send()
        self._until(lambda: stamp in self._published, _RESULT_TIMEOUT_S, "a result")
        return (self._published[stamp] - stamp) / 1e9

    def stream(self, rate_hz: float, seconds: float) -> tuple[int, list[float]]:
        """Send images at a rate; return how many, and the latencies of those answered."""
        before = set(self._published)
        begin, sent = time.monotonic(), 0
        while (now := time.monotonic() - begin) < seconds:
            if now * rate_hz >= sent:
                self._send()
                sent += 1
            self._executor.spin_once(timeout_sec=max(0.0, sent / rate_hz - now))
        last = self._send()
        self._until(lambda: last in self._published, _RESULT_TIMEOUT_S, "the last result")
        new = sorted(set(self._published) - before)
        return sent + 1, [(self._published[stamp] - stamp) / 1e9 for stamp in new]

    def forget(self) -> None:
        """Forget the results so far: a long run keeps none."""
        self._published.clear()

    def _send(self) -> int:
        stamp = self.node.get_clock().now().nanoseconds
        self._message.header.stamp.sec, self._message.header.stamp.nanosec = divmod(stamp, 10**9)
        self._images.publish(self._message)
        return stamp

    def _note(self, data: bytes, info: dict[str, int]) -> None:
        count, seconds, nanoseconds = unpack_from("<IiI", data, 4)
        if count:
            self._published[seconds * 10**9 + nanoseconds] = info["source_timestamp"]

    def stages(self) -> dict[str, str]:
        """Return counts and times by stage as the node reports them once a second."""
        self._health = {}
        self._until(lambda: self._health, _RESULT_TIMEOUT_S, "diagnostics")
        return self._health

    def _note_health(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "ivlm_node: pipeline":
                self._health = {value.key: value.value for value in status.values}

    def _until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            self._process.check_alive()
            if time.monotonic() > end:
                raise RuntimeError(
                    f"waited {timeout_s:.0f} s in vain for {what}; the node said:\n"
                    f"{self._process.last_lines()}"
                )
            self._executor.spin_once(timeout_sec=0.5)


def measure(options: Options, process: NodeProcess) -> dict[str, Any]:
    """Return the report of a running node."""
    camera = Camera(options, process)
    camera.wait_for_node()
    results = _summary([camera.one_image() for _ in range(options.images)])
    sent = 0
    latencies: list[float] = []
    if options.camera_seconds > 0:
        sent, latencies = camera.stream(options.camera_hz, options.camera_seconds)
    camera.show_overlay()
    for _ in range(_WARM_UP_IMAGES):
        camera.one_image()
    overlay = _summary([camera.one_image() for _ in range(max(1, options.images // 3))])
    streamed: dict[str, Any] = {"sent": sent, "answered": len(latencies)}
    if latencies:
        answered_hz = len(latencies) / options.camera_seconds
        streamed |= {"rate_hz": options.camera_hz, "answered_hz": round(answered_hz, 2)}
        streamed |= _summary(latencies)
    return {
        "model": options.model,
        "label": options.label,
        "image_size": f"{options.width}x{options.height}",
        "cpus": len(os.sched_getaffinity(0)),
        "one_at_a_time_ms": results,
        "one_at_a_time_with_overlay_ms": overlay,
        "camera_ms": streamed,
        "stages": camera.stages(),
        "node_memory_mb": memory_mb(process.pid),
    }


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
        process = NodeProcess("ivlm_ros.node", parameters, Path(folder) / "node.log")
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
    for name, key in (
        ("one image at a time", "one_at_a_time_ms"),
        ("the same, overlay shown", "one_at_a_time_with_overlay_ms"),
    ):
        m = report[key]
        rows.append((name, str(m["count"]), f"{m['p50']}", f"{m['p99']}", f"{m['max']}"))
    if streamed["answered"]:
        rows.append(
            (
                f"camera at {streamed['rate_hz']:g} Hz",
                f"{streamed['answered']} of {streamed['sent']}",
                f"{streamed['p50']}",
                f"{streamed['p99']}",
                f"{streamed['max']}",
            )
        )
    say(table(rows))
    say(f"the node takes {report['node_memory_mb']} MB of memory")


if __name__ == "__main__":
    sys.exit(main())

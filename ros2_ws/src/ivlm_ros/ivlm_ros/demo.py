"""`make demo`: the real node and a replayed camera as processes, what they say as a table.

Photographs that scikit-image ships and a generated sequence go through the ROS node; then overview
pictures and an HTML page of the same predictions are written. `--view` keeps node and camera
running for RViz.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
import rclpy
import tyro
from PIL import Image as PilImage
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Empty, String
from visualization_msgs.msg import MarkerArray

from ivlm_core.commands.console import complain, say
from ivlm_core.inputs import read_image
from ivlm_core.labels import read_labels
from ivlm_core.messages.cdr import ContactMeshData, decode_contact_mesh
from ivlm_core.messages.images import image_to_rgb
from ivlm_core.object_meshes import ObjectMeshes
from ivlm_core.pipeline import Pipeline, Prediction
from ivlm_core.text_table import table
from ivlm_core.visualize import save_html, save_overview
from ivlm_msgs.msg import ContactMesh
from ivlm_ros import qos
from ivlm_ros.frame_source import SHIPPED, label_of, source_path
from ivlm_ros.pending import take_pending
from ivlm_ros.processes import NodeProcess, running, stay_on_this_machine
from ivlm_ros.rviz_problems import rviz_problems

PHOTOGRAPHS = (
    ("astronaut", "helmet"),
    ("camera", "camera"),
    ("camera", "scene"),
    ("coffee", "cup"),
)
"""Name in `skimage.data`, and what is asked about. Free to use; they come with scikit-image."""

RATE_HZ = 2.0
VIEW_SECONDS = 2.0
"""How long each picture stays with `--view`."""

CAMERA_FRAME = "camera_optical_frame"
CAMERA_POSE = "--z 1 --qx -0.5 --qy 0.5 --qz -0.5 --qw 0.5"
CAMERA_FRAMES = f"--frame-id map --child-frame-id {CAMERA_FRAME}"
EVERYTHING = QoSProfile(depth=100)
"""Keeps messages that arrive while this program is busy."""

TASK_TOPICS = ("human_contact", "object_affordance")
_NEXT_TIMEOUT_S = 5.0
AGREEMENT = 1e-3
"""Largest difference between a score over ROS and the library's own."""


@dataclass(frozen=True)
class Options:
    """Run the node on photographs and show what it finds."""

    view: bool = False
    """Keep node and camera running for RViz until Ctrl-C."""
    out: Path = Path("demo_output")
    """Folder for pictures, page and logs."""
    model: str = "nano"
    """'nano' (shipped) or a model folder."""
    device: str = ""
    """A torch device; empty: a GPU if there is one."""
    source: Path | None = None
    """Folder with your own images named `label__name.jpg`, instead of the demo's."""
    timeout: float = 100.0
    """Seconds after which the demo gives up."""


@dataclass(frozen=True)
class Picture:
    """One image of the demo and what is asked about it."""

    path: Path
    label: str
    pixels: np.ndarray
    tasks: tuple[str, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What recognises it when it comes back over ROS."""
        return self.label, hash(self.pixels.tobytes())


@dataclass
class Collected:
    """What came over ROS."""

    latencies_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    results: dict[tuple[tuple[str, int], str], ContactMeshData] = field(default_factory=dict)
    last: dict[str, bytes] = field(default_factory=dict)


def prepare_pictures(options: Options) -> Path:
    """Put the demo's images into one folder, named by label, and return it."""
    if options.source is not None:
        return options.source
    from skimage import data

    folder = options.out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*__*"):
        old.unlink()
    for name, label in PHOTOGRAPHS:
        photo = PilImage.fromarray(getattr(data, name)()).convert("RGB")
        photo.save(folder / f"{label}__{name}.png")
    for path in sorted(source_path(SHIPPED).glob("*__*")):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def read_pictures(folder: Path, meshes: ObjectMeshes) -> list[Picture]:
    """Read the images and find out which tasks the node will answer for each label."""
    pictures = []
    for path in sorted(folder.iterdir()):
        label = label_of(path)
        if not label:
            continue
        tasks = ["human_contact"]
        try:
            meshes.get(label)
            tasks.append("object_affordance")
        except LookupError:
            pass
        pictures.append(Picture(path, label, read_image(path), tuple(tasks)))
    if not pictures:
        raise ValueError(f"{folder} has no images named label__name.jpg")
    return pictures


class Watcher:
    """Subscribes to camera and results, and matches them by the stamp of the image."""

    def __init__(self, processes: Sequence[NodeProcess]) -> None:
        self.collected = Collected()
        self._processes = processes
        self._label = ""
        self.shown: tuple[str, int] | None = None
        self._shown: dict[int, tuple[str, int]] = {}
        self._waiting: dict[int, list[ContactMeshData]] = defaultdict(list)
        self._node = Node("ivlm_demo")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._next_pub = self._node.create_publisher(Empty, "next", qos.EVENT)
        subscribe = self._node.create_subscription
        self._labels = subscribe(String, "label", self._on_label, qos.LABEL)
        subscribe(Image, "image", self._on_image, qos.CAMERA_IN_RELIABLE)
        for task in TASK_TOPICS:
            self._listen(ContactMesh, task, 4)
            self._listen(PointCloud2, f"{task}_cloud", 4)
        self._listen(Image, "overlay", 4)
        self._listen(MarkerArray, "markers", 8)  # an array begins with its length

    def next_picture(self, seconds: float) -> None:
        """Tell the camera to go on, and wait until it has."""
        before = self.shown
        self._next_pub.publish(Empty())
        self.until(lambda: self.shown != before, seconds)

    def _listen(self, kind: type, name: str, header_at: int) -> None:
        topic = f"/ivlm_node/{name}"

        def note(data: bytes, info: dict[str, int]) -> None:
            seconds, nanoseconds = unpack_from("<iI", data, header_at)
            stamp = seconds * 10**9 + nanoseconds
            self.collected.latencies_ms[topic].append((info["source_timestamp"] - stamp) / 1e6)
            self.collected.last[topic] = data
            if kind is ContactMesh:
                self._waiting[stamp].append(decode_contact_mesh(data))
                self._match(stamp)

        callback: Any = note  # rclpy also takes callbacks with the message's info
        self._node.create_subscription(kind, topic, callback, EVERYTHING, raw=True)

    def _on_label(self, message: String) -> None:
        self._label = message.data

    def _on_image(self, message: Image) -> None:
        for label in take_pending(self._labels):
            self._on_label(label)
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.shown = self._shown[stamp] = (self._label, hash(image_to_rgb(message).tobytes()))
        self._match(stamp)

    def _match(self, stamp: int) -> None:
        """Note results whose image is known; either may come first.

        One about the label before is not of this picture: on a busy machine an image may overtake
        its label. The camera repeats pictures until all are answered.
        """
        if stamp in self._shown:
            label, _ = self._shown[stamp]
            for result in self._waiting.pop(stamp, []):
                if result.label in read_labels(label):
                    self.collected.results[self._shown[stamp], result.task] = result

    def until(self, condition: Callable[[], Any], seconds: float) -> bool:
        """Handle messages until a condition holds; False when the time is up."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            for process in self._processes:
                process.check_alive()
            self._executor.spin_once(timeout_sec=0.5)
        return True


def topic_rows(collected: Collected) -> list[tuple[str, ...]]:
    """Return a table: per topic its messages, latencies, and what its last message says."""
    head = ("topic", "messages", "latency p50 ms", "max ms", "vertices", "top parts (last)")
    rows: list[tuple[str, ...]] = [head]
    for topic, latencies in collected.latencies_ms.items():
        contact = parts = ""
        if topic.removeprefix("/ivlm_node/") in TASK_TOPICS:
            mesh = decode_contact_mesh(collected.last[topic])
            contact, parts = contact_count(mesh), top_parts(mesh)
        times = (f"{np.median(latencies):.0f}", f"{max(latencies):.0f}")
        rows.append((topic, str(len(latencies)), *times, contact, parts))
    return rows


def picture_rows(pictures: Sequence[Picture], collected: Collected) -> list[tuple[str, ...]]:
    """Return a table: per image and task the vertices in contact and the top parts."""
    rows: list[tuple[str, ...]] = [("image", "label", "task", "vertices", "top parts")]
    for picture in pictures:
        for task in picture.tasks:
            mesh = collected.results[picture.key, task]
            cells = (picture.path.name, picture.label, task, contact_count(mesh), top_parts(mesh))
            rows.append(cells)
    return rows


def contact_count(mesh: ContactMeshData) -> str:
    """Return the number of vertices in contact, of all."""
    return f"{int((mesh.scores >= mesh.threshold).sum())} of {len(mesh.scores)}"


def top_parts(mesh: ContactMeshData) -> str:
    """Return the parts with the highest mean score in words."""
    named = list(zip(mesh.part_names, mesh.part_scores, strict=True))[:3]
    return ", ".join(f"{name} {score:.2f}" for name, score in named if score >= 0.1) or "none"


def write_pictures(
    pictures: Sequence[Picture], pipeline: Pipeline, meshes: ObjectMeshes, collected: Collected,
    out: Path,
) -> list[Path]:  # fmt: skip
    """Predict once more with the library, check that ROS said the same, and write what to look at.

    Raises:
        RuntimeError: the node and the library disagree.
    """
    shown: list[tuple[np.ndarray, Prediction]] = []
    written = []
    for picture in pictures:
        for task in picture.tasks:
            mesh = None if task == "human_contact" else meshes.get(picture.label)
            prediction = pipeline.predict(picture.pixels, picture.label, task, mesh)
            over_ros = collected.results[picture.key, task].scores
            difference = float(np.abs(over_ros - prediction.scores).max())
            if difference > AGREEMENT:
                raise RuntimeError(
                    f"{picture.path.name}, {task}: scores over ROS differ from the library's by "
                    f"{difference:.3g}; are model and version the same?"
                )
            path = out / f"{picture.path.stem}__{task}.png"
            written.append(save_overview(prediction, picture.pixels, path))
            shown.append((picture.pixels, prediction))
    written.append(save_html(shown, out / "index.html", "What the ROS node saw"))
    return written


def run(options: Options) -> None:
    """Run the demo.

    Raises:
        RuntimeError: a process ended, results are missing or wrong.
    """
    begin = time.monotonic()
    options.out.mkdir(parents=True, exist_ok=True)
    folder = prepare_pictures(options)
    say("starting the node and the camera ...")
    node = NodeProcess(
        "ivlm_ros",
        {"autostart": True, "model": options.model, "device": options.device},
        options.out / "node.log",
    )
    replay = NodeProcess(
        "ivlm_ros.image_replay",
        {
            "source": str(folder),
            "rate_hz": RATE_HZ,
            "hold": True,
            "frame_id": CAMERA_FRAME,
            "wait_for_subscribers": 2,  # the node and this program
        },
        options.out / "image_replay.log",
    )
    with running([replay, node]):
        pipeline = Pipeline.from_pretrained(options.model, options.device or None)
        meshes = ObjectMeshes(None, pipeline.default_object_mesh)
        pictures = read_pictures(folder, meshes)
        watcher = Watcher([node, replay])
        missing = collect(watcher, pictures, begin + options.timeout - time.monotonic())
        if missing:
            raise RuntimeError(
                f"no result for {', '.join(missing)} within {options.timeout:.0f} s; the node "
                f"said:\n{node.last_lines()}"
            )
        report(watcher.collected, pictures)
        say("\nwriting pictures ...")
        written = write_pictures(pictures, pipeline, meshes, watcher.collected, options.out)
        say("The library gives the same scores as the node. Written:")
        for path in [*written, node.log, replay.log]:
            say(f"  {path}")
        say(f"\ndone in {time.monotonic() - begin:.0f} s; open {written[-1].resolve()}")
        if options.view:
            view(watcher)


def collect(watcher: Watcher, pictures: Sequence[Picture], seconds: float) -> list[str]:
    """Show each picture until it is answered; return what is missing when the time is up."""
    end = time.monotonic() + seconds
    results, last = watcher.collected.results, watcher.collected.last
    wanted = {picture.key: [(picture.key, task) for task in picture.tasks] for picture in pictures}

    def answered() -> bool:
        shown = watcher.shown
        return shown is not None and all(key in results for key in wanted.get(shown, []))

    def missing() -> list[str]:
        return [
            f"{picture.path.name} {task}"
            for picture in pictures
            for task in picture.tasks
            if (picture.key, task) not in results
        ]

    while missing() and (left := end - time.monotonic()) > 0:
        if watcher.until(answered, left):
            done = len(pictures) - len({name.split()[0] for name in missing()})
            say(f"  {done} of {len(pictures)} pictures answered")
            watcher.next_picture(min(left, _NEXT_TIMEOUT_S))
    watcher.until(lambda: "/ivlm_node/markers" in last, end - time.monotonic())
    return missing()


def report(collected: Collected, pictures: Sequence[Picture]) -> None:
    """Print the tables.

    Raises:
        RuntimeError: RViz would not show the markers.
    """
    say("\nWhat the node published (latency: stamp of the image to publication):")
    say(table(topic_rows(collected)))
    say("\nWhat it found:")
    say(table(picture_rows(pictures, collected)))
    markers = deserialize_message(collected.last["/ivlm_node/markers"], MarkerArray)
    problems = rviz_problems(markers)
    if problems:
        raise RuntimeError(f"RViz would not show the markers: {'; '.join(problems)}")


def view(watcher: Watcher) -> None:
    """Keep running until Ctrl-C."""
    say("\nNode and camera keep running; Ctrl-C ends them. With RViz 2, in two shells:")
    say(f"  ros2 run tf2_ros static_transform_publisher {CAMERA_POSE} {CAMERA_FRAMES}")
    say("  rviz2 -d rviz/ivlm.rviz")
    try:
        while True:
            watcher.until(lambda: False, VIEW_SECONDS)
            watcher.next_picture(VIEW_SECONDS)
    except KeyboardInterrupt:
        say("ended")


def main(args: list[str] | None = None) -> int:
    """Run the demo; returns 0 when everything was answered, else 1."""
    options = tyro.cli(Options, prog="python -m ivlm_ros.demo", args=args)
    if not options.view:
        stay_on_this_machine()
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    try:
        run(options)
    except (RuntimeError, ValueError, OSError) as error:
        complain(f"demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`ivlm bag`: bags written and read by `rosbags`, answered by a tiny model, without ROS."""

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ivlm_core import cli
from ivlm_core.bags.target import OUR_TYPES, definition
from ivlm_core.estimator import Estimator
from ivlm_core.labels import MAX_LABELS
from ivlm_core.messages.cdr import decode_contact_mesh
from ivlm_core.messages.results import TYPES
from ivlm_core.pipeline import Pipeline

STORE = get_typestore(Stores.ROS2_JAZZY)
T = STORE.types
SECOND = 10**9
Recorded = tuple[str, int, Any]
"""Topic, time in nanoseconds, message."""


def header(sec: int) -> Any:
    stamp = T["builtin_interfaces/msg/Time"](sec=sec, nanosec=5)
    return T["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")


def image(sec: int, pixels: np.ndarray, encoding: str = "rgb8") -> Any:
    height, width = pixels.shape[:2]
    return T["sensor_msgs/msg/Image"](
        header=header(sec),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=3 * width,
        data=pixels.reshape(-1),
    )


def label(text: str) -> Any:
    return T["std_msgs/msg/String"](data=text)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (24, 32, 3), dtype=np.uint8) for _ in range(4)]


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    def write(messages: Sequence[Recorded], storage: str = "sqlite3", name: str = "in") -> Path:
        plugin = StoragePlugin[storage.upper()]
        with Writer(tmp_path / name, version=9, storage_plugin=plugin) as writer:
            connections: dict[str, Any] = {}
            for topic, time, message in messages:
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                data = STORE.serialize_cdr(message, kind)
                writer.write(connections[topic], time, data)
        return tmp_path / name

    return write


@pytest.fixture
def recording(pictures: list[np.ndarray]) -> list[Recorded]:
    """An image without label, one about a bottle, two about a chair and a mug."""
    return [
        ("/camera", 1 * SECOND, image(101, pictures[0])),
        ("/label", 2 * SECOND, label("Bottle")),
        ("/camera", 3 * SECOND, image(103, pictures[1])),
        ("/other", 3 * SECOND + 1, label("kept as it is")),
        ("/label", 4 * SECOND, label("chair, mug")),
        ("/label", 4 * SECOND + 1, label("<not a label>")),
        ("/camera", 5 * SECOND, image(105, pictures[2])),
        ("/camera", 6 * SECOND, image(106, pictures[3])),
    ]


@pytest.fixture
def run(answering_model: Path, tmp_path: Path) -> Callable[..., int]:
    def bag(source: Path, *arguments: str, out: str = "out") -> int:
        options = ["--model", str(answering_model), "--device", "cpu", *arguments]
        return cli.main(["bag", str(source), str(tmp_path / out), *options])

    return bag


def contents(folder: Path) -> list[tuple[str, int, bytes]]:
    with Reader(folder) as reader:
        return [(c.topic, time, bytes(data)) for c, time, data in reader.messages()]


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_every_image_is_answered_as_the_node_would(
    record: Callable[..., Path],
    recording: list[Recorded],
    run: Callable[..., int],
    pictures: list[np.ndarray],
    answering_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    source = record(recording, storage)
    assert run(source, "--json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["images"], report["already"], report["failed"]) == (3, 0, [])
    new = contents(tmp_path / "out")
    assert report["messages"] == len(new)
    assert [m for m in new if not m[0].startswith("/ivlm_node/")] == contents(source)
    found = [m for m in new if m[0].startswith("/ivlm_node/")]
    meshes = [
        (time, decode_contact_mesh(data))
        for topic, time, data in found
        if topic in ("/ivlm_node/human_contact", "/ivlm_node/object_affordance")
    ]
    asked = [(t // SECOND, m.label, m.task, m.header.sec, m.header.frame_id) for t, m in meshes]
    tasks = ("human_contact", "object_affordance")
    assert asked == [
        (bag_time, name, task, stamp, "camera")
        for bag_time, stamp, names in ((3, 103, ["bottle"]), (5, 105, ["chair", "mug"]))
        for name in names
        for task in tasks
    ] + [(6, name, task, 106, "camera") for name in ("chair", "mug") for task in tasks]
    expected = Pipeline.from_pretrained(answering_model, "cpu").predict(pictures[1], "bottle")
    np.testing.assert_allclose(meshes[0][1].scores, expected.scores, atol=1e-5)
    assert (tmp_path / "out" / "metadata.yaml").is_file()
    assert not (tmp_path / "out.partial").exists()
    assert list((tmp_path / "out").glob("*.mcap" if storage == "mcap" else "*.db3"))
    with Reader(tmp_path / "out") as reader:
        kinds = {c.topic: c for c in reader.connections}
        for topic in ("human_contact", "human_contact_cloud", "overlay", "attention"):
            assert kinds[f"/ivlm_node/{topic}"].msgtype == TYPES[topic]
        assert "string label" in kinds["/ivlm_node/human_contact"].msgdef.data
        (latched,) = kinds["/ivlm_node/markers"].ext.offered_qos_profiles
        assert latched.durability is QosDurability.TRANSIENT_LOCAL
        (offered,) = kinds["/ivlm_node/human_contact"].ext.offered_qos_profiles
        assert offered.depth >= MAX_LABELS, "an image with that many labels gives as many at once"


def test_what_is_written_has_no_fault_that_rviz_would_find(
    record: Callable[..., Path],
    recording: list[Recorded],
    run: Callable[..., int],
    tmp_path: Path,
) -> None:
    serialization = pytest.importorskip("rclpy.serialization", reason="needs ROS to read as RViz")
    from sensor_msgs.msg import Image as ImageMessage
    from sensor_msgs.msg import PointCloud2
    from visualization_msgs.msg import Marker, MarkerArray

    from ivlm_ros.rviz_problems import rviz_problems

    assert run(record(recording), "--only-results") == 0
    new = contents(tmp_path / "out")
    assert {topic.split("/")[1] for topic, _, _ in new} == {"ivlm_node"}
    kinds = {
        "markers": MarkerArray,
        "overlay": ImageMessage,
        "attention": ImageMessage,
        "human_contact_cloud": PointCloud2,
    }
    for name, kind in kinds.items():
        data = [d for topic, _, d in new if topic == f"/ivlm_node/{name}"]
        read = [serialization.deserialize_message(d, kind) for d in data]
        assert read and all(rviz_problems(message) == [] for message in read)
        if name == "markers":
            gone = {m.ns for m in read[1].markers if m.action == Marker.DELETE}
            assert "bottle/human_contact" in gone, "what the second image does not show"


def test_a_run_that_was_stopped_goes_on(
    record: Callable[..., Path],
    recording: list[Recorded],
    run: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = record(recording)
    assert run(source, out="whole") == 0
    estimate = Estimator.estimate
    answered = 0

    def stops(*arguments: Any, **options: Any) -> Any:
        nonlocal answered
        answered += 1
        if answered == 2:
            raise KeyboardInterrupt
        return estimate(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Estimator, "estimate", stops)
        assert run(source) == 130
    assert not (tmp_path / "out").exists()
    assert run(source, "--label", "hat") == 2, "other settings"
    assert "of a run with other settings" in capsys.readouterr().err
    assert run(source, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["already"] == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_compressed_images_rate_and_label_of_the_command(
    record: Callable[..., Path],
    run: Callable[..., int],
    pictures: list[np.ndarray],
    tmp_path: Path,
) -> None:
    messages: list[Recorded] = []
    for number, pixels in enumerate(pictures):
        data = BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        packed = np.frombuffer(data.getvalue(), np.uint8)
        compressed = T["sensor_msgs/msg/CompressedImage"](header(number), "png", packed)
        messages.append(("/camera/compressed", number * SECOND // 10, compressed))
    source = record(messages)
    arguments = ("--label", "hat", "--rate", "5", "--tasks", "human_contact")
    assert run(source, *arguments) == 0
    meshes = [d for t, _, d in contents(tmp_path / "out") if t == "/ivlm_node/human_contact"]
    assert [decode_contact_mesh(d).header.sec for d in meshes] == [0, 2], "0.0 and 0.2 s"
    again = run(tmp_path / "out", *arguments, "--image-topic", "/camera/compressed", out="again")
    assert again == 0, "results of the first run are replaced"
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_an_unreadable_image_is_told_and_the_others_are_answered(
    record: Callable[..., Path],
    run: Callable[..., int],
    pictures: list[np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages = [
        ("/camera", SECOND, image(1, pictures[0], "jpeg")),
        ("/camera", 2 * SECOND, image(2, pictures[1])),
    ]
    assert run(record(messages), "--label", "hat") == 1
    assert "image encoding 'jpeg' is not known" in capsys.readouterr().err
    topics = [t for t, _, _ in contents(tmp_path / "out")]
    assert topics.count("/camera") == 2 and topics.count("/ivlm_node/human_contact") == 1


@pytest.mark.parametrize("left", [0, 4, 40, -20])
def test_a_damaged_message_is_told_and_the_others_are_answered(
    run: Callable[..., int],
    pictures: list[np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    left: int,
) -> None:
    """As a recorder that was killed leaves it; a label of that kind changes nothing."""
    whole = bytes(STORE.serialize_cdr(image(1, pictures[0]), "sensor_msgs/msg/Image"))
    hat = bytes(STORE.serialize_cdr(label("hat"), "std_msgs/msg/String"))
    with Writer(tmp_path / "in", version=9) as writer:
        labels = writer.add_connection("/label", "std_msgs/msg/String", typestore=STORE)
        images = writer.add_connection("/camera", "sensor_msgs/msg/Image", typestore=STORE)
        for time, data in enumerate((hat, hat[:6], b"")):
            writer.write(labels, time, data)
        for time, data in enumerate((whole[:left], whole)):
            writer.write(images, SECOND + time, data)
    assert run(tmp_path / "in", "--tasks", "human_contact") == 1
    assert f"{len(whole[:left])} bytes on /camera is damaged" in capsys.readouterr().err
    new = contents(tmp_path / "out")
    (found,) = [decode_contact_mesh(d) for t, _, d in new if t == "/ivlm_node/human_contact"]
    assert found.label == "hat"
    assert [d for t, _, d in new if t == "/camera"] == [whole[:left], whole]


def test_unusable_bags_and_arguments_are_named(
    record: Callable[..., Path],
    recording: list[Recorded],
    run: Callable[..., int],
    pictures: list[np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = record(recording)
    other = record([*recording, ("/depth", 9 * SECOND, image(9, pictures[0]))], name="two")
    silent = record([("/camera", SECOND, image(1, pictures[0]))], name="silent")
    damaged = record(recording, name="damaged")
    (file,) = damaged.glob("*.db3")
    file.write_bytes(file.read_bytes()[:5000])
    (tmp_path / "taken").mkdir()
    cases: list[tuple[Path, tuple[str, ...], str, str]] = [
        (tmp_path / "missing", (), "out", "is no bag of ROS 2"),
        (source, (), "taken", "taken exists"),
        (source, ("--image-topic", "/front"), "out", "has no images on /front; it has /camera"),
        (source, ("--label-topic", "/name"), "out", "it has /label, /other"),
        (other, (), "out", "2 topics of images: /camera, /depth"),
        (silent, (), "out", "give --label"),
        (damaged, (), "out", "damaged"),
        (source, ("--label", "<x>"), "out", "must not contain"),
        (source, ("--meshes", "/missing"), "out", "--meshes '/missing' is not a folder"),
    ]
    for folder, arguments, out, reason in cases:
        assert run(folder, *arguments, out=out) == 2, reason
        assert reason in capsys.readouterr().err
    for arguments, reason in (
        (("--rate", "-1"), "--rate must be 0 or more"),
        (("--rate", "nan"), "--rate must be 0 or more"),
        (("--rate", "inf"), "--rate must be 0 or more"),
        (("--name", "node"), "--name must begin with a slash"),
        (("--name", "/a b"), "--name must begin with a slash"),
        (("--name", "/node/2nd"), "--name must begin with a slash"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(source, *arguments)
        assert ended.value.code == 2 and reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", OUR_TYPES)
def test_the_messages_are_the_workspaces(repository: Path, kind: str) -> None:
    file = repository / "ros2_ws" / "src" / "ivlm_msgs" / "msg" / f"{kind}.msg"
    assert definition(kind) == file.read_text()

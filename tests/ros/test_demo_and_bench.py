"""`make demo` and `ivlm bench node`, whole, with a model of test size."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from rclpy.duration import Duration  # noqa: E402
from sensor_msgs.msg import Image as RosImage  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from ivlm_core.messages.images import fill_image  # noqa: E402
from ivlm_msgs.msg import ContactMesh  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from ivlm_ros.bench import Options  # noqa: E402
from ivlm_ros.bench_soak import Options as SoakOptions  # noqa: E402
from ivlm_ros.bench_soak import Window, summary  # noqa: E402
from ivlm_ros.demo import PHOTOGRAPHS, Watcher  # noqa: E402
from ivlm_ros.frame_source import SHIPPED, label_of, open_source, source_path  # noqa: E402


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


def test_demo_shows_pictures_answers_and_files(
    tiny_model: Path, tmp_path: Path, photo: np.ndarray
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(photo).save(pictures / "bottle__one.png")
    Image.fromarray(photo[:, ::-1].copy()).save(pictures / "flux_capacitor__two.png")
    out = tmp_path / "out"
    folders = ("--source", str(pictures), "--out", str(out))
    done = run("ivlm_ros.demo", "--model", str(tiny_model), *folders, "--timeout", "300")
    assert done.returncode == 0, done.stdout + done.stderr
    for topic in ("human_contact", "object_affordance", "human_contact_cloud", "markers"):
        assert f"/ivlm_node/{topic} " in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if "__" in line and " of " in line]
    assert [row[:2] for row in rows] == [
        ["bottle__one.png", "bottle"],
        ["bottle__one.png", "bottle"],
        ["flux_capacitor__two.png", "flux"],  # no mesh of that label: human contact only
    ]
    assert {path.name for path in out.iterdir()} == {
        "bottle__one__human_contact.png",
        "bottle__one__object_affordance.png",
        "flux_capacitor__two__human_contact.png",
        "image_replay.log",
        "index.html",
        "node.log",
    }
    assert all(name in done.stdout for name in ("index.html", "node.log"))
    assert "Traceback" not in (out / "node.log").read_text()


def test_demo_leaves_out_what_is_about_the_label_before(listener: Any, photo: np.ndarray) -> None:
    """On a busy machine an image may overtake its label; the picture is shown again."""
    watcher, node = Watcher([]), listener.node
    labels = node.create_publisher(String, "label", qos.LABEL)
    images = node.create_publisher(RosImage, "image", qos.RESULT)
    meshes = node.create_publisher(ContactMesh, "/ivlm_node/human_contact", 10)
    publishers = (labels, images, meshes)
    assert watcher.until(lambda: all(p.get_subscription_count() for p in publishers), 60)

    labels.publish(String(data="flux_capacitor"))
    assert labels.wait_for_all_acked(Duration(seconds=60))
    message = fill_image(RosImage(), photo, "rgb8")
    message.header.stamp.sec = 7
    images.publish(message)
    for label in ("flux capacitor", "bottle"):
        mesh = ContactMesh(task="human_contact", label=label)
        mesh.header.stamp.sec = 7
        meshes.publish(mesh)
    seen = watcher.collected.latencies_ms["/ivlm_node/human_contact"]
    assert watcher.until(lambda: watcher.shown and len(seen) == 2, 60)
    assert {key[1]: r.label for key, r in watcher.collected.results.items()} == {
        "human_contact": "flux capacitor"
    }
    watcher._executor.shutdown()
    watcher._node.destroy_node()


def test_demo_says_why_it_fails(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (8, 8)).save(pictures / "unlabelled.png")
    missing = str(tmp_path / "model")
    done = run(
        "ivlm_ros.demo", "--model", missing, "--source", str(pictures), "--out", str(tmp_path)
    )
    assert done.returncode == 1
    assert f"model folder {missing} does not exist" in done.stderr


def test_demo_pictures_are_there() -> None:
    pytest.importorskip("skimage")
    from skimage import data

    assert all(hasattr(data, name) for name, _ in PHOTOGRAPHS)
    shipped = source_path(SHIPPED)
    labels = {label_of(sample.source) for sample in open_source(shipped).samples}
    assert len(labels) == 2
    views = [path.stem.split("__")[1] for path in shipped.iterdir()]
    assert len(set(views)) < len(views)  # some are asked about both objects


def test_bench_reports_latency(tiny_model: Path) -> None:
    done = run(
        "ivlm_ros.bench",
        *("--model", str(tiny_model), "--images", "5", "--camera-seconds", "0.5", "--json"),
        *("--width", "160", "--height", "120"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["image_size"] == "160x120"
    for key in ("one_at_a_time_ms", "one_at_a_time_with_overlay_ms", "camera_ms"):
        assert 0 < report[key]["p50"] <= report[key]["p99"] <= report[key]["max"]
    assert report["one_at_a_time_ms"]["count"] == 5
    outputs = report["outputs_ms"]
    assert {"human_contact", "human_contact_cloud", "overlay", "markers"} <= set(outputs)
    assert outputs["human_contact"]["p50"] <= outputs["markers"]["p50"]
    streamed = report["camera_ms"]
    assert streamed["answered"] + streamed["dropped"] == streamed["sent"] > 0
    assert streamed["cpu_percent"] > 0 and "markers" in streamed["outputs_ms"]
    assert report["stages"]["images published"]


def test_bench_of_messages_compares_two_ways() -> None:
    done = run("ivlm_ros.bench_markers", "--subdivisions", "2", "--runs", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["faces"] == 320
    assert set(report["messages"]) == {"MarkerArray", "ContactMesh"}
    for figures in report["messages"].values():
        assert figures["packed_ms"] > 0 and figures["objects_ms"] > 0


def test_soak_watches_a_node(tiny_model: Path) -> None:
    done = run(
        "ivlm_ros.bench_soak",
        *("--model", str(tiny_model), "--minutes", "0.1", "--warm-up-minutes", "0"),
        *("--label-seconds", "2", "--camera-hz", "5", "--width", "160", "--height", "120"),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert sum(part["answered"] for part in report["parts"]) > 0
    assert all(part["memory_mb"] > 0 for part in report["parts"])
    slopes = (report["memory_slope_mb_per_hour"], report["latency_slope_ms_per_hour"])
    assert all(np.isfinite(slopes))


def test_churn_takes_a_node_up_and_down(tiny_model: Path) -> None:
    arguments = ("--model", str(tiny_model), "--rounds", "4", "--warm-up-rounds", "1", "--json")
    done = run("ivlm_ros.bench_churn", *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["rounds"] == 4 and report["memory_mb"]["highest"] > 0
    missing = run("ivlm_ros.bench_churn", "--model", "/missing/model")
    assert missing.returncode == 1 and "trigger_configure failed" in missing.stderr


def test_the_start_of_a_node_is_timed(tiny_model: Path) -> None:
    done = run("ivlm_ros.bench_start", "--model", str(tiny_model), "--runs", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    first, second = report["seconds_to_active"]
    assert min(first, second) > 0.1 and report["median_s"] == pytest.approx((first + second) / 2)
    missing = run("ivlm_ros.bench_start", "--model", "/missing/model", "--runs", "1")
    assert missing.returncode == 1 and "/missing/model" in missing.stderr


def test_the_slope_of_memory_is_that_of_the_time_after_warming_up() -> None:
    options = SoakOptions(minutes=60, warm_up_minutes=10)
    windows = [
        Window(float(minute), 10, (50.0, 60.0), 900.0 if minute < 10 else 500 + minute / 10)
        for minute in range(1, 61)
    ]
    report = summary(options, windows)
    assert report["memory_slope_mb_per_hour"] == pytest.approx(6.0)
    assert report["latency_slope_ms_per_hour"] == pytest.approx(0.0, abs=1e-6)
    assert sum(part["answered"] for part in report["parts"]) == 2 * 50
    with pytest.raises(ValueError, match="warm-up"):
        SoakOptions(minutes=1, warm_up_minutes=2)


def test_bench_says_why_it_fails() -> None:
    done = run("ivlm_ros.bench", "--model", "/missing/model")
    assert done.returncode == 1
    assert "/missing/model" in done.stderr
    with pytest.raises(ValueError, match="must be positive"):
        Options(images=0)

import json
import subprocess
import sys

import pytest

from ivlm_core.cli import main

HEAVY = ("torch", "transformers", "open3d", "trimesh", "PIL", "scipy", "anny", "rclpy")


@pytest.mark.parametrize(
    "verb",
    [[], ["predict"], ["info"], ["bench"], ["bench", "predict"], ["bench", "node"],
     ["synthesize"], ["train"], ["evaluate"]],
)  # fmt: skip
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*verb, "--help"])
    assert stop.value.code == 0
    assert "usage: ivlm" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from ivlm_core.cli import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_no_verb_and_unknown_verbs_are_wrong_usage():
    for arguments in ([], ["fly"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2


def test_info_tells_versions_devices_models_cache_and_ros(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("IVLM_CACHE_DIR", str(tmp_path))
    (tmp_path / "entry.safetensors").write_bytes(b"x" * 1000)
    assert main(["info", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["packages"]["torch"] and report["devices"]["cpu_cores"] >= 1
    assert report["cache"] == {"folder": str(tmp_path), "files": 1, "bytes": 1000}
    assert set(report["ros"]) >= {"rclpy", "ivlm_ros"}
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("ivlm ", "torch", "cpu", "Cache", "ROS 2"):
        assert word in text


def test_info_says_how_to_get_what_is_missing(monkeypatch):
    from ivlm_core.commands import info

    report = info.collect()
    report["packages"]["cv2"] = None
    report["ros"] |= {"rclpy": False, "ivlm_ros": False}
    report["models"] = []
    text = info._readable(report)
    assert "pip install opencv-python-headless" in text
    assert "/opt/ros/jazzy/setup.bash" in text and "make ws" in text
    assert "none in this installation" in text


def test_bench_predict_compares_caches_on_and_off(tiny_model, capsys):
    arguments = ["--model", str(tiny_model), "--runs", "2", "--uncached-runs", "1", "--json"]
    assert main(["bench", "predict", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    assert report["runs"] == 2 and report["image_size"] == "640x480"
    assert set(report["warm_ms"]["total"]) == {"p50", "p99", "mean", "min"}
    for kind in ("cold_ms", "disk_cache_ms"):
        assert report[kind]["total"] > 0
    assert report["uncached_ms"]["surfaces"]["p50"] > report["warm_ms"]["surfaces"]["p50"]
    assert any("caches make" in line for line in lines)


def test_bench_predict_names_what_it_cannot_use(tiny_model, tmp_path, capsys):
    assert main(["bench", "predict", "--model", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
    bad = ["--model", str(tiny_model), "--image", str(tmp_path / "gone.png")]
    assert main(["bench", "predict", *bad]) == 2
    assert "gone.png" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["bench", "predict", "--runs", "0"])
    assert stop.value.code == 2


def test_bench_node_without_ros_says_how_to_get_it(monkeypatch, capsys):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if "ros" in name else real(name, *a)
    )
    assert main(["bench", "node"]) == 2
    assert "source ros2_ws/env.sh" in capsys.readouterr().err


def test_bench_node_runs_in_its_own_process(monkeypatch):
    import importlib.util

    seen = []

    def fake_run(command, check):
        seen.extend(command)
        return subprocess.CompletedProcess(command, 5)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: object())
    monkeypatch.setattr(subprocess, "run", fake_run)
    assert main(["bench", "node", "--json", "--", "--frames", "7"]) == 5
    assert seen[1:] == ["-m", "ivlm_ros.bench", "--model", "nano", "--json", "--frames", "7"]

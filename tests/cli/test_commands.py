import json
import os
import subprocess
import sys

import pytest

from ivlm_core.cli import VERBS, main

HEAVY = ("torch", "transformers", "open3d", "trimesh", "PIL", "anny", "rclpy")


VERB_FORMS = [
    ["predict"], ["info"], ["bench"], ["bench", "predict"], ["bench", "query"], ["bench", "node"],
    ["synthesize"], ["train"], ["evaluate"], ["curve"],
]  # fmt: skip


@pytest.mark.parametrize("verb", VERB_FORMS, ids=" ".join)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*verb, "--help"])
    assert stop.value.code == 0
    assert f"usage: ivlm {verb[0]}" in capsys.readouterr().out


def test_no_help_imports_torch_or_loads_a_mesh_library():
    code = (
        "import sys\n"
        "from ivlm_core.cli import main\n"
        f"for verb in {[[], *VERB_FORMS]}:\n"
        "    try:\n        main([*verb, '--help'])\n    except SystemExit:\n        pass\n"
        f"print('heavy:', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_top_level_help_and_version(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in VERBS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ivlm ")


def test_no_verb_and_unknown_verbs_are_wrong_usage(capsys):
    assert main([]) == 2
    assert "usage: ivlm VERB" in capsys.readouterr().err
    assert main(["predic"]) == 2
    assert "Perhaps you meant 'predict'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "write",
    [
        "say('x' * 999)",
        "_beside_bar('x' * 999, sys.stdout)",
    ],
)
def test_a_reader_that_leaves_ends_the_command_without_a_traceback(write):
    """`ivlm predict FOLDER | head -1` is no accident."""
    lines = (
        "import sys",
        "from ivlm_core.commands.console import say",
        "from ivlm_core.commands.predict import _beside_bar",
        f"while True: {write}",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


def test_help_for_a_reader_that_has_left_ends_without_a_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ivlm_core.cli", "merge", "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


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
    unknown = ["--label", "gizmo", "--task", "object_contact"]
    assert main(["bench", "predict", "--model", str(tiny_model), *unknown]) == 2
    assert "--mesh FILE" in capsys.readouterr().err
    assert main(["bench", "predict", "--device", "meta"]) == 2
    assert "--device meta" in capsys.readouterr().err
    for option in (["--runs", "0"], ["--runs", "99999999999"], ["--mesh", "box.obj"]):
        with pytest.raises(SystemExit) as stop:
            main(["bench", "predict", *option])
        assert stop.value.code == 2 and option[0] in capsys.readouterr().err


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


def test_train_hands_its_options_to_the_recipe(monkeypatch, tmp_path, capsys):
    from ivlm_core.training import train as training

    seen = []
    monkeypatch.setattr(training, "train", lambda config: seen.append(config) or tmp_path / "model")
    arguments = ["--data", "d", "--out", str(tmp_path), "--seed", "3", "--contact-steps", "7"]
    left_out = ["--surface-steps", "0", "--body-steps", "0"]
    assert main(["train", *arguments, *left_out, "--image-size", "128", "--json"]) == 0
    assert seen[0].seed == 3 and seen[0].contact.steps == 7
    assert seen[0].surface.steps == seen[0].body.steps == 0, "0 leaves a stage out"
    assert seen[0].model.vision.image_size == 128
    assert seen[0].dense == training.TrainConfig(data=seen[0].data, out=tmp_path).dense
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["model"] == str(tmp_path / "model")

    with pytest.raises(SystemExit, match="2"):
        main(["train", *arguments, "--dense-steps", "-1"])
    assert "must be 0 or more, got -1" in " ".join(capsys.readouterr().err.split())

    def diverge(config):
        raise FloatingPointError("the loss is not finite at step 5")

    monkeypatch.setattr(training, "train", diverge)
    assert main(["train", *arguments]) == 1
    assert "step 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recipe", "option", "said"),
    [
        ("nano", ["--steps", "3"], "--steps is not for nano; its stages have --dense-steps, "),
        ("nano", ["--batch", "3"], "--batch is not for nano; its stages have batches"),
        ("nano", ["--base", "d"], "--base is for the published recipes, not for nano"),
        ("nano", ["--clip", "d"], "--clip is for the published recipes, not for nano"),
        ("nano", ["--datasets", "damon"], "--datasets is for the published recipes, not"),
        ("nano", ["--body-model", "f"], "--body-model is for the published recipes, not"),
        ("regressor", ["--base", "d"], "--base is for the published recipes, not for regressor"),
        ("regressor", ["--dense-steps", "0"], "--dense-steps is for nano, not for regressor"),
        ("regressor", ["--gradient-checkpointing"], "--gradient-checkpointing is for nano, not"),
        ("regressor", ["--image-size", "64"], "--image-size is for nano, not for regressor"),
        ("joint", ["--box-steps", "3"], "--box-steps is for nano, not for joint"),
        ("joint", ["--gradient-checkpointing"], "--gradient-checkpointing is for nano, not"),
        ("joint", ["--image-size", "64"], "--image-size is for nano, not for joint"),
        ("joint", ["--init", "nano"], "--init is for nano and regressor, not for joint"),
        ("joint", ["--threads", "1"], "--threads is for nano and regressor, not for joint"),
    ],
)
def test_train_refuses_options_that_the_recipe_would_not_read(recipe, option, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--data", "d", "--out", "o", "--recipe", recipe, *option])
    told = capsys.readouterr().err.replace("│", " ")  # the frame around it
    assert said in " ".join(told.split())


@pytest.mark.parametrize("verb", [["train", "--out", "o"], ["evaluate"]])
def test_missing_data_is_wrong_usage(verb, tmp_path, capsys):
    assert main([*verb, "--data", str(tmp_path / "nodata")]) == 2
    assert "nodata" in capsys.readouterr().err


def test_evaluate_prints_the_report(monkeypatch, capsys):
    from ivlm_core.commands import evaluate

    class Report:
        def text(self):
            return "a table"

        def to_json(self):
            return {"groups": {}}

    monkeypatch.setattr(evaluate, "main", lambda config: Report())
    assert main(["evaluate", "--data", "d", "--limit", "3", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a table" and json.loads(lines[-1])["command"] == "evaluate"


def test_synthesize_names_a_folder_that_cannot_be_made(tmp_path, capsys):
    taken = tmp_path / "notes.txt"
    taken.touch()
    assert main(["synthesize", "--out", str(taken)]) == 2
    assert f"--out {taken} cannot be made: it is a file" in capsys.readouterr().err


def test_synthesize_hands_its_options_to_the_generator(monkeypatch, tmp_path, capsys):
    from ivlm_core.synthesis import writer

    seen = []

    def generate(config):
        seen.append(config)
        return {"counts": {"train": config.train, "test": config.test}, "images_per_s": 9.5}

    monkeypatch.setattr(writer, "generate", generate)
    arguments = ["--out", str(tmp_path), "--train", "12", "--test", "3", "--seed", "4"]
    assert main(["synthesize", *arguments, "--json"]) == 0
    assert (seen[0].train, seen[0].test, seen[0].seed, seen[0].out) == (12, 3, 4, tmp_path)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["command"] == "synthesize" and report["images_per_s"] == 9.5

    def refuse(config):
        raise ValueError("holds a data set of another configuration")

    monkeypatch.setattr(writer, "generate", refuse)
    assert main(["synthesize", *arguments]) == 2
    assert "another configuration" in capsys.readouterr().err

    def missing(config):
        raise ImportError("pip install anny")

    monkeypatch.setattr(writer, "generate", missing)
    assert main(["synthesize", *arguments]) == 1
    assert "pip install anny" in capsys.readouterr().err
    assert main(["synthesize", "--out", str(tmp_path), "--image-size", "0"]) == 2
    assert "image_size must be 16 or more" in capsys.readouterr().err


def test_train_names_a_folder_that_is_a_file_and_a_time_that_is_none(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("in the way")
    assert main(["train", "--data", str(tmp_path), "--out", str(file)]) == 2
    assert f"--out {file} cannot be made: it is a file" in capsys.readouterr().err
    options = ["--data", "d", "--out", "o", "--recipe", "regressor", "--minutes", "nan"]
    with pytest.raises(SystemExit) as stop:
        main(["train", *options])
    assert stop.value.code == 2 and "--minutes must be above 0" in capsys.readouterr().err

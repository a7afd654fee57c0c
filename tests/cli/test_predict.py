import json

import numpy as np
import pytest
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.geometry.mesh import load_mesh


@pytest.fixture
def run(tiny_model, cache, tmp_path, capsys):
    """Run `ivlm predict` on the untrained model: exit code, last line of output, errors."""

    def go(*arguments, out=tmp_path / "out"):
        options = ["--model", tiny_model, "--cache-dir", cache, "--out", out, "--json"]
        code = main(["predict", *map(str, arguments), *map(str, options)])
        printed = capsys.readouterr()
        return code, json.loads(printed.out.splitlines()[-1]), printed.err

    return go


def test_an_image_gives_all_files(run, image, tmp_path):
    code, report, _ = run(image, "--label", "bottle")
    out = tmp_path / "out"
    assert code == 0 and report["done"] == 1 and report["failed"] == []
    assert sorted(p.name for p in out.iterdir()) == [
        f"photo.{kind}" for kind in ("glb", "json", "npz", "ply", "png")
    ]
    facts = json.loads((out / "photo.json").read_text())
    assert facts == report["results"][0] | {"timings_s": facts["timings_s"]}
    assert facts["task"] == "human_contact" and facts["topology"] == "anny"
    assert facts["image"] == str(image) and facts["timings_s"]["total"] > 0
    assert len(facts["parts"]) == len(BODY_PARTS)
    means = [part["mean_score"] for part in facts["parts"]]
    assert means == sorted(means, reverse=True)
    arrays = np.load(out / "photo.npz")
    assert arrays["scores"].shape == arrays["seen"].shape == (facts["scores"]["vertices"],)
    assert facts["scores"]["seen_vertices"] == arrays["seen"].sum()
    assert facts["scores"]["contact_vertices"] == arrays["contact"].sum()
    assert load_mesh(out / "photo.ply").num_vertices == len(arrays["scores"])
    assert Image.open(out / "photo.png").width == 1800


def test_only_the_files_asked_for_are_written(run, image, tmp_path):
    code, report, _ = run(image, "--label", "bottle", "--files", "npz", "json")
    assert code == 0 and set(report["results"][0]["files"]) == {"json", "npz"}
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".json", ".npz"]


def test_scores_index_the_users_own_vertices(run, image, box, tmp_path):
    code, report, _ = run(image, "--label", "thing", "--task", "object_contact", "--mesh", box)
    assert code == 0
    written = load_mesh(tmp_path / "out" / "photo.ply")
    assert np.allclose(written.vertices, load_mesh(box).vertices)
    assert len(np.load(tmp_path / "out" / "photo.npz")["scores"]) == 8
    assert report["results"][0]["topology"] == "mesh"


def test_one_bad_image_does_not_stop_the_batch(run, image, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"garbage")
    small = tmp_path / "small.png"
    Image.new("RGB", (2, 2)).save(small)
    code, report, errors = run(bad, tmp_path / "gone.png", small, image, "--label", "bottle")
    assert code == 1 and report["done"] == 1
    assert [f["input"] for f in report["failed"]] == [
        str(tmp_path / "gone.png"),
        str(bad),
        str(small),
    ]
    for name in ("bad.jpg", "gone.png", "small.png"):
        assert f"failed: {tmp_path / name}" in errors


def test_folder_mode_uses_each_samples_mesh_and_names_the_wrong_one(run, image, box, tmp_path):
    for name in ("good", "wrong"):
        folder = tmp_path / "samples" / name
        folder.mkdir(parents=True)
        (folder / "bottle__view.png").write_bytes(image.read_bytes())
        (folder / "mesh.obj").write_text(box.read_text() if name == "good" else "v 0 0 0\n")
    code, report, _ = run(tmp_path / "samples", "--task", "object_contact")
    assert code == 1 and report["done"] == 1
    assert report["results"][0]["label"] == "bottle"
    assert report["results"][0]["scores"]["vertices"] == 8
    assert "wrong" in report["failed"][0]["input"] and "mesh" in report["failed"][0]["reason"]


def test_videos_give_one_result_a_frame(run, video, tmp_path):
    code, report, _ = run(video, "--every", 5)
    assert code == 0
    assert [r["frame"] for r in report["results"]] == [0, 5]
    assert (tmp_path / "out" / "cup__walk_000005.json").exists()


def test_a_label_without_a_shipped_mesh_is_named(run, image):
    code, report, _ = run(image, "--label", "zeppelin", "--task", "object_affordance")
    assert code == 1 and "zeppelin" in report["failed"][0]["reason"]
    assert "--mesh FILE" in report["failed"][0]["reason"]


def test_a_page_is_written_on_request(run, image, tmp_path):
    code, _, _ = run(image, "--label", "bottle", "--html")
    assert code == 0 and "<canvas" in (tmp_path / "out" / "index.html").read_text()


def test_a_box_tells_where_the_object_is(told_model, image, cache, tmp_path, capsys):
    base = ["predict", image]
    how = ["--label", "bottle", "--model", told_model, "--cache-dir", cache]
    scores = []
    for box in ([], ["--box", "5", "5", "40", "30"]):
        out = tmp_path / f"out{len(box)}"
        assert main([str(a) for a in (*base, *how, "--out", out, "--files", "npz", *box)]) == 0
        scores.append(np.load(out / "photo.npz")["scores"])
    assert not np.array_equal(*scores)
    said = usage_error([*base, image, *how, "--out", tmp_path / "o", *box], capsys)
    assert "a single IMAGE" in said
    capsys.readouterr()
    out = ["--out", tmp_path / "outside", "--box", "900", "5", "940", "30"]
    assert main([str(a) for a in (*base, *how, *out)]) == 1
    assert "outside the image of 64x48" in capsys.readouterr().err


def usage_error(arguments, capsys):
    """Exit code 2 from the argument parser or from the command, and what was said."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    printed = capsys.readouterr()
    assert code == 2
    return " ".join((printed.out + printed.err).replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "o"], "IMAGE"),
        (["a.png"], "--out"),
        (["a.png", "--out", "o", "--label", " "], "is empty"),
        (["a.png", "--out", "o", "--task", "eating"], "object_affordance"),
        (["a.png", "--out", "o", "--every", "0"], "--every"),
        (["a.png", "--out", "o", "--label", "x", "--mesh", "m.obj"], "--task object_contact"),
        (
            ["a.png", "--out", "o", "--label", "scene", "--task", "object_contact"],
            "human_contact only",
        ),
        (["a.png", "--out", "o", "--lable", "x"], "--label"),
        (["a.png", "--out", "o", "--label", "scene", "--box", "1", "2", "3", "4"], "no --box"),
        (["a.png", "--out", "o", "--label", "x", "--box", "1", "2", "3"], "--box"),
        (["--box", "1", "2", "3"], "'--box'. Expected 4 values"),
        (["--box", "1", "2", "3", "a.png", "--out", "o"], "four numbers, LEFT TOP RIGHT BOTTOM"),
        (["a.png", "--out", "o", "--files"], "--files must name one or more of json"),
        (["a.png", "--out", "o", "--cache-dir", __file__], "is a file; name a folder"),
        (
            ["a.png", "--out", "o", "--label", "x", "--box", "9", "2", "3", "4"],
            "--box: [9.0, 2.0, 3.0, 4.0] has no area",
        ),
        (
            ["a.png", "--out", "o", "--label", "x", "--box", "nan", "2", "3", "4"],
            "--box: expected finite left",
        ),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_change(arguments, said, capsys):
    assert said in usage_error(["predict", *arguments], capsys)


def test_what_would_fail_for_every_image_is_wrong_usage(image, tiny_model, cache, tmp_path, capsys):
    base = ["predict", image, "--label", "cup", "--cache-dir", cache]
    boxed = [*base, "--model", tiny_model, "--out", tmp_path / "x", "--box", "1", "2", "30", "40"]
    assert "leave --box out" in usage_error(boxed, capsys)
    common = [*base, "--out", tmp_path / "o"]
    assert "nowhere" in usage_error([*common, "--model", tmp_path / "nowhere"], capsys)
    said = usage_error([*common, "--model", tiny_model, "--device", "cuda:77"], capsys)
    assert "cuda:77" in said
    for device in ("banana", "meta"):
        said = usage_error([*common, "--model", tiny_model, "--device", device], capsys)
        assert "ivlm predict: --device" in said and device in said and "--model" not in said
    for option in (["--clip", tmp_path], ["--reference-quirks", "all"]):
        said = usage_error([*common, "--model", tiny_model, *option], capsys)
        assert "published checkpoints" in said
    options = ["--model", tiny_model, "--task", "object_contact"]
    assert "gone.ply" in usage_error([*common, *options, "--mesh", tmp_path / "gone.ply"], capsys)
    assert "cannot be made" in usage_error(
        [*base, "--model", tiny_model, "--out", image / "below-a-file"], capsys
    )


def test_nothing_is_loaded_when_no_input_exists(run, tmp_path):
    code, report, _ = run(tmp_path / "gone.png", "--label", "cup")
    assert code == 1 and report["done"] == 0 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["predict", "segment"])
def test_results_are_only_said_to_be_where_there_are_any(verb, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    inputs = [str(tmp_path / "gone.png"), str(tmp_path / "empty")]
    assert main([verb, *inputs, "--label", "cup", "--out", str(tmp_path / "out")]) == 1
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("0 done, 2 failed") and "results in" not in said
    assert not (tmp_path / "out").exists()


def test_an_image_may_follow_the_four_edges_of_a_box(tmp_path, capsys):
    image = str(tmp_path / "gone.png")
    options = ["--out", str(tmp_path / "out"), "--label", "cup", "--box", "1", "2", "3", "4", image]
    assert main(["predict", *options]) == 1
    assert f"failed: {image}" in capsys.readouterr().err

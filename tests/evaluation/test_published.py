"""Scores on published datasets: from pictures on disk through the pipeline to the table."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.datasets.published import human
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.metrics import contact_scores
from ivlm_core.evaluation.published import evaluate_contact
from ivlm_core.pipeline import Pipeline


@pytest.fixture(scope="module")
def pipeline(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return Pipeline.from_pretrained(answering_model, "cpu", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def items(tmp_path: Path) -> list[LabelledImage]:
    """Two pictures, three questions, labels at random."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    asked = [("a", "tennis_racket"), ("a", "supporting"), ("b", "chair")]
    return [
        LabelledImage(
            dataset="damon",
            name=f"{name}_{label}",
            image=tmp_path / f"{name}.png",
            kind="hcontact",
            label=label,
            vertices=np.unique(rng.integers(0, 13718, 400)).astype(np.int32),
            num_vertices=13718,
        )
        for name, label in asked
    ]


def test_scores_are_those_of_the_answers(
    pipeline: Pipeline, items: list[LabelledImage], tmp_path: Path
) -> None:
    report = evaluate_contact(pipeline, items, batch_size=1, about={"model": "tiny"})
    assert report.about == {"model": "tiny", "images": 2, "questions": 3}
    scores = [pipeline.predict(i.image, i.label).scores for i in items]
    f1 = contact_scores(np.stack([i.dense() for i in items]), np.stack(scores)).f1
    assert report.semantic is not None
    assert set(report.semantic.per_object) == {"tennis_racket", "chair"}  # not `supporting`
    assert report.semantic.per_object["chair"].f1 == pytest.approx(f1[2])
    assert report.semantic.f1 == pytest.approx((f1[0] + f1[2]) / 2)
    assert set(report.semantic.per_category) == {"sports", "furniture"}
    assert [Path(image).stem for image in report.binary.images] == ["a", "b"]
    assert report.binary.image_f1[1] == pytest.approx(f1[2])
    assert np.isnan(report.binary.geodesic)
    report.save(tmp_path / "out")
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["binary"]["geodesic"] is None and len(saved["binary"]["image_f1"]) == 2
    text = (tmp_path / "out" / "report.txt").read_text()
    assert re.search(r"contact of any kind +2 ", text) and "furniture" in text


def test_only_support_has_no_objects(pipeline: Pipeline, items: list[LabelledImage]) -> None:
    report = evaluate_contact(pipeline, items[1:2])
    assert report.semantic is None and "contact by object" not in report.text()


def test_what_cannot_be_compared_is_refused(pipeline: Pipeline, items: list[LabelledImage]) -> None:
    with pytest.raises(ValueError, match="on 6890 vertices; the model's body anny has 13718"):
        evaluate_contact(pipeline, [replace(items[0], num_vertices=6890)])
    with pytest.raises(ValueError, match="labels of kind oafford"):
        evaluate_contact(pipeline, [replace(items[0], kind="oafford")])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_contact(pipeline, [])


def test_the_command(
    answering_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smpl = np.array([{"cup": [1, 2]}], dtype=object)
    np.savez(tmp_path / "raw.npz", imgname=np.array(["a.png"]), contact_label_objectwise=smpl)
    command = ["evaluate", "--dataset", "damon-raw", "--data", str(tmp_path / "raw.npz")]
    command += ["--model", str(answering_model)]
    assert main(command) == 2
    assert "needs --images" in capsys.readouterr().err
    assert main([*command, "--images", str(tmp_path)]) == 2
    assert "body anny has 13718" in capsys.readouterr().err
    assert main(["evaluate", "--dataset", "damon", "--data", str(tmp_path)]) == 2
    assert "DAMON: there is no folder" in capsys.readouterr().err


def test_the_command_scores_as_the_published_code_by_name(
    answering_model: Path,
    items: list[LabelledImage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(human, "read_damon_raw", lambda *_: items)
    command = ["evaluate", "--dataset", "damon-raw", "--data", str(tmp_path), "--no-progress"]
    command += ["--images", str(tmp_path), "--json"]
    command += ["--model", str(answering_model), "--device", "cpu"]
    recall = {}
    for quirks in ("none", "semantic_soft_counts,category_spaces"):
        assert main([*command, "--reference-quirks", quirks]) == 0, capsys.readouterr().err
        report = json.loads(capsys.readouterr().out.splitlines()[-1])
        recall[quirks] = report["semantic"]["per_object"]["chair"]["recall"]
    assert recall["semantic_soft_counts,category_spaces"] > recall["none"]
    assert main([*command, "--reference-quirks", "meter_epsilon"]) == 2
    assert "meter_epsilon would change nothing here" in capsys.readouterr().err
    synthetic = ["evaluate", "--data", str(tmp_path), "--reference-quirks", "all"]
    assert main(synthetic) == 2
    assert "published datasets" in capsys.readouterr().err

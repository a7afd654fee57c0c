"""Evaluations of models trained on different shares become one table and one picture."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivlm_core.cli import main
from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.curve import Curve
from ivlm_core.evaluation.curve_page import svg
from ivlm_core.evaluation.evaluate import evaluate
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.report import Report
from tests.datasets.fixtures import write_tiny_dataset
from tests.evaluation.fake_pipeline import FakePipeline

SVG = "{http://www.w3.org/2000/svg}"


def right_in(images: int) -> Any:
    """A model that is right about the first images and sees no contact in the others."""

    def scores(target: Target, mesh: Any) -> np.ndarray:
        return target.dense() * (target.image_index < images)

    return scores


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Report]:
    """By images that the model learned from: the more, the better."""
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=8)
    test = SyntheticDataset(folder, "test")
    found = {}
    for images, right in ((80, 2), (800, 6)):
        about = {"model": f"m{images}", "trained_on": images, "share": images / 800}
        pipeline = FakePipeline(test, right_in(right))
        found[images] = evaluate(pipeline, test, tasks=("human_contact",), about=about)  # type: ignore[arg-type]
    return found


def with_regressor(report: Report, images: int) -> Report:
    """The same report, as if the nearest image were a regressor's answer."""
    pairs = [
        replace(p, by={**p.by, "direct_regressor": p.by["nearest_image"]}) for p in report.pairs
    ]
    about = {**report.about, "regressor": "r", "regressor_trained_on": images}
    return Report.of(pairs, about=about)


def test_points_are_in_order_and_have_their_intervals(
    reports: dict[int, Report], tmp_path: Path
) -> None:
    for images, report in reports.items():
        with_regressor(report, 800).save(tmp_path / str(images))
    curve = Curve.of([tmp_path / "800", tmp_path / "80"])
    assert [(p.predictor, p.images, p.share) for p in curve.points] == [
        (MODEL, 80, 0.1),
        (MODEL, 800, 1.0),
        ("direct_regressor", 800, None),
    ], "one regressor beside two models is one point"
    assert curve.about == {"data": "tiny", "split": "test", "images": 8}
    few, all_, _ = curve.points
    assert few.figures["human_contact_f1"] < all_.figures["human_contact_f1"]
    low, high = few.intervals["human_contact_f1"]
    assert low <= few.figures["human_contact_f1"] <= high
    assert set(curve.references) == {"label_only", "nearest_image", "true_side"}
    head, *rows = curve.rows()
    assert head[:4] == ("predictor", "images", "share", "human contact f1")
    assert rows[0][:3] == ("model", "80", "10 %") and rows[-1][:3] == ("true side", "-", "-")
    assert len({len(row) for row in curve.rows()}) == 1


def test_the_picture_shows_more_images_to_the_right_and_more_f1_above(
    reports: dict[int, Report], tmp_path: Path
) -> None:
    for images, report in reports.items():
        report.save(tmp_path / str(images))
    picture = ElementTree.fromstring(svg(Curve.of([tmp_path / "80", tmp_path / "800"])))
    panels = picture.findall(f"{SVG}g")
    assert len(panels) == 2, "all questions, and those whose side is undecided"
    few, many = panels[0].findall(f"{SVG}circle")
    assert float(few.get("cx", 0)) < float(many.get("cx", 0))
    assert float(few.get("cy", 0)) > float(many.get("cy", 0)), "y grows downwards"
    said = [text.text for text in panels[0].findall(f"{SVG}text")]
    assert {"model", "label only", "80", "800", "training images"} <= set(said)
    alone = ElementTree.fromstring(svg(Curve.of([tmp_path / "80"])))
    assert len(alone.findall(f".//{SVG}circle")) == 2, "one point a panel is no error"


def test_the_command_writes_table_picture_page_and_json(
    reports: dict[int, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for images, report in reports.items():
        report.save(tmp_path / str(images))
    folders = [str(tmp_path / "80"), str(tmp_path / "800")]
    assert main(["curve", *folders, "--out", str(tmp_path / "curve"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    saved = json.loads((tmp_path / "curve" / "curve.json").read_text())
    assert told.pop("command") == "curve" and told == saved
    assert len(saved["points"]) == 2
    page = (tmp_path / "curve" / "curve.html").read_text()
    assert "<svg" in page and "{{" not in page and "human contact f1" in page
    assert (tmp_path / "curve" / "curve.txt").is_file()
    assert ElementTree.parse(tmp_path / "curve" / "curve.svg").getroot().tag == f"{SVG}svg"


def test_what_cannot_be_one_curve_is_refused(
    reports: dict[int, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports[80].save(tmp_path / "80")
    out = ["--out", str(tmp_path / "curve")]
    assert main(["curve", str(tmp_path), *out]) == 2
    assert "--out folder of `ivlm evaluate`" in capsys.readouterr().err
    file = str(tmp_path / "80" / "report.json")
    assert main(["curve", str(tmp_path / "80"), "--out", file]) == 2
    assert f"--out {file} cannot be made: it is a file" in capsys.readouterr().err
    about = reports[800].about
    replace(reports[800], about={**about, "split": "train"}).save(tmp_path / "other")
    assert main(["curve", str(tmp_path / "80"), str(tmp_path / "other"), *out]) == 2
    assert "has split test" in capsys.readouterr().err
    unknown = {k: v for k, v in about.items() if k != "trained_on"}
    replace(reports[800], about=unknown).save(tmp_path / "unknown")
    with pytest.raises(ValueError, match="does not tell how many images 'm800' learned from"):
        Curve.of([tmp_path / "unknown"])
    low = replace(reports[800], about={**about, "threshold": 0.1})
    low.save(tmp_path / "low")
    with pytest.raises(ValueError, match=r"has threshold None, .* 0\.1"):
        Curve.of([tmp_path / "80", tmp_path / "low"])
    Report.of([], about=about).save(tmp_path / "nothing")
    with pytest.raises(ValueError, match="has no key figures"):
        Curve.of([tmp_path / "nothing"])
    (tmp_path / "80" / "report.json").write_text('{"about": {}, "groups": {}, "key_figures": 1}')
    with pytest.raises(ValueError, match="is no report on synthetic data of this version"):
        Curve.of([tmp_path / "80"])
    (tmp_path / "80" / "report.json").write_text("{}")
    with pytest.raises(ValueError, match="is no report on synthetic data of this version"):
        Curve.of([tmp_path / "80"])
    (tmp_path / "80" / "report.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        Curve.of([tmp_path / "80"])
    with pytest.raises(ValueError, match="at least one"):
        Curve.of([])

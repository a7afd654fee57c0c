"""What a model card gives: absence, visible sides, unseen objects, the gap that is closed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.circumstances import Circumstances, Surroundings
from ivlm_core.evaluation.evaluate import evaluate
from ivlm_core.evaluation.kept_figures import KeptFigures
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photo_masks import MaskGroup, MaskScores, PhotoFigures
from ivlm_core.evaluation.report import Report
from tests.datasets.fixtures import write_tiny_dataset
from tests.evaluation.fake_pipeline import FakePipeline


@pytest.fixture(scope="module")
def test_split(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=8)
    return SyntheticDataset(folder, "test")


def half_wrong(target: Target, mesh: Any) -> np.ndarray:
    """Right, but chairs are never touched, and what is absent is, in images of even number."""
    if target.label == "chair" and target.task == "human_contact":
        return np.zeros(target.num_vertices, np.float32)
    if target.is_empty and target.image_index % 2 == 0:
        return np.ones(target.num_vertices, np.float32)
    return target.dense()


@pytest.fixture(scope="module")
def report(test_split: SyntheticDataset) -> Report:
    return evaluate(FakePipeline(test_split, half_wrong), test_split)  # type: ignore[arg-type]


def test_absence_is_the_positive_class(report: Report) -> None:
    objects = report.absence["objects"]
    assert (objects.pairs, objects.absent) == (8 + 3 + 8, 8)
    assert objects.precision[MODEL] == pytest.approx(4 / 7), "4 absent, 3 chairs"
    assert objects.recall[MODEL] == pytest.approx(4 / 8)
    assert objects.f1[MODEL] == pytest.approx(2 * 4 / (7 + 8))
    assert objects.precision["label_only"] is None, "it never answers with nothing"
    assert objects.recall["label_only"] == objects.f1["label_only"] == 0
    assert "ground" not in report.absence, "the ground is always touched"


def test_without_absent_questions_there_is_no_figure(test_split: SyntheticDataset) -> None:
    pairs = evaluate(FakePipeline(test_split, half_wrong), test_split, baselines={}).pairs  # type: ignore[arg-type]
    touched = Report.of([p for p in pairs if not p.is_empty])
    assert touched.absence == {} and "absence_recall" not in touched.key_figures
    assert Report.of([]).key_figures == {} and Report.of([]).tables() == []


def test_a_test_split_alone_is_judged_without_unseen_objects(
    test_split: SyntheticDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "alone"
    shutil.copytree(test_split.folder, folder)
    shutil.rmtree(folder / "train")
    alone = SyntheticDataset(folder, "test")
    found = evaluate(FakePipeline(alone, half_wrong), alone, limit=2, baselines={})  # type: ignore[arg-type]
    assert {p.circumstances.instance_unseen for p in found.pairs} == {None}


def test_the_circumstances_of_a_question(
    test_split: SyntheticDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = SyntheticDataset(test_split.folder, "train")
    held, on_bottle, *_ = test_split.targets(2)
    ground = next(t for t in test_split.targets(2) if t.label == "scene")
    assert (held.label, held.side) == ("bottle", "right")
    known = Surroundings.of(test_split, train)
    assert known.of_question(held) == Circumstances(hand_visible=True, instance_unseen=False)
    assert known.of_question(ground) == Circumstances(), "no one hand, no object"
    assert Surroundings.of(test_split).of_question(held).instance_unseen is None
    new = Surroundings(test_split, frozenset({"phone-1"}))
    assert new.of_question(on_bottle).instance_unseen is True
    hidden = [[name != "right wrist" for name in test_split.info.joint_names]]
    monkeypatch.setattr(test_split, "stack", lambda field, indices: np.array(hidden))
    assert known.of_question(held).hand_visible is False


def test_sides_count_where_hand_and_object_are_in_view(report: Report) -> None:
    assert "side_accuracy_hand_and_object_visible" not in report.key_figures, "objects of 12 pixels"
    held = [p for p in report.pairs if p.circumstances.hand_visible]
    assert len(held) == 8
    large = [replace(p, visible_pixels=60) for p in held]
    large[0] = replace(large[0], circumstances=Circumstances(hand_visible=False))
    wrong = {**large[1].by, MODEL: replace(large[1].by[MODEL], side_match=0.0)}
    large[1] = replace(large[1], by=wrong)
    figure = Report.of(large).key_figures["side_accuracy_hand_and_object_visible"]
    assert figure.pairs == 7
    assert figure.by[MODEL] == pytest.approx(6 / 7)


def test_affordance_on_unseen_instances(report: Report) -> None:
    assert "affordance_auc_unseen_instances" not in report.key_figures, "training had all of them"
    pairs = [p for p in report.pairs if p.task == "object_affordance"]
    chairs = [
        replace(p, circumstances=Circumstances(instance_unseen=p.label == "chair")) for p in pairs
    ]
    found = Report.of(chairs)
    assert found.groups["object_affordance"]["unseen_instances"].pairs == 3
    assert found.key_figures["affordance_auc_unseen_instances"].by[MODEL] == 1
    iou = found.key_figures["affordance_aiou_unseen_instances"].by[MODEL]
    assert iou == found.groups["object_affordance"]["unseen_instances"].by[MODEL].average_iou


def test_the_gap_to_who_is_told_side_and_interaction(report: Report) -> None:
    gap = report.key_figures["gap_closed_to_true_side_and_template_side_undecided"]
    assert gap.by[MODEL] == pytest.approx(1) and gap.by["label_only"] == 0
    assert gap.by["true_template"] == 1
    everything = report.groups["human_contact"]["all"]
    over_all = report.key_figures["gap_closed_to_true_side_and_template"]
    assert over_all.by[MODEL] == pytest.approx(everything.gap_closed["true_template"])


def test_body_parts_of_the_answers(report: Report) -> None:
    assert report.key_figures["body_part_f1"].by == {MODEL: 1}
    assert report.key_figures["body_part_f1"].pairs == 27
    assert report.key_figures["body_part_f1_touched"].pairs == 19
    one_wrong = [
        replace(p, details_f1=0.0) if i == 0 else p
        for i, p in enumerate(p for p in report.pairs if p.task == "human_contact")
    ]
    figures = Report.of(one_wrong).key_figures
    assert figures["body_part_f1"].by[MODEL] == pytest.approx(26 / 27)
    assert figures["body_part_f1_touched"].by[MODEL] == pytest.approx(18 / 19)


def test_masks_on_pictures_are_among_them(report: Report) -> None:
    scores = {
        MODEL: MaskScores(0.4, 0.5, 0.6, 0.7),
        "label_on_parts": MaskScores(0.1, 0.2, 0.3, 0.4),
    }
    sure = {"giou": (0.3, 0.5), "f1": (0.5, 0.7), "near_f1": (0.6, 0.8)}
    group = MaskGroup(questions=7, by=scores, gain=0.3, gain_interval=(0.2, 0.4), intervals=sure)
    figures = replace(report, photos=PhotoFigures({"all": group}, None)).key_figures
    assert figures["photo_contact_giou"].by == {MODEL: 0.4, "label_on_parts": 0.1}
    assert (figures["photo_contact_f1"].by[MODEL], figures["photo_contact_f1"].pairs) == (0.6, 7)
    assert figures["photo_contact_near_f1"].by[MODEL] == 0.7
    assert [figures[f"photo_contact_{name}"].interval for name in sure] == list(sure.values())
    nothing = replace(report, photos=PhotoFigures({}, None)).key_figures
    assert nothing.keys() == report.key_figures.keys()


def test_they_stand_first_in_every_report(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())["key_figures"]
    assert told["absence_precision"]["by"]["label_only"] is None
    assert "not there or not touched" in told["absence_recall"]["meaning"]
    title, rows = report.tables()[0]
    assert title == "Key figures"
    (recall,) = (row for row in rows if row[0] == "absence recall")
    assert recall[1:4] == ("8", "0.500", "0.000")
    assert "Finding that nothing is touched" in report.text()


def test_every_figure_comes_with_how_sure_it_is(report: Report) -> None:
    figures = report.key_figures
    assert len(figures) >= 7
    for name, figure in figures.items():
        assert figure.interval is not None, name
        low, high = figure.interval
        assert low <= figure.by[MODEL] <= high, name  # type: ignore[operator]
    low, high = figures["absence_recall"].interval or (0, 0)
    assert low < 0.5 < high, "half of eight, right in every second image"
    assert figures["body_part_f1"].interval == (1, 1), "all are right, whichever are drawn"
    (row,) = (row for row in report.tables()[0][1] if row[0] == "absence recall")
    assert row[-1] == f"{low:.3f}..{high:.3f}"


def test_a_gap_is_drawn_again_with_what_it_is_a_share_of(report: Report) -> None:
    """The model is as good as who is told, so it closes the whole gap in every draw."""
    touched = [p for p in report.pairs if p.task == "human_contact" and not p.is_empty]
    as_told = [replace(p, by={**p.by, MODEL: p.by["true_template"]}) for p in touched]
    figure = Report.of(as_told).key_figures["gap_closed_to_true_side_and_template"]
    assert figure.by[MODEL] == pytest.approx(1) and figure.interval == pytest.approx((1, 1))


def test_a_gap_that_few_images_have_is_told_without_an_interval(report: Report) -> None:
    """Where one image alone has a gap, every third draw has none to be a share of."""
    touched = [p for p in report.pairs if p.task == "human_contact" and not p.is_empty]
    others = [
        replace(p, by=dict.fromkeys(p.by, p.by[MODEL])) for p in touched if p.image_index in (4, 5)
    ]
    found = Report.of([*(p for p in touched if p.image_index == 2), *others])
    figure = found.key_figures["gap_closed_to_true_side_and_template"]
    assert figure.by[MODEL] == pytest.approx(1) and figure.interval is None
    json.dumps(found.to_json(), allow_nan=False)


def test_kept_figures_have_the_intervals(report: Report) -> None:
    kept = KeptFigures.of(json.loads(json.dumps(report.to_json())), ["human_contact"])
    assert kept.intervals.keys() == kept.values.keys()

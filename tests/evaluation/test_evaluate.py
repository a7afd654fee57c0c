import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from ivlm_core.datasets.sample import SceneObject, Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.baselines import Guess, LabelOnly
from ivlm_core.evaluation.cases import CaseKind, choose_cases
from ivlm_core.evaluation.evaluate import (
    EvaluateConfig,
    evaluate,
    evaluate_scores,
    fit_baselines,
    main,
    spread,
)
from ivlm_core.evaluation.figures import bootstrap_interval
from ivlm_core.evaluation.outcomes import MODEL, Judge, names_f1
from ivlm_core.evaluation.report import Report
from ivlm_core.geometry.body import load_body
from tests.datasets.fixtures import write_tiny_dataset
from tests.evaluation.fake_pipeline import FakePipeline

BODY = load_body("anny")
KINDS = get_args(CaseKind)


@pytest.fixture(scope="module")
def test_split(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=8)
    return SyntheticDataset(folder, "test")


@pytest.fixture(scope="module")
def perfect(test_split: SyntheticDataset) -> Report:
    pipeline = FakePipeline(test_split, lambda target, mesh: 0.45 * target.dense())
    report = evaluate(pipeline, test_split, batch_size=5, about={"model": "perfect"})  # type: ignore[arg-type]
    assert sum(pipeline.batches) == len(test_split.pairs)
    assert min(pipeline.batches[:-1]) >= 5
    return report


@pytest.fixture(scope="module")
def blind(test_split: SyntheticDataset) -> Report:
    """A model that knows only labels, and touches both hands for an absent object too."""
    fitted = LabelOnly.fit(SyntheticDataset(test_split.folder, "train"))
    pipeline = FakePipeline(
        test_split, lambda t, mesh: fitted.answer(t, mesh).contact.astype(np.float32)
    )
    return evaluate(pipeline, test_split)  # type: ignore[arg-type]


def test_a_model_that_sees_closes_the_gap(perfect: Report) -> None:
    human = perfect.groups["human_contact"]
    assert human["all"].by[MODEL].f1 == human["all"].by[MODEL].area_f1 == 1
    assert human["all"].by[MODEL].geodesic == 0
    blind_error = human["side_undecided"].by["label_only"].geodesic
    assert blind_error is not None and 0.3 < blind_error < 1.5, "half of it is the other hand"
    undecided = human["side_undecided"]
    assert undecided.pairs == 8 and undecided.by[MODEL].side_accuracy == 1
    assert undecided.gain == pytest.approx(1 / 3, abs=0.01)
    assert undecided.gap_closed["true_side"] == pytest.approx(1)
    assert undecided.gain_interval is not None
    low, high = undecided.gain_interval
    assert low <= undecided.gain <= high
    assert human["all"].gap_closed["true_template"] == pytest.approx(1)
    assert perfect.goals == {"all": True, "side_undecided": True}


def test_a_model_that_recites_gains_nothing(blind: Report) -> None:
    human = blind.groups["human_contact"]
    for name in ("all", "side_undecided"):
        assert human[name].gain == pytest.approx(0, abs=1e-9)
        assert human[name].gap_closed["true_side"] == pytest.approx(0, abs=1e-9)
    assert human["side_undecided"].by[MODEL].f1 == pytest.approx(2 / 3, abs=0.01)
    assert blind.goals == {"all": False, "side_undecided": False}


def test_groups_cover_labels_interactions_visibility_and_tasks(perfect: Report) -> None:
    groups = perfect.groups
    assert set(groups["human_contact/label"]) == {"bottle", "phone", "chair", "scene"}
    assert set(groups["human_contact/template"]) == {"bottle: hold", "phone: hold", "chair: sit"}
    assert set(groups["human_contact/visibility"]) == {"object under 50 px"}
    assert sum(g.pairs for g in groups["human_contact/label"].values()) == 19
    for task in ("object_contact", "object_affordance"):
        figures = groups[task]["all"].by[MODEL]
        assert (figures.f1, figures.auc, figures.side_accuracy) == (1, 1, None)
        assert "label_only" in groups[task]["all"].by
    assert groups["human_contact"]["all"].by[MODEL].auc is None


def test_absent_objects_are_false_positives_when_answered(perfect: Report, blind: Report) -> None:
    seeing, reciting = perfect.empty["absent"], blind.empty["absent"]
    assert seeing.pairs == 8
    assert seeing.false_positive_rate == pytest.approx(
        {MODEL: 0, "label_only": 1, "true_side": 1, "true_template": 1, "nearest_image": 0}
    )
    assert reciting.false_positive_rate[MODEL] == 1 and reciting.mean_vertices[MODEL] > 1000


def test_text_is_compared_with_the_true_names(perfect: Report) -> None:
    assert perfect.texts["human_contact"].pairs == 27
    for figures in perfect.texts.values():
        assert (figures.f1, figures.exact) == (1, 1)


def test_names_in_text() -> None:
    parts = ("hand", "left hand", "hips")
    assert names_f1("Body parts: left hand, contact mask: <HCON>.", ["left hand"], parts[1:]) == 1
    assert names_f1("Body parts: none.", [], parts) == 1
    assert names_f1("Body parts: hips.", ["left hand"], parts) == 0
    assert names_f1("wrapgrasp", ["grasp"], ["grasp"]) == 0


def held(label: str, part: str, slot: int) -> Target:
    side = part.split()[0]
    item = SceneObject(slot, label, f"{label}-1", True, "hold", side, 99, 0.0)  # type: ignore[arg-type]
    return Target(
        image_index=0,
        task="human_contact",
        label=label,
        slot=slot,
        object=item,
        vertices=BODY.mesh.parts[part],
        num_vertices=BODY.mesh.num_vertices,
        parts=(part,),
        affordances=(),
        side_decided_by_label=False,
        template="hold",
    )


def test_two_labels_of_one_image() -> None:
    left, right = held("bottle", "left hand", 0), held("phone", "right hand", 1)
    both = Guess(np.maximum(left.dense(), right.dense()), 0.5)
    smaller = Guess(both.scores * (np.arange(len(both.scores)) % 2), 0.5)
    own = [Guess(t.dense(), 0.5) for t in (left, right)]
    guesses = [
        {MODEL: own[0], "hedge": both, "wobble": both, "swapped": own[1]},
        {MODEL: own[1], "hedge": both, "wobble": smaller, "swapped": own[0]},
    ]
    (found,) = Judge(BODY).two_labels([left, right], guesses)
    assert found.labels == ("bottle", "phone") and found.side_undecided
    assert found.differ == {MODEL: True, "hedge": False, "wobble": True, "swapped": True}
    assert found.told_apart == {MODEL: True, "hedge": False, "wobble": False, "swapped": False}
    same = replace(right, vertices=left.vertices)
    assert Judge(BODY).two_labels([left, same], guesses) == []


def test_two_label_figures(perfect: Report) -> None:
    assert set(perfect.two_labels) == {"all"}
    assert perfect.two_labels["all"].pairs == 3
    assert perfect.two_labels["all"].told_apart[MODEL] == 1


def test_scores_alone_give_the_same_figures(test_split: SyntheticDataset, blind: Report) -> None:
    baselines = fit_baselines(test_split)
    samples = list(test_split.iterate())
    scores = [baselines["label_only"].answer(s.target, s.mesh).contact for s in samples]
    truth = [s.target.dense() for s in samples]
    report = evaluate_scores(truth, scores, samples, BODY, baselines)
    assert report.groups == blind.groups
    assert report.two_labels == blind.two_labels
    human = [i for i, s in enumerate(samples) if s.task == "human_contact"]
    alone = evaluate_scores(
        np.stack([truth[i] for i in human]),
        np.stack([scores[i] for i in human]),
        [samples[i].target for i in human],
        BODY,
    )
    assert list(alone.groups["human_contact"]["all"].by) == [MODEL]
    assert alone.goals == {} and alone.groups["human_contact"]["all"].gain is None
    assert "questions" in alone.text()


def test_scores_of_another_mesh_are_refused(test_split: SyntheticDataset) -> None:
    pipeline = FakePipeline(test_split, lambda target, mesh: np.zeros(10))
    with pytest.raises(ValueError, match="got 10 scores for a mesh of 13718 vertices"):
        evaluate(pipeline, test_split, limit=1)  # type: ignore[arg-type]


def test_threshold_and_tasks_can_be_chosen(test_split: SyntheticDataset) -> None:
    pipeline = FakePipeline(test_split, lambda target, mesh: 0.45 * target.dense())
    report = evaluate(
        pipeline,  # type: ignore[arg-type]
        test_split,
        limit=3,
        tasks=("human_contact",),
        threshold=0.5,
        baselines={},
    )
    assert report.about["images"] == 3
    assert {section.split("/")[0] for section in report.groups} == {"human_contact"}
    assert report.groups["human_contact"]["all"].by[MODEL].f1 == 0


def test_main_runs_a_model_folder_over_a_split(
    test_split: SyntheticDataset, tmp_path: Path
) -> None:
    """Every real part at tiny size: loaded, asked, judged, written."""
    from ivlm_core.model.build import save_tiny

    model = save_tiny(tmp_path / "model")
    config = EvaluateConfig(
        test_split.folder, str(model), out=tmp_path / "out", limit=2, device="cpu", progress=False
    )
    report = main(config)
    assert report.about["images"] == 2
    assert {s.split("/")[0] for s in report.groups} == set(config.tasks)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["about"] == report.about
    assert "threshold" not in report.about
    low = replace(config, out=None, threshold=0.1, limit=1, cases=0, tasks=("human_contact",))
    assert main(low).about["threshold"] == 0.1, "figures at another threshold say so"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "best answers" in page and "worst answers" in page and "{{" not in page
    assert "http" not in page, "the page is whole without a network"
    with pytest.raises(FileNotFoundError, match="no split 'dev'"):
        main(replace(config, split="dev"))


def test_a_report_that_cannot_be_written_costs_no_answers(
    test_split: SyntheticDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ivlm_core.model.build import save_tiny
    from ivlm_core.pipeline import Pipeline

    monkeypatch.setattr(Pipeline, "predict_batch", lambda *_: pytest.fail("it was asked"))
    (tmp_path / "file").write_text("no folder")
    model = str(save_tiny(tmp_path / "model"))
    with pytest.raises(ValueError, match="file/report cannot be made"):
        main(EvaluateConfig(test_split.folder, model, out=tmp_path / "file" / "report"))


def test_cases_are_the_best_the_worst_and_others(blind: Report, test_split) -> None:
    chosen = choose_cases(blind.pairs, 2)
    assert chosen == choose_cases(blind.pairs, 2)
    for task in ("human_contact", "object_contact", "object_affordance"):
        of_task = {kind: [p for k, p in chosen if k == kind and p.task == task] for kind in KINDS}
        f1 = {k: [p.by[MODEL].f1 for p in v] for k, v in of_task.items() if k != "false alarm"}
        everything = sorted(
            p.by[MODEL].f1 for p in blind.pairs if p.task == task and not p.is_empty
        )
        assert f1["worst"] == everything[:2]
        assert f1["best"] == everything[::-1][:2]
        assert len(f1["random"]) == 2
        asked = [(p.image_index, p.label, p.slot) for v in of_task.values() for p in v]
        assert len(set(asked)) == len(asked)
    alarms = [p for kind, p in chosen if kind == "false alarm"]
    assert len(alarms) == 2 and all(p.is_empty and p.by[MODEL].predicted for p in alarms)
    assert choose_cases(blind.pairs[:2], 4)


def test_limit_is_spread_over_the_split() -> None:
    assert spread(10, None) == spread(10, 12) == list(range(10))
    assert spread(10, 3) in ([0, 4, 9], [0, 5, 9])
    assert len(set(spread(1000, 77))) == 77


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 0},
        {"limit": 0},
        {"threshold": 1.5},
        {"threshold": 0.3, "keep": True},
        {"tasks": ()},
        {"cases": -1},
    ],
    ids=lambda s: next(iter(s)),
)
def test_config_is_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        EvaluateConfig(data=Path("data"), **settings)


def test_bootstrap_draws_images_not_questions() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=200)
    low, high = bootstrap_interval(values, np.arange(200))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.1)
    repeated = bootstrap_interval(np.repeat(values, 9), np.repeat(np.arange(200), 9))
    assert repeated == pytest.approx((low, high))
    assert bootstrap_interval(np.full(5, 0.3), np.arange(5)) == pytest.approx((0.3, 0.3))


def test_report_is_written_and_read_back(perfect: Report, tmp_path: Path) -> None:
    perfect.save(tmp_path / "out")
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert data == json.loads(json.dumps(perfect.to_json(), allow_nan=False))
    assert data["goals"] == {"all": True, "side_undecided": True}
    assert data["groups"]["human_contact"]["side_undecided"]["by"]["model"]["f1"] == 1
    lines = (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()
    assert len(lines) == perfect.about["questions"]
    assert json.loads(lines[0])["by"]["model"]["auc"] is None


def test_text_and_markdown_tables_hold_the_figures(perfect: Report) -> None:
    text = perfect.text()
    assert "model perfect" in text and "side undecided" in text
    for title in ("Contact on the body", "Affordance of the object", "Two objects in one image"):
        assert title in text and f"**{title}**" in perfect.markdown()
    rows = [line for line in text.splitlines() if line.startswith("  side undecided")]
    assert "1.000" in rows[0] and "100 %" in rows[0]
    for table in perfect.markdown().split("\n\n"):
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) <= 1
    assert "by label" not in perfect.markdown(detailed=False)

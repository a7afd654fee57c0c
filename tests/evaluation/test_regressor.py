"""The direct regressor: learns, stops and goes on, is kept, and stands beside the model."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from ivlm_core.cli import main
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.evaluate import EvaluateConfig, evaluate
from ivlm_core.evaluation.evaluate import main as evaluate_main
from ivlm_core.evaluation.metrics import f1_score
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.regressor import ContactRegressor, DirectRegressor, RegressorConfig
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import save_checkpoint
from ivlm_core.model.presets import TINY
from ivlm_core.training.regressor import NAME, RegressorTraining, train_regressor
from ivlm_core.training.run import Schedule
from tests.datasets.fixtures import write_tiny_dataset
from tests.evaluation.fake_pipeline import FakePipeline
from tests.training.stopping import stopped_after_saving


@pytest.fixture(autouse=True)
def _forget_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=12, test=4)


def training(data: Path, out: Path, steps: int = 4, **settings: Any) -> RegressorTraining:
    config = RegressorTraining(
        data,
        out,
        TINY.vision,
        64,
        Schedule(steps=steps, learning_rate=3e-3, warmup=2),
        batch=4,
        validate_every=1000,
        validation_queries=4,
        save_every=2,
        precision="fp32",
    )
    return replace(config, **settings)


@pytest.fixture(scope="module")
def learned(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained until it tells the hands of the tiny pictures apart."""
    schedule = Schedule(steps=160, learning_rate=6e-3, warmup=2, weight_decay=0.0)
    out = tmp_path_factory.mktemp("run")
    folder = train_regressor(training(data, out, schedule=schedule, batch=8, save_every=160))
    AcceleratorState._reset_state(reset_partial_state=True)
    return folder


def test_it_learns_what_the_pictures_show(data: Path, learned: Path) -> None:
    network = ContactRegressor.load(learned, "cpu")
    train = SyntheticDataset(data, "train")
    regressor = DirectRegressor(network, train)
    held = [
        t
        for i in range(8)
        for t in train.targets(i)
        if not t.side_decided_by_label and t.vertices.size
    ]
    found = [regressor.answer(t) for t in held]
    f1 = [
        f1_score(t.dense()[None], g.contact[None])[0] for t, g in zip(held, found, strict=True) if g
    ]
    assert len(f1) == len(held) == 8 and np.mean(f1) > 0.75, "both hands would have 0.67"
    told = json.loads((learned / "provenance.json").read_text())
    assert told["steps"] == 160 and told["held_out"]["f1"] > 0.5
    made = {"generator_version": 0, "config": {}}
    assert told["data"] == {"folder": "tiny", "images": 12, "trained_on": 11, "share": 1.0, **made}
    assert network.config.threshold == pytest.approx(told["held_out"]["threshold"])
    config = json.loads((learned / "config.json").read_text())
    assert config["labels"] == ["bottle", "phone", "chair", "scene"]


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data: Path, tmp_path: Path) -> None:
    whole = train_regressor(training(data, tmp_path / "whole"))
    with stopped_after_saving(NAME):
        train_regressor(training(data, tmp_path / "parts"))
    assert not (tmp_path / "parts" / "model").exists()
    parts = train_regressor(training(data, tmp_path / "parts"))
    got, expected = (load_file(folder / "model.safetensors") for folder in (parts, whole))
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, atol=1e-3, rtol=1e-3)  # kept in float16


def test_time_ends_a_run_and_its_rate(data: Path, tmp_path: Path) -> None:
    schedule = Schedule(steps=10_000, learning_rate=1e-3, warmup=0, minutes=1.0)
    assert schedule.factor(0, 0.0) == 1
    assert schedule.factor(1, 30.0) == pytest.approx(0.5 * 1.05)
    assert schedule.factor(1, 60.0) == schedule.factor(1, 90.0) == schedule.final_fraction
    assert schedule.factor(10_000, 1.0) == schedule.final_fraction, "steps count as well"
    folder = train_regressor(
        training(data, tmp_path, schedule=replace(schedule, minutes=1e-6), share=0.5)
    )
    told = json.loads((folder / "provenance.json").read_text())
    assert told["steps"] == 1, "one step always"
    assert told["data"]["trained_on"] == 6 and told["data"]["share"] == 0.5
    folder = train_regressor(training(data, tmp_path, steps=3, share=0.5))
    again = json.loads((folder / "provenance.json").read_text())
    assert again["steps"] == 3, "more steps go on from there"


def test_questions_that_it_cannot_answer(data: Path, learned: Path) -> None:
    test = SyntheticDataset(data, "test")
    network = ContactRegressor.load(learned, "cpu")
    regressor = DirectRegressor(network, test)
    on_body, on_object, *_ = test.targets(0)
    assert regressor.answer(on_object, test.mesh(on_object)) is None
    unknown = regressor.answer(replace(on_body, label="sofa"))
    assert unknown is not None and not unknown.contact.any() and len(unknown.scores) == 13718
    network.config = replace(network.config, vision=replace(network.config.vision, image_size=64))
    with pytest.raises(ValueError, match="reads 64 pixels"):
        DirectRegressor(network, test)


def test_larger_pictures_are_made_smaller(data: Path, tmp_path: Path) -> None:
    """While it is checked and judged, too, not only where it learns."""
    small = replace(TINY.vision, image_size=16)
    folder = train_regressor(training(data, tmp_path, steps=2, vision=small, validate_every=1))
    test = SyntheticDataset(data, "test")
    network = ContactRegressor.load(folder, "cpu")
    answer = DirectRegressor(network, test).answer(test.targets(0)[0])
    halved = cv2.resize(test.image(0), (16, 16), interpolation=cv2.INTER_AREA)
    alike = network.scores(torch.from_numpy(halved[None]), [test.targets(0)[0].label])[0].numpy()
    assert answer is not None and np.abs(answer.scores - alike).max() < 0.05


def test_damaged_folders_are_named(learned: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no regressor in"):
        ContactRegressor.load(tmp_path)
    weights = (learned / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        ContactRegressor.load(tmp_path)
    config = json.loads((learned / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"width": 32}))
    with pytest.raises(ValueError, match=r"does not fit its config\.json"):
        ContactRegressor.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(ValueError, match="is damaged"):
        ContactRegressor.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"language": {}}))
    with pytest.raises(ValueError, match=f"'{tmp_path}' is not the model of a regressor.*language"):
        ContactRegressor.load(tmp_path)


def test_it_has_its_column_in_the_report(data: Path, learned: Path) -> None:
    test = SyntheticDataset(data, "test")
    pipeline = FakePipeline(test, lambda target, mesh: target.dense())
    network = ContactRegressor.load(learned, "cpu")
    beside = {"direct_regressor": DirectRegressor(network, test)}
    report = evaluate(pipeline, test, baselines=beside)  # type: ignore[arg-type]
    human, affordance = (report.groups[t]["all"] for t in ("human_contact", "object_affordance"))
    assert list(human.by) == [MODEL, "direct_regressor"] and list(affordance.by) == [MODEL]
    assert 0 < human.by["direct_regressor"].f1 < 1
    assert set(report.absence["objects"].recall) == {MODEL, "direct_regressor"}
    assert (
        report.key_figures["human_contact_f1"].by["direct_regressor"]
        == human.by["direct_regressor"].f1
    )
    assert "direct regressor F1" in report.text() and "direct regressor F1" in report.markdown()


def test_evaluate_reads_it_from_its_folder(data: Path, learned: Path, tmp_path: Path) -> None:
    from ivlm_core.model.build import save_tiny

    model = save_tiny(tmp_path / "model")
    config = EvaluateConfig(
        data, str(model), regressor=learned, out=tmp_path / "out", limit=1, cases=0, progress=False
    )
    about = evaluate_main(replace(config, device="cpu", tasks=("human_contact",))).about
    assert about["regressor_trained_on"] == 11 and about["regressor_share"] == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert "direct regressor F1" in page
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    everything = told["groups"]["human_contact"]["all"]["by"]
    assert {"label_only", "nearest_image", "true_side", "direct_regressor"} < set(everything)


def test_it_starts_from_the_vision_tower_of_a_model(data: Path, tmp_path: Path) -> None:
    model, processor = build(TINY, ["bottle"], ["left hand"])
    save_checkpoint(tmp_path / "model", model, processor, {"recipe": "none"})
    slow = Schedule(steps=1, learning_rate=1e-5, warmup=1)
    config = training(data, tmp_path / "run", schedule=slow, init=tmp_path / "model")
    network = ContactRegressor.load(train_regressor(config), "cpu")
    for name, weight in model.vlm.tower.state_dict().items():
        assert torch.allclose(network.tower.state_dict()[name], weight, rtol=2e-3, atol=1e-4), name
    told = json.loads((tmp_path / "run" / "model" / "provenance.json").read_text())
    assert told["recipe"]["init"] == "model"
    assert told["init"] == {"kind": "model", "provenance": {"recipe": "none"}}
    wider = replace(TINY.vision, hidden_size=64)
    with pytest.raises(ValueError, match="vision tower of other sizes"):
        train_regressor(replace(config, out=tmp_path / "wide", vision=wider))


def test_the_commands(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", "--recipe", "regressor", "--data", str(data), "--out", str(tmp_path)]
    assert main([*train, "--steps", "3"]) == 2
    assert "ivlm synthesize --image-size 192" in capsys.readouterr().err
    nano = ["train", "--data", str(data), "--out", str(tmp_path)]
    for wrong, said in (
        ([*train, "--share", "0"], "--share must be above 0 and at most 1"),
        ([*train, "--share", "1.5"], "--share must be above 0 and at most 1"),
        ([*train, "--minutes", "0"], "--minutes must be above 0"),
        ([*nano, "--minutes", "5"], "--minutes is not for nano"),
        ([*nano, "--recipe", "joint", "--share", "0.5"], "--share is for nano and regressor"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
        assert said in " ".join(capsys.readouterr().err.split())
    damon = ["evaluate", "--dataset", "damon", "--data", str(data), "--regressor", str(tmp_path)]
    assert main(damon) == 2
    assert "compared on synthetic data" in capsys.readouterr().err


def test_the_shipped_size_has_the_vision_tower_of_nano() -> None:
    from ivlm_core.model.presets import NANO

    labels = tuple(map(str, range(19)))
    network = ContactRegressor(RegressorConfig(NANO.vision, labels, categories=18, parts=17))
    output = network(torch.zeros(2, 3, 192, 192), torch.tensor([3, 4, 4]), torch.tensor([0, 0, 1]))
    assert output.contact.shape == (3, 13718)
    assert output.objects.shape == (2, 19, 48, 48) and output.parts.shape == (2, 18, 48, 48)
    assert output.touched.shape == (2, 20, 48, 48)
    assert (output.contact.sigmoid() < 0.5).all(), "few vertices are touched"

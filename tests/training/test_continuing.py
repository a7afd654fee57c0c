"""A run that was stopped goes on as the same run, or is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from ivlm_core.cli import main
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import PROVENANCE_FILE
from ivlm_core.model.presets import TINY
from ivlm_core.training.regressor import RegressorTraining, train_regressor
from ivlm_core.training.run import Progress, Schedule, StageRun, Trained
from ivlm_core.training.split import split_validation
from ivlm_core.training.state import RUN_FILE, WEIGHTS, KeptModels, begin_run, load_weights
from ivlm_core.training.train import TrainConfig, train
from tests.datasets.fixtures import SIZE, write_tiny_dataset
from tests.training.stopping import stopped_after_saving
from tests.training.tiny_run import tiny_config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=6, test=2)


@pytest.fixture(scope="module")
def stopped(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run that was killed in stage 1."""
    config = tiny_config(data, tmp_path_factory.mktemp("stopped") / "run")
    with stopped_after_saving("dense"):
        train(config)
    return config


class _Stage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.learns = nn.Linear(2, 1)

    def forward(self, batch: int) -> dict[str, torch.Tensor]:
        seen = torch.tensor([[1.0, batch % 7]])
        return {"error": (self.learns(seen) - 3).square().sum()}


def _stage_run(folder: Path, steps: int = 120) -> StageRun:
    stage = _Stage()
    schedule = Schedule(steps, 0.01, warmup=1)
    return StageRun("dense", folder, stage, [Trained(stage)], schedule, 40, "fp32")


def _validate(step: int) -> tuple[dict[str, float], dict]:
    return {"told": float(step)}, {}


def _killed_at(folder: Path, step: int) -> None:
    """Run until a step that is logged and not saved."""
    run = _stage_run(folder)

    def validate(at: int) -> tuple[dict[str, float], dict]:
        if at == step:
            raise KeyboardInterrupt
        return _validate(at)

    with pytest.raises(KeyboardInterrupt):
        run.run(validate, 10)


def _lines(folder: Path) -> list[dict]:
    entries = [json.loads(line) for line in (folder / "dense.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in entries]


def test_the_log_is_that_of_a_run_which_was_not_stopped(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    _stage_run(whole).run(_validate, 10)
    _killed_at(parts, step=70)
    assert _lines(parts)[-1]["step"] == 60, "beyond the checkpoint of step 40"
    with (parts / "dense.jsonl").open("a") as log:
        log.write('{"step": 6')  # what a kill cuts off
    _stage_run(parts).run(_validate, 10)
    assert _lines(parts) == _lines(whole)
    curves = []
    for folder in (parts, whole):
        events = EventAccumulator(str(folder / "tensorboard" / "dense"))
        events.Reload()
        told = (events.Scalars(name) for name in ("dense/error", "dense/held out/told"))
        curves.append([[(event.step, event.value) for event in curve] for curve in told])
    assert curves[0] == curves[1]


def test_a_run_that_was_killed_before_it_saved_logs_anew(tmp_path: Path) -> None:
    _killed_at(tmp_path, step=30)
    _stage_run(tmp_path).run(_validate, 10)
    assert [entry["step"] for entry in _lines(tmp_path) if "told" in str(entry)] == [
        *range(10, 130, 10)
    ]


def test_older_checkpoints_have_no_means() -> None:
    progress = Progress(averages={"error": 1.0})
    progress.load_state_dict({"step": 3, "seconds": 1.5})
    assert progress == Progress(3, 1.5, {})


@pytest.mark.parametrize(
    "name", [WEIGHTS, "optimizer.bin", "custom_checkpoint_1.pkl", "random_states_0.pkl"]
)
@pytest.mark.parametrize("left", [0, 40, -1])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str, left: int) -> None:
    _stage_run(tmp_path, steps=1).run()
    file = tmp_path / "dense" / name
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"dense' is damaged or of .*; delete it or .* --out"):
        _stage_run(tmp_path)


@pytest.mark.parametrize("left", ["", "{}", '{"f1": 0.'])
def test_a_best_model_that_was_cut_off_is_written_again(tmp_path: Path, left: str) -> None:
    kept = KeptModels(tmp_path, *build(TINY, ["bottle"], ["left hand"]))
    told = tmp_path / "best" / PROVENANCE_FILE
    kept.keep("contact", 1, {"f1": 0.5})
    kept.keep("contact", 2, {"f1": 0.3})
    assert json.loads(told.read_text())["step"] == 1
    told.write_text(left)
    kept.keep("contact", 2, {"f1": 0.3})
    assert json.loads(told.read_text()) == {"stage": "contact", "step": 2, "f1": 0.3}


def test_a_checkpoint_of_another_size_is_named(stopped: TrainConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(stopped.out, tmp_path / "run"))
    (out / RUN_FILE).unlink()  # as of a version that wrote none
    smaller = replace(TINY, vision=replace(TINY.vision, image_size=16))
    with pytest.raises(ValueError, match="of another configuration.* size mismatch for"):
        train(replace(stopped, out=out, model=smaller))


def test_damaged_weights_are_no_start(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged"):
        load_weights(tmp_path, _Stage())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 5}, "seed 0, not 5"),
        ({"share": 0.5}, "data.share 1.0, not 0.5"),
        ({"dense_batch": 2}, "batches.dense 4, not 2"),
        ({"init": Path("nano")}, "init None, not 'nano'"),
        (
            {"model": replace(TINY, vision=replace(TINY.vision, image_size=16))},
            f"network.vision.image_size {SIZE}, not 16",
        ),
    ],
)
def test_another_run_is_not_mixed_in(stopped: TrainConfig, change: dict, said: str) -> None:
    with pytest.raises(ValueError, match="has another run, of ") as error:
        train(replace(stopped, **change))
    out = stopped.out
    assert f"of {said}; choose another --out, with --init {out} to" in str(error.value)


def test_other_data_are_not_mixed_in(stopped: TrainConfig, tmp_path: Path) -> None:
    other = write_tiny_dataset(tmp_path / "other", train=7, test=2)
    with pytest.raises(ValueError, match="data.folder 'tiny', not 'other'; data.images 6, not 7"):
        train(replace(stopped, data=other))


def test_a_regressor_is_not_mixed_in(stopped: TrainConfig) -> None:
    config = RegressorTraining(stopped.data, stopped.out, TINY.vision, width=8)
    with pytest.raises(ValueError, match=r"recipe 'nano', not 'regressor'.*choose another --out$"):
        train_regressor(config)


def test_a_regressor_goes_on_as_the_same(data: Path, tmp_path: Path) -> None:
    short = Schedule(steps=1, learning_rate=1e-3, warmup=1)
    config = RegressorTraining(
        data, tmp_path, TINY.vision, width=8, schedule=short, batch=2, validation_queries=2
    )
    train_regressor(config)
    with pytest.raises(ValueError, match=r"of network.width 8, not 9; choose another --out$"):
        train_regressor(replace(config, width=9))
    train_regressor(replace(config, schedule=replace(short, steps=2), threads=1, save_every=1))
    told = json.loads((tmp_path / "model" / "provenance.json").read_text())
    assert told["steps"] == 2


def test_steps_and_arithmetic_may_change(stopped: TrainConfig) -> None:
    longer = replace(stopped.dense, steps=6)
    changed = replace(stopped, dense=longer, threads=1, precision="fp32", save_every=3)
    with stopped_after_saving("dense", step=6):
        train(replace(changed, validate_every=3))


def test_what_a_folder_has(tmp_path: Path) -> None:
    about = {"recipe": "nano", "seed": 1, "network": {"width": 8}}
    begin_run(tmp_path, about)
    begin_run(tmp_path, about | {"seed": 2})  # nothing was learned yet
    (tmp_path / "dense").mkdir()
    with pytest.raises(ValueError, match="seed 2, not 1"):
        begin_run(tmp_path, about)
    later = about | {"seed": 2, "network": {"width": 8, "depth": 4}}
    begin_run(tmp_path, later)  # of a version that has one setting more
    (tmp_path / RUN_FILE).unlink()
    begin_run(tmp_path, about)
    assert not (tmp_path / RUN_FILE).exists(), "a run of before goes on as it did"


def test_one_image_is_too_few(tmp_path: Path) -> None:
    assert split_validation(2) == ([0], [1])
    for count, said in ((1, "1 training image,"), (0, "0 training images,")):
        with pytest.raises(ValueError, match=f"{said} at least 2 are needed"):
            split_validation(count)
    data = write_tiny_dataset(tmp_path / "one", train=1, test=1)
    with pytest.raises(ValueError, match="run `ivlm synthesize --train N`"):
        train(tiny_config(data, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_run_in_stage_1_has_no_model_yet(
    stopped: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["merge", str(stopped.out), str(tmp_path / "model")]) == 1
    told = capsys.readouterr().err
    assert "no loadable model yet, because it is still in stage 1; go on with `ivlm train" in told
    out = Path(shutil.copytree(stopped.out, tmp_path / "run"))
    (out / "model").mkdir()
    (out / "model" / "config.json").write_text("{}")
    assert main(["merge", str(out), str(tmp_path / "model")]) == 1
    assert "is finished; merge its model" in capsys.readouterr().err

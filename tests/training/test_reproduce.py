"""A model tells enough of its making to be made again, and its figures are found again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ivlm_core.cli import main
from ivlm_core.commands.reproduce import Reproduce
from ivlm_core.evaluation.evaluate import EvaluateConfig
from ivlm_core.evaluation.evaluate import main as evaluate
from ivlm_core.evaluation.kept_figures import FILE, KeptFigures
from ivlm_core.model.checkpoint import PROVENANCE_FILE
from ivlm_core.synthesis.config import SynthesisConfig
from ivlm_core.synthesis.writer import generate
from ivlm_core.training.provenance import legs
from ivlm_core.training.reproduce import Compared, Reproduction, reproduce
from ivlm_core.training.state import WEIGHTS
from ivlm_core.training.train import train
from tests.training.tiny_run import tiny_config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SynthesisConfig(
        out=tmp_path_factory.mktemp("made") / "data",
        train=8,
        test=2,
        workers=2,
        image_size=32,
        train_bodies=2,
        test_bodies=1,
        train_objects=1,
        test_objects=1,
    )
    generate(config, progress=False)
    return config.out


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    """A model that two runs made, the second from the first one's model, with its figures."""
    first = replace(tiny_config(data, data.parent / "first", dense=2, contact=2), known_instances=2)
    timed = replace(first.dense, steps=1000, minutes=1e-6)  # one step, then the time is over
    second = replace(first, out=data.parent / "second", init=train(first), dense=timed)
    folder = train(replace(second, precision="fp32"))
    evaluate(EvaluateConfig(data, str(folder), keep=True, cases=0, progress=False))
    return folder


def _copied(model: Path, to: Path) -> Path:
    return Path(shutil.copytree(model, to))


def test_the_provenance_tells_data_and_runs(model: Path, tmp_path: Path) -> None:
    first, second = legs(model, tmp_path)
    assert first.data.out == first.run.data == tmp_path / "data-1"
    assert (first.data.train, first.data.train_bodies, first.data.image_size) == (8, 2, 32)
    assert first.run.init is None and second.run.init == tmp_path / "run-1" / "model"
    assert second.run.dense.steps == 1 and second.run.dense.minutes is None
    assert (first.run.dense.steps, first.run.contact.steps) == (2, 2)
    assert first.run.model == second.run.model and first.run.model.name == "tiny"
    assert second.run.precision == "auto", "what is fast differs from machine to machine"


def test_runs_of_before_the_last_stage_are_told_apart(model: Path, tmp_path: Path) -> None:
    folder = _copied(model, tmp_path / "model")
    told = json.loads((folder / PROVENANCE_FILE).read_text())
    for run in (told, told["init"]["provenance"]):
        for key in ("body", "body_batch"):
            del run["recipe"][key]
        del run["steps"]["body"], run["network"]["body_head"]
    (folder / PROVENANCE_FILE).write_text(json.dumps(told))
    for leg in legs(folder, tmp_path):
        assert leg.run.body.steps == 0 and leg.run.model.body_head is None


def test_a_model_is_made_again(data: Path, model: Path, tmp_path: Path) -> None:
    for leg in ("data-1", "data-2"):  # as after a try that was stopped
        shutil.copytree(data, tmp_path / leg)
    again = reproduce(model, tmp_path, progress=False)
    theirs, ours = load_file(model / WEIGHTS), load_file(again.model / WEIGHTS)
    assert theirs.keys() == ours.keys()
    given = KeptFigures.load(model)
    assert {f.name: f.given for f in again.compared} == given.values
    # Half of the warm-up is over in one step of two; rates of the rest differ, by little.
    close = [f for f in again.compared if f.again is not None and abs(f.again - f.given) < 0.2]
    assert close and "human_contact_f1" in {f.name for f in again.compared}
    told = json.loads((again.model / PROVENANCE_FILE).read_text())
    assert told["steps"] == json.loads((model / PROVENANCE_FILE).read_text())["steps"]


def test_figures_are_judged_by_their_interval() -> None:
    inside = Compared("a", 0.7, (0.6, 0.8), 0.61)
    outside = Compared("b", 0.7, (0.6, 0.8), 0.81)
    missing = Compared("c", 0.7, (0.6, 0.8), None)
    open_ended = Compared("d", 0.7, None, 0.1)
    assert [f.within for f in (inside, outside, missing, open_ended)] == [True, False, False, None]
    assert Reproduction(Path("m"), (inside, open_ended)).holds
    assert not Reproduction(Path("m"), (inside, outside)).holds
    assert "NO" in Reproduction(Path("m"), (outside,)).text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told.pop("steps"), "does not tell steps of run 'second'"),
        (lambda told: told["init"].update(provenance=None), "does not tell how 'model' was made"),
        (lambda told: told["data"].update(generator_version=3), "learned from generator version 3"),
        (lambda told: told["recipe"].update(colour=1), r"'second': recipe: unknown key \['colour'"),
        (lambda told: told["network"].update(body=7), "recipe.model.body: expected str, got 7"),
    ],
)
def test_a_model_that_does_not_tell_enough(
    model: Path, tmp_path: Path, change, message: str
) -> None:
    folder = _copied(model, tmp_path / "model")
    told = json.loads((folder / PROVENANCE_FILE).read_text())
    change(told)
    (folder / PROVENANCE_FILE).write_text(json.dumps(told))
    with pytest.raises(ValueError, match=message):
        legs(folder, tmp_path / "out")


def test_figures_are_needed(model: Path, tmp_path: Path) -> None:
    folder = _copied(model, tmp_path / "model")
    (folder / FILE).write_text('{"about": {}}')
    with pytest.raises(ValueError, match="figures.json is damaged"):
        reproduce(folder, tmp_path / "out")
    (folder / FILE).unlink()
    with pytest.raises(FileNotFoundError, match="ivlm evaluate --model .* --keep"):
        reproduce(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_compares(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Reproduction(model, (Compared("f1", 0.7, (0.6, 0.8), 0.9),))
    monkeypatch.setattr("ivlm_core.training.reproduce.reproduce", lambda *_: found)
    assert Reproduce(out=tmp_path, model=str(model), json=True).run() == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["command"] == "reproduce" and not last["holds"]
    assert json.loads((tmp_path / "reproduction.json").read_text())["figures"][0]["within"] is False


def test_a_missing_model_and_a_folder_that_cannot_be_made_are_named_by_their_options(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone, file = tmp_path / "gone", tmp_path / "file"
    assert main(["reproduce", "--out", str(tmp_path / "out"), "--model", str(gone)]) == 2
    assert f"--model {gone}: there is no such folder" in capsys.readouterr().err
    file.write_text("in the way")
    assert main(["reproduce", "--out", str(file), "--model", str(model)]) == 2
    assert f"--out {file} cannot be made" in capsys.readouterr().err

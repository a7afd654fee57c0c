"""What a full disk says: the file and a remedy, whichever library meets it."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from ivlm_core.disk import told_by_system
from ivlm_core.evaluation.regressor import ContactRegressor, RegressorConfig
from ivlm_core.model.checkpoint import load_checkpoint, save_checkpoint
from ivlm_core.model.presets import TINY
from ivlm_core.training.run import Schedule, StageRun, Trained


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk with little room: no file gets larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    heeded = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heeded)


@pytest.mark.parametrize("room", [10_000, 8])
def test_a_checkpoint_names_the_file_and_leaves_the_one_before(
    answering_model: Path, tmp_path: Path, room: int
) -> None:
    """With no room for the weights; the tokenizer is written by a library of its own."""
    model, processor = load_checkpoint(answering_model)
    save_checkpoint(tmp_path, model, processor, {"first": True})
    weights = (tmp_path / "model.safetensors").read_bytes()
    with torch.no_grad():
        next(model.parameters()).zero_()
    with files_of_at_most(room), pytest.raises(OSError, match=r"model\.safetensors.*make room"):
        save_checkpoint(tmp_path, model, processor, {"first": False})
    assert (tmp_path / "model.safetensors").read_bytes() == weights
    assert not list(tmp_path.glob("*partial*"))


def test_a_regressor_names_the_file(tmp_path: Path) -> None:
    sizes = RegressorConfig(TINY.vision, ("bottle",), categories=1, parts=2, body="anny", width=8)
    network = ContactRegressor(sizes)
    with files_of_at_most(1000), pytest.raises(OSError, match=r"model\.safetensors.*make room"):
        network.save(tmp_path, {})


def test_a_tokenizer_that_cannot_be_written_is_an_error_of_the_system(
    answering_model: Path, tmp_path: Path
) -> None:
    _, processor = load_checkpoint(answering_model)
    with (
        files_of_at_most(8),
        pytest.raises(OSError, match="File too large"),
        told_by_system(tmp_path),
    ):
        processor.tokenizer.save_pretrained(tmp_path)


class _Stage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.learns = nn.Linear(200, 200)

    def forward(self, batch: int) -> dict[str, torch.Tensor]:
        return {"error": self.learns(torch.ones(1, 200)).square().sum()}


@pytest.mark.parametrize("room", [100_000, 200_000], ids=["weights", "optimizer"])
def test_a_run_says_that_its_checkpoint_has_no_room_and_frees_what_it_took(
    tmp_path: Path, room: int
) -> None:
    stage = _Stage()
    schedule = Schedule(2, 0.01, warmup=1)
    run = StageRun("dense", tmp_path, stage, [Trained(stage)], schedule, 40, "fp32")
    with files_of_at_most(room), pytest.raises(OSError, match=r"dense.*make room"):
        run.run()
    assert not [path for path in tmp_path.glob("dense*") if path.is_dir()]


def test_errors_that_are_none_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    for error in (RuntimeError("sizes do not fit"), ValueError("os, error")):
        with pytest.raises(type(error), match=str(error)), told_by_system(tmp_path):
            raise error

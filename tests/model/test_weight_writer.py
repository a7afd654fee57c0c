"""Folders of weights appear whole or not at all, and nothing of the user's disappears."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ivlm_core.model import weight_writer
from ivlm_core.model.weight_writer import new_folder, write_weights

WEIGHT = {"a": torch.ones(3)}


def _fill(out: Path) -> None:
    with new_folder(out) as partial:
        write_weights(partial, WEIGHT.items())


def test_names_like_that_of_the_unfinished_folder_are_the_users(tmp_path: Path) -> None:
    mine = tmp_path / "out.partial"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    _fill(tmp_path / "out")
    assert (mine / "notes.txt").read_text() == "mine"
    assert {f.name for f in tmp_path.iterdir()} == {"out", "out.partial"}
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["model.safetensors"]


def test_permissions_are_those_of_any_new_folder_and_file(tmp_path: Path) -> None:
    _fill(tmp_path / "out")
    (tmp_path / "usual").mkdir()
    (tmp_path / "usual" / "file").touch()
    made, usual = tmp_path / "out", tmp_path / "usual"
    assert made.stat().st_mode == usual.stat().st_mode
    assert (made / "model.safetensors").stat().st_mode == (usual / "file").stat().st_mode


def test_the_current_folder_is_filled_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    before = here.stat().st_ino
    _fill(Path("."))
    assert here.stat().st_ino == before
    assert torch.equal(load_file("model.safetensors")["a"], WEIGHT["a"])
    assert [f.name for f in here.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("there", [False, True])
def test_after_an_error_all_is_as_before(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "new" / "out"
    if there:
        out.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="stop"), new_folder(out) as partial:
        write_weights(partial, WEIGHT.items())
        raise ValueError("stop")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file"):
        with pytest.raises(FileExistsError, match="exists already"):
            _fill(out)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(tensors: dict, file: Path, metadata: dict) -> None:
        Path(file).write_bytes(b"half")
        raise SafetensorError(f"I/O error: No space left on device (os error {errno.ENOSPC})")

    monkeypatch.setattr(weight_writer, "save_file", full)
    with pytest.raises(OSError, match="out.*No space left on device.*make room"):
        _fill(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_by_whichever_file_meets_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        pytest.raises(OSError, match=r"out cannot be written \(No space.*make room"),
        new_folder(out),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a file's `write` says it
    assert not list(tmp_path.iterdir())

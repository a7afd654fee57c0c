"""Meshes of a folder, by the labels that their names spell."""

from pathlib import Path

import pytest

from ivlm_core.object_meshes import files_by_label


def test_files_that_spell_no_label_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("water_bottle.ply", "-.obj", "a<b.obj", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "mug.obj").mkdir()
    assert files_by_label(tmp_path) == {"water bottle": tmp_path / "water_bottle.ply"}


def test_two_files_of_one_label_are_named(tmp_path: Path) -> None:
    for name in ("wine-glass.obj", "wine_glass.ply"):
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=r"wine-glass.obj and wine_glass.ply .* 'wine glass'"):
        files_by_label(tmp_path)

"""Body parts by the published names."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from ivlm_core.official.body_parts import PARTS_FILE, load_body_parts, parts_in_contact


def test_parts_keep_the_order_of_the_file(tmp_path: Path):
    data = {"right foot": [3, 4], "head": np.array([0, 1]), "none": []}
    (tmp_path / PARTS_FILE).write_bytes(pickle.dumps(data))
    parts = load_body_parts(tmp_path)
    assert list(parts) == ["right foot", "head", "none"]
    assert parts["head"].tolist() == [0, 1] and parts["none"].dtype == np.int64
    assert parts_in_contact(np.array([0, 0.4, 0, 0, 1]), parts) == ("right foot", "head")


def test_parts_are_named_from_a_tenth_of_their_vertices():
    parts = {"b": np.arange(20), "a": np.arange(20, 40), "none": np.arange(0)}
    contact = np.zeros(40)
    contact[[0, 1, 20]] = 0.2
    assert parts_in_contact(contact, parts) == ("b",)
    assert parts_in_contact(contact, parts, fraction=0.05) == ("b", "a")


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=PARTS_FILE):
        load_body_parts(tmp_path)
    path = tmp_path / "x.pkl"
    for data, why in (
        ([1], "must hold part names"),
        ({}, "must hold part names"),
        ({"a": [0.5]}, "'a' must be a list of vertex ids"),
        ({"a": 3}, "'a' must be a list of vertex ids"),
        ({"a": [-1]}, "negative vertex id -1"),
    ):
        path.write_bytes(pickle.dumps(data))
        with pytest.raises(ValueError, match=why):
            load_body_parts(path)

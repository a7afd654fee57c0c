"""SMPL to SMPL-X, against recorded results and in the file formats that occur."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.sparse import csc_matrix

from ivlm_core.official.transfer import MATRIX_FILE, ContactTransfer, load_transfer


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return load_file(parity_dir / "lift" / "convert_contacts.safetensors")


@pytest.fixture()
def matrix() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((7, 5)) * (rng.random((7, 5)) > 0.5)).astype(np.float32)


def test_contact_equals_the_published_one(recorded, tmp_path):
    path = tmp_path / MATRIX_FILE
    path.write_bytes(pickle.dumps({"matrix": recorded["matrix"]}, protocol=4))
    transfer = load_transfer(tmp_path)
    inputs = {key: value for key, value in recorded.items() if key.startswith("contact_")}
    assert inputs
    for key, contact in inputs.items():
        expected = recorded[key.replace("contact", "out")]
        np.testing.assert_allclose(transfer(contact).reshape(expected.shape), expected, atol=1e-6)
        np.testing.assert_allclose(transfer(contact[0]), transfer(contact)[0], atol=1e-7)


@pytest.mark.parametrize("kind", ["dense.pkl", "sparse.pkl", "new.pkl", "m.npz", "m.safetensors"])
def test_every_file_format_gives_the_same(tmp_path: Path, matrix, kind):
    path = tmp_path / kind
    if kind.endswith("pkl"):
        stored = csc_matrix(matrix) if kind.startswith("sparse") else matrix.astype(np.float64)
        protocol = 5 if kind.startswith("new") else 2
        path.write_bytes(pickle.dumps({"matrix": stored, "note": "text"}, protocol))
    elif kind.endswith("npz"):
        np.savez(path, matrix=matrix)
    else:
        save_file({"matrix": matrix}, path)
    transfer = load_transfer(path)
    assert (transfer.num_target, transfer.num_source) == matrix.shape
    contact = np.linspace(0, 1, 5)
    got = transfer(contact)
    assert got.dtype == np.float32 and got.shape == (7,)
    np.testing.assert_allclose(got, matrix @ contact, atol=1e-6)
    assert transfer(np.zeros((0, 5))).shape == (0, 7)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


def test_files_that_cannot_be_used_are_refused(tmp_path: Path, matrix):
    with pytest.raises(FileNotFoundError, match=MATRIX_FILE):
        load_transfer(tmp_path)
    path = tmp_path / "x.pkl"
    for content, why in (
        (pickle.dumps({"matrix": matrix, "extra": Evil()}), "exec"),
        (pickle.dumps([1, 2]), "instead of named arrays"),
        (pickle.dumps({"other": matrix}), "no 'matrix' but other"),
        (pickle.dumps({"matrix": "text"}), "needs a matrix"),
        (pickle.dumps({"matrix": np.full((2, 2), np.nan)}), "not finite"),
        (b"\x80\x04broken", "cannot be used"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=why):
            load_transfer(path)
    for name in ("x.safetensors", "x.npz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04nope")
        with pytest.raises(ValueError, match="cannot be used"):
            load_transfer(tmp_path / name)
    with pytest.raises(ValueError, match="from 5 vertices, got contact of shape"):
        ContactTransfer(matrix)(np.zeros(6))

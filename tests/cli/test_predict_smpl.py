"""`ivlm predict` with a model whose body is SMPL-H: the user's own file, and contact on SMPL-X."""

import json
import pickle
import shutil

import numpy as np
import pytest

from ivlm_core.cli import main
from ivlm_core.geometry.body import BODY_MODELS_VARIABLE, load_body
from tests.geometry.body_files import tiny_model as tiny_body
from tests.geometry.body_files import write_npz

COUNT = len(tiny_body("smplh")["v_template"])


@pytest.fixture(autouse=True)
def _own_body_models(tmp_path, monkeypatch):
    monkeypatch.setenv(BODY_MODELS_VARIABLE, str(tmp_path / "bodies"))
    load_body.cache_clear()
    yield
    load_body.cache_clear()


@pytest.fixture
def body_file(tmp_path):
    folder = tmp_path / "bodies" / "smplh"
    folder.mkdir(parents=True)
    return write_npz(folder / "SMPLH_NEUTRAL.npz", tiny_body("smplh"))


@pytest.fixture
def model(answering_model, tmp_path):
    folder = shutil.copytree(answering_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"body": "smplh"}))
    return folder


@pytest.fixture
def predict(image, model, cache, tmp_path, capsys):
    """Run `ivlm predict` on one photograph: exit code and what was said."""

    def go(*arguments):
        places = ["--model", model, "--cache-dir", cache, "--out", tmp_path / "out"]
        try:
            code = main(["predict", *map(str, [image, "--label", "cup", *places, *arguments])])
        except SystemExit as stop:  # the parser's own way out
            code = stop.code
        return code, " ".join(capsys.readouterr().err.split())

    return go


def _matrix_file(path, columns):
    matrix = np.random.default_rng(0).random((9, columns)).astype(np.float32)
    path.write_bytes(pickle.dumps({"matrix": matrix}))
    return path, matrix


def test_the_body_is_the_users_file(predict, body_file, tmp_path):
    code, said = predict("--files", "npz", "json")
    assert code == 0, said
    assert json.loads((tmp_path / "out" / "photo.json").read_text())["topology"] == "smplh"
    with np.load(tmp_path / "out" / "photo.npz") as arrays:
        assert arrays["scores"].shape == (COUNT,) and arrays["scores"].any()
        assert "scores_smplx" not in arrays


def test_without_the_file_it_says_where_it_looked(predict, tmp_path, monkeypatch):
    code, said = predict()
    assert code == 2
    assert str(tmp_path / "bodies") in said and "smplh/SMPLH_NEUTRAL.npz" in said
    monkeypatch.delenv(BODY_MODELS_VARIABLE)
    code, said = predict()
    assert code == 2 and f"set {BODY_MODELS_VARIABLE} to a folder" in said


def test_contact_is_carried_over_to_smplx(predict, body_file, tmp_path):
    path, matrix = _matrix_file(tmp_path / "smpl_to_smplx.pkl", COUNT)
    code, said = predict("--files", "npz", "--smplx-transfer", path)
    assert code == 0, said
    with np.load(tmp_path / "out" / "photo.npz") as arrays:
        assert arrays["scores_smplx"].dtype == np.float32
        np.testing.assert_allclose(arrays["scores_smplx"], matrix @ arrays["scores"], rtol=1e-4)


def test_transfers_that_do_not_fit_are_wrong_usage(predict, body_file, model, tmp_path):
    path, _ = _matrix_file(tmp_path / "other.pkl", 5)
    code, said = predict("--smplx-transfer", path)
    assert code == 2 and f"from 5 vertices, but this model's body has {COUNT}" in said
    code, said = predict("--smplx-transfer", tmp_path / "gone.pkl")
    assert code == 2 and "gone.pkl" in said
    for options in (["--task", "object_contact"], ["--files", "json"]):
        code, said = predict("--smplx-transfer", path, *options)
        assert code == 2 and "npz among --files" in said
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"body": "anny"}))
    code, said = predict("--smplx-transfer", path)
    assert code == 2 and "this model's body is anny" in said


def test_a_task_without_training_is_wrong_usage(predict, model, box):
    config = json.loads((model / "config.json").read_text())
    config["prompt"]["tasks"] = ["human_contact"]
    (model / "config.json").write_text(json.dumps(config))
    code, said = predict("--task", "object_affordance", "--mesh", box)
    assert code == 2
    assert "not trained for object_affordance; it was trained for human_contact" in said

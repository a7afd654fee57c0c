"""The SMPL family, with tiny model files in the format its authors distribute."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.geometry.smpl_family import NUM_JOINTS, PosableSmpl
from tests.geometry.body_files import PLACES, tiny_model, write_npz, write_pickle


@pytest.fixture(autouse=True)
def _fresh_cache():
    load_body.cache_clear()
    yield
    load_body.cache_clear()


@pytest.mark.parametrize("topology", list(NUM_JOINTS))
@pytest.mark.parametrize("suffix", ["npz", "pkl"])
def test_body_stands_as_a_star_with_named_parts(tmp_path: Path, topology: str, suffix: str):
    data = tiny_model(topology)
    data["posedirs"] *= 0
    write = write_npz if suffix == "npz" else write_pickle
    if suffix == "pkl":
        data["J_regressor"] = csc_matrix(data["J_regressor"])
    body = load_body(topology, write(tmp_path / f"model.{suffix}", data))
    vertices = body.mesh.vertices
    assert body.topology == topology
    assert vertices.shape == data["v_template"].shape
    np.testing.assert_array_equal(body.mesh.faces, data["f"])
    assert [name for name in BODY_PARTS if not len(body.mesh.parts[name])] == []

    def middle(joint: int) -> np.ndarray:
        return vertices[6 * joint : 6 * joint + 6].mean(axis=0)

    turned = 0.4 * np.array([np.sin(np.pi / 6), -np.cos(np.pi / 6), 0])  # knee below the hip
    np.testing.assert_allclose(middle(4), PLACES[1] + turned, atol=1e-6)
    np.testing.assert_allclose(middle(5), PLACES[2] + turned * [-1, 1, 1], atol=1e-6)
    for joint in (0, 12, 15, 18, 21):
        np.testing.assert_allclose(middle(joint), PLACES[joint], atol=1e-6)  # arms stay in T pose

    parts = [BODY_PARTS[index] for index in body.part_index]
    expected = {0: "hips", 1: "left thigh", 5: "right shin", 8: "right foot", 12: "neck",
                13: "left shoulder", 15: "head", 17: "right upper arm", 18: "left forearm",
                20: "left hand", 21: "right hand"}  # fmt: skip
    for joint, part in expected.items():
        assert set(parts[6 * joint : 6 * joint + 6]) == {part}
    assert (
        parts[6 * 9 + 4] == "chest" and parts[6 * 3 + 4] == "belly" and parts[6 * 9 + 5] == "back"
    )
    assert parts[-1] == "right hand"

    mirror = body.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(
        data["v_template"][mirror], data["v_template"] * [-1, 1, 1], atol=1e-9
    )


@pytest.mark.parametrize("topology", ["smpl", "smplh"])
def test_vertices_equal_the_layers_of_smplx(tmp_path: Path, topology: str, recwarn):
    import smplx

    path = write_pickle(tmp_path / "model.pkl", tiny_model(topology))
    names = ["nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel", "RBigToe"]
    names += ["RSmallToe", "RHeel"]
    names += [f"{side}{tip}" for side in "lr" for tip in ("thumb", "index", "middle", "ring")]
    names += ["lpinky", "rpinky"]
    layer = {"smpl": smplx.SMPLLayer, "smplh": smplx.SMPLHLayer}[topology](
        model_path=str(path), vertex_ids=dict.fromkeys(names, 0)
    )
    angle = np.deg2rad(30)
    pose = torch.eye(3).repeat(1, layer.NUM_BODY_JOINTS, 1, 1)
    for joint, sign in ((0, 1), (1, -1)):
        cosine, sine = np.cos(angle), sign * np.sin(angle)
        pose[0, joint, :2, :2] = torch.tensor([[cosine, -sine], [sine, cosine]])
    with torch.no_grad():
        expected = layer(body_pose=pose).vertices[0].numpy()
    np.testing.assert_allclose(load_body(topology, path).mesh.vertices, expected, atol=1e-5)


def test_pickles_of_the_old_chumpy_package_are_read_without_it(tmp_path: Path):
    fake = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x):
            self.x = x

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    fake.Ch = Ch
    data = tiny_model("smpl")
    try:
        sys.modules["chumpy"], sys.modules["chumpy.ch"] = types.ModuleType("chumpy"), fake
        path = write_pickle(
            tmp_path / "chumpy.pkl",
            {**data, "v_template": Ch(data["v_template"]), "shapedirs": Ch(data["shapedirs"])},
        )
    finally:
        sys.modules.pop("chumpy"), sys.modules.pop("chumpy.ch")
    body = load_body("smpl", path)
    assert body.mesh.num_vertices == len(data["v_template"])


class Evil:
    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('/tmp/ivlm_evil').touch()",))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path):
    path = write_pickle(tmp_path / "evil.pkl", {**tiny_model("smpl"), "extra": Evil()})
    with pytest.raises(ValueError, match="exec"):
        load_body("smpl", path)
    assert not Path("/tmp/ivlm_evil").exists()


def test_wrong_files_are_refused(tmp_path: Path):
    smplh = write_npz(tmp_path / "smplh.npz", tiny_model("smplh"))
    with pytest.raises(ValueError, match="52 joints but 'smplx' has 55.*Load it as 'smplh'"):
        load_body("smplx", smplh)
    data = tiny_model("smpl")
    data["weights"] = data["weights"][:, :7]
    with pytest.raises(ValueError, match="7 joints"):
        load_body("smpl", write_npz(tmp_path / "odd.npz", data))
    with pytest.raises(ValueError, match="lacks.*weights"):
        load_body("smpl", write_npz(tmp_path / "other.npz", {"v_template": np.zeros((3, 3))}))
    for name, content in (("broken.npz", b"PK\x03\x04nope"), ("broken.pkl", b"\x80\x02nope")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a body model"):
            load_body("smpl", tmp_path / name)
    with pytest.raises(FileNotFoundError, match="the npz or pkl file itself"):
        load_body("smpl", tmp_path)


@pytest.mark.parametrize("place", ["smplh/SMPLH_NEUTRAL.npz", "smplh/neutral/model.npz"])
def test_the_folder_of_body_models_is_searched(tmp_path: Path, monkeypatch, place):
    monkeypatch.delenv("IVLM_BODY_MODELS", raising=False)
    with pytest.raises(ValueError, match="none was named.*IVLM_BODY_MODELS"):
        load_body("smplh")
    monkeypatch.setenv("IVLM_BODY_MODELS", str(tmp_path))
    with pytest.raises(ValueError, match="has none of smplh/SMPLH_NEUTRAL.npz"):
        load_body("smplh")
    (tmp_path / place).parent.mkdir(parents=True)
    write_npz(tmp_path / place, tiny_model("smplh"))
    assert load_body("smplh").topology == "smplh"


@pytest.mark.parametrize("topology", list(NUM_JOINTS))
def test_any_pose_and_shape_is_that_of_smplx(tmp_path: Path, topology: str):
    from smplx.lbs import lbs

    data = tiny_model(topology)
    body = PosableSmpl(topology, write_npz(tmp_path / "model.npz", data))
    rng = np.random.default_rng(1)
    joints = NUM_JOINTS[topology]
    rotations = 0.4 * rng.normal(size=(joints, 3)).astype(np.float32)
    betas, shift = rng.normal(size=10), np.array([0.3, -0.2, 2.5])
    tensors = {k: torch.from_numpy(np.asarray(v, np.float32)) for k, v in data.items() if k != "f"}
    parents = torch.from_numpy(data["kintree_table"][0].astype(np.int64))
    parents[0] = -1
    expected, _ = lbs(
        torch.from_numpy(betas).float()[None],
        torch.from_numpy(rotations).reshape(1, -1),
        tensors["v_template"][None],
        tensors["shapedirs"][..., :10],
        tensors["posedirs"].reshape(-1, tensors["posedirs"].shape[-1]).T,
        tensors["J_regressor"],
        parents,
        tensors["weights"],
    )
    posed = body.posed(rotations, betas, shift)
    assert posed.dtype == np.float32
    np.testing.assert_allclose(posed, expected[0].numpy() + shift, atol=1e-5)
    rest = body.posed(np.zeros((0, 3)), np.zeros(0), np.zeros(3))
    np.testing.assert_allclose(rest, data["v_template"], atol=1e-6)
    root = body.posed(np.array([[np.pi, 0, 0]]), np.zeros(0), shift)
    turned = (data["v_template"] - PLACES[0]) * (1, -1, -1) + PLACES[0] + shift
    np.testing.assert_allclose(root, turned, atol=1e-5)


def test_poses_that_do_not_fit_are_refused(tmp_path: Path):
    body = PosableSmpl("smpl", write_npz(tmp_path / "model.npz", tiny_model("smpl")))
    with pytest.raises(ValueError, match=r"rotations of shape \(55, 3\).*24 joints"):
        body.posed(np.zeros((55, 3)), np.zeros(0), np.zeros(3))
    with pytest.raises(ValueError, match="11 betas; 'model.npz' has 10"):
        body.posed(np.zeros((1, 3)), np.zeros(11), np.zeros(3))

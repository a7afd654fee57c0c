"""LEMON, RICH and PICO through `ivlm preprocess`, read back by the readers of the layout."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.human import read_lemon_human, read_rich
from ivlm_core.datasets.published.objects import LEMON_AFFORDANCES, read_lemon_objects, read_pico
from ivlm_core.datasets.published.pico import read_pico_raw
from ivlm_core.datasets.published.raw import read_lemon_raw, read_lemon_raw_objects, read_rich_raw
from ivlm_core.official.transfer import ContactTransfer
from ivlm_core.training.published_truth import TruthReader
from tests.datasets.published.pico_files import contacts, write_sample
from tests.datasets.published.sheet import COLUMNS, sheet, sheet_views

SIZE = 48
QUARTER = [r * COLUMNS + c for r in range(32) for c in range(53)]


@pytest.fixture(autouse=True)
def body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sheet with as many vertices as SMPL-H, whose file nobody may hand on."""
    monkeypatch.setattr(
        "ivlm_core.official.views.load_body", lambda *_: SimpleNamespace(mesh=sheet())
    )


def preprocess(name: str, *options: object) -> int:
    return main(["preprocess", name, "--size", str(SIZE), *map(str, options)])


def contact_vector(ids: list[int], count: int = 6890) -> np.ndarray:
    vector = np.zeros((count, 1), np.float32)
    vector[ids] = 1
    return vector


@pytest.fixture
def lemon(tmp_path: Path) -> Path:
    """3DIR: two photographs of backpacks, which list another machine's paths, and two clouds."""
    folder = tmp_path / "3DIR"
    for made in ("Images/Backpack/carry", "smplh_contact_pkl", "txt_scripts", "Objects/Backpack"):
        (folder / made).mkdir(parents=True)
    lines = []
    for name in ("Backpack_carry_7", "Backpack_carry_8"):
        Image.new("RGB", (8, 8)).save(folder / f"Images/Backpack/carry/{name}.jpg")
        (folder / f"smplh_contact_pkl/{name}.pkl").write_bytes(
            pickle.dumps(contact_vector(QUARTER))
        )
        lines.append(f"/somebody/Images/3DIR/Images/Backpack/carry/{name}.jpg")
    (folder / "txt_scripts/train.txt").write_text("\n".join(lines))
    for number in (1, 2):
        rows = np.random.default_rng(number).random((30, 3 + len(LEMON_AFFORDANCES)))
        np.savetxt(folder / f"Objects/Backpack/Backpack_{number}.txt", rows)
    clouds = [f"/somebody/Objects/Backpack/Backpack_{number}.txt" for number in (1, 2)]
    (folder / "txt_scripts/Point_train.txt").write_text("\n".join(clouds))
    return folder


def test_lemon_comes_back_as_it_went_in(
    lemon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, parts = tmp_path / "out", tmp_path / "parts.pkl"
    parts.write_bytes(pickle.dumps({"near": np.arange(3000), "far": np.arange(6000, 6890)}))
    code = preprocess("lemon", "--data", lemon, "--out", out, "--body-parts", parts, "--json")
    assert code == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["items"] == 2
    items = read_lemon_human(out, "train")
    assert [(i.label, i.affordance, i.parts) for i in items] == 2 * [
        ("backpack", "carry", ("near",))
    ]
    for item in items:
        assert item.image.is_file() and item.vertices is not None
        assert item.vertices.tolist() == QUARTER
    truth = TruthReader(sheet_views(SIZE), SIZE).read(items[0])
    assert truth is not None
    shown = truth.target >= 0
    assert (truth.target[shown] == 1).float().mean() == pytest.approx(0.25, abs=0.06)
    things = read_lemon_objects(out, "train")
    assert [t.affordance for t in things] == ["carry", "carry"]
    assert all(path.is_file() for t in things for path in (t.image, *t.point_files))
    firsts = {t.point_files[0].name for t in things}
    assert firsts == {"Backpack_1.txt", "Backpack_2.txt"}, "clouds are shared out"


def test_what_lemon_lacks_is_named(
    lemon: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(reason: str) -> None:
        assert preprocess("lemon", "--data", lemon, "--out", tmp_path / "out") == 2
        assert reason in capsys.readouterr().err

    points = lemon / "txt_scripts/Point_train.txt"
    points.write_text("Objects/Bag/Bag_1.txt")
    refused("has the word 'backpack'")
    points.write_text("Backpack_1.txt")
    refused("expected '.../Objects/...' in a list, got 'Backpack_1.txt'")
    points.unlink()
    refused(f"there is no list '{points}'")
    (lemon / "smplh_contact_pkl/Backpack_carry_7.pkl").write_bytes(
        pickle.dumps(contact_vector([1], 10475))
    )
    refused("10475 numbers for a surface of 6890 vertices")
    (lemon / "txt_scripts/train.txt").write_text("Images/Backpack_carry_7.jpg")
    refused("expected '.../Images/OBJECT/.../NAME' in a list")
    with pytest.raises(DatasetError, match="there is no list"):
        read_lemon_raw(lemon, "val")
    with pytest.raises(DatasetError, match="there is no folder"):
        read_lemon_raw_objects(lemon / "gone", "val")


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """RICH on a body of 7,000 vertices, with two images of one name in folders of two cameras."""
    names = [f"hall/cam_{number}/00033.bmp" for number in (0, 1)]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    labels = np.stack([contact_vector(ids, 7000)[:, 0] for ids in (QUARTER, [6999])])
    file = tmp_path / "rich_test_smplx_cropped_bmp.npz"
    np.savez(file, imgname=np.array(names), contact_label_smplx=labels)
    np.savez(tmp_path / "matrix.npz", matrix=np.eye(6890, 7000, dtype=np.float32))
    return file


def test_rich_is_taken_to_smpl(rich: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--data", rich, "--images", tmp_path, "--out", out, "--split", "test")
    assert preprocess("rich", *options, "--transfer", tmp_path / "matrix.npz") == 0
    first, second = read_rich(out, "test")
    assert (first.label, first.name) == ("scene", "hall_cam_0_00033")
    assert first.vertices is not None and first.vertices.tolist() == QUARTER
    assert second.vertices is not None and second.vertices.tolist() == []
    assert first.image.is_file() and len(first.masks) == len(second.masks) == 4
    assert np.asarray(Image.open(first.masks[0])).max() == 255
    assert np.asarray(Image.open(second.masks[0])).max() == 0


def test_what_rich_lacks_is_named(
    rich: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preprocess("rich", "--data", rich, "--images", tmp_path, "--out", tmp_path / "out") == 2
    assert "has labels of 7000 vertices; to train on 6890 give" in capsys.readouterr().err
    with pytest.raises(DatasetError, match="the matrix is from 5 to 6890"):
        read_rich_raw(rich, tmp_path, ContactTransfer(np.zeros((6890, 5))))
    labels = np.zeros((2, 6890))
    clash = np.array(["a_b/c.bmp", "a/b_c.bmp"])
    np.savez(tmp_path / "clash.npz", imgname=clash, contact_label=labels)
    with pytest.raises(DatasetError, match=r"a_b/c\.bmp' and 'a/b_c\.bmp' would both be named"):
        read_rich_raw(tmp_path / "clash.npz", tmp_path)
    whole = np.array([f"/somewhere/{number}.bmp" for number in (1, 2)])
    np.savez(tmp_path / "whole.npz", imgname=whole, contact_label=labels)
    first, _ = read_rich_raw(tmp_path / "whole.npz", tmp_path)
    assert (first.name, str(first.image)) == ("somewhere_1", "/somewhere/1.bmp")
    np.savez(tmp_path / "other.npz", imgname=np.array(["a.jpg"]))
    with pytest.raises(DatasetError, match="one of contact_label, contact_label_smplx"):
        read_rich_raw(tmp_path / "other.npz", tmp_path)


def test_pico_comes_back_as_it_went_in(tmp_path: Path) -> None:
    corners = ["f 0 1 0 0", "f 0 0 1 0", "f 0 0 0 1", "f 1 0 1 0"]  # of one side of the cube
    told = contacts([f"v {number}" for number in range(4)], corners)
    sample = write_sample(tmp_path / "raw" / "tennis_racket__000000123", told)
    out = tmp_path / "out"
    assert preprocess("pico", "--data", tmp_path / "raw", "--out", out) == 0
    (item,) = read_pico(out, "train")
    (_, raw) = read_pico_raw(sample.parent)
    np.testing.assert_array_equal(item.dense(), raw.dense())
    assert item.image.is_file() and item.name == sample.name
    assert len(item.renders) == len(item.masks) == len(item.maps) == 4
    truth = TruthReader(None, SIZE).read(item)
    assert truth is not None and truth.lift is not None
    lifted = truth.lift(truth.target.clamp_min(0)[None])
    touched, seen = item.dense() > 0, lifted.seen[0].numpy()
    scores = lifted.scores[0].numpy()
    assert (seen & touched).any() and (seen & ~touched).any()
    assert scores[seen & touched].min() > scores[seen & ~touched].max()


def test_what_pico_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sample(tmp_path / "raw" / "cup")
    assert preprocess("pico", "--data", tmp_path / "raw", "--out", tmp_path / "out") == 2
    assert "expected folders named CLASS__SAMPLE" in capsys.readouterr().err
    assert preprocess("pico", "--data", tmp_path / "none", "--out", tmp_path / "out") == 2
    assert "there is no folder" in capsys.readouterr().err

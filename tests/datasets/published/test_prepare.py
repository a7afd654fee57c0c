"""Raw datasets through `ivlm preprocess`, read back by the readers of the reference's layout."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivlm_core.cli import main
from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.human import read_damon, read_damon_raw
from ivlm_core.datasets.published.objects import read_piad, read_piad_raw, read_point_file
from ivlm_core.datasets.published.prepare_body import BodyMasks, prepare_damon, write_body_views
from ivlm_core.datasets.published.prepare_objects import listed_piad, prepare_piad
from ivlm_core.official.views import SurfaceViews, read_published_views
from ivlm_core.training.published_truth import TruthReader
from tests.datasets.published.sheet import COLUMNS, sheet_views

SIZE = 48


@pytest.fixture(scope="module")
def views() -> SurfaceViews:
    return sheet_views(SIZE)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Raw DAMON: a cup over a quarter of the sheet in one image, a corner in the other."""
    quarter = [r * COLUMNS + c for r in range(32) for c in range(53)]
    objects = np.array([{"cup": quarter, "bench": [0]}, {"cup": [0, 1, 2]}], dtype=object)
    names = np.array(["photos/a.jpg", "photos/b.jpg"])
    np.savez(tmp_path / "raw.npz", imgname=names, contact_label_objectwise=objects)
    (tmp_path / "photos").mkdir()
    for name in names:
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def test_damon_comes_back_as_it_went_in(raw: Path, views: SurfaceViews) -> None:
    items = read_damon_raw(raw / "raw.npz", raw)
    parts = {"near": np.arange(3000), "far": np.arange(6000, 6890)}
    out = raw / "out"
    write_body_views(views, out, "4MV-Z_Vitru")
    prepare_damon(items, BodyMasks(views, parts=parts), out, "train")
    back = read_damon(out, "train")
    assert [(i.name, i.label) for i in back] == [
        ("a_cup", "cup"),
        ("a_bench", "bench"),
        ("b_cup", "cup"),
    ]
    for ours, theirs in zip(back, items, strict=True):
        np.testing.assert_array_equal(ours.dense(), theirs.dense())
        assert ours.image.is_file() and len(ours.masks) == 4
    assert back[0].parts == ("near",) and back[1].parts == ()
    shown = np.stack([np.asarray(Image.open(mask)) for mask in back[0].masks])
    seen = views.vertex_ids[..., 0] >= 0
    assert set(np.unique(shown)) == {0, 255} and not shown[~seen].any()
    assert (shown[seen] > 0).mean() == pytest.approx(0.25, abs=0.06)
    again = read_published_views(out, "4MV-Z_Vitru")
    np.testing.assert_array_equal(again.vertex_ids, views.vertex_ids)
    np.testing.assert_array_equal(again.images, views.images)


def test_two_corners_make_contact_in_the_second_set(raw: Path, views: SurfaceViews) -> None:
    items = read_damon_raw(raw / "raw.npz", raw)
    pixels = []
    for view_set in ("4MV-Z_Vitru", "4MV-Z_Vitru_mv2"):
        prepare_damon(items, BodyMasks(views, view_set), raw / view_set, "test")
        cup = read_damon(raw / view_set, "test", view_set)[0]
        pixels.append(sum(int((np.asarray(Image.open(m)) > 0).sum()) for m in cup.masks))
    assert pixels[0] < pixels[1]


def test_what_does_not_fit_is_named(raw: Path, views: SurfaceViews) -> None:
    items = read_damon_raw(raw / "raw.npz", raw)
    (raw / "photos" / "b.jpg").unlink()
    with pytest.raises(DatasetError, match=r"no image '.*b\.jpg'"):
        prepare_damon(items, BodyMasks(views), raw / "out", "train")
    with pytest.raises(ValueError, match="not a human view set"):
        BodyMasks(views, "4MV-Z_HM")
    smplx = [replace(items[0], num_vertices=10475)]
    with pytest.raises(DatasetError, match="labels of 10475 vertices, the body 6890"):
        prepare_damon(smplx, BodyMasks(views), raw / "out", "train")


CLOUDS = ("clouds/Mug_4.txt", "clouds/Mug_7.txt")
TRAINING = tuple(f"Img/Img_Train_Mug_grasp_{i}.jpg" for i in range(3))


@pytest.fixture
def piad(tmp_path: Path) -> Path:
    """Raw PIAD: three photographs of mugs and two clouds to train on, one of each to test on."""
    folder = tmp_path / "Data" / "Seen"
    for made in (folder, tmp_path / "clouds", tmp_path / "Img"):
        made.mkdir(parents=True)
    (folder / "Img_Train.txt").write_text("\n".join(TRAINING))
    (folder / "Point_Train.txt").write_text("\n".join(CLOUDS))
    (folder / "Img_Test.txt").write_text("Img/Img_Test_Mug_grasp_1.jpg")
    (folder / "Point_Test.txt").write_text(CLOUDS[0])
    for image in (*TRAINING, "Img/Img_Test_Mug_grasp_1.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / image)
    points = np.random.default_rng(0).normal(size=(300, 3))
    for column, cloud in enumerate(CLOUDS):
        heat = (points[:, column : column + 1] > 0) * np.eye(17)[:1]
        np.savetxt(tmp_path / cloud, np.hstack([points, heat]))
    return tmp_path


def preprocess(piad: Path, split: str, *options: str) -> int:
    out = ["--data", str(piad), "--out", str(piad / "out"), "--split", split, "--size", "32"]
    return main(["preprocess", "piad", *out, *options])


def test_piad_clouds_get_views_heat_maps_and_maps(piad: Path) -> None:
    assert preprocess(piad, "Test") == 0
    (item,) = read_piad(piad / "out", "seen", "Test")
    assert item.image.is_file() and item.point_files[0].is_file()
    assert len(item.renders) == len(item.masks) == len(item.maps) == 4
    heat = np.stack([np.asarray(Image.open(mask)) for mask in item.masks])
    ids = np.stack([np.load(path)["mapping"] for path in item.maps])
    assert ids.dtype == np.int64 and set(np.unique(heat)) == {0, 255}
    assert not heat[ids < 0].any() and 0.2 < (heat[ids >= 0] > 0).mean() < 0.8
    with pytest.raises(DatasetError, match="no list|there is no"):
        prepare_piad([replace(item, point_files=(piad / "gone.txt",))], piad / "out", "seen")


def test_photographs_of_piad_share_out_the_clouds_of_their_object(piad: Path) -> None:
    assert preprocess(piad, "Test") == preprocess(piad, "Train") == 0
    items = read_piad(piad / "out", "seen", "Train")
    assert [item.image.name for item in items] == [Path(line).name for line in TRAINING]
    assert [item.point_files[0].stem for item in items] == ["Mug_4", "Mug_7", "Mug_4"]
    truth = TruthReader(None, 32)
    for item in items:
        assert len(item.renders) == len(item.masks) == len(item.maps) == 4
        assert item.image.read_bytes() == (piad / "Img" / item.image.name).read_bytes()
        assert {cloud.stem for cloud in item.point_files} == {"Mug_4", "Mug_7"}
        found = truth.read(item)
        _, scores = read_point_file(piad / "clouds" / item.point_files[0].name)
        assert found is not None and found.vertices is not None
        np.testing.assert_array_equal(found.vertices.numpy(), scores["grasp"])
        ids = np.stack([np.load(path)["mapping"] for path in item.maps])
        heat = np.stack([np.asarray(Image.open(mask)) for mask in item.masks])
        np.testing.assert_array_equal(heat[ids >= 0] / 255, scores["grasp"][ids[ids >= 0]])
    assert len(read_piad(piad / "out", "seen", "Test")) == 1


def test_files_are_copied_where_links_fail(piad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert preprocess(piad, "Train") == 0
    for item in read_piad(piad / "out", "seen", "Train"):
        for path in (item.image, *item.point_files):
            assert path.is_file() and not path.is_symlink()


def test_nothing_is_listed_that_was_not_rendered(piad: Path) -> None:
    items = read_piad_raw(piad, "Seen", "Train")
    listed = piad / "out/piad_ocontact_seen"
    with (
        pytest.raises(RuntimeError, match="stopped"),
        listed_piad(items, piad, piad / "out", "seen", "Train"),
    ):
        assert (listed / TRAINING[0]).is_file() and (listed / CLOUDS[0]).is_file()
        raise RuntimeError("stopped")
    assert not list(listed.glob("*_Train.*"))
    with listed_piad(items, piad, piad / "out", "seen", "Train"):
        pass
    assert (listed / "Img_Train.txt").read_text().split() == list(TRAINING)


def test_files_outside_the_folder_are_named_in_full(piad: Path) -> None:
    moved = piad.parent / f"{piad.name}_elsewhere"
    (piad / "clouds").rename(moved)
    listed = "\n".join((f"../{moved.name}/Mug_4.txt", f"{moved}/Mug_7.txt"))
    (piad / "Data/Seen/Point_Train.txt").write_text(listed)
    assert preprocess(piad, "Train") == 0
    items = read_piad(piad / "out", "seen", "Train")
    assert [item.point_files[0] for item in items[:2]] == [moved / "Mug_4.txt", moved / "Mug_7.txt"]
    assert all(len(item.masks) == 4 for item in items)


def test_what_piad_lacks_is_named(piad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preprocess(piad, "Test") == 0
    again = "clouds/other/Mug_4.txt"
    (piad / "clouds" / "other").mkdir()
    (piad / again).write_text((piad / CLOUDS[0]).read_text())
    (piad / "Data/Seen/Point_Train.txt").write_text(again)
    assert preprocess(piad, "Train") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "would have one name" in said and again in said
    (piad / "Data/Seen/Point_Train.txt").write_text("clouds/Mug_9.txt")
    assert preprocess(piad, "Train") == 2
    assert "there is no point cloud" in capsys.readouterr().err
    (piad / TRAINING[1]).unlink()
    assert preprocess(piad, "Train") == 2
    assert "there is no image" in capsys.readouterr().err
    assert not (piad / "out/piad_ocontact_seen/Img_Train.txt").exists()


def test_the_command(piad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(piad), "--out", str(tmp_path / "o"), "--split", "Test"]
    assert main(["preprocess", "piad", *options, "--size", "32", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["items"] == 1 and len(list(Path(report["out"]).iterdir())) == 12
    assert main(["preprocess", "piad", *options, "--setting", "unseen"]) == 2
    assert "no folder" in capsys.readouterr().err
    damon = ["--data", str(tmp_path / "gone.npz"), "--images", ".", "--out", str(tmp_path)]
    assert main(["preprocess", "damon", *damon]) == 2
    assert "gone.npz" in capsys.readouterr().err

"""DAMON, LEMON and RICH, on folders written as their owners and the reference lay them out."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.human import (
    read_damon,
    read_damon_2d,
    read_damon_raw,
    read_lemon_human,
    read_rich,
)

VIEWS = ("topfront", "bottomfront", "topback", "bottomback")


def dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def masks(folder: Path, stem: str) -> None:
    for view in VIEWS:
        touch(folder / f"{stem}_{view}.png")


@pytest.fixture
def damon(tmp_path: Path) -> Path:
    """Two images: a cup in the hand and the ground under the feet; a bench without masks."""
    for split in ("train", "test"):
        folder = tmp_path / "damon" / split
        folder.mkdir(parents=True)
        np.save(folder / "imgname.npy", np.array(["images/a.jpg", "images/b.jpg"]))
        contacts = [{"cup": [5, 3, 3], "supporting": np.array([1, 2]), "book": []}, {"bench": [9]}]
        dump(folder / "contact_label_objectwise.pkl", contacts)
        parts = {"a_cup": ["right hand"], "a_supporting": ["left foot", "right foot"]}
        dump(folder / "body_parts_objectwise.pkl", parts)
        split_off = [{"cup": [5, 3], "foot_ground": [1]}, {"bench": [9]}]
        dump(folder / "contact_label_objectwise_wFootGround.pkl", split_off)
        dump(folder / "body_parts_objectwise_wFootGround.pkl", {"a_foot_ground": "left foot"})
        for name in ("cup", "supporting", "foot_ground"):
            masks(folder / "hcontact_vitruvian" / name, "a")
        touch(folder / "contact_render_2d" / "cup" / "a_contact_mask.png")
        touch(folder / "contact_render_2d" / "supporting" / "a_contact_mask.png")
        objects = np.array([{"cup": [1], "supporting": [2]}, {"bench": [9]}], dtype=object)
        np.save(folder / "contact_label_objectwise.npy", objects, allow_pickle=True)
    return tmp_path


def test_damon_gives_an_item_an_object(damon: Path) -> None:
    items = read_damon(damon, "train")
    assert [(i.name, i.label) for i in items] == [("a_cup", "cup"), ("a_supporting", "supporting")]
    cup = items[0]
    assert cup.vertices is not None and cup.vertices.tolist() == [3, 5]
    assert cup.dense().shape == (6890,) and cup.dense().sum() == 2
    assert cup.parts == ("right hand",) and cup.image == damon / "damon/train/images/a.jpg"
    assert [m.name for m in cup.masks] == [f"a_{view}.png" for view in VIEWS]


def test_items_without_masks_are_kept_where_none_are_needed(damon: Path) -> None:
    items = read_damon(damon, "test", masks=False)
    assert [i.name for i in items] == ["a_cup", "a_supporting", "b_bench"]
    assert items[-1].masks == ()


def test_contact_of_feet_with_the_ground_is_the_scene(damon: Path) -> None:
    items = read_damon(damon, "train", "4MV-Z_Vitru_FootGround", foot_ground=True)
    assert [(i.label, i.parts) for i in items] == [("cup", ()), ("scene", ("left foot",))]
    plain = read_damon(damon, "test", "4MV-Z_Vitru_FootGround", foot_ground=True)
    assert [i.label for i in plain] == ["cup"]  # the set leaves `supporting` out


def test_a_fraction_of_damon_is_the_same_every_time(damon: Path) -> None:
    half = [i.name for i in read_damon(damon, "train", fraction=0.5, masks=False)]
    assert half == [i.name for i in read_damon(damon, "train", fraction=0.5, masks=False)]
    assert 0 < len(half) < 3
    with pytest.raises(ValueError, match="fraction"):
        read_damon(damon, "train", fraction=0)


def test_damon_2d_asks_for_masks_of_photographs(damon: Path) -> None:
    items = read_damon_2d(damon, "test")
    assert [i.label for i in items] == ["cup", "support object or ground"]
    assert items[0].kind == "h2dcontact" and items[0].masks[0].name == "a_contact_mask.png"
    with pytest.raises(ValueError, match="no vertices"):
        items[0].dense()


def test_raw_damon(tmp_path: Path) -> None:
    file = tmp_path / "hot_dca_test.npz"
    smplx = np.array([{"cup": [10474]}, {}], dtype=object)
    smpl = np.array([{"cup": [6889], "Book": []}, {}], dtype=object)
    np.savez(
        file,
        imgname=np.array(["x/a.jpg", "x/b.jpg"]),
        contact_label_objectwise=smpl,
        contact_label_smplx_objectwise=smplx,
    )
    (item,) = read_damon_raw(file, tmp_path)
    assert (item.label, item.num_vertices, item.image) == ("cup", 6890, tmp_path / "x/a.jpg")
    (item,) = read_damon_raw(file, tmp_path, "smplx")
    assert item.vertices is not None and item.vertices.tolist() == [10474]
    np.savez(file, imgname=np.array(["x/a.jpg"]))
    with pytest.raises(DatasetError, match=r"no 'contact_label_objectwise', only imgname"):
        read_damon_raw(file, tmp_path)
    np.savez(file, imgname=np.array(["x/a.jpg"]), contact_label_objectwise=smplx)
    with pytest.raises(DatasetError, match="different numbers of items"):
        read_damon_raw(file, tmp_path)
    np.savez(file, imgname=np.array(["x/a.jpg"]), contact_label_objectwise=smplx[:1])
    with pytest.raises(DatasetError, match="vertex 10474 of a surface of 6890.*another topology"):
        read_damon_raw(file, tmp_path)


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("touch /tmp/ivlm-evil",)


def test_no_file_runs_code(damon: Path, tmp_path: Path) -> None:
    dump(damon / "damon/train/contact_label_objectwise.pkl", [Evil()])
    with pytest.raises(DatasetError, match="which is no array"):
        read_damon(damon, "train")
    np.savez(tmp_path / "raw.npz", imgname=np.array([Evil()], dtype=object))
    with pytest.raises(DatasetError, match="which is no array"):
        read_damon_raw(tmp_path / "raw.npz", tmp_path)
    assert not Path("/tmp/ivlm-evil").exists()


def test_missing_and_contradicting_files_are_named(damon: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="DAMON: there is no folder"):
        read_damon(tmp_path / "nowhere", "train")
    np.save(damon / "damon/train/imgname.npy", np.array(["images/a.jpg"]))
    with pytest.raises(DatasetError, match="images 1, contacts 2"):
        read_damon(damon, "train")
    (damon / "damon/test/body_parts_objectwise.pkl").unlink()
    with pytest.raises(DatasetError, match=r"body_parts_objectwise\.pkl"):
        read_damon(damon, "test")
    (damon / "damon/test/imgname.npy").write_bytes(b"no array")
    with pytest.raises(DatasetError, match=r"imgname\.npy' cannot be read"):
        read_damon(damon, "test")


@pytest.mark.parametrize("layout", ["mirrored", "flat"])
def test_lemon_names_the_object_by_its_folder(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "lemon"
    (folder / "txt_scripts").mkdir(parents=True)
    line = "Data/Images/Backpack/carry/Backpack_carry_7.jpg"
    (folder / "txt_scripts" / "train.txt").write_text(f"{line}\n\n")
    contact = np.zeros((6890, 1), np.float32)
    contact[[4, 8]] = 1
    place = "Backpack/carry/" if layout == "mirrored" else ""
    dump(folder / f"smplh_contact_pkl/{place}Backpack_carry_7.pkl", contact)
    dump(folder / "body_parts_train.pkl", {"Backpack_carry_7": ["back"]})
    masks(folder / "hcontact_vitruvian/Backpack/carry", "Backpack_carry_7")
    (item,) = read_lemon_human(tmp_path, "train")
    assert (item.label, item.affordance, item.parts) == ("backpack", "carry", ("back",))
    assert item.vertices is not None and item.vertices.tolist() == [4, 8]
    assert len(item.masks) == 4
    dump(folder / f"smplh_contact_pkl/{place}Backpack_carry_7.pkl", contact[:100])
    with pytest.raises(DatasetError, match="100 numbers for a surface of 6890"):
        read_lemon_human(tmp_path, "train")
    (folder / "txt_scripts" / "train.txt").write_text("elsewhere/a.jpg")
    with pytest.raises(DatasetError, match=r"expected '\.\.\./Images/OBJECT"):
        read_lemon_human(tmp_path, "train")


def test_rich_asks_about_the_scene(tmp_path: Path) -> None:
    folder = tmp_path / "rich"
    contact = np.zeros(6890)
    contact[7] = 1
    dump(folder / "img_list_val.pkl", ["a.jpg"])
    dump(folder / "body_parts_val.pkl", {"a": ["left foot"]})
    dump(folder / "contact_vertices_val.pkl", {"a.jpg": contact})
    (item,) = read_rich(tmp_path, "val")
    assert (item.label, item.parts, item.masks) == ("scene", ("left foot",), ())
    assert item.vertices is not None and item.vertices.tolist() == [7]
    dump(folder / "img_list_val.pkl", ["a.jpg", "b.jpg"])
    with pytest.raises(DatasetError, match=r"nothing for image 'b\.jpg'"):
        read_rich(tmp_path, "val")

"""PIAD, LEMON and PICO, on folders written as their owners and the reference lay them out."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.objects import (
    LEMON_AFFORDANCES,
    PIAD_AFFORDANCES,
    read_lemon_objects,
    read_piad,
    read_piad_raw,
    read_pico,
    read_point_file,
)
from ivlm_core.official.view_sets import get_view_set

OBJECT_VIEWS = get_view_set("4MV-Z_HM").view_rig().view_names


def dump(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_vocabularies_are_the_published_ones(parity_dir: Path) -> None:
    import json

    constants = json.loads((parity_dir / "interface_constants.json").read_text())
    assert list(PIAD_AFFORDANCES) == constants["afford_list_piad"]
    assert list(LEMON_AFFORDANCES) == constants["afford_list_lemon"]


@pytest.mark.parametrize("words", ["", "Mug Mug_7 "])
def test_point_files(tmp_path: Path, words: str) -> None:
    rows = [[i, 0.5, -1, *np.linspace(0, 1, 17)] for i in range(3)]
    text = "\n".join(words + " ".join(map(str, row)) for row in rows)
    write(tmp_path / "Mug_7.txt", text + "\n")
    points, scores = read_point_file(tmp_path / "Mug_7.txt")
    assert points.tolist() == [[0, 0.5, -1], [1, 0.5, -1], [2, 0.5, -1]]
    assert list(scores) == list(PIAD_AFFORDANCES)
    assert scores["grasp"].tolist() == [0, 0, 0] and scores["stab"].tolist() == [1, 1, 1]
    for wrong in (text + " 1", "", text.replace("0.5", "x")):
        write(tmp_path / "wrong.txt", wrong)
        with pytest.raises(DatasetError, match=r"wrong\.txt"):
            read_point_file(tmp_path / "wrong.txt")


IMAGES = ["Img/Mug/grasp/Img_Train_Mug_grasp_3.jpg", "Img/Bed/lay/Img_Train_Bed_lay_1.jpg"]
CLOUDS = ["Point/Mug/Point_Train_Mug_2.txt", "Point/Bed/Point_Train_Bed_5.txt"]


def test_raw_piad_pairs_by_object_or_by_place(tmp_path: Path) -> None:
    folder = tmp_path / "Data" / "Seen"
    write(folder / "Img_Train.txt", "\n".join(IMAGES))
    write(folder / "Point_Train.txt", "\n".join([*CLOUDS, "Point/Mug/Point_Train_Mug_9.txt"]))
    mug, bed = read_piad_raw(tmp_path, "Seen", "Train")
    assert (mug.label, mug.affordance, len(mug.point_files)) == ("mug", "grasp", 2)
    assert (bed.label, bed.affordance) == ("bed", "lay")
    assert bed.image == tmp_path / IMAGES[1] and bed.point_files == (tmp_path / CLOUDS[1],)
    write(folder / "Img_Test.txt", "\n".join(IMAGES))
    write(folder / "Point_Test.txt", "\n".join(CLOUDS))
    assert [i.point_files[0].name for i in read_piad_raw(tmp_path, "Seen", "Test")] == [
        "Point_Train_Mug_2.txt",
        "Point_Train_Bed_5.txt",
    ]
    write(folder / "Point_Test.txt", "\n".join(CLOUDS[::-1]))
    with pytest.raises(DatasetError, match="different objects"):
        read_piad_raw(tmp_path, "Seen", "Test")
    write(folder / "Point_Test.txt", CLOUDS[0])
    with pytest.raises(DatasetError, match="images 2, clouds 1"):
        read_piad_raw(tmp_path, "Seen", "Test")
    write(folder / "Img_Train.txt", "Img/Vase/x/Img_Train_Vase_contain_1.jpg")
    with pytest.raises(DatasetError, match="no point cloud belongs"):
        read_piad_raw(tmp_path, "Seen", "Train")
    write(folder / "Img_Train.txt", "Img/strange.jpg")
    with pytest.raises(DatasetError, match="OBJECT_AFFORDANCE_NUMBER"):
        read_piad_raw(tmp_path, "Seen", "Train")
    with pytest.raises(DatasetError, match="there is no folder"):
        read_piad_raw(tmp_path, "Unseen", "Train")


def test_preprocessed_piad_has_views_of_the_best_cloud(tmp_path: Path) -> None:
    folder = tmp_path / "piad_ocontact_seen"
    write(folder / "Img_Train.txt", "\n".join(IMAGES))
    write(folder / "Point_Train.txt", "\n".join(CLOUDS))
    ranked = {IMAGES[0]: [CLOUDS[0]], Path(IMAGES[1]).name: [CLOUDS[1]]}
    dump(folder / "piad_lookup_results_Train.pkl", ranked)
    renders = folder / "rendered_points_heatmap_1025_color"
    for view in OBJECT_VIEWS:
        for kind, suffix in (("sam", "png"), ("mask", "png"), ("p2pmap", "npz")):
            write(renders / f"{kind}_Mug_2_grasp_{view}.{suffix}", "")
    mug, bed = read_piad(tmp_path, "seen", "Train")
    assert [p.name for p in mug.masks] == [f"mask_Mug_2_grasp_{v}.png" for v in OBJECT_VIEWS]
    assert len(mug.renders) == len(mug.maps) == 4 and bed.masks == ()
    dump(folder / "piad_lookup_results_Train.pkl", {})
    with pytest.raises(DatasetError, match="no point cloud belongs"):
        read_piad(tmp_path, "seen", "Train")


def test_lemon_objects_come_with_ranked_clouds(tmp_path: Path) -> None:
    folder = tmp_path / "lemon"
    write(folder / "txt_scripts/val.txt", "Images/Guitar/play/Guitar_play_2.jpg")
    lookup = folder / "lemon_ocontact" / "lemon_lookup_results_val.pkl"
    dump(lookup, {"Images/Guitar/play/Guitar_play_2.jpg": ["Objects/a.txt", "Objects/b.txt"]})
    (item,) = read_lemon_objects(tmp_path, "val")
    assert (item.label, item.affordance) == ("guitar", "play")
    assert [p.name for p in item.point_files] == ["a.txt", "b.txt"]
    dump(lookup, {})
    with pytest.raises(DatasetError, match="names no point cloud"):
        read_lemon_objects(tmp_path, "val")


def test_pico_reads_contact_on_meshes(tmp_path: Path) -> None:
    folder = tmp_path / "pico" / "test"
    dump(folder / "test_imglist.pkl", ["mug__0017.jpg"])
    place = folder / "lowpoly_mesh_0507" / "mug"
    views = get_view_set("4MV-Z_HM_BM").view_rig(mesh=True).view_names
    place.mkdir(parents=True)
    for view in views:
        maps = {"pixel_to_vertices_map": np.zeros((2, 2, 3), int), "num_vertices": 5}
        np.savez(place / f"p2vmap_0017_{view}.npz", **maps)
    dump(place / "contact_vertices_0017.pkl", np.array([0, 0, 1, 0, 1.0]))
    (item,) = read_pico(tmp_path, "test")
    assert (item.kind, item.label, item.num_vertices) == ("ocontact", "mug", 5)
    assert item.vertices is not None and item.vertices.tolist() == [2, 4]
    assert item.image == folder / "images" / "mug__0017.jpg" and len(item.maps) == len(views)
    dump(place / "contact_vertices_0017.pkl", np.array([0, 0, 1.0]))
    with pytest.raises(DatasetError, match="3 numbers for a surface of 5"):
        read_pico(tmp_path, "test")
    (place / f"p2vmap_0017_{views[0]}.npz").unlink()
    with pytest.raises(DatasetError, match="no lifting maps"):
        read_pico(tmp_path, "test")
    dump(folder / "test_imglist.pkl", ["mug.jpg"])
    with pytest.raises(DatasetError, match="CLASS__SAMPLE"):
        read_pico(tmp_path, "test")

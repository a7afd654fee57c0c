"""PICO-db: pairs of points on body and object become contact on the vertices of both."""

from pathlib import Path
from typing import Any

import pytest

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.pico import CONTACTS, read_pico_raw
from tests.datasets.published.pico_files import contacts, write_sample


def test_a_sample_is_two_items(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "tennis_racket__0017")
    (tmp_path / "notes").mkdir()
    body, thing = read_pico_raw(tmp_path)
    assert (body.kind, thing.kind) == ("hcontact", "ocontact")
    assert body.label == thing.label == "tennis_racket"
    assert body.vertices is not None and body.vertices.tolist() == [12, 6889]
    assert body.num_vertices == 6890 and thing.num_vertices == 8
    assert thing.vertices is not None
    assert thing.vertices.tolist() == [0, 7], "corners 0 of face 0 and 2 of face 3 are nearest"
    assert thing.mesh_file == folder / "object.obj" and body.image == thing.image
    assert body.name != thing.name


def test_the_third_weight_is_computed(tmp_path: Path) -> None:
    write_sample(tmp_path / "cup__1", contacts(["v 1"], ["f 0 0.2 0.2"]))
    assert read_pico_raw(tmp_path)[1].dense().tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_several_pairs_of_shapes_are_united(tmp_path: Path) -> None:
    told = contacts(["v 1"], ["f 0 1 0 0"])
    told["data"] += contacts(["v 2"], ["f 2 1 0 0"], "_2")["data"]
    write_sample(tmp_path / "cup__1", told)
    body, thing = read_pico_raw(tmp_path)
    assert body.vertices is not None and thing.vertices is not None
    assert body.vertices.tolist() == [1, 2] and thing.vertices.tolist() == [0, 4]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (contacts(["v 1", "v 2"], ["f 0 1 0 0"]), "has 2 points, objShape_1 1; they must pair up"),
        ({"data": contacts(["v 1"], ["f 0 1 0 0"])["data"][:1]}, "objShape_1 none"),
        (contacts(["v 6890"], ["f 0 1 0 0"]), "body vertex 6890; SMPL has 6890"),
        (contacts(["v 1"], ["f 12 1 0 0"]), "face 12 of 'object.obj', which has 12"),
        (contacts(["v 1"], ["f 0 0.9 0.9"]), "points outside their faces"),
        (contacts(["f 1"], ["f 0 1 0 0"]), "a point 'f 1', expected 'v VERTEX'"),
        (contacts(["v 1"], ["f 0 1"]), "expected 'f FACE B0 B1 B2'"),
        (contacts(["v 1"], ["f zero 1 0 0"]), "expected 'f FACE B0 B1 B2'"),
        ({"data": [{"name": "humanShape"}]}, "must be {'data'"),
        ({"data": [{"name": "objShape_1", "contactPoints": []}]}, "no points of a humanShape"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_labels_that_do_not_fit_are_named(tmp_path: Path, told: Any, said: str) -> None:
    write_sample(tmp_path / "cup__1", told)
    with pytest.raises(DatasetError) as error:
        read_pico_raw(tmp_path)
    assert said in str(error.value) and "cup__1" in str(error.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        read_pico_raw(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"there is no '.*corresponding_contacts\.json'"):
        read_pico_raw(tmp_path)
    folder = write_sample(tmp_path / "cup__1")
    (folder / "mask.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="must hold one photograph"):
        read_pico_raw(tmp_path)
    (folder / "mask.png").unlink()
    (folder / CONTACTS).write_text("{")
    with pytest.raises(DatasetError, match=r"contacts\.json' must be"):
        read_pico_raw(tmp_path)
    (folder / "object.obj").write_text("nothing")
    with pytest.raises(DatasetError, match="cup__1"):
        read_pico_raw(tmp_path)
    (folder / "object.obj").unlink()
    with pytest.raises(DatasetError, match="No mesh file"):
        read_pico_raw(tmp_path)

"""Corresponding contact of body and object: PICO-db (Cseke et al. 2025), as released."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ivlm_core.datasets.published.files import DatasetError, need_folder
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.geometry.mesh import MeshError, load_mesh
from ivlm_core.official.prompts import label_from_file_name
from ivlm_core.official.views import NUM_BODY_VERTICES

CONTACTS, MESH = "corresponding_contacts.json", "object.obj"
_HUMAN, _OBJECT = "humanShape", "objShape"
_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
_OUTSIDE = 1e-3
"""How far outside a face rounded weights may put a point."""


def read_pico_raw(root: str | Path) -> list[LabelledImage]:
    """Read contact of body and object, two items a folder.

    A sample is a folder `CLASS__SAMPLE` with `corresponding_contacts.json`, `object.obj` and one
    photograph. Contact is a list of pairs: a vertex of SMPL, and a point on a face of the object,
    whose nearest corner counts as in contact.

    Args:
        root: folder of the samples.

    Returns:
        For each sample an item of kind `hcontact` on SMPL's vertices, and one of kind `ocontact`
        on those of `mesh_file`.

    Raises:
        DatasetError: a file is missing or damaged, pairs are of unequal number, or a label does
            not fit SMPL or the object's mesh.
    """
    folder = need_folder(Path(root), "PICO")
    samples = sorted(path.parent for path in folder.glob(f"*/{CONTACTS}"))
    if not samples:
        raise DatasetError(f"PICO: there is no '{folder}/SAMPLE/{CONTACTS}'")
    return [item for sample in samples for item in _items(sample)]


def _items(folder: Path) -> tuple[LabelledImage, LabelledImage]:
    photos = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _PHOTO_SUFFIXES]
    if len(photos) != 1:
        raise DatasetError(
            f"PICO: '{folder}' must hold one photograph ({', '.join(_PHOTO_SUFFIXES)}), it holds "
            f"{[path.name for path in photos]}; put masks elsewhere"
        )
    try:
        mesh = load_mesh(folder / MESH)
    except (FileNotFoundError, MeshError) as error:
        raise DatasetError(f"PICO: '{folder}': {error}") from error
    human, on_object = _points(folder / CONTACTS)
    shared = {
        "dataset": "pico",
        "image": photos[0],
        "label": label_from_file_name(folder.name),
    }
    body = LabelledImage(
        name=f"{folder.name}_human",
        kind="hcontact",
        vertices=_body_vertices(human, folder),
        num_vertices=NUM_BODY_VERTICES,
        **shared,  # type: ignore[arg-type]
    )
    thing = LabelledImage(
        name=f"{folder.name}_object",
        kind="ocontact",
        vertices=_object_vertices(on_object, mesh.faces, folder),
        num_vertices=mesh.num_vertices,
        mesh_file=folder / MESH,
        **shared,  # type: ignore[arg-type]
    )
    return body, thing


def _points(path: Path) -> tuple[list[str], list[str]]:
    """Return all points on the body and all on the object; point k of both is one contact."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["data"]
        found = {str(entry["name"]): [str(p) for p in entry["contactPoints"]] for entry in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"PICO: '{path}' must be {{'data': [{{'name', 'contactPoints'}}]}}: {error!r}"
        ) from error
    human: list[str] = []
    on_object: list[str] = []
    for name, points in found.items():
        if not name.startswith(_HUMAN):
            continue
        other = found.get(_OBJECT + name.removeprefix(_HUMAN))
        if other is None or len(other) != len(points):
            raise DatasetError(
                f"PICO: '{path}': {name} has {len(points)} points, "
                f"{_OBJECT}{name.removeprefix(_HUMAN)} {'none' if other is None else len(other)}; "
                "they must pair up"
            )
        human += points
        on_object += other
    if not human:
        raise DatasetError(f"PICO: '{path}' has no points of a {_HUMAN}")
    return human, on_object


def _body_vertices(points: list[str], folder: Path) -> np.ndarray:
    ids = np.array([_fields(p, "v", 1, folder)[0] for p in points], np.int64)
    if ids.min() < 0 or ids.max() >= NUM_BODY_VERTICES:
        raise DatasetError(
            f"PICO: '{folder / CONTACTS}' names body vertex {int(ids.max())}; SMPL has "
            f"{NUM_BODY_VERTICES}, so the labels are of another topology"
        )
    return np.unique(ids).astype(np.int32)


def _object_vertices(points: list[str], faces: np.ndarray, folder: Path) -> np.ndarray:
    rows = np.array([_fields(p, "f", 3, folder)[:3] for p in points])
    ids, weights = rows[:, 0].astype(np.int64), rows[:, 1:]
    if ids.min() < 0 or ids.max() >= len(faces):
        raise DatasetError(
            f"PICO: '{folder / CONTACTS}' names face {int(ids.max())} of '{MESH}', which has "
            f"{len(faces)}; contacts and mesh do not belong together"
        )
    # The third weight is not always written to the same precision, so it is computed.
    weights = np.column_stack([weights, 1 - weights.sum(axis=1)])
    if weights.min() < -_OUTSIDE:
        raise DatasetError(f"PICO: '{folder / CONTACTS}' has points outside their faces")
    nearest = faces[ids, weights.argmax(axis=1)]
    return np.unique(nearest).astype(np.int32)


def _fields(point: str, kind: str, least: int, folder: Path) -> list[Any]:
    """Return the numbers of a point such as `v 12` or `f 7 0.2 0.3 0.5`."""
    words = point.split()
    try:
        if words[0] != kind or len(words) <= least:
            raise ValueError
        return [float(word) for word in words[1:]]
    except (ValueError, IndexError) as error:
        wanted = "'v VERTEX'" if kind == "v" else "'f FACE B0 B1 B2'"
        raise DatasetError(
            f"PICO: '{folder / CONTACTS}' has a point '{point}', expected {wanted}"
        ) from error

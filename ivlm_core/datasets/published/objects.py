"""Affordance and contact of objects: PIAD (raw and preprocessed), LEMON, PICO."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ivlm_core.datasets.published.files import (
    DatasetError,
    need_folder,
    read_arrays,
    read_lines,
    read_pickle,
    same_length,
    vertex_ids,
    view_files,
)
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.official.view_sets import ViewSet, get_view_set

PIAD_AFFORDANCES = (
    *("grasp", "contain", "lift", "open", "lay", "sit", "support", "wrapgrasp", "pour", "move"),
    *("display", "push", "listen", "wear", "press", "cut", "stab"),
)
"""Columns of PIAD's point files, in their order."""

LEMON_AFFORDANCES = (
    *("grasp", "lift", "open", "lay", "sit", "support", "wrapgrasp", "pour", "move", "pull"),
    *("listen", "press", "cut", "stab", "ride", "play", "carry"),
)
"""Columns of LEMON's point files; the order is not PIAD's."""


def piad_renders(root: str | Path, setting: str, views: ViewSet) -> Path:
    """Return the folder of PIAD's renders, masks and maps."""
    return Path(root) / f"piad_ocontact_{setting}" / f"{views.folder}_color"


def read_point_file(
    path: str | Path, columns: tuple[str, ...] = PIAD_AFFORDANCES
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read a point cloud with affordance scores.

    Args:
        path: a row a point: possibly two words, then x, y, z, then one score an affordance.
        columns: the affordances.

    Returns:
        float32 `[point, 3]`, and float32 `[point]` in [0, 1] by affordance.

    Raises:
        DatasetError: the file is missing, or a row has another number of columns.
    """
    lines = read_lines(Path(path), "points")
    wanted = 3 + len(columns)
    rows = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        numbers = fields[-wanted:]
        try:
            if len(fields) not in (wanted, wanted + 2):
                raise ValueError
            rows.append([float(value) for value in numbers])
        except ValueError as error:
            raise DatasetError(
                f"points: line {number} of '{path}' must hold x, y, z and {len(columns)} scores "
                f"(after two words, if any), got {len(fields)} fields"
            ) from error
    if not rows:
        raise DatasetError(f"points: '{path}' is empty")
    values = np.array(rows, dtype=np.float32)
    return values[:, :3], {name: values[:, 3 + i] for i, name in enumerate(columns)}


def read_piad_raw(
    root: str | Path, setting: Literal["Seen", "Unseen"], split: Literal["Train", "Test"]
) -> list[LabelledImage]:
    """Read PIAD as released (`Data/{Seen,Unseen}`).

    Training pairs an image with every cloud of its object; testing with the cloud of its place in
    the list.

    Raises:
        DatasetError: a list is missing, a name cannot be read, or lists differ in length.
    """
    folder = need_folder(Path(root) / "Data" / setting, "PIAD")
    images = read_lines(folder / f"Img_{split}.txt", "PIAD")
    clouds = read_lines(folder / f"Point_{split}.txt", "PIAD")
    return _piad_items("piad", Path(root), images, clouds, split == "Test", None, ())


def read_piad(
    root: str | Path,
    setting: Literal["seen", "unseen"],
    split: Literal["Train", "Test"],
    view_set: str = "4MV-Z_HM",
) -> list[LabelledImage]:
    """Read PIAD as the reference preprocesses it (`piad_ocontact_{seen,unseen}`).

    Training takes the clouds that the lookup ranks for an image, the best first.

    Args:
        root: the data root.
        setting: seen or unseen objects.
        split: Train or Test.
        view_set: published name of the object view set; classes it leaves out are left out.

    Raises:
        DatasetError: a list is missing, a name cannot be read, or lists differ in length.
    """
    folder = need_folder(Path(root) / f"piad_ocontact_{setting}", "PIAD")
    images = read_lines(folder / f"Img_{split}.txt", "PIAD")
    clouds = read_lines(folder / f"Point_{split}.txt", "PIAD")
    ranked = None
    if split == "Train":
        ranked = read_pickle(folder / "piad_lookup_results_Train.pkl", "PIAD", dict)
    views = get_view_set(view_set)
    items = _piad_items(
        "piad", folder, images, clouds, split == "Test", ranked, views.ignored_words
    )
    renders = piad_renders(root, setting, views)
    return [_with_views(item, renders, views.view_rig().view_names) for item in items]


def _piad_items(
    dataset: str,
    root: Path,
    images: list[str],
    clouds: list[str],
    paired: bool,
    ranked: dict[str, list[str]] | None,
    ignored: tuple[str, ...],
) -> list[LabelledImage]:
    if paired:
        same_length("PIAD", images=len(images), clouds=len(clouds))
    by_object: dict[str, list[str]] = {}
    for cloud in clouds:
        by_object.setdefault(_cloud_object(cloud), []).append(cloud)
    items = []
    for index, line in enumerate(images):
        object_name, affordance = _image_object(line)
        if any(word in object_name for word in ignored):
            continue
        if paired:
            chosen = [clouds[index]]
        elif ranked is not None:
            chosen = list(ranked.get(line) or ranked.get(Path(line).name) or ())
        else:
            chosen = by_object.get(object_name, [])
        if not chosen:
            raise DatasetError(f"PIAD: no point cloud belongs to image '{line}'")
        if paired and _cloud_object(chosen[0]) != object_name:
            raise DatasetError(
                f"PIAD: image '{line}' and cloud '{chosen[0]}' stand at one place of their lists "
                "but show different objects"
            )
        items.append(
            LabelledImage(
                dataset=dataset,
                name=f"{index}_{Path(line).stem}",
                image=root / line,
                kind="oafford",
                label=object_name.lower(),
                affordance=affordance,
                point_files=tuple(root / cloud for cloud in chosen),
            )
        )
    return items


def _with_views(item: LabelledImage, folder: Path, views: tuple[str, ...]) -> LabelledImage:
    """Add renders, masks and maps of the best cloud, where all of them are there."""
    cloud = item.point_files[0].stem.split("_")
    key = f"{cloud[-2]}_{cloud[-1]}_{item.affordance}"
    renders = view_files(folder, f"sam_{key}_{{view}}.png", views)
    masks = view_files(folder, f"mask_{key}_{{view}}.png", views)
    maps = view_files(folder, f"p2pmap_{key}_{{view}}.npz", views)
    if renders is None or masks is None or maps is None:
        return item
    return replace(item, renders=renders, masks=masks, maps=maps)


def _image_object(line: str) -> tuple[str, str]:
    """Return object and affordance of an image name `..._OBJECT_AFFORDANCE_NUMBER`."""
    words = Path(line).stem.split("_")
    if len(words) < 3 or words[-2] not in PIAD_AFFORDANCES:
        raise DatasetError(f"PIAD: expected a name '..._OBJECT_AFFORDANCE_NUMBER', got '{line}'")
    return words[-3], words[-2]


def _cloud_object(line: str) -> str:
    """Return the object of a cloud name `..._OBJECT_NUMBER`."""
    words = Path(line).stem.split("_")
    if len(words) < 2 or not words[-1].isdigit():
        raise DatasetError(f"PIAD: expected a name '..._OBJECT_NUMBER', got '{line}'")
    return words[-2]


def read_lemon_objects(root: str | Path, split: Literal["train", "val"]) -> list[LabelledImage]:
    """Read affordances of LEMON's objects, with the clouds that the lookup ranks for an image.

    Raises:
        DatasetError: a file is missing, or an image has no cloud.
    """
    folder = need_folder(Path(root) / "lemon", "LEMON")
    lookup = folder / "lemon_ocontact" / f"lemon_lookup_results_{split}.pkl"
    ranked = read_pickle(lookup, "LEMON", dict)
    items = []
    for line in read_lines(folder / "txt_scripts" / f"{split}.txt", "LEMON"):
        places = Path(line).parts
        if len(places) < 3:
            raise DatasetError(f"LEMON: expected 'Images/OBJECT/AFFORDANCE/NAME', got '{line}'")
        clouds = ranked.get(line) or ranked.get(places[-1])
        if not clouds:
            raise DatasetError(f"LEMON: '{lookup}' names no point cloud for image '{line}'")
        items.append(
            LabelledImage(
                dataset="lemon",
                name=Path(line).stem,
                image=Path(line) if Path(line).is_absolute() else folder / line,
                kind="oafford",
                label=places[-3].lower(),
                affordance=places[-2],
                point_files=tuple(folder / str(cloud) for cloud in clouds),
            )
        )
    return items


def read_pico(
    root: str | Path, split: Literal["train", "test"], mesh_folder: str = "lowpoly_mesh_0507"
) -> list[LabelledImage]:
    """Read contact on the object meshes of PICO.

    Args:
        root: the data root.
        split: train or test.
        mesh_folder: holds renders, masks, maps and labels by class; names of the view set
            `4MV-Z_HM_BM`.

    Raises:
        DatasetError: a file is missing, or a label does not fit its mesh.
    """
    folder = need_folder(Path(root) / "pico" / split, "PICO")
    views = get_view_set("4MV-Z_HM_BM").view_rig(mesh=True).view_names
    items = []
    for entry in read_pickle(folder / f"{split}_imglist.pkl", "PICO", list):
        name = Path(str(entry)).name
        object_name, found, sample = Path(name).stem.partition("__")
        if not found:
            raise DatasetError(f"PICO: expected 'CLASS__SAMPLE' in the list, got '{entry}'")
        place = folder / mesh_folder / object_name
        maps = view_files(place, f"p2vmap_{sample}_{{view}}.npz", views)
        if maps is None:
            raise DatasetError(f"PICO: no lifting maps p2vmap_{sample}_VIEW.npz in '{place}'")
        count = int(read_arrays(maps[0], "PICO")["num_vertices"])
        contact = place / f"contact_vertices_{sample}.pkl"
        vertices = vertex_ids(read_pickle(contact, "PICO", object), count, f"PICO: '{contact}'")
        items.append(
            LabelledImage(
                dataset="pico",
                name=Path(name).stem,
                image=folder / "images" / name,
                kind="ocontact",
                label=object_name.lower(),
                vertices=vertices,
                num_vertices=count,
                renders=view_files(place, f"sam_{sample}_{{view}}.png", views) or (),
                masks=view_files(place, f"mask_{sample}_{{view}}.png", views) or (),
                maps=maps,
            )
        )
    return items

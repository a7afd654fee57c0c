"""Raw datasets to the layout that the reference trains on: views, masks, lifting maps, lists.

What is written here is read by `human.read_damon` and `objects.read_piad`, and by the reference.
"""

import pickle
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError, read_lines
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.objects import piad_renders, read_point_file
from ivlm_core.official.body_parts import parts_in_contact
from ivlm_core.official.view_sets import ViewSet, get_view_set
from ivlm_core.official.views import (
    RENDER_FOLDER,
    VIEW_SIZE,
    SurfaceViews,
    render_point_cloud,
)
from ivlm_core.render.interpolate import contact_mask, point_image

POINT_RADIUS = 0.05
"""Of PIAD's splats, in halves of the image."""

_CORNERS = {"4MV-Z_Vitru_mv2": 2}
"""Corners in contact that put a face in contact, by view set; 3 where not named."""


def write_body_views(views: SurfaceViews, data_folder: str | Path, view_set: str) -> None:
    """Write the body's pictures and lifting maps where `read_published_views` finds them."""
    found = _human_set(view_set)
    pictures, maps = Path(data_folder) / RENDER_FOLDER, Path(data_folder) / str(found.folder)
    for folder in (pictures, maps):
        folder.mkdir(parents=True, exist_ok=True)
    names = views.rig.view_names
    for name, image in zip(names, views.images, strict=True):
        Image.fromarray(image).save(pictures / f"body_render_norm_{name}.png")
    stored: dict[str, Any] = dict(zip(names, views.vertex_ids, strict=True))
    np.savez_compressed(maps / "pixel_to_vertex_map_1024.npz", **stored)
    stored = dict(zip(names, views.barycentric, strict=True))
    np.savez_compressed(maps / "bary_coords_map_1024.npz", **stored)


def prepare_damon(
    items: Sequence[LabelledImage],
    views: SurfaceViews,
    root: str | Path,
    split: Literal["train", "test"],
    view_set: str = "4MV-Z_Vitru",
    parts: Mapping[str, np.ndarray] | None = None,
    progress: bool = False,
) -> Path:
    """Write DAMON as the reference preprocesses it.

    Args:
        items: of `human.read_damon_raw`, on the vertices of `views`.
        views: the body's.
        root: the data root; `damon/SPLIT` is made in it. Images are linked, or copied where links
            are not to be had.
        split: which.
        view_set: published name of the human view set.
        parts: body parts of answers (`load_body_parts`), one at least a tenth in contact is named;
            None leaves answers without parts.
        progress: shows a bar.

    Returns:
        The folder of the split.

    Raises:
        DatasetError: items of another topology than the views', or an image is missing.
    """
    found = _human_set(view_set)
    folder = Path(root) / "damon" / split
    (folder / "images").mkdir(parents=True, exist_ok=True)
    corners = _CORNERS.get(view_set, 3)
    by_image: dict[Path, dict[str, np.ndarray]] = {}
    named: dict[str, list[str]] = {}
    for item in tqdm(items, desc="masks", unit="item", disable=not progress):
        if item.num_vertices != views.num_vertices:
            raise DatasetError(
                f"DAMON: {item.name} has labels of {item.num_vertices} vertices, the body "
                f"{views.num_vertices}"
            )
        object_name = item.name.removeprefix(f"{item.image.stem}_")
        by_image.setdefault(item.image, {})[object_name] = item.vertices
        if parts is not None:
            named[item.name] = list(parts_in_contact(item.dense(), parts))
        masks = contact_mask(item.dense(), views.vertex_ids, corners)
        place = folder / str(found.folder) / object_name
        _write_views(place, f"{item.image.stem}_{{view}}.png", views.rig.view_names, masks)
    for image in by_image:
        _link(image, folder / "images" / image.name, "DAMON: there is no image")
    np.save(folder / "imgname.npy", np.array([f"images/{image.name}" for image in by_image]))
    _dump(folder / "contact_label_objectwise.pkl", list(by_image.values()))
    _dump(folder / "body_parts_objectwise.pkl", named)
    return folder


def prepare_piad(
    items: Sequence[LabelledImage],
    root: str | Path,
    setting: Literal["seen", "unseen"],
    view_set: str = "4MV-Z_HM",
    size: int = VIEW_SIZE,
    progress: bool = False,
) -> Path:
    """Render the point clouds of PIAD with their heat maps, as the reference trains on.

    Args:
        items: of `objects.read_piad_raw`; every cloud of every item is rendered once for each
            affordance that is asked of it.
        root: the data root; `piad_ocontact_SETTING` is made in it.
        setting: seen or unseen objects.
        view_set: published name of the object view set.
        size: side of the pictures, pixels.
        progress: shows a bar.

    Returns:
        The folder of the renders.

    Raises:
        DatasetError: a point file is missing or damaged, or has no such affordance.
    """
    found = get_view_set(view_set)
    rig = found.view_rig()
    folder = piad_renders(root, setting, found)
    asked: dict[Path, set[str]] = {}
    for item in items:
        for cloud in item.point_files:
            asked.setdefault(cloud, set()).add(str(item.affordance))
    for cloud, affordances in tqdm(asked.items(), desc="clouds", disable=not progress):
        points, scores = read_point_file(cloud)
        views = render_point_cloud(points, rig, size, POINT_RADIUS)
        key = _render_key(cloud)
        for affordance in sorted(affordances):
            if affordance not in scores:
                raise DatasetError(f"PIAD: point files know no affordance {affordance!r}")
            heat = point_image(scores[affordance], views.point_ids) * 255
            name = f"{key}_{affordance}_{{view}}"
            _write_views(folder, f"sam_{name}.png", rig.view_names, views.images)
            _write_views(folder, f"mask_{name}.png", rig.view_names, heat.astype(np.uint8))
            for view, ids in zip(rig.view_names, views.point_ids, strict=True):
                place = folder / f"p2pmap_{name.format(view=view)}.npz"
                np.savez_compressed(place, mapping=ids.astype(np.int64))
    return folder


def link_piad(
    items: Sequence[LabelledImage],
    data: str | Path,
    root: str | Path,
    setting: Literal["seen", "unseen"],
    split: Literal["Train", "Test"],
) -> None:
    """Put the images and point clouds of PIAD where `objects.read_piad` looks for them.

    Args:
        items: of `objects.read_piad_raw`.
        data: the folder that they were read from. Files outside it stay where they are.
        root: the data root; files are linked into its `piad_ocontact_SETTING`, or copied where
            links are not to be had.
        setting: seen or unseen objects.
        split: of the items.

    Raises:
        DatasetError: an image or point cloud is missing, or renders of two clouds, of this split
            or of the other one in the folder, would have one name.
    """
    folder = _piad_folder(root, setting)
    images, clouds = _piad_lines(items, Path(data))
    other = folder / f"Point_{'Test' if split == 'Train' else 'Train'}.txt"
    _refuse_one_name([*clouds.values(), *(read_lines(other, "PIAD") if other.is_file() else ())])
    for what, lines in (("image", images), ("point cloud", clouds)):
        for source, line in lines.items():
            (folder / line).parent.mkdir(parents=True, exist_ok=True)
            _link(source, folder / line, f"PIAD: there is no {what}")


def list_piad(
    items: Sequence[LabelledImage],
    data: str | Path,
    root: str | Path,
    setting: Literal["seen", "unseen"],
    split: Literal["Train", "Test"],
) -> Path:
    """Write the lists that `objects.read_piad` reads, and the lookup of clouds for training.

    Every image looks up all clouds of its object, each image of an object another one first:
    training takes the first only.

    Args:
        items: of `objects.read_piad_raw`, in their order.
        data: the folder that they were read from.
        root: the data root; `piad_ocontact_SETTING` is made in it.
        setting: seen or unseen objects.
        split: of the items.

    Returns:
        The folder of the lists.
    """
    folder = _piad_folder(root, setting)
    folder.mkdir(parents=True, exist_ok=True)
    images, clouds = _piad_lines(items, Path(data))
    listed = list(clouds.values())
    if split == "Test":
        listed = [clouds[item.point_files[0]] for item in items]
    else:
        _dump(folder / "piad_lookup_results_Train.pkl", _looked_up(items, images, clouds))
    _write_lines(folder / f"Point_{split}.txt", listed)
    _write_lines(folder / f"Img_{split}.txt", [images[item.image] for item in items])
    return folder


def _piad_folder(root: str | Path, setting: str) -> Path:
    return Path(root) / f"piad_ocontact_{setting}"


def _piad_lines(
    items: Sequence[LabelledImage], data: Path
) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return how lists name images and point clouds: from the dataset's folder, else in full."""

    def line(path: Path) -> str:
        inside = path.is_relative_to(data) and ".." not in path.relative_to(data).parts
        return path.relative_to(data).as_posix() if inside else str(path.resolve())

    clouds = dict.fromkeys(cloud for item in items for cloud in item.point_files)
    return {item.image: line(item.image) for item in items}, {path: line(path) for path in clouds}


def _looked_up(
    items: Sequence[LabelledImage], images: Mapping[Path, str], clouds: Mapping[Path, str]
) -> dict[str, list[str]]:
    met: dict[str, int] = {}
    ranked = {}
    for item in items:
        lines = [clouds[cloud] for cloud in item.point_files]
        first = met.get(item.label, 0) % len(lines)
        met[item.label] = first + 1
        ranked[images[item.image]] = lines[first:] + lines[:first]
    return ranked


def _render_key(cloud: Path) -> str:
    return "_".join(cloud.stem.split("_")[-2:])


def _refuse_one_name(clouds: Iterable[str]) -> None:
    """Refuse clouds whose renders overwrite each other: one would be learned as the other."""
    taken: dict[str, str] = {}
    for cloud in clouds:
        first = taken.setdefault(_render_key(Path(cloud)), cloud)
        if first != cloud:
            raise DatasetError(
                f"PIAD: renders of '{first}' and of '{cloud}' would have one name; give each "
                "split its own folder to write"
            )


def _human_set(view_set: str) -> ViewSet:
    found = get_view_set(view_set)
    if found.rig != "human4":
        raise ValueError(f"{view_set!r} is not a human view set")
    return found


def _write_views(folder: Path, pattern: str, views: Iterable[str], pictures: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for view, picture in zip(views, pictures, strict=True):
        Image.fromarray(picture).save(folder / pattern.format(view=view))


def _link(source: Path, target: Path, missing: str) -> None:
    if not source.is_file():
        raise DatasetError(f"{missing} '{source}'")
    if target.exists():
        return
    # A link to what is gone would send the copy there.
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _dump(path: Path, value: Any) -> None:
    path.write_bytes(pickle.dumps(value))

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

from ivlm_core.datasets.published.files import DatasetError
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
        _link(image, folder / "images" / image.name)
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
        root: the data root; `piad_ocontact_SETTING` is made in it. The lists and the images stay
            where they are.
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
        key = "_".join(cloud.stem.split("_")[-2:])
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


def _human_set(view_set: str) -> ViewSet:
    found = get_view_set(view_set)
    if found.rig != "human4":
        raise ValueError(f"{view_set!r} is not a human view set")
    return found


def _write_views(folder: Path, pattern: str, views: Iterable[str], pictures: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for view, picture in zip(views, pictures, strict=True):
        Image.fromarray(picture).save(folder / pattern.format(view=view))


def _link(source: Path, target: Path) -> None:
    if not source.is_file():
        raise DatasetError(f"DAMON: there is no image '{source}'")
    if target.exists():
        return
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def _dump(path: Path, value: Any) -> None:
    path.write_bytes(pickle.dumps(value))

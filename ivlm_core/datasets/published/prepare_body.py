"""Contact on the body to the layout that the reference trains on: views, masks, lists.

What is written here is read by `human`, and by the reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.prepare_files import dump, link, write_lines, write_views
from ivlm_core.official.body_parts import parts_in_contact
from ivlm_core.official.view_sets import ViewSet, get_view_set
from ivlm_core.official.views import RENDER_FOLDER, SurfaceViews
from ivlm_core.render.interpolate import contact_mask

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


@dataclass(frozen=True)
class BodyMasks:
    """Makes masks of contact on the body, and names its parts.

    Attributes:
        views: the body's.
        view_set: published name of the human view set.
        parts: body parts of answers (`load_body_parts`), one at least a tenth in contact is named;
            None leaves answers without parts.
        progress: shows a bar.
    """

    views: SurfaceViews
    view_set: str = "4MV-Z_Vitru"
    parts: Mapping[str, np.ndarray] | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        """Refuse a view set that is none of the body with ValueError."""
        _human_set(self.view_set)

    @property
    def folder(self) -> str:
        """Name of the folder of masks within a dataset."""
        return str(_human_set(self.view_set).folder)

    def bar(self, items: Sequence[LabelledImage]) -> "tqdm[LabelledImage]":
        """Return the items, with a bar."""
        return tqdm(items, desc="masks", unit="item", disable=not self.progress)

    def write(self, item: LabelledImage, folder: Path, stem: str) -> list[str] | None:
        """Write an item's masks `STEM_VIEW.png`; return the parts to name, None without parts.

        Raises:
            DatasetError: the item is of another topology than the views.
        """
        if item.num_vertices != self.views.num_vertices:
            raise DatasetError(
                f"{item.dataset.upper()}: {item.name} has labels of {item.num_vertices} vertices, "
                f"the body {self.views.num_vertices}"
            )
        contact, names = item.dense(), self.views.rig.view_names
        corners = _CORNERS.get(self.view_set, 3)
        masks = contact_mask(contact, self.views.vertex_ids, corners)
        write_views(folder, f"{stem}_{{view}}.png", names, masks)
        return None if self.parts is None else list(parts_in_contact(contact, self.parts))


def prepare_damon(
    items: Sequence[LabelledImage],
    masks: BodyMasks,
    root: str | Path,
    split: Literal["train", "test"],
) -> Path:
    """Write DAMON as the reference preprocesses it.

    Args:
        items: of `human.read_damon_raw`.
        masks: of the body.
        root: the data root; `damon/SPLIT` is made in it. Images are linked, or copied where links
            are not to be had.
        split: which.

    Returns:
        The folder of the split.

    Raises:
        DatasetError: items of another topology than the views', or an image is missing.
    """
    folder = Path(root) / "damon" / split
    folder.mkdir(parents=True, exist_ok=True)
    by_image: dict[Path, dict[str, np.ndarray]] = {}
    named: dict[str, list[str]] = {}
    for item in masks.bar(items):
        object_name = item.name.removeprefix(f"{item.image.stem}_")
        by_image.setdefault(item.image, {})[object_name] = item.vertices
        parts = masks.write(item, folder / masks.folder / object_name, item.image.stem)
        if parts is not None:
            named[item.name] = parts
    for image in by_image:
        link(image, folder / "images" / image.name, "DAMON: there is no image")
    np.save(folder / "imgname.npy", np.array([f"images/{image.name}" for image in by_image]))
    dump(folder / "contact_label_objectwise.pkl", list(by_image.values()))
    dump(folder / "body_parts_objectwise.pkl", named)
    return folder


def prepare_lemon(
    items: Sequence[LabelledImage],
    masks: BodyMasks,
    root: str | Path,
    split: Literal["train", "val"],
) -> Path:
    """Write contact on the body of LEMON as the reference preprocesses it.

    The list has whole paths: the reference takes those of objects as they are.

    Args:
        items: of `raw.read_lemon_raw`.
        masks: of the body.
        root: the data root; `lemon` is made in it. Images are linked, or copied.
        split: which.

    Returns:
        The folder `lemon`.

    Raises:
        DatasetError: items of another topology than the views', or an image is missing.
    """
    folder = Path(root) / "lemon"
    named: dict[str, list[str]] = {}
    images = [folder / "Images" / inside_lemon(item) for item in items]
    for item, image in zip(masks.bar(items), images, strict=True):
        inside = inside_lemon(item)
        parts = masks.write(item, folder / masks.folder / inside.parent, inside.stem)
        if parts is not None:
            named[inside.stem] = parts
        link(item.image, image, "LEMON: there is no image")
        dump(folder / "smplh_contact_pkl" / inside.with_suffix(".pkl"), item.dense())
    dump(folder / f"body_parts_{split}.pkl", named)
    write_lines(folder / "txt_scripts" / f"{split}.txt", [str(p.absolute()) for p in images])
    return folder


def inside_lemon(item: LabelledImage) -> Path:
    """Return an image's path below LEMON's folder of images: OBJECT/AFFORDANCE/NAME."""
    return Path(*item.image.parts[-3:])


def prepare_rich(
    items: Sequence[LabelledImage], masks: BodyMasks, root: str | Path, split: str
) -> Path:
    """Write RICH as the reference preprocesses it.

    Args:
        items: of `raw.read_rich_raw`.
        masks: of the body.
        root: the data root; `rich` is made in it. Images are linked, or copied, under the items'
            names.
        split: which.

    Returns:
        The folder `rich`.

    Raises:
        DatasetError: items of another topology than the views', or an image is missing.
    """
    folder = Path(root) / "rich"
    named: dict[str, list[str]] = {}
    contacts: dict[str, np.ndarray] = {}
    for item in masks.bar(items):
        name = f"{item.name}{item.image.suffix}"
        parts = masks.write(item, folder / masks.folder, item.name)
        if parts is not None:
            named[item.name] = parts
        link(item.image, folder / "images" / name, "RICH: there is no image")
        contacts[name] = item.dense()
    dump(folder / f"body_parts_{split}.pkl", named)
    dump(folder / f"contact_vertices_{split}.pkl", contacts)
    dump(folder / f"img_list_{split}.pkl", list(contacts))
    return folder


def _human_set(view_set: str) -> ViewSet:
    found = get_view_set(view_set)
    if found.rig != "human4":
        raise ValueError(f"{view_set!r} is not a human view set")
    return found

"""Affordance and contact of objects to the layout that the reference trains on.

What is written here is read by `objects`, and by the reference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError, below, read_lines
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.objects import piad_renders, read_point_file
from ivlm_core.datasets.published.prepare_body import inside_lemon
from ivlm_core.datasets.published.prepare_files import dump, link, write_lines, write_views
from ivlm_core.geometry.mesh import MeshError, load_mesh
from ivlm_core.official.view_sets import get_view_set
from ivlm_core.official.views import VIEW_SIZE, render_object, render_point_cloud
from ivlm_core.render.interpolate import contact_mask, point_image

POINT_RADIUS = 0.05
"""Of PIAD's splats, in halves of the image."""

MESH_VIEWS = "4MV-Z_HM_BM"
"""View set of PICO's meshes."""


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
            write_views(folder, f"sam_{name}.png", rig.view_names, views.images)
            write_views(folder, f"mask_{name}.png", rig.view_names, heat.astype(np.uint8))
            for view, ids in zip(rig.view_names, views.point_ids, strict=True):
                place = folder / f"p2pmap_{name.format(view=view)}.npz"
                np.savez_compressed(place, mapping=ids.astype(np.int64))
    return folder


@contextmanager
def listed_piad(
    items: Sequence[LabelledImage],
    data: str | Path,
    root: str | Path,
    setting: Literal["seen", "unseen"],
    split: Literal["Train", "Test"],
) -> Iterator[None]:
    """Put PIAD's files where `objects.read_piad` looks for them, and list them at the end.

    In the block they are rendered (`prepare_piad`); the lists, and the lookup of clouds for
    training, are written after it, so that what stopped half-way is not taken for done. Every image
    looks up all clouds of its object, each image of an object another one first: training takes
    the first only.

    Args:
        items: of `objects.read_piad_raw`, in their order.
        data: the folder that they were read from. Files outside it stay where they are.
        root: the data root; files are linked into its `piad_ocontact_SETTING`, or copied where
            links are not to be had.
        setting: seen or unseen objects.
        split: of the items.

    Raises:
        DatasetError: an image or point cloud is missing, or renders of two clouds, of this split
            or of the other one in the folder, would have one name.
    """
    folder = Path(root) / f"piad_ocontact_{setting}"
    folder.mkdir(parents=True, exist_ok=True)
    images, clouds = _piad_lines(items, Path(data))
    other = folder / f"Point_{'Test' if split == 'Train' else 'Train'}.txt"
    _refuse_one_name([*clouds.values(), *(read_lines(other, "PIAD") if other.is_file() else ())])
    for what, lines in (("image", images), ("point cloud", clouds)):
        for source, line in lines.items():
            link(source, folder / line, f"PIAD: there is no {what}")
    yield
    listed = list(clouds.values())
    if split == "Test":
        listed = [clouds[item.point_files[0]] for item in items]
    else:
        dump(folder / "piad_lookup_results_Train.pkl", _looked_up(items, images, clouds))
    write_lines(folder / f"Point_{split}.txt", listed)
    write_lines(folder / f"Img_{split}.txt", [images[item.image] for item in items])


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


def list_lemon_objects(
    items: Sequence[LabelledImage], root: str | Path, split: Literal["train", "val"]
) -> Path:
    """Put point clouds of LEMON where `objects.read_lemon_objects` looks for them.

    Every image looks up all clouds of its object, each image of an object another one first.

    Args:
        items: of `raw.read_lemon_raw_objects`, whose images `prepare_body.prepare_lemon` has put
            in place.
        root: the data root; clouds are linked into its `lemon`, or copied.
        split: of the items.

    Returns:
        The lookup.

    Raises:
        DatasetError: a point cloud is missing.
    """
    folder = Path(root) / "lemon"
    images = {
        item.image: str((folder / "Images" / inside_lemon(item)).absolute()) for item in items
    }
    clouds: dict[Path, str] = {}
    for cloud in dict.fromkeys(cloud for item in items for cloud in item.point_files):
        place = folder / "Objects" / below(str(cloud), "Objects", 1, "LEMON")
        link(cloud, place, "LEMON: there is no point cloud")
        clouds[cloud] = str(place.absolute())
    write_lines(folder / "txt_scripts" / f"Point_{split}.txt", clouds.values())
    lookup = folder / "lemon_ocontact" / f"lemon_lookup_results_{split}.pkl"
    dump(lookup, _looked_up(items, images, clouds))
    return lookup


def prepare_pico(
    items: Sequence[LabelledImage],
    root: str | Path,
    split: Literal["train", "test"],
    size: int = VIEW_SIZE,
    progress: bool = False,
) -> Path:
    """Render the object meshes of PICO with their contact, as the reference trains on.

    Args:
        items: of `pico.read_pico_raw`; contact on the body has no place in this layout.
        root: the data root; `pico/SPLIT` is made in it. Images are linked, or copied.
        split: which.
        size: side of the pictures, pixels.
        progress: shows a bar.

    Returns:
        The folder of the split.

    Raises:
        DatasetError: an image is missing, a mesh cannot be read, or a sample's folder is not
            named CLASS__SAMPLE.
    """
    folder = Path(root) / "pico" / split
    meshes = folder / str(get_view_set(MESH_VIEWS).mesh_folder)
    on_object = [item for item in items if item.kind == "ocontact"]
    listed = []
    for item in tqdm(on_object, desc="meshes", unit="item", disable=not progress):
        assert item.mesh_file is not None
        sample_folder = item.mesh_file.parent.name
        object_name, found, sample = sample_folder.partition("__")
        if not found or not object_name or not sample:
            raise DatasetError(
                f"PICO: expected folders named CLASS__SAMPLE, got '{item.mesh_file.parent}'"
            )
        try:
            views = render_object(load_mesh(item.mesh_file), MESH_VIEWS, size)
        except (FileNotFoundError, MeshError) as error:
            raise DatasetError(f"PICO: {error}") from error
        place, names = meshes / object_name, views.rig.view_names
        masks = contact_mask(item.dense(), views.vertex_ids)
        write_views(place, f"sam_{sample}_{{view}}.png", names, views.images)
        write_views(place, f"mask_{sample}_{{view}}.png", names, masks)
        for view, ids, weights in zip(names, views.vertex_ids, views.barycentric, strict=True):
            np.savez_compressed(
                place / f"p2vmap_{sample}_{view}.npz",
                pixel_to_vertices_map=ids.astype(np.int64),
                bary_coords_map=weights,
                num_vertices=views.num_vertices,
            )
        dump(place / f"contact_vertices_{sample}.pkl", item.dense())
        listed.append(f"{sample_folder}{item.image.suffix}")
        link(item.image, folder / "images" / listed[-1], "PICO: there is no image")
    dump(folder / f"{split}_imglist.pkl", listed)
    return folder

"""Contact on the body: DAMON (raw and preprocessed, 3D and 2D), LEMON and RICH."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ivlm_core.datasets.published.files import (
    DatasetError,
    below,
    need_folder,
    part_names,
    read_arrays,
    read_lines,
    read_pickle,
    same_length,
    vertex_ids,
    view_files,
)
from ivlm_core.datasets.published.labelled import SMPLX_VERTICES, LabelledImage
from ivlm_core.model.prompts import SCENE_LABEL
from ivlm_core.official.prompts import label_of_class
from ivlm_core.official.view_sets import get_view_set
from ivlm_core.official.views import NUM_BODY_VERTICES

_FRACTION_SEED = 42


def read_damon(
    root: str | Path,
    split: Literal["train", "test"],
    view_set: str = "4MV-Z_Vitru",
    foot_ground: bool = False,
    fraction: float = 1.0,
    masks: bool = True,
) -> list[LabelledImage]:
    """Read DAMON as the reference preprocesses it (`damon/{train,test}`).

    Args:
        root: the data root, which holds `damon`.
        split: `test` always uses the plain annotations.
        view_set: published name of the human view set whose masks are wanted; classes that it
            leaves out are left out.
        foot_ground: train on the annotations that split contact of the feet with the ground from
            `supporting`; that class reads as `scene`.
        fraction: share of the images, drawn with numpy's seed 42.
        masks: require masks, as training does; items without are dropped.

    Raises:
        DatasetError: a file is missing, or files do not belong together.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be in (0, 1], got {fraction}")
    folder = need_folder(Path(root) / "damon" / split, "DAMON")
    suffix = "_wFootGround" if foot_ground and split == "train" else ""
    images = _image_names(folder / "imgname.npy")
    contacts = read_pickle(folder / f"contact_label_objectwise{suffix}.pkl", "DAMON", list)
    parts = read_pickle(folder / f"body_parts_objectwise{suffix}.pkl", "DAMON", dict)
    same_length("DAMON", images=len(images), contacts=len(contacts))
    views = get_view_set(view_set)
    chosen = np.arange(len(images))
    if fraction < 1:
        count = int(len(images) * fraction)
        state = np.random.RandomState(_FRACTION_SEED)
        chosen = state.choice(len(images), count, replace=False)
    items = []
    for index in chosen:
        name, stem = images[index], Path(images[index]).stem
        for object_name, ids in contacts[index].items():
            if any(word in object_name for word in views.ignored_words):
                continue
            where = f"DAMON: contact of {name} with {object_name}"
            vertices = vertex_ids(ids, NUM_BODY_VERTICES, where)
            pattern = f"{object_name}/{stem}_{{view}}.png"
            found = view_files(folder / str(views.folder), pattern, views.view_rig().view_names)
            if not len(vertices) or (masks and found is None):
                continue
            items.append(
                LabelledImage(
                    dataset="damon",
                    name=f"{stem}_{object_name}",
                    image=folder / "images" / Path(name).name,
                    kind="hcontact",
                    label=label_of_class(object_name),
                    vertices=vertices,
                    num_vertices=NUM_BODY_VERTICES,
                    parts=part_names(parts, f"{stem}_{object_name}"),
                    masks=found or (),
                )
            )
    return items


def read_damon_2d(root: str | Path, split: Literal["train", "test"]) -> list[LabelledImage]:
    """Read contact in photographs of DAMON (`contact_render_2d`).

    Raises:
        DatasetError: a file is missing, or files do not belong together.
    """
    folder = need_folder(Path(root) / "damon" / split, "DAMON")
    images = _image_names(folder / "imgname.npy")
    (contacts,) = read_arrays(folder / "contact_label_objectwise.npy", "DAMON").values()
    same_length("DAMON", images=len(images), contacts=len(contacts))
    items = []
    for name, objects in zip(images, contacts, strict=True):
        stem = Path(name).stem
        for object_name in objects:
            mask = folder / "contact_render_2d" / object_name / f"{stem}_contact_mask.png"
            if not mask.is_file():
                continue
            items.append(
                LabelledImage(
                    dataset="damon2d",
                    name=f"{stem}_{object_name}",
                    image=folder / "images" / Path(name).name,
                    kind="h2dcontact",
                    label=label_of_class(object_name, "h2dcontact"),
                    masks=(mask,),
                )
            )
    return items


def read_damon_raw(
    file: str | Path, image_root: str | Path, topology: Literal["smpl", "smplx"] = "smpl"
) -> list[LabelledImage]:
    """Read DAMON as released (`hot_dca_trainval.npz`, `hot_dca_test.npz`).

    Args:
        file: the npz file.
        image_root: folder that its image paths start from.
        topology: whose vertices are wanted.

    Raises:
        DatasetError: the file is missing or damaged, or lacks the labels.
    """
    arrays = read_arrays(Path(file), "DAMON")
    middle, count = ("", NUM_BODY_VERTICES) if topology == "smpl" else ("_smplx", SMPLX_VERTICES)
    key = f"contact_label{middle}_objectwise"
    for needed in ("imgname", key):
        if needed not in arrays:
            raise DatasetError(
                f"DAMON: '{file}' has no '{needed}', only {', '.join(sorted(arrays))}"
            )
    same_length("DAMON", imgname=len(arrays["imgname"]), **{key: len(arrays[key])})
    items = []
    for name, objects in zip(arrays["imgname"], arrays[key], strict=True):
        for object_name, ids in objects.items():
            where = f"DAMON: contact of {name} with {object_name}"
            vertices = vertex_ids(ids, count, where)
            if len(vertices):
                items.append(
                    LabelledImage(
                        dataset="damon",
                        name=f"{Path(str(name)).stem}_{object_name}",
                        image=Path(image_root) / str(name),
                        kind="hcontact",
                        label=object_name.lower(),
                        vertices=vertices,
                        num_vertices=count,
                    )
                )
    return items


def read_lemon_human(
    root: str | Path, split: Literal["train", "val"], view_set: str = "4MV-Z_Vitru"
) -> list[LabelledImage]:
    """Read contact on the body of LEMON (3DIR), one object an image, named by its folder.

    Raises:
        DatasetError: a file is missing, or a label does not fit SMPL-H.
    """
    folder = need_folder(Path(root) / "lemon", "LEMON")
    parts = read_pickle(folder / f"body_parts_{split}.pkl", "LEMON", dict)
    views = get_view_set(view_set)
    items = []
    for line in read_lines(folder / "txt_scripts" / f"{split}.txt", "LEMON"):
        inside = below(line, "Images", 2, "LEMON")
        masks = view_files(
            folder / str(views.folder),
            str(inside.with_name(inside.stem)) + "_{view}.png",
            views.view_rig().view_names,
        )
        item = lemon_item(folder, inside)
        items.append(replace(item, parts=part_names(parts, inside.stem), masks=masks or ()))
    return items


def lemon_item(folder: Path, inside: Path) -> LabelledImage:
    """Return what an image of LEMON tells of the body; its vector lies as the image does, or flat.

    Args:
        folder: LEMON's.
        inside: path of the image below `Images`: OBJECT/.../NAME.

    Raises:
        DatasetError: the label is missing, or does not fit SMPL-H.
    """
    contact = folder / "smplh_contact_pkl" / inside.with_suffix(".pkl")
    if not contact.is_file():
        contact = folder / "smplh_contact_pkl" / f"{inside.stem}.pkl"
    vector = read_pickle(contact, "LEMON", object)
    return LabelledImage(
        dataset="lemon",
        name=inside.stem,
        image=folder / "Images" / inside,
        kind="hcontact",
        label=inside.parts[0].lower(),
        vertices=vertex_ids(vector, NUM_BODY_VERTICES, f"LEMON: '{contact}'"),
        num_vertices=NUM_BODY_VERTICES,
        affordance=inside.parts[1] if len(inside.parts) > 2 else None,
    )


def read_rich(root: str | Path, split: str, view_set: str = "4MV-Z_Vitru") -> list[LabelledImage]:
    """Read RICH: contact with the scene.

    Raises:
        DatasetError: a file is missing, or labels do not fit SMPL.
    """
    folder = need_folder(Path(root) / "rich", "RICH")
    images = read_pickle(folder / f"img_list_{split}.pkl", "RICH", list)
    parts = read_pickle(folder / f"body_parts_{split}.pkl", "RICH", dict)
    contacts = read_pickle(folder / f"contact_vertices_{split}.pkl", "RICH", dict)
    views = get_view_set(view_set)
    items = []
    for name in images:
        stem = Path(str(name)).stem
        label = next((contacts[key] for key in (name, stem) if key in contacts), None)
        if label is None:
            raise DatasetError(
                f"RICH: contact_vertices_{split}.pkl has nothing for image '{name}' of the list"
            )
        masks = view_files(
            folder / str(views.folder), f"{stem}_{{view}}.png", views.view_rig().view_names
        )
        items.append(
            LabelledImage(
                dataset="rich",
                name=stem,
                image=folder / "images" / str(name),
                kind="hcontact",
                label=SCENE_LABEL,
                vertices=vertex_ids(label, NUM_BODY_VERTICES, f"RICH: contact of '{name}'"),
                num_vertices=NUM_BODY_VERTICES,
                parts=part_names(parts, stem) or part_names(parts, str(name)),
                masks=masks or (),
            )
        )
    return items


def _image_names(path: Path) -> list[str]:
    (array,) = read_arrays(path, "DAMON").values()
    return [str(name) for name in array.ravel()]

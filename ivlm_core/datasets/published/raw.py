"""Raw LEMON (3DIR) and RICH, as they are before `ivlm preprocess`."""

import re
from pathlib import Path
from typing import Literal

import numpy as np

from ivlm_core.datasets.published.files import (
    DatasetError,
    below,
    need_folder,
    read_arrays,
    read_lines,
    same_length,
    vertex_ids,
)
from ivlm_core.datasets.published.human import lemon_item
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.model.prompts import SCENE_LABEL
from ivlm_core.official.transfer import ContactTransfer
from ivlm_core.official.views import NUM_BODY_VERTICES

_RICH_LABELS = ("contact_label", "contact_label_smplx")
_TOUCHED = 0.5


def read_lemon_raw(root: str | Path, split: Literal["train", "val"]) -> list[LabelledImage]:
    """Read contact on the body of 3DIR as released, one object an image, named by its folder.

    Args:
        root: holds `Images/OBJECT/AFFORDANCE`, `smplh_contact_pkl` and `txt_scripts`.
        split: train or val. Of the paths in its list, what is below `Images` counts.

    Raises:
        DatasetError: a file is missing, or a label does not fit SMPL-H.
    """
    folder = need_folder(Path(root), "LEMON")
    return [lemon_item(folder, inside) for inside in _images(folder, split)]


def read_lemon_raw_objects(root: str | Path, split: Literal["train", "val"]) -> list[LabelledImage]:
    """Read affordances of 3DIR's objects as released: an image with every cloud of its object.

    A cloud is of an object whose name is a word of its path below `Objects`.

    Args:
        root: holds `Images`, `Objects` and `txt_scripts`, with the list `Point_SPLIT.txt`.
        split: train or val.

    Raises:
        DatasetError: a list is missing, or an image's object has no cloud.
    """
    folder = need_folder(Path(root), "LEMON")
    listed = folder / "txt_scripts" / f"Point_{split}.txt"
    by_word: dict[str, list[Path]] = {}
    for line in read_lines(listed, "LEMON"):
        inside = below(line, "Objects", 1, "LEMON")
        for word in set(re.split(r"[\W_]+", inside.as_posix().lower())):
            by_word.setdefault(word, []).append(folder / "Objects" / inside)
    items = []
    for inside in _images(folder, split):
        label = inside.parts[0].lower()
        if label not in by_word:
            raise DatasetError(
                f"LEMON: no point cloud of '{listed}' has the word '{label}', the object of image "
                f"'{inside}'"
            )
        items.append(
            LabelledImage(
                dataset="lemon",
                name=inside.stem,
                image=folder / "Images" / inside,
                kind="oafford",
                label=label,
                affordance=inside.parts[1],
                point_files=tuple(by_word[label]),
            )
        )
    return items


def _images(folder: Path, split: str) -> list[Path]:
    """Return the listed images from below `Images` on: OBJECT/AFFORDANCE/NAME."""
    lines = read_lines(folder / "txt_scripts" / f"{split}.txt", "LEMON")
    found = [below(line, "Images", 3, "LEMON") for line in lines]
    for inside in found:
        if len(inside.parts) != 3:
            raise DatasetError(f"LEMON: expected 'OBJECT/AFFORDANCE/NAME', got '{inside}'")
    return found


def read_rich_raw(
    file: str | Path, image_root: str | Path, transfer: ContactTransfer | None = None
) -> list[LabelledImage]:
    """Read RICH as DECO's release has it (`rich_train_smplx_cropped_bmp.npz` and so on).

    Args:
        file: the npz file, with `imgname` and one number a vertex and image.
        image_root: folder that its image paths start from.
        transfer: takes contact on SMPL-X, which these files have, to SMPL; a vertex that is at
            least half in contact there is in contact.

    Returns:
        Items whose names are their images' paths with `_` for every slash.

    Raises:
        DatasetError: the file is missing or damaged, lacks the labels, has them on SMPL-X while
            there is no transfer, or on another body; two images would have one name.
    """
    arrays = read_arrays(Path(file), "RICH")
    key = next((key for key in _RICH_LABELS if key in arrays), None)
    if key is None or "imgname" not in arrays:
        raise DatasetError(
            f"RICH: '{file}' must have 'imgname' and one of {', '.join(_RICH_LABELS)}, it has "
            f"{', '.join(sorted(arrays))}"
        )
    same_length("RICH", imgname=len(arrays["imgname"]), **{key: len(arrays[key])})
    contact = np.asarray(arrays[key], np.float32)
    if contact.ndim == 2 and contact.shape[1] != NUM_BODY_VERTICES:
        contact = _on_smpl(contact, transfer, f"RICH: '{file}'")
    items = []
    taken: dict[str, str] = {}
    for path, vector in zip(map(str, arrays["imgname"]), contact, strict=True):
        places = Path(path).with_suffix("").parts
        name = "_".join(place for place in places if place != Path(path).anchor)
        if taken.setdefault(name, path) != path:
            raise DatasetError(f"RICH: '{taken[name]}' and '{path}' would both be named {name}")
        items.append(
            LabelledImage(
                dataset="rich",
                name=name,
                image=Path(image_root) / path,
                kind="hcontact",
                label=SCENE_LABEL,
                vertices=vertex_ids(vector >= _TOUCHED, NUM_BODY_VERTICES, f"RICH: {path}"),
                num_vertices=NUM_BODY_VERTICES,
            )
        )
    return items


def _on_smpl(contact: np.ndarray, transfer: ContactTransfer | None, where: str) -> np.ndarray:
    """Return contact [image, vertex] of another body on SMPL's vertices."""
    count = contact.shape[1]
    if transfer is None:
        raise DatasetError(
            f"{where} has labels of {count} vertices; to train on {NUM_BODY_VERTICES} give the "
            "matrix that takes them to SMPL"
        )
    if (transfer.num_source, transfer.num_target) != (count, NUM_BODY_VERTICES):
        raise DatasetError(
            f"{where} has labels of {count} vertices, but the matrix is from "
            f"{transfer.num_source} to {transfer.num_target}; give one to {NUM_BODY_VERTICES}"
        )
    return transfer(contact)

"""Files of a prepared dataset: pictures of views, links, lists, pickles."""

import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ivlm_core.datasets.published.files import DatasetError


def write_views(folder: Path, pattern: str, views: Iterable[str], pictures: np.ndarray) -> None:
    """Write a picture a view, uint8 `[view, height, width, ...]`; the pattern has `{view}`."""
    folder.mkdir(parents=True, exist_ok=True)
    for view, picture in zip(views, pictures, strict=True):
        Image.fromarray(picture).save(folder / pattern.format(view=view))


def link(source: Path, target: Path, missing: str) -> None:
    """Link a file, or copy it where links are not to be had; what is there stays.

    Raises:
        DatasetError: there is no such file; the text begins with `missing`.
    """
    if not source.is_file():
        raise DatasetError(f"{missing} '{source}'")
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # A link to what is gone would send the copy there.
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a list, a line an entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def dump(path: Path, value: Any) -> None:
    """Write plain containers and arrays as a pickle, which the layouts want."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))

"""Reading the files of datasets, with errors that name the file and what it should be."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ivlm_core.geometry.array_pickle import read_array_file, read_array_pickle, to_numpy


class DatasetError(ValueError):
    """A dataset's folder is incomplete or its files do not belong together."""


def need_folder(path: Path, dataset: str) -> Path:
    """Return a folder that must be there."""
    if not path.is_dir():
        raise DatasetError(f"{dataset}: there is no folder '{path}'; give the dataset's own layout")
    return path


def read_lines(path: Path, dataset: str) -> list[str]:
    """Return the lines of a list that are not empty."""
    if not path.is_file():
        raise DatasetError(f"{dataset}: there is no list '{path}'")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def below(line: str, folder: str, least: int, dataset: str) -> Path:
    """Return a listed path from below a folder of that name on.

    Raises:
        DatasetError: it has no such folder, or less than `least` names below it.
    """
    places = Path(line).parts
    first = len(places) - places[::-1].index(folder) if folder in places else len(places)
    if len(places) - first < least:
        wanted = "/".join(["OBJECT", "...", "NAME"] if least > 1 else ["..."])
        raise DatasetError(f"{dataset}: expected '.../{folder}/{wanted}' in a list, got '{line}'")
    return Path(*places[first:])


def read_pickle(path: Path, dataset: str, kind: type) -> Any:
    """Return what a pickle of plain containers and arrays holds, which must be a `kind`."""
    try:
        value = read_array_pickle(path)
    except (FileNotFoundError, ValueError) as error:
        raise DatasetError(f"{dataset}: {error}") from error
    if kind is list and isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, kind):
        raise DatasetError(
            f"{dataset}: '{path}' must hold a {kind.__name__}, got {type(value).__name__}"
        )
    return value


def read_arrays(path: Path, dataset: str) -> dict[str, np.ndarray]:
    """Return the arrays of an npy or npz file."""
    try:
        return read_array_file(path)
    except (FileNotFoundError, ValueError) as error:
        raise DatasetError(f"{dataset}: {error}") from error


def same_length(dataset: str, **counted: int) -> None:
    """Refuse files of one split that list different numbers of things."""
    if len(set(counted.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counted.items())
        raise DatasetError(f"{dataset}: files list different numbers of items: {said}")


def vertex_ids(value: Any, count: int, where: str) -> np.ndarray:
    """Return vertices in contact, sorted int32, from ids or from one number a vertex.

    Args:
        value: integer ids, or `count` numbers that are positive where in contact.
        count: vertices of the surface.
        where: named in errors.
    """
    array = to_numpy(value).squeeze()
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim != 1:
        raise DatasetError(
            f"{where}: expected vertex ids or one number a vertex, got {array.shape}"
        )
    if array.dtype == bool or not np.issubdtype(array.dtype, np.integer) or len(array) == count:
        if len(array) not in (0, count):
            raise DatasetError(
                f"{where}: {len(array)} numbers for a surface of {count} vertices; "
                "labels of another topology do not fit"
            )
        return np.flatnonzero(array > 0).astype(np.int32)
    if len(array) and (array.min() < 0 or array.max() >= count):
        raise DatasetError(
            f"{where}: vertex {int(array.max())} of a surface of {count} vertices; "
            "labels of another topology do not fit"
        )
    return np.unique(array).astype(np.int32)


def view_files(folder: Path, pattern: str, views: Iterable[str]) -> tuple[Path, ...] | None:
    """Return one file a view, `{view}` in the pattern; None where one is missing."""
    found = tuple(folder / pattern.format(view=view) for view in views)
    return found if all(path.is_file() for path in found) else None


def names(value: Any) -> tuple[str, ...]:
    """Return names given as a list or as one string with commas."""
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",")]
    return tuple(str(name) for name in value if str(name))


def part_names(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the body parts listed under a key, none where it is missing."""
    return names(table.get(key, ()))

"""Names of body parts as the published answers use them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ivlm_core.geometry.array_pickle import read_array_pickle, to_numpy

PARTS_FILE = "smpl_segmentation_merged.pkl"
"""Name of the segmentation in the published data folder."""


def load_body_parts(path: str | Path) -> dict[str, np.ndarray]:
    """Read the published segmentation of SMPL.

    Args:
        path: the file (a pickled dict of part name to vertex ids, read without running code), or
            a folder that holds it.

    Returns:
        Part name to int64 vertex ids, in the order of the file, which is the order of answers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged or something else.
    """
    path = Path(path)
    if path.is_dir():
        path = path / PARTS_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no '{path}'; names of body parts need {PARTS_FILE} of the published data"
        )
    data = read_array_pickle(path)
    if not isinstance(data, dict) or not data:
        raise ValueError(f"'{path}' must hold part names with vertex ids")
    parts: dict[str, np.ndarray] = {}
    for name, vertices in data.items():
        ids = to_numpy(vertices)
        if ids.ndim != 1 or (ids.size and not np.issubdtype(ids.dtype, np.integer)):
            raise ValueError(f"'{path}': part {name!r} must be a list of vertex ids")
        if ids.size and ids.min() < 0:
            raise ValueError(f"'{path}': part {name!r} has the negative vertex id {ids.min()}")
        parts[str(name)] = ids.astype(np.int64)
    return parts


def parts_in_contact(
    contact: np.ndarray, parts: Mapping[str, np.ndarray], fraction: float = 0.1
) -> tuple[str, ...]:
    """Return the body parts that answers name.

    Args:
        contact: [V], positive where in contact.
        parts: part name to vertex ids, in the order they are to be named.
        fraction: share of a part's vertices that must be in contact.
    """
    touched = np.asarray(contact) > 0
    return tuple(
        name
        for name, vertices in parts.items()
        if len(vertices) and touched[vertices].mean() >= fraction
    )

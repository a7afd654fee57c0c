"""Boxes in images, as detectors give them."""

import math
from collections.abc import Sequence

import numpy as np

PixelBox = tuple[float, float, float, float]
"""Left, top, right and bottom, pixels, x to the right and y down."""


def check_edges(box: Sequence[float], name: str = "box") -> PixelBox:
    """Return a box that is one in some image.

    Args:
        box: left, top, right, bottom, pixels.
        name: what the error calls it.

    Raises:
        ValueError: it is not four finite numbers, or has no area.
    """
    values = [float(value) for value in box]
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise ValueError(
            f"{name}: expected finite left, top, right, bottom in pixels, got {list(box)}"
        )
    left, top, right, bottom = values
    if left >= right or top >= bottom:
        raise ValueError(
            f"{name}: {values} has no area; expected left, top, right, bottom in pixels, with "
            "left < right and top < bottom"
        )
    return left, top, right, bottom


def check_box(box: Sequence[float], width: int, height: int, name: str = "box") -> PixelBox:
    """Return the part of a box that is inside its image.

    Args:
        box: left, top, right, bottom, pixels.
        width: of the image, pixels.
        height: of the image, pixels.
        name: what the error calls it.

    Raises:
        ValueError: it is not four finite numbers, has no area, or is outside the image.
    """
    left, top, right, bottom = edges = check_edges(box, name)
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"{name}: {list(edges)} is outside the image of {width}x{height} pixels")
    return inside


def box_around(mask: np.ndarray) -> PixelBox | None:
    """Return the box around the pixels of a bool mask `[height, width]`; None without any."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)

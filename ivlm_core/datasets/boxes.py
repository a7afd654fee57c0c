"""Boxes of objects as a detector would give them, from masks that are known exactly."""

import random

import numpy as np

from ivlm_core.geometry.pixel_box import PixelBox, box_around

LEAST_PIXELS = 12
"""What shows fewer pixels is not detected."""
_EDGE_NOISE = 0.06
"""Deviation of each edge, as a share of the box's side: the overlap (IoU) with exact boxes is 0.83
in the mean, about that of good detectors."""
_MOST_NOISE = 0.2
"""The same at most, so that every box keeps an area."""


def detected_box(mask: np.ndarray, rng: random.Random) -> PixelBox | None:
    """Return the box that a detector might give of what a mask shows; None of too few pixels.

    Args:
        mask: bool `[height, width]`.
        rng: draws how far off the four edges are; they may lie outside the image.
    """
    box = box_around(mask)
    if box is None or np.count_nonzero(mask) < LEAST_PIXELS:
        return None
    wide, tall = box[2] - box[0], box[3] - box[1]

    def moved(edge: float, side: float) -> float:
        return edge + side * min(max(rng.gauss(0, _EDGE_NOISE), -_MOST_NOISE), _MOST_NOISE)

    return moved(box[0], wide), moved(box[1], tall), moved(box[2], wide), moved(box[3], tall)

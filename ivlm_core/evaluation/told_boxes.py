"""Boxes that a model is told while it is judged, as exact as a detector's."""

import random
from collections.abc import Callable

from ivlm_core.datasets.boxes import detected_box
from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.pixel_box import PixelBox

Tell = Callable[[Target], PixelBox | None]
"""Gives the box of what is asked about; None where it stays unknown."""


def nothing(_: Target) -> None:
    """Tell no box."""


def boxes_of(dataset: SyntheticDataset) -> Tell:
    """Return what tells the boxes of a split's objects, the same at every call.

    Objects that are not there or hardly in sight stay unknown.
    """

    def told(target: Target) -> PixelBox | None:
        if target.slot < 0:
            return None
        (shown,) = dataset.stack("object_map", [target.image_index])
        rng = random.Random(f"{target.image_index} {target.slot}")
        return detected_box(shown == target.slot + 1, rng)

    return told

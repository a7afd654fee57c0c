"""Which images train and which validate."""

import random
from collections.abc import Sequence

import numpy as np


def split_validation(count: int, fraction: float = 0.04) -> tuple[list[int], list[int]]:
    """Return training and validation image indices; the last images validate.

    Raises:
        ValueError: there are too few to hold one out.
    """
    if count < 2:
        images = "image" if count == 1 else "images"
        raise ValueError(
            f"the data has {count} training {images}, at least 2 are needed, since one is held "
            "out; run `ivlm synthesize --train N`"
        )
    held = max(1, int(count * fraction))
    order = np.arange(count)
    return order[:-held].tolist(), order[-held:].tolist()


def shared_images(images: Sequence[int], share: float, seed: int) -> list[int]:
    """Return a share of training images, at least one: the first of an order drawn by the seed.

    A larger share of the same seed has all images of a smaller one.

    Raises:
        ValueError: the share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    if share == 1:
        return list(images)
    order = list(images)
    random.Random(f"{seed} share").shuffle(order)
    return sorted(order[: max(1, round(share * len(order)))])

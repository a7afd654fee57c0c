"""The object instances of a data set: a number per category and split, made when first drawn."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from ivlm_core.synthesis.objects import ObjectInstance, make_object
from ivlm_core.synthesis.objects.instance import Joined

TEST_SEEDS = 100_000
"""Seeds of instances of the test split start here; those of the training split at 0."""


def surface_file(folder: Path, category: str, seed: int) -> Path:
    """Where a folder of objects has the surface of an instance: a tensor per field of `Joined`."""
    return folder / f"{category}-{seed}.safetensors"


@lru_cache(maxsize=4096)
def _made(category: str, seed: int, folder: Path | None) -> ObjectInstance:
    known = None if folder is None else load_file(surface_file(folder, category, seed))
    return make_object(category, seed, None if known is None else Joined(**known))


class ObjectPool:
    """Instances by split.

    Args:
        train: training instances per category.
        test: test instances per category.
        folder: has the surfaces of all of them (`surface_file`), which takes less time than making
            them; None makes them.
    """

    def __init__(self, train: int, test: int, folder: Path | None = None) -> None:
        self.train = train
        self.test = test
        self.folder = folder

    def seeds(self, split: str) -> range:
        """Seeds of the instances of a split."""
        if split == "train":
            return range(self.train)
        return range(TEST_SEEDS, TEST_SEEDS + self.test)

    def draw(self, rng: np.random.Generator, split: str, category: str) -> ObjectInstance:
        """Draw one instance of a category."""
        seeds = self.seeds(split)
        return self.instance(category, seeds[int(rng.integers(len(seeds)))])

    def instance(self, category: str, seed: int) -> ObjectInstance:
        """Return one instance, made once per process."""
        return _made(category, seed, self.folder)

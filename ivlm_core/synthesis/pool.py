"""The object instances of a data set: a number per category and split, made when first drawn."""

from functools import lru_cache

import numpy as np

from ivlm_core.synthesis.objects import ObjectInstance, make_object

TEST_SEEDS = 100_000
"""Seeds of instances of the test split start here; those of the training split at 0."""


@lru_cache(maxsize=4096)
def _made(category: str, seed: int) -> ObjectInstance:
    return make_object(category, seed)


class ObjectPool:
    """Instances by split.

    Args:
        train: training instances per category.
        test: test instances per category.
    """

    def __init__(self, train: int, test: int) -> None:
        self.train = train
        self.test = test

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
        return _made(category, seed)

"""Several datasets by weight, as the reference's training draws from them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ivlm_core.datasets.published.labelled import LabelledImage


@dataclass(frozen=True)
class Share:
    """One dataset of a mixture."""

    rate: float
    """How often it is drawn, relative to the others."""
    subsets: Sequence[Sequence[LabelledImage]]
    """For instance DAMON and LEMON for contact on the body; each is as likely as the others."""


class Mixture:
    """Draws a dataset by rate, then one of its subsets, then one of its items.

    Raises:
        ValueError: no share, a rate that is not positive, or an empty subset.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        if not shares or any(share.rate <= 0 for share in shares):
            rates = [share.rate for share in shares]
            raise ValueError(f"a mixture needs positive rates, got {rates}")
        for number, share in enumerate(shares):
            if not share.subsets or not all(len(subset) for subset in share.subsets):
                sizes = [len(subset) for subset in share.subsets]
                raise ValueError(f"share {number} of a mixture has an empty subset: sizes {sizes}")
        self.shares = tuple(shares)
        self._rates = [share.rate for share in shares]

    def draw(self, rng: random.Random) -> LabelledImage:
        """Return one item."""
        (share,) = rng.choices(self.shares, weights=self._rates)
        return rng.choice(rng.choice(share.subsets))

"""Running means."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.official.quirks import ReferenceQuirks

_EPS = 1e-5


class AverageMeter:
    """Weighted mean of values, or of vectors of one length, that come one at a time."""

    def __init__(self) -> None:
        self.total: NDArray[np.float64] = np.zeros(())
        self.count = 0.0

    def add(self, value: ArrayLike, weight: float = 1.0) -> None:
        """Take in a value; `weight` is how many samples it is the mean of."""
        self.total = self.total + np.asarray(value, dtype=float) * weight
        self.count += weight

    def merge(self, other: "AverageMeter") -> None:
        """Take in what another process has seen."""
        self.total, self.count = self.total + other.total, self.count + other.count

    def mean(self, quirks: ReferenceQuirks | None = None) -> NDArray[np.float64]:
        """Return the mean; NaN of nothing, or 0 with `meter_epsilon`."""
        if quirks is not None and quirks.meter_epsilon:
            return self.total / (self.count + _EPS)
        return self.total / self.count if self.count else np.full_like(self.total, np.nan)

"""Agreement of heat maps in the image: KLD, SIM and NSS, as AGD20K is scored (Luo et al. 2022).

Both maps `[height, width]` have one size; published numbers resize them to 224 x 224 first.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Map = NDArray[np.float64]

SIZE = 224
_EPS = 1e-12
_FOCUS = 0.1
"""Share of the largest true value above which a pixel counts for NSS."""


def fitted(heat: ArrayLike, size: int = SIZE) -> Map:
    """Resize a map to the side that published numbers are computed at."""
    return cv2.resize(np.asarray(heat, np.float64), (size, size), interpolation=cv2.INTER_LINEAR)


def kld(truth: ArrayLike, scores: ArrayLike) -> float:
    """Kullback-Leibler divergence of the truth from the scores, each divided by its sum.

    Lower is better. Scores are scaled to [0, 1] first; constant ones count as uniform.
    """
    true, found = _pair(truth, scores)
    p, q = _shares(true), _shares(_scaled(found))
    return float((p * np.log(p / (q + _EPS) + _EPS)).sum())


def sim(truth: ArrayLike, scores: ArrayLike) -> float:
    """Sum of the minima of the two maps, each divided by its sum; in [0, 1], higher is better."""
    true, found = _pair(truth, scores)
    return float(np.minimum(_shares(true), _shares(_scaled(found))).sum())


def nss(truth: ArrayLike, scores: ArrayLike) -> float:
    """Mean of the standardised scores where the truth is above a tenth of its range.

    Higher is better; 0 for constant scores, NaN for a constant truth.
    """
    true, found = _pair(truth, scores)
    if np.ptp(true) == 0:
        return np.nan
    if np.ptp(found) == 0:  # their deviation need not be 0: the mean of equal numbers is rounded
        return 0.0
    focus = (true - true.min()) / np.ptp(true) > _FOCUS
    return float(((found - found.mean()) / found.std())[focus].mean())


def _scaled(heat: Map) -> Map:
    reach = np.ptp(heat)
    return (heat - heat.min()) / reach if reach > 0 else np.ones_like(heat)


def _shares(heat: Map) -> Map:
    return heat / (heat.sum() + _EPS)


def _pair(truth: ArrayLike, scores: ArrayLike) -> tuple[Map, Map]:
    true, found = np.asarray(truth, float), np.asarray(scores, float)
    if true.ndim != 2 or true.shape != found.shape or not true.size:
        raise ValueError(
            "truth and scores must both be [height, width] of one shape, got "
            f"{list(true.shape)} and {list(found.shape)}"
        )
    return true, found

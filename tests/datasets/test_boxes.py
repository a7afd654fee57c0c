"""Boxes as a detector would give them: near the exact ones, and none of what hardly shows."""

import random

import numpy as np

from ivlm_core.datasets.boxes import LEAST_PIXELS, detected_box


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    tall = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * tall / (sum(areas) - wide * tall)


def test_they_overlap_exact_ones_as_a_detectors_do() -> None:
    rng, mask = random.Random(0), np.zeros((100, 100), bool)
    mask[20:60, 30:90] = True
    found = [detected_box(mask, rng) for _ in range(2000)]
    overlaps = np.array([_overlap(box, (30, 20, 90, 60)) for box in found if box is not None])
    assert len(overlaps) == 2000
    assert 0.8 < overlaps.mean() < 0.87 and overlaps.min() > 0.4 and overlaps.std() > 0.02


def test_what_hardly_shows_is_not_found() -> None:
    mask = np.zeros((50, 50), bool)
    mask[7, : LEAST_PIXELS - 1] = True
    assert detected_box(mask, random.Random(0)) is None
    mask[7, LEAST_PIXELS - 1] = True
    assert detected_box(mask, random.Random(0)) is not None

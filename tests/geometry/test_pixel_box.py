"""Boxes in images: what is inside counts, what cannot be a box is refused by name."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivlm_core.geometry.pixel_box import box_around, check_box, check_edges

numbers = st.floats(-1e6, 1e6)


@given(numbers, numbers, numbers, numbers)
def test_what_is_kept_lies_in_the_image_and_in_the_box(
    left: float, top: float, right: float, bottom: float
) -> None:
    box = (left, top, right, bottom)
    try:
        kept = check_box(box, 64, 48)
    except ValueError:
        apart = left >= 64 or right <= 0 or top >= 48 or bottom <= 0
        assert left >= right or top >= bottom or apart
        return
    assert 0 <= kept[0] < kept[2] <= 64 and 0 <= kept[1] < kept[3] <= 48
    assert left <= kept[0] and top <= kept[1] and kept[2] <= right and kept[3] <= bottom
    assert check_box(kept, 64, 48) == kept


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((1, 2, 3), "left, top, right, bottom"),
        ((1, 2, math.nan, 4), "left, top, right, bottom"),
        ((1, 2, math.inf, 4), "left, top, right, bottom"),
        ((30, 2, 10, 20), "no area"),
        ((10, 20, 30, 20), "no area"),
        ((70, 2, 90, 20), "outside the image of 64x48"),
        ((2, -9, 30, -1), "outside the image of 64x48"),
    ],
)
def test_what_is_no_box_is_refused(box: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=f"the mug: .*{said}"):
        check_box(box, 64, 48, "the mug")


@given(st.integers(0, 30), st.integers(0, 40), st.integers(1, 18), st.integers(1, 24))
def test_the_box_around_a_mask(top: int, left: int, tall: int, wide: int) -> None:
    mask = np.zeros((48, 64), bool)
    assert box_around(mask) is None
    mask[top, left] = mask[top + tall - 1, left + wide - 1] = True
    assert box_around(mask) == (left, top, left + wide, top + tall)


def test_a_box_can_be_checked_before_its_image_is_known() -> None:
    assert check_edges((-9, 2, 1e5, 20)) == (-9.0, 2.0, 1e5, 20.0)
    for box in ((9, 2, 3, 4), (1, 2, math.nan, 4), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"--box: .*left, top, right, bottom"):
            check_edges(box, "--box")

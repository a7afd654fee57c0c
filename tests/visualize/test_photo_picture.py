"""The picture of contact in a photograph."""

from dataclasses import replace

import numpy as np
import pytest

from ivlm_core.photo_contact import PhotoContact
from ivlm_core.visualize.overlay import photo_overlay
from ivlm_core.visualize.photo_picture import photo_picture
from ivlm_core.visualize.wording import pixels_line, question_line


def found_in(photo: np.ndarray) -> PhotoContact:
    chance = np.zeros(photo.shape[:2], np.float32)
    chance[: len(chance) // 2] = 0.9
    answer = "Body parts: left hand, contact mask: <HCON>."
    return PhotoContact("bottle", answer, chance, iou=0.5, threshold=0.3)


@pytest.mark.parametrize("shape", [(600, 800), (30, 50), (900, 40), (40, 900)])
def test_the_photograph_with_its_mask_stands_below_words(shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), (0, 255, 0), np.uint8)
    found = replace(found_in(photo), probabilities=np.zeros(shape, np.float32))
    picture = photo_picture(found, photo)
    rows, columns = np.nonzero((picture == (0, 255, 0)).all(axis=-1))
    assert rows.max() == len(picture) - 1
    assert np.ptp(rows) + 1 == pytest.approx(shape[0] / shape[1] * (np.ptp(columns) + 1), rel=0.02)
    above = picture[: rows.min()]
    assert picture.shape[1] >= 720 and len(above) > 40
    assert (above.max(axis=-1) < 100).any(axis=0).sum() > 60  # columns with dark ink


def test_a_large_photograph_keeps_its_pixels(photo: np.ndarray) -> None:
    large = photo.repeat(4, axis=0).repeat(4, axis=1)
    found = found_in(large)
    expected = photo_overlay(large, found.probabilities, found.threshold)
    np.testing.assert_array_equal(photo_picture(found, large)[-len(large) :], expected)


def test_its_words_are_the_question_the_answer_and_what_was_found(photo: np.ndarray) -> None:
    found = found_in(photo)
    assert question_line(found) == "Where does the person touch the bottle?"
    assert "ground" in question_line(replace(found, label="scene"))
    assert pixels_line(found) == "38,400 pixels in contact, 50.00% of the photograph"
    nothing = replace(found, probabilities=found.probabilities * 0)
    assert pixels_line(nothing) == "no contact found"
    for other in (replace(found, label="mug"), replace(found, answer=""), nothing):
        shown, changed = photo_picture(found, photo), photo_picture(other, photo)
        assert len(changed) != len(shown) or (changed[:90] != shown[:90]).any()

"""The contact token is found by one function, in prompts, answers and batches."""

import pytest

from ivlm_core.model.tokens import IMAGE_PLACEHOLDER, locate_contact_token

IMAGE = IMAGE_PLACEHOLDER


def test_before_is_the_state_that_predicts_the_token() -> None:
    ids = [1, 5, IMAGE, 6, 7, 90, 2]
    # expanded with 4 image tokens: 1 5 i i i i 6 7 90 2
    assert locate_contact_token(ids, [90, 91], 4, "before") == (90, 7)
    assert locate_contact_token(ids, [90, 91], 4, "at") == (90, 8)


def test_first_token_wins_and_none_is_none() -> None:
    assert locate_contact_token([1, 91, 90], [90, 91], 4) == (91, 0)
    assert locate_contact_token([1, IMAGE, 5], [90, 91], 4) is None


def test_without_an_image_the_index_is_the_position() -> None:
    assert locate_contact_token([1, 5, 90], [90], 256, "at") == (90, 2)


def test_token_that_nothing_predicts() -> None:
    with pytest.raises(ValueError, match="first token"):
        locate_contact_token([90, 1], [90], 4)

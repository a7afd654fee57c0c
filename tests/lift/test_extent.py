"""How far contact reaches, decided for each answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivlm_core.config import LiftConfig
from ivlm_core.lift.extent import contact_threshold, expected_f1_threshold

PROBABILITIES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8)


def expected_f1(scores: np.ndarray, taken: np.ndarray) -> float:
    return 2 * scores[taken].sum() / max(taken.sum() + scores.sum(), 1e-9)


@given(PROBABILITIES)
def test_no_other_choice_of_vertices_expects_more(values: list[float]) -> None:
    scores = np.array(values)
    chosen = expected_f1(scores, scores >= expected_f1_threshold(scores))
    for choice in range(1, 2 ** len(scores)):
        taken = (choice >> np.arange(len(scores)) & 1).astype(bool)
        assert expected_f1(scores, taken) <= chosen + 1e-9


def test_a_sure_answer_is_cut_high_and_one_spread_over_two_hands_low() -> None:
    sure = np.array([0.95] * 10 + [0.3] * 5 + [0.0] * 100)
    unsure = np.array([0.4] * 10 + [0.35] * 10 + [0.0] * 100)
    assert expected_f1_threshold(sure) == pytest.approx(0.95)
    assert (unsure >= expected_f1_threshold(unsure)).sum() == 20


def test_nothing_is_in_contact_where_no_score_reaches_the_threshold() -> None:
    lift = LiftConfig(extent="expected_f1")
    scores = np.array([0.4, 0.4, 0.0], np.float32)
    assert not (scores >= contact_threshold(scores, 0.5, lift)).any()
    assert (scores >= contact_threshold(scores, 0.3, lift)).sum() == 2
    assert contact_threshold(np.array([], np.float32), 0.5, lift) == 0.5


def test_one_threshold_for_all_answers_unless_asked_otherwise() -> None:
    scores = np.array([0.9, 0.4, 0.3], np.float32)
    assert contact_threshold(scores, 0.35, LiftConfig()) == 0.35


def test_a_surface_without_vertices_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        expected_f1_threshold(np.array([]))


def test_scores_that_are_no_numbers_are_cut_as_for_all_answers() -> None:
    """Of a model whose half precision overflowed: the threshold stays a number."""
    lift = LiftConfig(extent="expected_f1")
    scores = np.array([0.5, np.nan, 0.2], np.float32)
    assert contact_threshold(scores, 0.4, lift) == 0.4

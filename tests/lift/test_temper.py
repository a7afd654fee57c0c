"""Scores that are less sure, and say the same."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivlm_core.config import LiftConfig
from ivlm_core.lift.extent import expected_f1_threshold
from ivlm_core.lift.temper import tempered_scores

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6)


@given(SCORES, st.floats(0.2, 5))
def test_the_order_of_vertices_stays(values: list[float], temperature: float) -> None:
    scores = torch.tensor(sorted(values))
    tempered = tempered_scores(scores, temperature)
    assert (tempered.diff() >= 0).all()
    assert ((tempered >= 0) & (tempered <= 1)).all()


@given(SCORES)
def test_above_one_every_score_comes_nearer_to_one_half(values: list[float]) -> None:
    scores = torch.tensor(values)
    tempered = tempered_scores(scores, 2.0)
    assert ((tempered - 0.5).abs() <= (scores - 0.5).abs() + 1e-6).all()
    assert ((tempered >= 0.5) == (scores >= 0.5)).all()


def test_log_odds_are_divided() -> None:
    scores = torch.tensor([[2.0, -3.0]]).sigmoid()
    torch.testing.assert_close(tempered_scores(scores, 2.0), torch.tensor([[1.0, -1.5]]).sigmoid())


def test_what_is_certain_stays_certain() -> None:
    """Vertices that no view shows score 0, and must not begin to count."""
    certain = torch.tensor([0.0, 1.0])
    assert torch.equal(tempered_scores(certain, 1.7), certain)


def test_temperature_one_touches_nothing() -> None:
    scores = torch.tensor([0.0, 0.3, 1.0])
    assert tempered_scores(scores, 1.0) is scores


def test_a_less_sure_answer_takes_more_of_the_body() -> None:
    """Two hands of which one is favoured: with enough doubt both are worth taking."""
    scores = torch.tensor([0.8] * 10 + [0.2] * 10 + [0.001] * 100)
    taken = [
        int((tempered >= expected_f1_threshold(tempered.numpy())).sum())
        for tempered in (tempered_scores(scores, t) for t in (1.0, 3.0))
    ]
    assert taken == [10, 20]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_means_nothing_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="lift.human_temperature must be above 0"):
        LiftConfig(human_temperature=temperature)

"""Lifted masks and what the token says, as one score."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ivlm_core.lift.blend import blended_scores

SCORES = st.floats(0, 1, width=32)
LOGITS = st.floats(-30, 30, width=32)


@given(SCORES, LOGITS, st.floats(0, 1))
def test_a_blend_lies_between_both(lifted: float, logit: float, share: float) -> None:
    own = torch.sigmoid(torch.tensor(logit)).item()
    score = blended_scores(torch.tensor([lifted]), torch.tensor([logit]), share).item()
    assert min(lifted, own) - 1e-3 <= score <= max(lifted, own) + 1e-3


def test_the_whole_weight_on_one_side_gives_that_side() -> None:
    lifted, logits = torch.tensor([[0.0, 0.2, 1.0]]), torch.tensor([[3.0, -1.0, 0.0]])
    assert torch.equal(blended_scores(lifted, logits, 0.0), lifted)
    torch.testing.assert_close(blended_scores(lifted, logits, 1.0), logits.sigmoid())


def test_a_mask_that_is_sure_can_still_be_overruled() -> None:
    """The log odds of 0 are minus infinity: no other opinion would count."""
    assert blended_scores(torch.tensor([0.0]), torch.tensor([20.0]), 0.5).item() > 0.9


@given(st.lists(st.tuples(SCORES, LOGITS), min_size=2, max_size=6), st.floats(0.1, 0.9))
def test_more_of_either_is_never_less(pairs: list[tuple[float, float]], share: float) -> None:
    lifted, logits = (torch.tensor(values) for values in zip(*pairs, strict=True))
    before = blended_scores(lifted, logits, share)
    assert (blended_scores((lifted + 0.1).clamp(max=1), logits, share) >= before - 1e-6).all()
    assert (blended_scores(lifted, logits + 1, share) >= before - 1e-6).all()


def test_half_precision_comes_back_as_float32() -> None:
    lifted = torch.tensor([0.5], dtype=torch.bfloat16)
    assert blended_scores(lifted, lifted, 0.5).dtype == torch.float32
    assert blended_scores(lifted, lifted, 0.5).item() == pytest.approx(0.562, abs=1e-3)


def test_opinions_about_different_bodies_are_refused() -> None:
    with pytest.raises(ValueError, match="lifted to 3 vertices and the token tells of 2"):
        blended_scores(torch.zeros(1, 3), torch.zeros(1, 2), 0.5)

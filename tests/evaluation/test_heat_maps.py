"""KLD, SIM and NSS by hand, by property, and where a map says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ivlm_core.evaluation.heat_maps import fitted, kld, nss, sim

MAPS = arrays(np.float64, (4, 5), elements=st.floats(0, 1, width=32))
# Adding 1 to what differs by less than a double's precision makes it constant.
SCORES = MAPS.map(lambda scores: scores.round(6))


def test_by_hand() -> None:
    truth, scores = np.array([[0.0, 1.0]]), np.array([[0.2, 0.6]])
    assert kld(truth, scores) == pytest.approx(0, abs=1e-9), "scaled to 0 and 1"
    assert sim(truth, scores) == pytest.approx(1)
    assert nss(truth, scores) == pytest.approx(1), "one standard deviation above the mean"
    truth, scores = np.array([[0.5, 0.5, 0.0, 0.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    assert sim(truth, scores) == pytest.approx(0.5)
    assert kld(truth, scores) == pytest.approx(0.5 * np.log(0.5e12), rel=1e-3)
    assert nss(truth, scores) == pytest.approx(0)


@given(MAPS.filter(lambda m: m.max() > 1e-3 and np.ptp(m) > 1e-3), SCORES)
@settings(max_examples=60, deadline=None)
def test_bounds(truth: np.ndarray, scores: np.ndarray) -> None:
    assert kld(truth, scores) >= -1e-6
    assert 0 <= sim(truth, scores) <= 1 + 1e-9
    assert nss(truth, 2 * scores + 1) == pytest.approx(nss(truth, scores), abs=1e-4)
    assert sim(truth - truth.min(), truth) == pytest.approx(1)


def test_maps_that_say_nothing() -> None:
    truth, flat = np.eye(3), np.full((3, 3), 0.3)
    assert nss(truth, flat) == 0
    assert nss(np.arange(20).reshape(4, 5), np.full((4, 5), 0.460938)) == 0, (
        "also where their mean is rounded"
    )
    assert kld(truth, flat) == pytest.approx(np.log(3), rel=1e-6), "as the uniform map"
    assert np.isnan(nss(flat, truth))
    with pytest.raises(ValueError, match="of one shape"):
        sim(truth, np.zeros((2, 2)))


def test_fitted() -> None:
    large = fitted(np.eye(2), 8)
    assert large.shape == (8, 8) and large[0, 0] == 1 and large[0, -1] == 0

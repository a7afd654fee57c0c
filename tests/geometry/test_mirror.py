import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.mirror import mirror_permutation


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 12), st.floats(0, 1e-4))
def test_pairs_are_found_in_any_order_and_despite_noise(seed, middle, sides, noise):
    rng = np.random.default_rng(seed)
    left = rng.random((sides, 3)) + [0.1, 0, 0]
    points = np.concatenate([left, left * (-1, 1, 1), rng.random((middle, 3)) * (0, 1, 1)])
    partner = np.concatenate(
        [np.arange(sides) + sides, np.arange(sides), np.arange(middle) + 2 * sides]
    )
    order = rng.permutation(len(points))
    shuffled = points[order] + noise * rng.standard_normal(points.shape)
    mirror = mirror_permutation(shuffled)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(points)))
    if noise == 0:
        np.testing.assert_allclose(shuffled[mirror], shuffled * (-1, 1, 1), atol=1e-12)
    assert set(order[mirror]) == set(partner[order])


def test_asymmetric_points_still_give_an_involution_or_are_refused():
    points = np.random.default_rng(0).random((50, 3))
    mirror = mirror_permutation(points)
    np.testing.assert_array_equal(mirror[mirror], np.arange(50))
    with pytest.raises(ValueError, match="not mirror symmetric"):
        mirror_permutation(points, max_distance=1e-6)

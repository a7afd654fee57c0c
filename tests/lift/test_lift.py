import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.lift.reconstruct import reconstruct
from ivlm_core.lift.sparse import SparseRows
from ivlm_core.lift.view_weights import confidence_weights, view_angle_weights
from ivlm_core.lift.votes import VoteLift
from ivlm_core.render.interpolate import interpolate
from ivlm_core.render.rasterizer import rasterize

V, J, H, W = 9, 3, 5, 4


def random_maps(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertex ids with background, half-valid and out-of-range pixels, and their weights."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(-1, V + 1, (J, H, W, 3))
    ids[rng.random((J, H, W)) < 0.3] = -1
    weights = rng.dirichlet(np.ones(3), (J, H, W)).astype(np.float32)
    weights[rng.random((J, H, W, 3)) < 0.2] = 0.0
    return ids, weights


def plain_lift(values, ids, weights, view_weights, gate):
    """The definition, as loops over one sample: values [J, H, W], view_weights [J, V]."""
    scores, seen = np.zeros(V), np.zeros(V, dtype=bool)
    for vertex in range(V):
        total = weight = 0.0
        for view in range(J):
            mass = value = 0.0
            for place in np.ndindex(H, W):
                corners = ids[(view, *place)]
                if (corners < 0).any() or (corners >= V).any():
                    continue
                for corner, share in zip(corners, weights[(view, *place)], strict=True):
                    if corner == vertex and share > 0:
                        seen[vertex] = True
                        if gate is None or values[(view, *place)] > gate:
                            mass += share
                            value += share * values[(view, *place)]
            if mass > 0:
                total += view_weights[view, vertex] * value / mass
                weight += view_weights[view, vertex]
        scores[vertex] = total / weight if weight > 0 else 0.0
    return scores, seen


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 0.3]), st.sampled_from(["none", "J", "JV"]))
def test_lift_equals_its_definition(seed, gate, weighting):
    ids, weights = random_maps(seed)
    operator = LiftOperator.from_indices(ids, weights, V)
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(2, J, H, W, generator=generator)
    per_view = torch.rand(2, J, V, generator=generator)
    if weighting == "J":
        per_view = per_view[:, :, :1].expand(-1, -1, V)
    given_weights = {"none": None, "J": per_view[:, :, 0], "JV": per_view}[weighting]
    lifted = operator.lift(values, given_weights, gate)
    for sample in range(2):
        view_weights = np.ones((J, V)) if weighting == "none" else per_view[sample].numpy()
        scores, seen = plain_lift(values[sample].numpy(), ids, weights, view_weights, gate)
        np.testing.assert_allclose(lifted.scores[sample], scores, atol=1e-5)
        np.testing.assert_array_equal(lifted.seen, seen)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_constant_images_lift_to_the_constant(seed, level):
    operator = LiftOperator.from_indices(*random_maps(seed), V)
    lifted = operator.lift(torch.full((1, J, H, W), level))
    expected = torch.where(lifted.seen, torch.tensor(level, dtype=torch.float32), 0.0)
    torch.testing.assert_close(lifted.scores[0], expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_scores_stay_between_the_pixels_and_the_lift_is_linear(seed):
    operator = LiftOperator.from_indices(*random_maps(seed), V)
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, 1, J, H, W, generator=generator)
    scores = operator.lift(a).scores
    assert scores.min() >= 0 and scores.max() <= 1 + 1e-6
    mixed = operator.lift(0.3 * a + 0.7 * b).scores
    torch.testing.assert_close(mixed, 0.3 * scores + 0.7 * operator.lift(b).scores)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gate", [None, 0.3])
def test_gradients_equal_finite_differences(gate, weighted):
    operator = LiftOperator.from_indices(*random_maps(7), V)
    torch.manual_seed(0)
    values = torch.rand(2, J, H, W)
    values[(values - 0.3).abs() < 0.05] = 0.5  # away from the gate's step
    view_weights = torch.rand(2, J) + 0.1 if weighted else None
    direction, readout = torch.randn_like(values), torch.randn(2, V)

    def total(step: float) -> torch.Tensor:
        scores = operator.lift(values + step * direction, view_weights, gate).scores
        return (scores.double() * readout).sum()

    values.requires_grad_()
    total(0.0).backward()
    slope = (values.grad * direction).sum().item()
    assert slope == pytest.approx(((total(1e-2) - total(-1e-2)) / 2e-2).item(), rel=2e-3)


def test_gradient_reaches_view_weights():
    operator = LiftOperator.from_indices(*random_maps(3), V)
    view_weights = torch.rand(1, J, requires_grad=True)
    operator.lift(torch.rand(1, J, H, W), view_weights).scores.sum().backward()
    assert view_weights.grad.abs().sum() > 0


def test_half_precision_masks_are_lifted_in_float32():
    operator = LiftOperator.from_indices(*random_maps(3), V)
    values = torch.rand(1, J, H, W).bfloat16().requires_grad_()
    scores = operator.lift(values).scores
    assert scores.dtype == torch.float32
    scores.sum().backward()
    assert values.grad.dtype == torch.bfloat16 and torch.isfinite(values.grad).all()


@pytest.mark.parametrize("gate", [None, 0.3])
def test_tensors_rebuild_the_operator(gate):
    operator = LiftOperator.from_indices(*random_maps(5), V)
    again = LiftOperator.from_tensors(operator.to_tensors())
    values = torch.rand(3, J, H, W)
    torch.testing.assert_close(
        again.lift(values, gate=gate).scores, operator.lift(values, gate=gate).scores
    )
    torch.testing.assert_close(again.seen, operator.seen)
    assert not operator.state_dict()


def test_nothing_seen_gives_zeros():
    operator = LiftOperator.from_indices(np.full((1, 2, 2, 3), -1), np.full((1, 2, 2, 3), -1.0), 4)
    values = torch.rand(2, 1, 2, 2, requires_grad=True)
    for gate in (None, 0.3):
        lifted = operator.lift(values, gate=gate)
        assert lifted.scores.shape == (2, 4) and not lifted.scores.any() and not lifted.seen.any()
    lifted.scores.sum().backward()
    assert not values.grad.any()
    LiftOperator.from_tensors(operator.to_tensors())


def test_wrong_shapes_are_refused():
    operator = LiftOperator.from_indices(*random_maps(1), V)
    with pytest.raises(ValueError, match=r"\[B, 3, 5, 4\]"):
        operator.lift(torch.rand(1, J, H + 1, W))
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        operator.lift(torch.rand(2, J, H, W), torch.rand(1, J))
    with pytest.raises(ValueError, match=r"\[J, H, W, C\]"):
        LiftOperator.from_indices(np.zeros((2, 2, 3)), np.zeros((2, 2, 3)), 4)
    with pytest.raises(ValueError, match="pool"):
        LiftOperator.from_indices(*random_maps(1), V, pool=2)


def test_pooled_map_equals_enlarging_the_masks(sphere):
    pixel_map = rasterize(sphere, get_rig("object4").cameras(32))
    fine = LiftOperator.from_pixel_map(pixel_map, sphere.num_vertices)
    pooled = LiftOperator.from_pixel_map(pixel_map, sphere.num_vertices, pool=4)
    assert pooled.image_shape == (4, 8, 8)
    values = torch.rand(2, 4, 8, 8)
    enlarged = values.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(pooled.lift(values).scores, fine.lift(enlarged).scores)
    torch.testing.assert_close(pooled.seen, fine.seen)


def test_smooth_fields_come_back_close_by_the_mean_and_exactly_by_least_squares(sphere):
    pixel_map = rasterize(sphere, get_rig("object4").cameras(160))
    operator = LiftOperator.from_pixel_map(pixel_map, sphere.num_vertices)
    field = (sphere.vertices @ [0.3, -0.5, 0.8]).astype(np.float32) + 0.5
    pixels = interpolate(field, pixel_map)
    seen = operator.seen.numpy()
    assert seen.mean() > 0.9
    mean = operator.lift(torch.from_numpy(pixels)[None]).scores[0].numpy()
    assert np.abs(mean - field)[seen].max() < 0.1 and np.abs(mean - field)[seen].mean() < 0.02
    exact, also_seen = reconstruct(pixels, pixel_map, sphere.num_vertices)
    np.testing.assert_array_equal(also_seen, seen)
    np.testing.assert_allclose(exact[seen], field[seen], atol=1e-3)
    assert not exact[~seen].any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_reconstruct_inverts_interpolate_for_any_vertex_field(sphere, seed):
    pixel_map = rasterize(sphere, get_rig("object4").cameras(160))
    field = np.random.default_rng(seed).random(sphere.num_vertices).astype(np.float32)
    pixels = interpolate(field, pixel_map)
    values, seen = reconstruct(pixels, pixel_map, sphere.num_vertices)
    count = np.bincount(pixel_map.vertex_ids[pixel_map.hit].ravel(), minlength=len(field))
    settled = seen & (count > 30)
    assert settled.sum() > 0.9 * len(field)
    np.testing.assert_allclose(values[settled], field[settled], atol=2e-3)
    again = interpolate(values, pixel_map)
    np.testing.assert_allclose(again, pixels, atol=1e-3)


def test_view_angle_weights_favour_the_camera_in_front(sphere):
    cameras = get_rig("object4").cameras(16)
    weights = view_angle_weights(sphere, cameras)
    assert weights.shape == (4, sphere.num_vertices)
    assert weights.min() >= 0.05 and weights.max() <= 1 + 1e-6
    towards = (sphere.vertices @ cameras[1].center).argmax()
    assert weights[1, towards] > 0.95 and weights[0, towards] < 0.9
    combined = confidence_weights(torch.tensor([[0.5, 1.5, -1.0, 0.2]]), weights)
    torch.testing.assert_close(combined[0, 0], 0.5 * weights[0])
    torch.testing.assert_close(combined[0, 1], weights[1])
    assert (combined > 0).all()
    with pytest.raises(ValueError, match="mask_iou"):
        confidence_weights(torch.ones(1, 3), weights)


def test_sparse_rows_multiply_like_the_dense_matrix():
    torch.manual_seed(0)
    dense = torch.rand(6, 5) * (torch.rand(6, 5) < 0.4)
    rows, columns = dense.nonzero(as_tuple=True)
    matrix = SparseRows.from_entries(rows, columns, dense[rows, columns], 6, 5)
    right = torch.rand(5, 3, requires_grad=True)
    product = matrix(right)
    torch.testing.assert_close(product, dense @ right)
    upstream = torch.rand(6, 3)
    product.backward(upstream)
    torch.testing.assert_close(right.grad, dense.T @ upstream)


def test_one_pixel_near_a_vertex_decides_the_vote():
    ids = np.array([[[[0, 1, 2], [0, 1, 2], [-1, 1, 2]]]])
    weights = np.array([[[[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [1.0, 0.0, 0.0]]]], dtype=np.float32)
    votes = VoteLift.from_indices(ids, weights, 4)
    lifted = votes.lift(torch.tensor([[[[0.58, 0.57, 1.0]]], [[[0.9, 0.9, 0.0]]]]))
    assert lifted.scores.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert lifted.seen.tolist() == [True, True, False, False]
    again = VoteLift.from_tensors(votes.to_tensors())
    ones = torch.ones(1, 1, 1, 3)
    torch.testing.assert_close(again(ones).scores, votes(ones).scores)
    assert not votes.lift(torch.full((1, 1, 1, 3), float("nan"))).scores.any()
    with pytest.raises(ValueError, match=r"\[B, 1, 1, 3\]"):
        votes.lift(torch.ones(1, 1, 3))
    with pytest.raises(ValueError, match="one shape"):
        VoteLift.from_indices(ids, weights[..., :2], 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("gate", [None, 0.3])
def test_cuda_equals_cpu(gate):
    operator = LiftOperator.from_indices(*random_maps(5), V)
    values = torch.rand(2, J, H, W, requires_grad=True)
    expected = operator.lift(values, gate=gate).scores
    expected.sum().backward()
    on_gpu = values.detach().cuda().requires_grad_()
    scores = operator.cuda().lift(on_gpu, gate=gate).scores
    scores.sum().backward()
    torch.testing.assert_close(scores.cpu(), expected)
    torch.testing.assert_close(on_gpu.grad.cpu(), values.grad)


@pytest.mark.parametrize("by_pixels", [False, True])
@pytest.mark.parametrize("gate", [None, 0.3])
def test_probabilities_never_leave_their_range(gate, by_pixels):
    """Not by an ulp either: log odds of more than 1 are NaN, and samplers refuse such scores."""
    for seed in range(40):
        operator = LiftOperator.from_indices(*random_maps(seed), V)
        scores = operator.lift(torch.ones(2, J, H, W), gate=gate, by_pixels=by_pixels).scores
        assert scores.max() <= 1

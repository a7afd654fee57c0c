"""Losses: limits, ignored pixels, empty targets."""

import torch

from ivlm_core.model.losses import contact_bce, dice, focal_bce, vertex_focal


def test_perfect_masks_cost_nothing() -> None:
    target = (torch.rand(2, 4, 8, 8) > 0.5).float()
    logits = (target - 0.5) * 80
    valid = torch.ones_like(target, dtype=torch.bool)
    assert focal_bce(logits, target, valid).max() < 1e-6
    assert dice(logits.sigmoid(), target).max() < 1e-4


def test_ignored_pixels_have_no_gradient() -> None:
    logits = torch.randn(1, 4, 8, 8, requires_grad=True)
    valid = torch.zeros(4, 8, 8, dtype=torch.bool)
    valid[:, 2:5, 3:6] = True
    target = torch.ones(1, 4, 8, 8)
    (focal_bce(logits, target, valid) + dice(logits.sigmoid(), target, valid)).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[0][valid] != 0).all()
    assert (logits.grad[0][~valid] == 0).all()


def test_gamma_zero_is_plain_cross_entropy() -> None:
    logits, target = torch.randn(3, 2, 5, 5), torch.rand(3, 2, 5, 5)
    valid = torch.ones_like(target, dtype=torch.bool)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(focal_bce(logits, target, valid, gamma=0.0).mean(), plain)


def test_empty_target_has_no_dice_and_finite_gradient() -> None:
    probabilities = torch.rand(2, 10, requires_grad=True)
    loss = dice(probabilities, torch.zeros(2, 10))
    assert (loss == 0).all()
    loss.sum().backward()
    assert torch.isfinite(probabilities.grad).all()


def test_contact_loss_leaves_unseen_vertices_alone() -> None:
    scores = torch.rand(2, 6, requires_grad=True)
    seen = torch.tensor([True, True, False, True, False, True])
    contact_bce(scores, torch.ones(2, 6), seen).sum().backward()
    assert (scores.grad[:, ~seen] == 0).all()
    assert (scores.grad[:, seen] != 0).all()


def test_contact_loss_of_a_missed_hand_does_not_depend_on_the_rest_of_the_body() -> None:
    def missed(vertices: int) -> float:
        target = torch.zeros(1, vertices)
        target[:, :100] = 1
        scores = torch.full_like(target, 1e-6)
        return float(contact_bce(scores, target, torch.ones(vertices, dtype=torch.bool)))

    assert missed(10_000) > 0.4 * missed(200)


def test_contact_loss_of_nothing_touched_is_finite() -> None:
    nothing, seen = torch.zeros(1, 50), torch.ones(50, dtype=torch.bool)
    assert float(contact_bce(nothing, nothing, seen)) < 1e-3
    assert 1 < float(contact_bce(torch.ones(1, 50), nothing, seen)) < float("inf")


def test_what_is_not_a_number_is_passed_on_for_training_to_tell() -> None:
    scores, target = torch.full((1, 4), 0.3), torch.ones(1, 4)
    scores[0, 1] = torch.nan
    valid = torch.ones(1, 1, 1, 4, dtype=torch.bool)
    image = scores[None, None].expand(1, 1, 1, 4)
    assert contact_bce(scores, target, valid[0, 0, 0]).isnan().all()
    assert vertex_focal(scores, target).isnan().all()
    assert focal_bce(image, target[None, None], valid, probabilities=True).isnan().all()

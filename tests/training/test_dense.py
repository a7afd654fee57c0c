"""Stage 1's losses on cells."""

import pytest
import torch

from ivlm_core.training.dense import IGNORE, mean_by_object


def test_a_small_object_counts_as_much_as_a_large_one() -> None:
    objects = torch.zeros(2, 4, 4, dtype=torch.long)
    objects[0, :3], objects[0, 3, 3], objects[1, 0, 0] = 1, 2, 1
    objects[1, 3] = IGNORE
    values = torch.full((2, 4, 4), 100.0)
    values[0, :3], values[0, 3, 3], values[1, 0, 0] = 1.0, 4.0, 7.0
    counted = (objects > 0) & (objects != IGNORE)
    average = pytest.approx((1 + 4 + 7) / 3)
    assert mean_by_object(values, objects, counted) == average, "one of each image's two"
    counted[0, 0] = False
    values[0, 0] = 100.0
    assert mean_by_object(values, objects, counted) == average, "only cells that count"


def test_without_objects_there_is_nothing_to_learn() -> None:
    values = torch.ones(1, 2, 2, requires_grad=True)
    loss = mean_by_object(values, torch.zeros(1, 2, 2, dtype=torch.long), torch.zeros(1, 2, 2) > 0)
    loss.backward()
    assert loss == 0 and values.grad is not None and not values.grad.any()

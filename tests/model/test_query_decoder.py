"""The decoder of queries: one prompt per view, pixels made once."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.config import SamConfig
from ivlm_core.model.localize import Localizer
from ivlm_core.model.presets import TINY

SAM = replace(TINY.sam, decoder="queries", photos="tower")


def _inputs(batch: int, views: int) -> tuple[torch.Tensor, torch.Tensor]:
    prompts = torch.randn(batch, views, SAM.embed_dim, requires_grad=True)
    grid = SAM.grid_size
    return prompts, torch.randn(views, SAM.embed_dim, grid, grid, requires_grad=True)


@pytest.mark.parametrize(("batch", "views"), [(1, 8), (3, 4), (2, 1)])
def test_queries_and_views_are_independent(batch: int, views: int) -> None:
    torch.manual_seed(0)
    localizer = Localizer(SAM).eval()
    prompts, embeddings = _inputs(batch, views)
    with torch.no_grad():
        masks, iou = localizer(prompts, embeddings)
        assert masks.shape == (batch, views, 4 * SAM.grid_size, 4 * SAM.grid_size)
        for row in range(batch):
            for view in range(views):
                mask, quality = localizer(
                    prompts[row : row + 1, view : view + 1], embeddings[view : view + 1]
                )
                torch.testing.assert_close(mask[0, 0], masks[row, view], atol=1e-5, rtol=1e-4)
                torch.testing.assert_close(quality[0, 0], iou[row, view], atol=1e-5, rtol=1e-4)


def test_little_is_in_contact_before_anything_is_learned() -> None:
    torch.manual_seed(0)
    masks, _ = Localizer(SAM)(*_inputs(2, 4))
    assert float(masks.sigmoid().mean()) < 0.1


def test_gradients_reach_prompts_views_and_all_weights() -> None:
    localizer = Localizer(SAM)
    prompts, embeddings = _inputs(2, 4)
    masks, iou = localizer(prompts, embeddings)
    (masks.square().mean() + iou.square().mean()).backward()
    for tensor in (prompts, embeddings, *localizer.mask_decoder.parameters()):
        assert tensor.grad is not None and tensor.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["human", "object"])
def test_people_and_objects_may_have_their_own(kind: str) -> None:
    localizer = Localizer(replace(SAM, separate_decoders=True))
    assert localizer.mask_decoder is None, "nobody would ask it"
    localizer(*_inputs(1, 2), kind)[0].sum().backward()
    asked = {
        name
        for name in ("human", "object")
        for p in getattr(localizer, f"{name}_mask_decoder").parameters()
        if p.grad is not None
    }
    assert asked == {kind}


def test_prompts_of_other_views_are_refused() -> None:
    prompts, embeddings = _inputs(1, 4)
    with pytest.raises(ValueError, match="one prompt per view, got 4 prompts for 3 views"):
        Localizer(SAM)(prompts, embeddings[:3])


def test_photographs_need_a_decoder_of_their_own() -> None:
    with pytest.raises(ValueError, match='masks on photographs need sam.photos "tower"'):
        SamConfig(decoder="queries")
    SamConfig(decoder="queries", photos="none")

"""Several views decoded at once are what SAM's own decoder gives one by one."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.model import localize
from ivlm_core.model.localize import Localizer
from ivlm_core.model.presets import TINY

SAM = TINY.sam


@pytest.mark.parametrize("kind", ["human", "object", "generic"])
@pytest.mark.parametrize(("batch", "views"), [(1, 8), (3, 4), (2, 1)])
@pytest.mark.parametrize("cells", [1, 200, 10_000])
def test_views_at_once_are_views_one_by_one(
    monkeypatch: pytest.MonkeyPatch, kind: str, batch: int, views: int, cells: int
) -> None:
    torch.manual_seed(0)
    localizer = Localizer(replace(SAM, separate_decoders=True)).eval()
    prompts = torch.randn(batch, views, SAM.embed_dim)
    embeddings = torch.randn(views, SAM.embed_dim, SAM.grid_size, SAM.grid_size)
    monkeypatch.setattr(localize, "_CELLS", cells)
    with torch.no_grad():
        masks, iou = localizer(prompts, embeddings, kind)
        decoder = {
            "human": localizer.human_mask_decoder,
            "object": localizer.object_mask_decoder,
            "generic": localizer.mask_decoder,
        }[kind]
        for view, embedding in enumerate(embeddings):
            expected = decoder(
                image_embeddings=embedding[None],
                image_pe=localizer.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=prompts,
                dense_prompt_embeddings=localizer.prompt_encoder.no_mask_embed.weight.reshape(
                    1, -1, 1, 1
                ),
                multimask_output=False,
            )
            torch.testing.assert_close(masks[:, view], expected[0][:, 0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(iou[:, view], expected[1][:, 0], atol=1e-5, rtol=1e-4)


def test_gradients_reach_prompts_views_and_weights() -> None:
    localizer = Localizer(SAM)
    prompts = torch.randn(2, 4, SAM.embed_dim, requires_grad=True)
    embeddings = torch.randn(4, SAM.embed_dim, SAM.grid_size, SAM.grid_size, requires_grad=True)
    masks, iou = localizer(prompts, embeddings)
    (masks.square().mean() + iou.square().mean()).backward()
    assert prompts.grad is not None and prompts.grad.abs().sum() > 0
    assert embeddings.grad is not None and embeddings.grad.abs().amax(dim=(1, 2, 3)).min() > 0
    assert localizer.mask_decoder.output_upscaling[0].weight.grad.abs().sum() > 0

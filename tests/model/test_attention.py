"""Where the contact token looked: eager attention's own numbers, laid over the right pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ivlm_core.model.attention import attention_over_image, contact_attention
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import question
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER


@pytest.fixture
def answered(tiny: tuple[IvlmModel, Processor]) -> tuple[list[list[int]], list[list[int]]]:
    """Prompts, and with answers: one asks for contact on the body, one for none."""
    model, processor = tiny
    prompts = [
        processor.prompt_ids(question("human_contact", label))
        for label in ("bottle", "a very unusual zebra thing")
    ]
    return prompts, [
        [*prompts[0], 40, 41, model.tokens.human, 2],
        [*prompts[1], 42, 2],
    ]


@pytest.mark.parametrize("projector", ["resampler", "linear"])
def test_it_is_the_row_of_eager_attention(
    answered: tuple[list[list[int]], list[list[int]]],
    tiny: tuple[IvlmModel, Processor],
    projector: str,
) -> None:
    model, processor = tiny
    if projector != "resampler":
        language = replace(model.config.language, projector=projector)
        config = replace(model.config, language=language)
        model = IvlmModel(config, processor.contact_tokens).eval()
    prompts, ids = answered
    torch.manual_seed(3)
    features = torch.randn(2, TINY.vision.num_patches, TINY.vision.hidden_size)
    found, none = contact_attention(model, features, prompts, ids)
    assert none is None and found is not None
    grid = TINY.vision.grid_size
    assert found.shape == (grid, grid) and found.dtype == np.float32
    assert (found >= 0).all() and 0 < found.sum() <= 1 + 1e-5

    vlm = model.vlm
    with torch.no_grad():
        tokens = vlm.image_tokens(features, prompts)[:1]
        start = ids[0].index(IMAGE_PLACEHOLDER)
        vlm.language.set_attn_implementation("eager")
        seen = vlm.language.model(
            inputs_embeds=vlm._embed(ids[0], tokens[0])[None], output_attentions=True
        ).attentions
        vlm.language.set_attn_implementation("sdpa")
    asking = ids[0].index(model.tokens.human) - 1 + tokens.shape[1] - 1
    later = torch.stack(seen[len(seen) // 2 :]).mean(dim=(0, 2))[0, asking]
    share = later[start : start + tokens.shape[1]]
    if projector == "resampler":
        share = share @ vlm.resample(features, prompts)[1][0].mean(dim=0).detach()
    np.testing.assert_allclose(found.ravel(), share.numpy(), atol=1e-6)


def test_nothing_stays_hooked(
    tiny: tuple[IvlmModel, Processor], answered: tuple[list[list[int]], list[list[int]]]
) -> None:
    model, _ = tiny
    features = torch.randn(2, TINY.vision.num_patches, TINY.vision.hidden_size)
    contact_attention(model, features, *answered)
    for layer in model.vlm.language.model.layers:
        assert not layer.self_attn._forward_pre_hooks


@pytest.mark.parametrize(
    ("fit", "height", "width"),
    [("pad", 90, 120), ("pad", 120, 90), ("crop", 90, 120), ("crop", 120, 90), ("pad", 64, 64)],
)
def test_a_patch_lies_over_its_pixels(fit: str, height: int, width: int) -> None:
    """Padding shows a square around the image, cropping the square in its middle."""
    attention = np.zeros((4, 4), np.float32)
    attention[1, 2] = 0.3
    over = attention_over_image(attention, height, width, 64, fit)
    assert over.shape == (height, width) and over.max() == 1 and over.min() == 0
    side = max(height, width) if fit == "pad" else min(height, width)
    top, left = (height - side) / 2, (width - side) / 2
    middle = (top + side * 1.5 / 4, left + side * 2.5 / 4)
    rows, columns = np.mgrid[:height, :width] + 0.5
    weight = over.sum()
    assert (rows * over).sum() / weight == pytest.approx(middle[0], abs=side / 40)
    assert (columns * over).sum() / weight == pytest.approx(middle[1], abs=side / 40)
    if fit == "crop" and width > height:
        assert over[:, : int(left) - 1].max() == 0 and over[:, int(left + side) + 2 :].max() == 0


def test_no_attention_is_no_heat() -> None:
    assert attention_over_image(np.zeros((4, 4), np.float32), 8, 8, 64, "pad").max() == 0

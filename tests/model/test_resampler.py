"""The question decides what the image tokens hold, and padding does not."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.config import ConfigError, IvlmConfig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.positions import grid_positions, resized_places
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import question


def _prompts(processor: Processor, *labels: str) -> list[list[int]]:
    return [processor.prompt_ids(question("human_contact", label)) for label in labels]


def test_one_picture_gives_other_tokens_to_another_question(
    tiny: tuple[IvlmModel, Processor],
) -> None:
    model, processor = tiny
    features = torch.randn(1, TINY.vision.num_patches, TINY.vision.hidden_size).expand(3, -1, -1)
    with torch.no_grad():
        tokens, looks = model.vlm.resample(
            features, _prompts(processor, "bottle", "chair", "bottle")
        )
    assert tokens.shape == (3, TINY.num_image_tokens, TINY.language.hidden_size)
    assert looks.shape == (3, 1, TINY.num_image_tokens, TINY.vision.num_patches)
    assert not torch.allclose(tokens[0], tokens[1], atol=1e-4)
    torch.testing.assert_close(tokens[0], tokens[2])
    shares = looks.sum(dim=-1)
    assert (looks >= 0).all() and (shares > 0).all() and (shares < 1).all()


def test_a_longer_question_beside_it_changes_nothing(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    prompts = _prompts(processor, "bottle", "a very unusual zebra thing")
    features = torch.randn(2, TINY.vision.num_patches, TINY.vision.hidden_size)
    with torch.no_grad():
        both = model.vlm.image_tokens(features, prompts)
        alone = model.vlm.image_tokens(features[:1], prompts[:1])
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-4)


def test_patches_that_look_alike_differ_by_place(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    prompts = _prompts(processor, "bottle")
    features = torch.zeros(1, TINY.vision.num_patches, TINY.vision.hidden_size)
    moved = features.clone()
    features[0, 0] = moved[0, 5] = torch.randn(TINY.vision.hidden_size)
    with torch.no_grad():
        here, there = (model.vlm.image_tokens(f, prompts) for f in (features, moved))
    assert not torch.allclose(here, there, atol=1e-4)


def test_half_precision(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    resampler = IvlmModel(model.config, processor.contact_tokens).vlm.mm_projector
    positions = resampler.positions
    resampler = resampler.to(torch.bfloat16)
    resampler.positions = positions  # a streamed checkpoint converts weights, not tables
    words = torch.randn(1, 4, TINY.language.hidden_size, dtype=torch.bfloat16)
    features = torch.randn(1, TINY.vision.num_patches, TINY.vision.hidden_size)
    with torch.no_grad():
        tokens, _ = resampler(features.bfloat16(), words, torch.zeros(1, 4, dtype=torch.bool))
    assert tokens.dtype == torch.bfloat16


@pytest.mark.parametrize(("grid", "size"), [(1, 4), (8, 192), (3, 10)])
def test_every_place_has_its_own_numbers(grid: int, size: int) -> None:
    table = grid_positions(grid, size)
    assert table.shape == (grid * grid, size)
    assert (table.abs() <= 1).all()
    assert len(table.unique(dim=0)) == grid * grid


def test_a_place_has_the_same_numbers_whatever_the_patches() -> None:
    coarse, fine = grid_positions(4, 16).view(4, 4, 16), grid_positions(12, 16).view(12, 12, 16)
    torch.testing.assert_close(fine[1::3, 1::3], coarse)


@pytest.mark.parametrize("grid", [4, 7, 12])
def test_places_are_resized_as_a_picture_is(grid: int) -> None:
    """Where each place says its row and column, the resized ones do too."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    table = torch.stack([rows.flatten(), columns.flatten()], dim=1)
    resized = resized_places(torch.cat([torch.full((1, 2), 9.0), table]), 1 + grid * grid)
    assert resized[0].tolist() == [9, 9]
    square = resized[1:].view(grid, grid, 2)
    centres = (torch.arange(grid) + 0.5) * 8 / grid - 0.5
    inner = slice(grid // 3, -(grid // 3))  # bicubic weights reach over the border
    torch.testing.assert_close(square[0, inner, 1], centres[inner], atol=0.15, rtol=0)
    torch.testing.assert_close(square[inner, 0, 0], centres[inner], atol=0.15, rtol=0)


def test_places_that_are_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="one more than a square"):
        resized_places(torch.zeros(17, 4), 12)


def test_a_resampler_needs_queries() -> None:
    with pytest.raises(ConfigError, match="resampler_queries"):
        replace(TINY.language, resampler_queries=0)
    assert IvlmConfig().num_image_tokens == 256

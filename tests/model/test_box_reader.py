"""A box marks the patches it covers, tells only the question it is of, and begins as nothing."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ivlm_core.config import ConfigError
from ivlm_core.model.box_reader import is_known, patch_coverage
from ivlm_core.model.build import build
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import question

edges = st.floats(-1, 1).map(lambda x: round(x, 3))


@given(st.tuples(edges, edges, edges, edges), st.integers(1, 12))
def test_coverage_is_that_of_the_most_covered_patch(
    ends: tuple[float, float, float, float], grid: int
) -> None:
    (left, right), (top, bottom) = sorted(ends[:2]), sorted(ends[2:])
    covered = patch_coverage(torch.tensor([[left, top, right, bottom]]), grid)
    assert covered.shape == (1, grid * grid) and (covered >= 0).all() and (covered <= 1).all()
    has_area = bool(is_known(torch.tensor([[left, top, right, bottom]])))
    assert has_area == (left < right and top < bottom)
    assert covered.max() == (1 if has_area else 0)
    if has_area:  # the middle of what is covered is that of the box, up to a patch
        centres = (torch.arange(grid) + 0.5) * 2 / grid - 1
        columns = covered.view(grid, grid).sum(dim=0)
        middle = float((columns * centres).sum() / columns.sum())
        assert abs(middle - (left + right) / 2) <= 1 / grid + 1e-4


def test_rows_and_columns_are_those_of_the_patches() -> None:
    covered = patch_coverage(torch.tensor([[0.5, -1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), 4)
    expected = torch.zeros(4, 4)
    expected[:2, 3] = 1
    torch.testing.assert_close(covered[0].view(4, 4), expected)
    assert (covered[1] == 0).all(), "without area nothing is known"
    small = patch_coverage(torch.tensor([[-0.9, -0.9, -0.8, -0.8]]), 4)
    assert small[0].tolist() == [1.0] + 15 * [0.0], "however small, its patch is marked for sure"


@pytest.fixture(scope="module")
def told() -> tuple[IvlmModel, Processor]:
    """A tiny model that reads boxes, and has learned nothing yet."""
    torch.manual_seed(0)
    sizes = replace(TINY, language=replace(TINY.language, resampler_boxes=True))
    return build(sizes, ("bottle", "chair"), ())


def _tokens(told: tuple[IvlmModel, Processor], boxes: Tensor | None) -> Tensor:
    model, processor = told
    torch.manual_seed(1)
    features = torch.randn(1, TINY.vision.num_patches, TINY.vision.hidden_size).expand(2, -1, -1)
    asked = [processor.prompt_ids(question("human_contact", "bottle"))] * 2
    with torch.no_grad():
        return model.vlm.image_tokens(features, asked, boxes)


BOXES = torch.tensor([[-0.5, -0.5, 0.5, 0.25], [0.0, 0.0, 0.0, 0.0]])


def test_before_it_is_learned_a_box_changes_nothing(told: tuple[IvlmModel, Processor]) -> None:
    torch.testing.assert_close(_tokens(told, BOXES), _tokens(told, None), atol=0, rtol=0)


def test_a_box_tells_its_own_question_only(told: tuple[IvlmModel, Processor]) -> None:
    reader = told[0].vlm.mm_projector.boxes
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.normal_(0, 0.3)
    plain, with_box = _tokens(told, None), _tokens(told, BOXES)
    assert not torch.allclose(with_box[0], plain[0], atol=1e-2)
    assert torch.equal(with_box[1], plain[1]), "to the last bit"
    moved = _tokens(told, BOXES + torch.tensor([[0.4, 0.0, 0.4, 0.0], [0.0] * 4]))
    assert not torch.allclose(moved[0], with_box[0], atol=1e-2)


def test_models_that_read_no_boxes_say_so(tiny: tuple[IvlmModel, Processor]) -> None:
    with pytest.raises(ValueError, match="did not learn to read boxes"):
        _tokens(tiny, BOXES)
    with pytest.raises(ConfigError, match="resampler_boxes needs"):
        replace(TINY.language, projector="mlp", resampler_boxes=True)

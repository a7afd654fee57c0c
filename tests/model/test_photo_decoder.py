"""Masks on photographs: sizes, what the stem adds, and that every question has its own mask."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.model.photo_decoder import PhotoDecoder
from ivlm_core.model.presets import NANO, TINY
from ivlm_core.model.vision import VisionTower

KINDS = {"conv": TINY, "efficientnet": NANO}


@pytest.fixture(params=KINDS)
def parts(request: pytest.FixtureRequest) -> tuple[VisionTower, PhotoDecoder]:
    torch.manual_seed(0)
    config = KINDS[request.param]
    config = replace(config, sam=replace(config.sam, photos="tower", photo_channels=16))
    tower = VisionTower(config.vision).eval()
    decoder = PhotoDecoder(config, tower.fine_channels).eval()
    torch.nn.init.normal_(decoder.mask.weight)
    return tower, decoder


def _pixels(tower: VisionTower, count: int) -> torch.Tensor:
    side = tower.clip.config.image_size
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_masks_have_eight_cells_a_side_of_a_patch(
    parts: tuple[VisionTower, PhotoDecoder],
) -> None:
    tower, decoder = parts
    pixels, grid = _pixels(tower, 2), decoder.grid
    maps = tower.fine_maps(pixels)
    assert [m.shape[1] for m in maps] == list(tower.fine_channels)
    assert [m.shape[-1] for m in maps] == [2 * grid, 4 * grid]
    embedded = decoder.embed(tower(pixels), maps)
    assert embedded.shape == (2, 16, 4 * grid, 4 * grid)
    tokens = torch.randn(40, decoder.ask[0].in_features)
    masks, iou = decoder(tokens, embedded[torch.arange(40) % 2])
    assert masks.shape == (40, 8 * grid, 8 * grid) and iou.shape == (40,)
    alone, quality = decoder(tokens[37:38], embedded[1:])
    torch.testing.assert_close(masks[37:38], alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(iou[37:38], quality, atol=1e-4, rtol=1e-4)
    assert (masks[0] - masks[2]).abs().max() > 1e-3, "another token, another mask"


@torch.no_grad()
def test_the_stem_shows_what_patches_do_not(parts: tuple[VisionTower, PhotoDecoder]) -> None:
    tower, decoder = parts
    pixels = _pixels(tower, 1)
    features, (fine, finest) = tower(pixels), tower.fine_maps(pixels)
    plain = decoder.embed(features, (fine, finest))
    for changed in ((fine + 1, finest), (fine, finest.flip(-1))):
        assert (decoder.embed(features, changed) - plain).abs().max() > 1e-3


@torch.no_grad()
def test_fine_maps_are_what_the_stem_itself_goes_on_from() -> None:
    torch.manual_seed(0)
    stem = VisionTower(NANO.vision).stem
    pixels = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(stem.fine_maps(pixels)[0] * 4, stem.low(pixels))

"""Fused attention is SAM's own: same names, same numbers, same gradients, in chunks or whole."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.model import sam_attention
from ivlm_core.model.presets import TINY
from ivlm_core.model.sam import build_image_encoder


@pytest.mark.parametrize("chunk", [1, 2**24])
def test_encoder_equals_the_original(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam_attention, "BIAS_VALUES", chunk)
    config = replace(TINY.sam, window_size=3)  # the grid of 4 is padded to 6
    torch.manual_seed(0)
    plain = build_image_encoder(config, fused=False)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    fused = build_image_encoder(config)
    fused.load_state_dict(plain.state_dict())
    views = torch.randn(2, 3, config.image_size, config.image_size)
    ours, theirs = fused(views), plain(views)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    weight = torch.randn_like(ours)
    for out in (ours, theirs):
        (out * weight).sum().backward()
    for (name, a), (_, b) in zip(fused.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3, msg=name)

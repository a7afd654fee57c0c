"""Untrained models whose answers always ask for a mask."""

import torch

from ivlm_core.model.ivlm import IvlmModel


def always_ask(model: IvlmModel) -> None:
    """Let a model say one contact token or the other; an untrained head says anything."""
    with torch.no_grad():
        torch.manual_seed(0)
        direction = torch.randn(model.config.language.hidden_size)
        head = model.vlm.language.lm_head.weight
        head.zero_()
        head[model.tokens.human], head[model.tokens.object] = direction, -direction

"""Two opinions about the same vertices made one."""

import torch
from torch import Tensor

_LEAST = 1e-4
"""Scores nearer to 0 or 1 count as this near: a mask that is sure must not overrule for ever."""


def blended_scores(lifted: Tensor, logits: Tensor, share: float) -> Tensor:
    """Return scores of vertices from lifted masks and from logits, weighted by their log odds.

    Args:
        lifted: `[..., vertex]` in [0, 1].
        logits: `[..., vertex]`, what else is known of the same vertices.
        share: weight of the logits in [0, 1]; at 0 lifted scores come back untouched.

    Returns:
        float32 `[..., vertex]` in [0, 1].

    Raises:
        ValueError: they are of different vertices.
    """
    if lifted.shape != logits.shape:
        raise ValueError(
            f"masks were lifted to {lifted.shape[-1]} vertices and the token tells of "
            f"{logits.shape[-1]}; body_head.vertices must be the body's"
        )
    if share == 0:
        return lifted
    seen = torch.logit(lifted.float(), _LEAST)
    return torch.sigmoid(torch.lerp(seen, logits.float(), share))

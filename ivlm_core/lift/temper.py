"""Scores made as sure as they are right."""

import torch
from torch import Tensor


def tempered_scores(scores: Tensor, temperature: float) -> Tensor:
    """Return scores with their log odds divided by a temperature (Guo et al. 2017, section 4.2).

    A model that has learned few interactions by heart is too sure of others. The order of the
    vertices stays, and one half stays one half; 0 and 1 stay what they are.

    Args:
        scores: `[..., vertex]` in [0, 1].
        temperature: above 0; 1 gives the scores back untouched, more makes them less sure.

    Returns:
        `[..., vertex]` in [0, 1], float32 unless untouched.
    """
    if temperature == 1:
        return scores
    return torch.sigmoid(torch.logit(scores.float()) / temperature)

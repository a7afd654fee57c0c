"""Where a patch is, as numbers."""

import numpy as np
import torch
from torch import Tensor


def grid_positions(grid: int, size: int) -> Tensor:
    """Return sines and cosines of row and column (Vaswani et al. 2017), as wide as a feature.

    Made by numpy, so that it is there while a model is laid out without weights.

    Returns:
        float32 `[grid * grid, size]` in [-1, 1], row by row.
    """
    rates = 100.0 ** -(np.arange(size // 4) / max(1, size // 4))
    angles = np.arange(grid)[:, None] * rates  # [grid, size // 4]
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # [grid, size // 2]
    places = np.zeros((grid, grid, size), np.float32)
    half = waves.shape[1]
    places[:, :, :half] = waves[:, None]
    places[:, :, half : 2 * half] = waves[None]
    return torch.from_numpy(places.reshape(grid * grid, size))

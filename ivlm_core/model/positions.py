"""Where a patch is, as numbers."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

_SIDE = 8.0
"""Length of the picture's side in the units that the waves are made for."""


def grid_positions(grid: int, size: int) -> Tensor:
    """Return sines and cosines of row and column (Vaswani et al. 2017), as wide as a feature.

    The same place in the picture has the same numbers, however many patches the picture is cut
    into. Made by numpy, so that it is there while a model is laid out without weights.

    Returns:
        float32 `[grid * grid, size]` in [-1, 1], row by row.
    """
    rates = 100.0 ** -(np.arange(size // 4) / max(1, size // 4))
    centres = (np.arange(grid) + 0.5) * (_SIDE / grid) - 0.5
    angles = centres[:, None] * rates  # [grid, size // 4]
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # [grid, size // 2]
    places = np.zeros((grid, grid, size), np.float32)
    half = waves.shape[1]
    places[:, :, :half] = waves[:, None]
    places[:, :, half : 2 * half] = waves[None]
    return torch.from_numpy(places.reshape(grid * grid, size))


def resized_places(table: Tensor, count: int) -> Tensor:
    """Interpolate CLIP's learned place embeddings for pictures of another size (bicubic).

    Args:
        table: `[1 + grid * grid, size]`, the class token's first.
        count: places wanted, `1 + other * other`.

    Returns:
        `[count, size]`.

    Raises:
        ValueError: either count is not one more than a square.
    """
    grid, other = math.isqrt(len(table) - 1), math.isqrt(count - 1)
    if (grid * grid, other * other) != (len(table) - 1, count - 1):
        raise ValueError(f"{len(table)} and {count} places; expected one more than a square each")
    square = table[1:].T.reshape(1, -1, grid, grid)
    resized = interpolate(square, size=(other, other), mode="bicubic", align_corners=False)
    return torch.cat([table[:1], resized[0].flatten(1).T])

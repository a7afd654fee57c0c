"""Mask logits from the decoder's grid to the pixels of an image."""

import torch
from torch import Tensor


def upscale(low_res_logits: Tensor, size: int) -> Tensor:
    """Bilinearly resize mask logits `[batch, view, h, w]` to `[batch, view, size, size]`."""
    return torch.nn.functional.interpolate(
        low_res_logits.float(), (size, size), mode="bilinear", align_corners=False
    )


def restore_masks(
    low_res_logits: Tensor,
    size: int,
    fitted: tuple[int, int],
    original: tuple[int, int],
    corner: tuple[int, int] = (0, 0),
) -> Tensor:
    """Bring mask logits back to the image that was resized and padded to a square.

    Args:
        low_res_logits: `[batch, view, h, w]` of the decoder.
        size: side of the square, pixels.
        fitted: (height, width) that the image takes in that square.
        original: (height, width) of the image.
        corner: top and left of the fitted image in the square; SAM has its padding behind.

    Returns:
        float32 logits `[batch, view, *original]`.

    Raises:
        ValueError: the fitted image is larger than the square.
    """
    (top, left), (height, width) = corner, fitted
    if max(top + height, left + width) > size:
        raise ValueError(f"an image of {fitted} does not fit into a square of {size} pixels")
    whole = upscale(low_res_logits, size)[..., top : top + height, left : left + width]
    return torch.nn.functional.interpolate(whole, original, mode="bilinear", align_corners=False)

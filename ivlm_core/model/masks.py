"""Mask logits from the decoder's grid to the pixels of an image."""

import torch
from torch import Tensor


def upscale(low_res_logits: Tensor, size: int) -> Tensor:
    """Bilinearly resize mask logits `[batch, view, h, w]` to `[batch, view, size, size]`."""
    return torch.nn.functional.interpolate(
        low_res_logits.float(), (size, size), mode="bilinear", align_corners=False
    )


def restore_masks(
    low_res_logits: Tensor, size: int, fitted: tuple[int, int], original: tuple[int, int]
) -> Tensor:
    """Bring mask logits back to the image that was resized and padded for SAM.

    Args:
        low_res_logits: `[batch, view, h, w]` of the decoder.
        size: side of SAM's square input, pixels.
        fitted: (height, width) that the image takes in that square.
        original: (height, width) of the image.

    Returns:
        float32 logits `[batch, view, *original]`.

    Raises:
        ValueError: the fitted image is larger than the square.
    """
    if max(fitted) > size:
        raise ValueError(f"an image of {fitted} does not fit into a square of {size} pixels")
    whole = upscale(low_res_logits, size)[..., : fitted[0], : fitted[1]]
    return torch.nn.functional.interpolate(whole, original, mode="bilinear", align_corners=False)

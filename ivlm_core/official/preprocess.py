"""Images and labels as the published models were trained on them.

CLIP's input is that of `Processor.pixel_values`, SAM's normalisation that of `normalise_views`;
here stand the resize of photographs for SAM and the labels that belong to renders.
"""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ivlm_core.model.sam import normalise_views

WHITE = 3 * 255
IGNORED_PIXEL = -1
"""Label of pixels outside the surface."""


def sam_size(height: int, width: int, target: int = 1024) -> tuple[int, int]:
    """Return (height, width) of an image whose longest side becomes `target` pixels.

    Raises:
        ValueError: a side is not positive.
    """
    if min(height, width, target) < 1:
        raise ValueError(
            f"sides must be positive, got an image of {height} x {width} and target {target}"
        )
    scale = target / max(height, width)
    return int(height * scale + 0.5), int(width * scale + 0.5)


def resize_for_sam(image: np.ndarray, target: int = 1024) -> np.ndarray:
    """Resize so that the longest side has `target` pixels: bilinear, antialiased (PIL).

    Args:
        image: uint8 RGB `[height, width, 3]`.
        target: side in pixels.

    Raises:
        ValueError: the image has another shape or type, or is so elongated that a side vanishes.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected uint8 RGB [height, width, 3], got {image.dtype} {image.shape}")
    height, width = sam_size(image.shape[0], image.shape[1], target)
    if min(height, width) < 1:
        raise ValueError(
            f"an image of {image.shape[1]} x {image.shape[0]} pixels has no pixel left on its "
            f"short side at {target}; crop it"
        )
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def pad_for_sam(image: np.ndarray, target: int = 1024) -> Tensor:
    """Normalise a resized image, then fill it with zeros on the right and at the bottom.

    Args:
        image: uint8 RGB `[height, width, 3]`, no side longer than `target`.
        target: side in pixels.

    Returns:
        float32 `[3, target, target]`.

    Raises:
        ValueError: a side is longer than `target`.
    """
    height, width = image.shape[:2]
    if max(height, width) > target:
        raise ValueError(
            f"a {width} x {height} image does not fit into {target} pixels; resize it first"
        )
    padded = torch.zeros(3, target, target)
    padded[:, :height, :width] = normalise_views(torch.from_numpy(np.array(image))[None])[0]
    return padded


def sam_input(image: np.ndarray, target: int = 1024) -> tuple[Tensor, tuple[int, int]]:
    """Return a photograph as SAM reads it, and (height, width) that the photograph takes in it."""
    resized = resize_for_sam(image, target)
    return pad_for_sam(resized, target), (resized.shape[0], resized.shape[1])


def valid_region(renders: np.ndarray) -> np.ndarray:
    """Return where renders show a surface: every pixel that is not pure white.

    Args:
        renders: uint8 RGB `[..., height, width, 3]` on white.

    Returns:
        bool `[..., height, width]`.
    """
    return np.asarray(renders).sum(axis=-1, dtype=np.int32) < WHITE


def pixel_labels(
    masks: np.ndarray,
    renders: np.ndarray | None = None,
    kind: Literal["contact", "heat_map"] = "contact",
) -> Tensor:
    """Return what the mask losses learn from.

    Args:
        masks: uint8 `[view, height, width]`: 255 for contact, or 255 times a heat map.
        renders: uint8 RGB `[view, height, width, 3]`; pixels without surface are ignored. None
            keeps all.
        kind: `contact` gives int32 0 and 1 (1 only where the mask is 255), `heat_map` float32 in
            [0, 1].

    Returns:
        `[view, height, width]`, `IGNORED_PIXEL` where nothing is learned.

    Raises:
        ValueError: the sizes differ.
    """
    masks = np.asarray(masks)
    if kind == "contact":
        labels = (masks == 255).astype(np.int32)
    else:
        labels = masks.astype(np.float32) / 255
    if renders is not None:
        if np.shape(renders)[:-1] != masks.shape:
            raise ValueError(
                f"masks {masks.shape} and renders {np.shape(renders)} are not of one size"
            )
        labels[~valid_region(renders)] = IGNORED_PIXEL
    return torch.from_numpy(labels)

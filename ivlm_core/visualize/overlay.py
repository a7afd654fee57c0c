"""Predicted masks on the rendered views, and the views as an inset on the camera image."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ivlm_core.visualize.colours import ramp
from ivlm_core.visualize.drawing import check_photo, draw_lines, wrapped
from ivlm_core.visualize.wording import parts_line

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_OUTLINE = (60, 0, 24)


def view_overlays(prediction: "Prediction", size: int | None = None) -> np.ndarray:
    """Lay each view's mask over its render, with a line around the part above the threshold.

    Only pixels that hit the surface are coloured: the others do not count for the scores.

    Args:
        prediction: its `view_images` [J, H, W, 3] and `mask_probabilities` [J, h, w] are read.
        size: side of the pictures that come back, pixels; None keeps the size of the renders.

    Returns:
        uint8 [J, size, size, 3], RGB.
    """
    height, width = prediction.view_images.shape[1:3]
    target = (width, height) if size is None else (size, size)
    pictures = [
        _overlay_view(image, probabilities, target, prediction.threshold)
        for image, probabilities in zip(
            prediction.view_images, prediction.mask_probabilities, strict=True
        )
    ]
    return np.stack(pictures)


def _overlay_view(
    image: np.ndarray, probabilities: np.ndarray, size: tuple[int, int], threshold: float
) -> np.ndarray:
    """One view: uint8 [height, width, 3] for `size` = (width, height)."""
    mask = Image.fromarray(np.ascontiguousarray(probabilities, dtype=np.float32))
    chance = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    on_surface = picture.min(axis=-1) < 250
    opacity = (((chance - 0.08) / 0.3).clip(0.0, 1.0) * 0.9 * on_surface)[..., None]
    mixed = picture * (1.0 - opacity) + ramp(chance) * opacity
    inside = (chance >= threshold) & on_surface
    mixed[inside & ~_shrunk(inside)] = _OUTLINE
    return mixed.round().astype(np.uint8)


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """Pixels whose four neighbours are inside too, bool [H, W]."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = (
        mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:] & mask[1:-1, 1:-1]
    )
    return inner


def overlay_image(photo: np.ndarray, prediction: "Prediction") -> np.ndarray:
    """The camera image with a caption and a column of small views at its right edge.

    Args:
        photo: uint8 [H, W, 3], RGB.
        prediction: the prediction made from it.

    Returns:
        uint8 [H, W, 3], RGB, the size of the photo.
    """
    canvas = Image.fromarray(check_photo(photo).copy())
    height, width = photo.shape[:2]
    views = len(prediction.view_images)
    text_size = max(10, min(height, width) // 26)
    bar = round(text_size * 1.8)
    side = min((height - bar) // max(views, 1), width // 4)
    if side >= 16:
        for index, picture in enumerate(view_overlays(prediction, side)):
            canvas.paste(Image.fromarray(picture), (width - side, bar + index * side))
    if bar < height // 2:
        canvas.paste((24, 26, 30), (0, 0, width, bar))
        caption = f"{prediction.label}: {parts_line(prediction)}"
        if not prediction.part_scores:
            caption = f"{prediction.label}: {int(prediction.contact.sum()):,} vertices in contact"
        place = (text_size // 2, round(text_size * 0.25))
        lines = wrapped(caption, text_size, width - text_size, lines=1)
        draw_lines(canvas, place, lines, text_size, (245, 245, 245))
    return np.asarray(canvas)


def view_sheet(prediction: "Prediction", size: int = 256, columns: int = 4) -> np.ndarray:
    """All views with their masks in rows, uint8 [rows * size, columns * size, 3] on white."""
    pictures = view_overlays(prediction, size)
    columns = max(1, min(columns, len(pictures)))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * size, columns * size, 3), 255, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    return sheet

"""Predicted masks on the rendered views, and the views as an inset on the camera image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ivlm_core.visualize.colours import ramp
from ivlm_core.visualize.drawing import check_photo, draw_lines, wrapped
from ivlm_core.visualize.wording import found_as, parts_line

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_OUTLINE = (60, 0, 24)


def view_overlays(
    prediction: "Prediction", size: int | None = None, views: Sequence[int] | None = None
) -> np.ndarray:
    """Lay each view's mask over its render, with a line around the part above the threshold.

    Only pixels that hit the surface are coloured: the others do not count for the scores.

    Args:
        prediction: its `view_images` [J, H, W, 3] and `mask_probabilities` [J, h, w] are read.
        size: side of the pictures that come back, pixels; None keeps the size of the renders.
        views: indices of the views wanted; None takes all J.

    Returns:
        uint8 [J, size, size, 3], RGB.
    """
    height, width = prediction.view_images.shape[1:3]
    target = (width, height) if size is None else (size, size)
    wanted = range(len(prediction.view_images)) if views is None else views
    pictures = [
        _overlay_view(
            prediction.view_images[view],
            prediction.mask_probabilities[view],
            target,
            prediction.threshold,
        )
        for view in wanted
    ]
    return np.stack(pictures)


def photo_overlay(
    photo: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Lay a mask over the photograph it belongs to: uint8 [height, width, 3], RGB.

    Args:
        photo: uint8 [H, W, 3], RGB.
        probabilities: float [H, W].
        threshold: a line is drawn around what is above it.
        size: (width, height) of the picture that comes back, pixels; None keeps the photograph's.
    """
    photo = check_photo(photo)
    size = size or (photo.shape[1], photo.shape[0])
    return _overlay_view(photo, probabilities, size, threshold, background=256)


def _overlay_view(
    image: np.ndarray,
    probabilities: np.ndarray,
    size: tuple[int, int],
    threshold: float,
    background: int = 250,
) -> np.ndarray:
    """One view: uint8 [height, width, 3] for `size` = (width, height).

    Pixels of which every channel is at least `background` are left as they are.
    """
    mask = Image.fromarray(np.ascontiguousarray(probabilities, dtype=np.float32))
    chance = np.asarray(mask.resize(size, Image.Resampling.BILINEAR))
    picture = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    on_surface = picture.min(axis=-1) < background
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

    Of more than four views, those are shown in which most is marked.

    Args:
        photo: uint8 [H, W, 3], RGB.
        prediction: the prediction made from it.

    Returns:
        uint8 [H, W, 3], RGB, the size of the photo.
    """
    canvas = Image.fromarray(check_photo(photo).copy())
    height, width = photo.shape[:2]
    shown = _most_marked(prediction, 4)
    text_size = max(10, min(height, width) // 26)
    bar = round(text_size * 1.8)
    side = min((height - bar) // max(len(shown), 1), width // 4)
    if side >= 16:
        for index, picture in enumerate(view_overlays(prediction, side, shown)):
            canvas.paste(Image.fromarray(picture), (width - side, bar + index * side))
    caption = f"{prediction.label}: {parts_line(prediction)}"
    if not prediction.part_scores:
        count = int(prediction.contact.sum())
        caption = f"{prediction.label}: {count:,} vertices {found_as(prediction)}"
    _write_caption(canvas, caption, text_size, bar)
    return np.asarray(canvas)


def attention_overlay(photo: np.ndarray, prediction: "Prediction") -> np.ndarray:
    """The camera image, dark where the language model did not look, with a caption.

    Args:
        photo: uint8 [H, W, 3], RGB.
        prediction: its `attention` [H, W] is shown.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: there is no attention, or it is of another image size.
    """
    photo, heat = check_photo(photo), prediction.attention
    if heat is None or heat.shape != photo.shape[:2]:
        got = None if heat is None else heat.shape
        raise ValueError(f"expected attention of shape {photo.shape[:2]}, got {got}")
    mixed = 0.45 * photo + 0.55 * ramp(heat, "viridis")
    canvas = Image.fromarray(mixed.round().astype(np.uint8))
    text_size = max(10, min(photo.shape[:2]) // 26)
    caption = f"{prediction.label}: {prediction.task.replace('_', ' ')}, attention"
    _write_caption(canvas, caption, text_size, round(text_size * 1.8))
    return np.asarray(canvas)


def _write_caption(canvas: Image.Image, text: str, text_size: int, bar: int) -> None:
    """Write a line on a bar at the top; not on pictures that the bar would half cover."""
    if bar >= canvas.height // 2:
        return
    canvas.paste((24, 26, 30), (0, 0, canvas.width, bar))
    place = (text_size // 2, round(text_size * 0.25))
    lines = wrapped(text, text_size, canvas.width - text_size, lines=1)
    draw_lines(canvas, place, lines, text_size, (245, 245, 245))


def _most_marked(prediction: "Prediction", count: int) -> list[int]:
    """Indices of the views with most surface above the threshold, in the order of the rig."""
    marked = prediction.mask_probabilities >= prediction.threshold
    amount = [
        int((mask & (small.min(axis=-1) < 250)).sum())
        for mask, small in zip(marked, _at_mask_size(prediction), strict=True)
    ]
    ranked = sorted(range(len(amount)), key=lambda view: -amount[view])
    return sorted(ranked[:count])


def _at_mask_size(prediction: "Prediction") -> np.ndarray:
    """The renders at the size of the masks, nearest pixels: uint8 [J, h, w, 3]."""
    height, width = prediction.view_images.shape[1:3]
    h, w = prediction.mask_probabilities.shape[1:3]
    return prediction.view_images[:, np.arange(h) * height // h][:, :, np.arange(w) * width // w]


def view_sheet(prediction: "Prediction", size: int = 256) -> np.ndarray:
    """All views with their masks in rows of at most four, on white.

    Args:
        prediction: what to show.
        size: side of a view, pixels.

    Returns:
        uint8 [rows * size, columns * size, 3], RGB.
    """
    pictures = view_overlays(prediction, size)
    rows = max(1, -(-len(pictures) // 4))
    columns = max(1, -(-len(pictures) // rows))
    sheet = np.full((rows * size, columns * size, 3), 255, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    return sheet

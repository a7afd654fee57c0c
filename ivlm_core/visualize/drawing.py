"""Small helpers to put text and pictures on a canvas with Pillow."""

import numpy as np
from PIL import Image, ImageDraw

from ivlm_core.visualize.fonts import font

PANEL = (243, 244, 246)
"""Behind pictures of meshes."""
INK, QUIET = (32, 34, 40), (105, 108, 116)
"""Of words, and of those that stand back."""


def printable(text: str) -> str:
    """Text on one line: control characters and line breaks become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(text: str, size: int, width: int, lines: int) -> list[str]:
    """Break text into at most `lines` lines of `width` pixels; what is cut ends in '...'."""
    words, out = printable(text).split(" "), [""]
    for word in words:
        longer = f"{out[-1]} {word}".strip()
        if _length(longer, size) <= width or not out[-1]:
            out[-1] = longer
        else:
            out.append(word)
    cut = len(out) > lines
    out = out[:lines]
    if cut or _length(out[-1], size) > width:
        while out[-1] and _length(out[-1] + "...", size) > width:
            out[-1] = out[-1][:-1]
        out[-1] += "..."
    return out


def _length(line: str, size: int) -> float:
    """Pixels that a line takes as `draw_lines` draws it."""
    return font(size, line).getlength(line)


def draw_lines(
    canvas: Image.Image,
    place: tuple[int, int],
    lines: list[str],
    size: int,
    colour: tuple[int, int, int],
) -> int:
    """Draw lines of text below each other.

    Args:
        canvas: RGB picture drawn on.
        place: (x, y) of the upper left corner, pixels.
        lines: one string per line.
        size: font size, pixels.
        colour: RGB.

    Returns:
        y below the last line, pixels.
    """
    draw = ImageDraw.Draw(canvas)
    x, y = place
    for line in lines:
        draw.text((x, y), line, font=font(size, line), fill=colour)
        y += round(size * 1.35)
    return y


def fitted(image: np.ndarray, height: int, width: int) -> Image.Image:
    """Scale an image, keeping its shape, to the largest size that fits a box.

    Args:
        image: uint8 [H, W, 3], RGB.
        height: box height, pixels.
        width: box width, pixels.
    """
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    resample = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    if 0.5 < scale <= 1:
        resample = Image.Resampling.BILINEAR
    return Image.fromarray(image).resize(size, resample)


def check_photo(photo: np.ndarray) -> np.ndarray:
    """Return an RGB image, or raise ValueError that says what came instead."""
    photo = np.asarray(photo)
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or photo.size == 0:
        raise ValueError(
            f"photo must be RGB uint8 [height, width, 3], got {photo.dtype} {photo.shape}; "
            "convert it with PIL.Image.convert('RGB') first"
        )
    return photo

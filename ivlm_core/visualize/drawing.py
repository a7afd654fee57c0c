"""Small helpers to put text and pictures on a canvas with Pillow."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL = (243, 244, 246)
"""Behind pictures of meshes."""
INK, QUIET = (32, 34, 40), (105, 108, 116)
"""Of words, and of those that stand back."""


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font at a size in pixels, so that no font file has to be found."""
    return ImageFont.load_default(size=size)


def printable(text: str) -> str:
    """Text on one line: control characters and line breaks become spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def wrapped(text: str, size: int, width: int, lines: int) -> list[str]:
    """Break text into at most `lines` lines of `width` pixels; what is cut ends in '...'."""
    words, out = printable(text).split(" "), [""]
    face = font(size)
    for word in words:
        longer = f"{out[-1]} {word}".strip()
        if face.getlength(longer) <= width or not out[-1]:
            out[-1] = longer
        else:
            out.append(word)
    cut = len(out) > lines
    out = out[:lines]
    if cut or face.getlength(out[-1]) > width:
        while out[-1] and face.getlength(out[-1] + "...") > width:
            out[-1] = out[-1][:-1]
        out[-1] += "..."
    return out


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
        draw.text((x, y), line, font=font(size), fill=colour)
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

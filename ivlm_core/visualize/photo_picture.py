"""One picture of contact in the photograph: question, answer, what was found, and the mask."""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ivlm_core.visualize.drawing import INK, QUIET, check_photo, draw_lines, wrapped
from ivlm_core.visualize.overlay import photo_overlay
from ivlm_core.visualize.wording import answer_line, pixels_line, question_line

if TYPE_CHECKING:
    from ivlm_core.photo_contact import PhotoContact

_LEAST_WIDTH = 720
"""Pixels; a smaller photograph is enlarged, so that its words can be read."""
_LEAST_SHARE = 0.4
"""Of the width that a tall photograph has at least, for the same reason."""


def photo_picture(found: "PhotoContact", photo: np.ndarray) -> np.ndarray:
    """Compose the picture: words on white, below them the photograph with its mask.

    Args:
        found: what to show.
        photo: uint8 [H, W, 3], RGB, the image it was made from.

    Returns:
        uint8 [height, width, 3], RGB; its last rows are the photograph, pixel by pixel where that
        is large enough to write above it.
    """
    height, width = check_photo(photo).shape[:2]
    enlarged = max(1.0, _LEAST_WIDTH / max(width, _LEAST_SHARE * height, 1))
    size = round(width * enlarged), round(height * enlarged)
    room = max(size[0], round(_LEAST_SHARE * size[1]), _LEAST_WIDTH)
    words = _words(found, room)
    overlaid = photo_overlay(photo, found.probabilities, found.threshold, size)
    canvas = Image.new("RGB", (room, words.height + size[1]), (255, 255, 255))
    canvas.paste(words, (0, 0))
    canvas.paste(Image.fromarray(overlaid), ((room - size[0]) // 2, words.height))
    return np.asarray(canvas)


def _words(found: "PhotoContact", width: int) -> Image.Image:
    """What was asked, answered and found, as wide as the picture."""
    margin, unit = width // 40, width / 36
    canvas = Image.new("RGB", (width, round(14 * unit)), (255, 255, 255))
    said = ((question_line(found), 1.0, INK), (answer_line(found), 0.72, INK))
    y = margin
    for text, share, ink in (*said, (pixels_line(found), 0.62, QUIET)):
        if text:
            size = round(share * unit)
            lines = wrapped(text, size, width - 2 * margin, 2)
            y = draw_lines(canvas, (margin, y), lines, size, ink)
    return canvas.crop((0, 0, width, y + margin // 2))

"""One picture that shows a prediction at a glance: photo, mesh, views, answer, colour bar."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from ivlm_core.visualize.close_up import close_up
from ivlm_core.visualize.colours import UNSEEN_GREY, ramp
from ivlm_core.visualize.drawing import (
    INK,
    PANEL,
    QUIET,
    check_photo,
    draw_lines,
    fitted,
    wrapped,
)
from ivlm_core.visualize.fonts import font
from ivlm_core.visualize.mesh_picture import render_scores
from ivlm_core.visualize.overlay import view_overlays
from ivlm_core.visualize.wording import (
    answer_line,
    contact_line,
    found_as,
    parts_line,
    question_line,
)

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_WIDTH = 1800
_MARGIN = 28
_GAP = 16
_MAIN_HEIGHT = 540
_MESH_WIDTH = 540
_BAR_WIDTH = 100

BODY_SIDES = (("front", 0.0, 4.0), ("back", 180.0, 4.0))
"""Name, azimuth and elevation in degrees of the two pictures of a body."""

OBJECT_SIDES = (("front left, from above", -35.0, 25.0), ("back right, from below", 145.0, -20.0))
"""The same for an object."""


def overview(prediction: "Prediction", photo: np.ndarray) -> np.ndarray:
    """Compose the picture.

    Args:
        prediction: what to show.
        photo: uint8 [H, W, 3], RGB, the image it was made from.

    Returns:
        uint8 [height, 1800, 3], RGB.
    """
    check_photo(photo)
    cells = _cells(prediction)
    rows = -(-len(cells) // 7)
    columns = -(-len(cells) // rows)
    side = min((_WIDTH - 2 * _MARGIN - _GAP * (columns - 1)) // columns, 380)
    canvas = Image.new("RGB", (_WIDTH, 1000 + rows * (side + 60)), (255, 255, 255))
    top = _draw_title(canvas, prediction)
    _draw_photo(canvas, photo, top)
    _draw_meshes(canvas, prediction, top)
    _draw_colour_bar(canvas, prediction, top)
    bottom = _draw_cells(canvas, cells, top + _MAIN_HEIGHT + 48, side, columns)
    return np.asarray(canvas.crop((0, 0, _WIDTH, bottom + _MARGIN)))


def save_overview(prediction: "Prediction", photo: np.ndarray, path: str | Path) -> Path:
    """Write the overview picture.

    Args:
        prediction: what to show.
        photo: uint8 [H, W, 3], RGB, the image it was made from.
        path: a .png file; its folder must exist.

    Returns:
        The path written.
    """
    path = Path(path)
    Image.fromarray(overview(prediction, photo)).save(path, compress_level=4)
    return path


def sides(prediction: "Prediction") -> tuple[tuple[str, float, float], ...]:
    """From where a prediction's mesh is looked at: name, azimuth and elevation in degrees."""
    return BODY_SIDES if prediction.task == "human_contact" else OBJECT_SIDES


def _draw_title(canvas: Image.Image, prediction: "Prediction") -> int:
    """Question, answer and parts; return y where the panels begin."""
    room = _WIDTH - 2 * _MARGIN
    y = draw_lines(canvas, (_MARGIN, 22), wrapped(question_line(prediction), 38, room, 2), 38, INK)
    answer = answer_line(prediction)
    if answer:
        y = draw_lines(canvas, (_MARGIN, y + 2), wrapped(answer, 26, room, 3), 26, INK)
    found = contact_line(prediction)
    if prediction.part_scores:
        found = f"Highest mean score:  {parts_line(prediction)}     |     {found}"
    y = draw_lines(canvas, (_MARGIN, y + 2), wrapped(found, 22, room, 2), 22, QUIET)
    return y + 14


def _draw_photo(canvas: Image.Image, photo: np.ndarray, top: int) -> None:
    width = _WIDTH - 2 * _MARGIN - 2 * _MESH_WIDTH - _BAR_WIDTH - 3 * _GAP
    canvas.paste(PANEL, (_MARGIN, top, _MARGIN + width, top + _MAIN_HEIGHT))
    picture = fitted(photo, _MAIN_HEIGHT, width)
    place = (
        _MARGIN + (width - picture.width) // 2,
        top + (_MAIN_HEIGHT - picture.height) // 2,
    )
    canvas.paste(picture, place)
    draw_lines(canvas, (_MARGIN, top + _MAIN_HEIGHT + 6), ["camera image"], 21, QUIET)


def _draw_meshes(canvas: Image.Image, prediction: "Prediction", top: int) -> None:
    x = _WIDTH - _MARGIN - _BAR_WIDTH - 2 * (_MESH_WIDTH + _GAP)
    what = "body" if prediction.task == "human_contact" else prediction.label
    for name, azimuth, elevation in sides(prediction):
        picture = render_scores(
            prediction.mesh,
            prediction.scores,
            prediction.known,
            azimuth,
            elevation,
            (_MAIN_HEIGHT, _MESH_WIDTH),
            PANEL,
        )
        canvas.paste(Image.fromarray(picture), (x, top))
        caption = wrapped(f"{what}, {name}", 21, _MESH_WIDTH, 1)
        draw_lines(canvas, (x, top + _MAIN_HEIGHT + 6), caption, 21, QUIET)
        x += _MESH_WIDTH + _GAP


def _draw_colour_bar(canvas: Image.Image, prediction: "Prediction", top: int) -> None:
    """Score 1 at the top, 0 at the bottom, the threshold marked, the unseen colour below."""
    draw = ImageDraw.Draw(canvas)
    x, y, width = _WIDTH - _MARGIN - _BAR_WIDTH, top + 34, 26
    height = _MAIN_HEIGHT - 130
    draw_lines(canvas, (x, top), ["score"], 20, INK)
    strip = ramp(np.linspace(1.0, 0.0, height))[:, None].repeat(width, axis=1)
    canvas.paste(Image.fromarray(strip), (x, y))
    for score in (0.0, 0.25, 0.5, 0.75, 1.0):
        level = y + round((1 - score) * (height - 1))
        draw.line((x + width, level, x + width + 5, level), fill=INK)
        draw.text((x + width + 9, level), f"{score:.2f}", font=font(17), fill=INK, anchor="lm")
    level = y + round((1 - prediction.threshold) * (height - 1))
    draw.line((x - 4, level, x + width, level), fill=INK, width=3)
    low = y + height + 26
    draw.rectangle((x, low, x + width, low + 22), fill=UNSEEN_GREY)
    draw.text((x + width + 9, low + 11), "unseen", font=font(17), fill=INK, anchor="lm")
    draw.rectangle((x - 4, low + 44, x + width, low + 46), fill=INK)
    named = found_as(prediction).removeprefix("in ")
    draw.text((x + width + 9, low + 45), named, font=font(17), fill=INK, anchor="lm")


def _cells(prediction: "Prediction") -> list[tuple[str, np.ndarray]]:
    """Caption and square picture of a close-up, if there is contact, and of every view."""
    cells = []
    near = close_up(prediction)
    if near is not None:
        cells.append(("highest scores, near", near))
    for name, picture in zip(prediction.view_names, view_overlays(prediction, 380), strict=True):
        cells.append((f"view {name}", picture))
    return cells


def _draw_cells(
    canvas: Image.Image,
    cells: list[tuple[str, np.ndarray]],
    top: int,
    side: int,
    columns: int,
) -> int:
    """Pictures with captions in rows; return y below them."""
    step = side + 36
    gap = (_WIDTH - 2 * _MARGIN - columns * side) // max(columns - 1, 1)
    for index, (caption, picture) in enumerate(cells):
        row, column = divmod(index, columns)
        x, y = _MARGIN + column * (side + gap), top + row * step
        canvas.paste(fitted(picture, side, side), (x, y))
        ImageDraw.Draw(canvas).rectangle((x, y, x + side - 1, y + side - 1), outline=(222,) * 3)
        draw_lines(canvas, (x, y + side + 5), wrapped(caption, 21, side, 1), 21, QUIET)
    return top + -(-len(cells) // columns) * step

"""An evaluation as one HTML file: the tables, and cases with photo, answer and truth."""

import html
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.datasets.sample import Target
from ivlm_core.evaluation.cases import Case, PhotoCase
from ivlm_core.evaluation.figures import LABEL_ONLY
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.evaluation.photo_masks import NEAR
from ivlm_core.evaluation.report import TITLES, Report
from ivlm_core.visualize.close_up import close_up
from ivlm_core.visualize.drawing import PANEL
from ivlm_core.visualize.html_file import jpeg_address, write_page
from ivlm_core.visualize.mesh_picture import render_scores
from ivlm_core.visualize.overlay import photo_overlay
from ivlm_core.visualize.overview import sides
from ivlm_core.visualize.wording import answer_line, question_line

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_SIDE = 240
"""Of a picture, pixels."""
_HEADINGS = {
    "best": "Best answers",
    "worst": "Worst answers",
    "random": "Answers drawn at random",
    "false alarm": "Contact claimed where nothing is touched",
}


def save_report_page(report: Report, cases: Sequence[Case | PhotoCase], path: str | Path) -> Path:
    """Write the page; it needs no network and no server.

    Args:
        report: the evaluation.
        cases: from `answer_cases` and `mask_cases`, those of a task and kind next to each other.
        path: an .html file; its folder must exist.

    Returns:
        The path written.
    """
    sections = [
        f"<h2>{TITLES[task]}: {_HEADINGS[kind].lower()}</h2>\n" + "\n".join(map(_shown, group))
        for (task, kind), group in groupby(cases, key=lambda c: (c.outcome.task, c.kind))
    ]
    return write_page(
        "report.html",
        {
            "title": "Evaluation",
            "about": html.escape(report.about_line()),
            "tables": "\n".join(table_html(*table) for table in report.tables()),
            "cases": "\n".join(f'<section class="card">{text}</section>' for text in sections),
        },
        path,
    )


def table_html(title: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a table; those of details are folded away."""
    cells = [
        f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in row)}</tr>"
        for tag, row in zip(["th"] + ["td"] * (len(rows) - 1), rows, strict=True)
    ]
    opened = "" if ", by " in title else " open"
    return (
        f"<details{opened}><summary>{html.escape(title)}</summary>"
        f'<div class="wide"><table>{"".join(cells)}</table></div></details>'
    )


def _shown(case: Case | PhotoCase) -> str:
    return _case(case) if isinstance(case, Case) else _photo_case(case)


def _case(case: Case) -> str:
    sample, prediction, scores = case.sample, case.prediction, case.outcome.by
    told = ", ".join(sample.target.details) or "nothing"
    figures = f"F1 {scores[MODEL].f1:.2f}"
    if LABEL_ONLY in scores:
        figures += f" (knowing the label only {scores[LABEL_ONLY].f1:.2f})"
    if case.outcome.is_empty:
        figures = f"{scores[MODEL].predicted:,} vertices too many"
    answer = answer_line(prediction) or "no words"
    truth = replace(
        prediction,
        scores=sample.target.dense().astype(np.float32),
        seen=np.ones(len(prediction.scores), dtype=bool),
    )
    return _figures(
        f"<b>{html.escape(question_line(prediction))}</b> {figures}",
        (_image("camera image", sample.image), _where(sample.target)),
        (_picture(prediction), answer),
        (_picture(truth), f"truth: {told}"),
    )


def _photo_case(case: PhotoCase) -> str:
    found, outcome = case.found, case.outcome
    figures = f"F1 {outcome.f1[MODEL]:.2f}, within {NEAR:.0%} {outcome.near_f1[MODEL]:.2f}"
    if outcome.is_empty:
        figures = f"{outcome.predicted[MODEL]:,} pixels too many"
    part = _near_masks(found.contact | case.truth)
    answer, truth = (
        photo_overlay(case.photo[part], probabilities[part], threshold, (_SIDE, _SIDE))
        for probabilities, threshold in (
            (found.probabilities, found.threshold),
            (case.truth.astype(np.float32), 0.5),
        )
    )
    return _figures(
        f"<b>{html.escape(question_line(found))}</b> {figures}",
        (_image("camera image", case.photo), _where(outcome.target)),
        (_image("mask of the answer", answer), answer_line(found) or "no words"),
        (_image("true mask", truth), f"truth: {outcome.true_pixels:,} pixels"),
    )


def _near_masks(masks: np.ndarray) -> tuple[slice, slice]:
    """Return the square part of a picture `[height, width]` that shows its masks from near.

    Half of the true masks have 14 pixels or fewer, which nobody finds in the whole picture.
    """
    found = np.argwhere(masks)
    if not len(found):
        return slice(None), slice(None)
    low, high = found.min(axis=0), found.max(axis=0) + 1
    side = min(max(int((high - low).max()) * 3 // 2, min(masks.shape) // 3), *masks.shape)
    start = ((low + high - side) // 2).clip(0, np.array(masks.shape) - side)
    return slice(start[0], start[0] + side), slice(start[1], start[1] + side)


def _where(target: Target) -> str:
    return f"{target.template}, image {target.image_index}"


def _figures(title: str, *shown: tuple[str, str]) -> str:
    """Return a title, as HTML, above pictures, as HTML, each with its caption, as text."""
    figures = "\n".join(
        f"<figure>{picture}\n<figcaption>{html.escape(caption)}</figcaption></figure>"
        for picture, caption in shown
    )
    return f'<p>{title}</p>\n<div class="case">\n{figures}\n</div>'


def _image(what: str, pixels: np.ndarray) -> str:
    return f'<img alt="{what}" src="{jpeg_address(pixels)}">'


def _picture(prediction: "Prediction") -> str:
    """The surface from its two sides and, where there is contact, from near."""
    shown = [
        render_scores(
            prediction.mesh,
            prediction.scores,
            prediction.known,
            azimuth,
            elevation,
            (_SIDE, _SIDE),
            PANEL,
        )
        for _, azimuth, elevation in sides(prediction)
    ]
    near = close_up(prediction, _SIDE)
    shown.append(np.full_like(shown[0], PANEL) if near is None else near)
    return _image("scores on the surface", np.hstack(shown))

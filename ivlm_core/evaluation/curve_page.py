"""A data-efficiency curve as files: a picture (SVG), a page, a table, and JSON."""

import html
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ivlm_core.evaluation.curve import SHOWN, Curve, Point
from ivlm_core.evaluation.report_page import table_html
from ivlm_core.visualize.html_file import write_page

_WIDTH, _HEIGHT = 560, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 130, 36, 48
_COLOURS = ("#b3361f", "#1f6fb3", "#5d626c", "#8a8f99", "#3c8d5a")


def save_curve(curve: Curve, folder: Path) -> Path:
    """Write curve.svg, curve.html, curve.txt and curve.json; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = svg(curve)
    (folder / "curve.svg").write_text(picture, encoding="utf-8")
    (folder / "curve.txt").write_text(curve.text() + "\n", encoding="utf-8")
    told = json.dumps(curve.to_json(), indent=1, allow_nan=False)
    (folder / "curve.json").write_text(told + "\n", encoding="utf-8")
    about = ", ".join(f"{key} {value}" for key, value in curve.about.items())
    return write_page(
        "report.html",
        {
            "title": "Accuracy by training images",
            "about": html.escape(about),
            "tables": table_html("Key figures", curve.rows()),
            "cases": f'<section class="card">{picture}</section>',
        },
        folder / "curve.html",
    )


def svg(curve: Curve) -> str:
    """Return a panel for each of `SHOWN` that the curve has, side by side."""
    shown = [name for name in SHOWN if name in curve.names]
    panels = "".join(
        f'<g transform="translate({k * _WIDTH} 0)">{_panel(curve, name)}</g>'
        for k, name in enumerate(shown)
    )
    width = _WIDTH * max(1, len(shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12" style="max-width: 100%">'
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>{panels}</svg>'
    )


class _Axes:
    """Places in a panel: images on a logarithmic scale, values from 0 to 1."""

    def __init__(self, images: Sequence[int]) -> None:
        low, high = math.log(min(images)), math.log(max(images))
        self._low, self._reach = (low, high - low) if high > low else (low - 0.5, 1.0)

    def x(self, images: float) -> float:
        share = (math.log(images) - self._low) / self._reach
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _TOP + (1 - value) * (_HEIGHT - _TOP - _BOTTOM)


def _panel(curve: Curve, name: str) -> str:
    points = [p for p in curve.points if name in p.figures]
    axes = _Axes([p.images for p in points])
    right = _WIDTH - _RIGHT
    parts = [_text(_LEFT, 20, name.replace("_", " "), "#1d2026")]
    for tenth in range(0, 11, 2):
        y = axes.y(tenth / 10)
        parts.append(_line(_LEFT, y, right, y, "#e3e5ea"))
        parts.append(_text(_LEFT - 8, y + 4, f"{tenth / 10:.1f}", "#5d626c", "end"))
    for images in sorted({p.images for p in points}):
        label = f"{images:,}"
        parts.append(_text(axes.x(images), _HEIGHT - _BOTTOM + 18, label, "#5d626c", "middle"))
    below = (_LEFT + right) / 2, _HEIGHT - 10
    parts.append(_text(*below, "training images", "#5d626c", "middle"))
    ends: list[tuple[float, str, str]] = []
    colours = iter(_COLOURS)
    for predictor in dict.fromkeys(p.predictor for p in points):
        colour = next(colours)
        own = [p for p in points if p.predictor == predictor]
        parts.append(_curve(axes, own, name, colour))
        ends.append((axes.y(own[-1].figures[name]), predictor, colour))
    for predictor, figures in curve.references.items():
        if name in figures:
            colour, y = next(colours), axes.y(figures[name])
            parts.append(_line(_LEFT, y, right, y, colour, dashed=True))
            ends.append((y, predictor, colour))
    parts += [
        _text(right + 8, y, predictor.replace("_", " "), colour)
        for (_, predictor, colour), y in zip(sorted(ends), _apart(sorted(ends)), strict=True)
    ]
    return "".join(parts)


def _curve(axes: _Axes, points: Sequence[Point], name: str, colour: str) -> str:
    """Return the points, their intervals, and a line through the means at each number of images."""
    parts, at = [], defaultdict(list)
    for p in points:
        value, x = p.figures[name], axes.x(p.images)
        at[p.images].append(value)
        if name in p.intervals:
            low, high = p.intervals[name]
            parts.append(_line(x, axes.y(low), x, axes.y(high), colour))
        parts.append(f'<circle cx="{x:.1f}" cy="{axes.y(value):.1f}" r="4" fill="{colour}"/>')
    means = {images: sum(values) / len(values) for images, values in at.items()}
    path = " ".join(f"{axes.x(n):.1f},{axes.y(v):.1f}" for n, v in sorted(means.items()))
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>' + "".join(
        parts
    )


def _apart(ends: Sequence[tuple[float, str, str]]) -> list[float]:
    """Return the heights of labels, from above, so that none covers another."""
    heights: list[float] = []
    for wanted, _, _ in ends:
        heights.append(max(wanted + 4, heights[-1] + 15) if heights else wanted + 4)
    return heights


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>'
    )


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )

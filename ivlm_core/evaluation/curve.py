"""What more data is worth: evaluations of models that learned from different shares."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ivlm_core.evaluation.figures import LABEL_ONLY, NEAREST, REGRESSOR, TRUE_SIDE
from ivlm_core.evaluation.kept_figures import figures_of, intervals_of
from ivlm_core.evaluation.outcomes import MODEL
from ivlm_core.text_table import table

LEARNED = {MODEL: "", REGRESSOR: "regressor_"}
"""Predictors that are trained, and how their training images are called in `about`."""
REFERENCES = (LABEL_ONLY, NEAREST, TRUE_SIDE)
"""Predictors that do not depend on the share: they know the whole training split."""
SHOWN = ("human_contact_f1", "human_contact_f1_side_undecided")
"""Key figures that are drawn."""
_SAME = ("data", "split", "images", "boxes", "threshold")


@dataclass(frozen=True)
class Point:
    """One trained predictor, evaluated."""

    predictor: str
    images: int
    """It learned from."""
    share: float | None
    """Of the training split; None where it is not told."""
    figures: dict[str, float]
    """Key figure to value, those that it has."""
    intervals: dict[str, tuple[float, float]]
    """Key figure to its 95 % interval, those that have one."""
    report: str
    """Folder that the figures come from."""


@dataclass(frozen=True)
class Curve:
    """Accuracy by training images.

    Attributes:
        about: the questions that were asked.
        points: by predictor, then by images.
        references: predictor to key figure to value.
    """

    about: dict[str, Any]
    points: tuple[Point, ...]
    references: dict[str, dict[str, float]]

    @classmethod
    def of(cls, folders: Sequence[Path]) -> "Curve":
        """Read the reports of `ivlm evaluate` on one split.

        Args:
            folders: each holds a report.json.

        Raises:
            FileNotFoundError: there is no report.
            ValueError: reports of different questions, without any figure, or one that does not
                tell how many images its model learned from.
        """
        if not folders:
            raise ValueError("a curve needs the folder of at least one evaluation")
        reports = {str(folder): _read(Path(folder)) for folder in folders}
        first, *others = reports
        for other in others:
            for key in _SAME:
                mine, theirs = (reports[name]["about"].get(key) for name in (first, other))
                if mine != theirs:
                    raise ValueError(
                        f"'{first}' has {key} {mine}, '{other}' {theirs}; only answers to the same "
                        "questions can be compared"
                    )
        points = [point for name, report in reports.items() for point in _points(name, report)]
        if not points:
            raise ValueError(f"'{first}' has no key figures, so there is nothing to draw")
        once = {(p.predictor, p.images, tuple(p.figures.items())): p for p in reversed(points)}
        order = list(LEARNED)
        ordered = sorted(
            once.values(), key=lambda p: (order.index(p.predictor), p.images, p.report)
        )
        references = {name: figures_of(reports[first], name) for name in REFERENCES}
        told = reports[first]["about"]
        return cls(
            about={key: told[key] for key in _SAME if key in told},
            points=tuple(ordered),
            references={name: figures for name, figures in references.items() if figures},
        )

    @property
    def names(self) -> list[str]:
        """Every key figure of a point."""
        return list(dict.fromkeys(name for point in self.points for name in point.figures))

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table, the first row its heads."""
        rows = [("predictor", "images", "share", *(name.replace("_", " ") for name in self.names))]
        for p in self.points:
            share = "-" if p.share is None else f"{100 * p.share:g} %"
            name = p.predictor.replace("_", " ")
            rows.append((name, str(p.images), share, *self._cells(p.figures)))
        for name, figures in self.references.items():
            rows.append((name.replace("_", " "), "-", "-", *self._cells(figures)))
        return rows

    def _cells(self, figures: Mapping[str, float]) -> list[str]:
        return [f"{figures[n]:.3f}" if n in figures else "-" for n in self.names]

    def text(self) -> str:
        """Return the table for a terminal."""
        facts = ", ".join(f"{key} {value}" for key, value in self.about.items())
        return f"{facts}\n\n{table(self.rows(), numbers=True)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "report.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"'{file}' is missing; expected the --out folder of `ivlm evaluate` on synthetic data"
        )
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{file}' is not JSON: {error}; evaluate again") from error
    parts = ("about", "groups", "key_figures")
    if not isinstance(report, dict) or not all(isinstance(report.get(p), dict) for p in parts):
        raise ValueError(f"'{file}' is no report on synthetic data of this version; evaluate again")
    return report


def _points(name: str, report: Mapping[str, Any]) -> list[Point]:
    about, found = report["about"], []
    for predictor, prefix in LEARNED.items():
        figures = figures_of(report, predictor)
        if not figures:
            continue
        images = about.get(f"{prefix}trained_on")
        if images is None:
            weights = about.get(prefix.rstrip("_") or "model")
            raise ValueError(
                f"'{name}' does not tell how many images '{weights}' learned from; train it with "
                "this version, then evaluate again"
            )
        found.append(
            Point(
                predictor,
                images,
                about.get(f"{prefix}share"),
                figures,
                intervals_of(report) if predictor == MODEL else {},
                name,
            )
        )
    return found

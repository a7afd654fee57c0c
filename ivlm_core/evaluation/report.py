"""Outcomes to figures, and figures to JSON, text and the model card's tables."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ivlm_core.evaluation.absence import (
    AbsenceFigures,
    EmptyFigures,
    absence_figures,
    empty_figures,
)
from ivlm_core.evaluation.figures import (
    LABEL_ONLY,
    NEAREST,
    REGRESSOR,
    TRUE_SIDE,
    TRUE_TEMPLATE,
    Group,
    TextFigures,
    TwoLabelFigures,
    groups_of,
    text_figures,
    two_label_figures,
)
from ivlm_core.evaluation.key_figures import KeyFigure, key_figures, photo_figures
from ivlm_core.evaluation.outcomes import MODEL, PairOutcome, TwoLabels
from ivlm_core.evaluation.photo_masks import PhotoFigures
from ivlm_core.model.prompts import PHOTO_TASK
from ivlm_core.text_table import table

GOALS = {"all": 0.03, "side_undecided": 0.10}
"""Least gain in human-contact F1 over label-only, by group, from which nano is worth shipping."""

TITLES = {
    "human_contact": "Contact on the body",
    "object_contact": "Contact on the object",
    "object_affordance": "Affordance of the object",
    PHOTO_TASK: "Contact on the photograph",
}
_BY = {"label": "by label", "template": "by interaction", "visibility": "by what is seen"}


@dataclass(frozen=True)
class Report:
    """An evaluation.

    Attributes:
        about: what was evaluated on what.
        groups: section (`human_contact`, `human_contact/label`, ...) to name to group; questions
            with an empty answer are not in them.
        empty: human contact that is not there: `absent` (the object is not either), `untouched`
            (the object is), `off_the_ground`.
        absence: how well these questions are found among all, of `objects` and of the `ground`.
        two_labels: `all`, and `side_undecided`.
        texts: by task.
        of_pairs: what the model is judged by, without masks on the pictures.
        pairs: every question's outcome.
        photos: masks on the pictures, where those were asked for.
    """

    about: dict[str, Any]
    groups: dict[str, dict[str, Group]]
    empty: dict[str, EmptyFigures]
    absence: dict[str, AbsenceFigures]
    two_labels: dict[str, TwoLabelFigures]
    texts: dict[str, TextFigures]
    of_pairs: dict[str, KeyFigure]
    pairs: tuple[PairOutcome, ...] = field(repr=False, default=())
    photos: PhotoFigures | None = None

    @classmethod
    def of(
        cls,
        pairs: Sequence[PairOutcome],
        two_labels: Sequence[TwoLabels] = (),
        about: Mapping[str, Any] | None = None,
    ) -> "Report":
        """Sum up outcomes."""
        return cls(
            about=dict(about or {}),
            groups=groups_of(pairs),
            empty=empty_figures(pairs),
            absence=absence_figures(pairs),
            two_labels=two_label_figures(two_labels),
            texts=text_figures(pairs),
            of_pairs=key_figures(pairs),
            pairs=tuple(pairs),
        )

    @property
    def goals(self) -> dict[str, bool]:
        """For each of `GOALS` whose group and baseline exist: whether the gain reaches it."""
        found = self.groups.get("human_contact", {})
        return {
            name: group.gain >= least
            for name, least in GOALS.items()
            if (group := found.get(name)) is not None and group.gain is not None
        }

    @property
    def key_figures(self) -> dict[str, KeyFigure]:
        """What the model is judged by, under fixed names."""
        return self.of_pairs | photo_figures(self.photos)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the single outcomes as plain data."""
        return {
            "about": self.about,
            "goals": self.goals,
            "key_figures": {name: asdict(figure) for name, figure in self.key_figures.items()},
            "groups": {
                section: {name: asdict(group) for name, group in groups.items()}
                for section, groups in self.groups.items()
            },
            "empty": {name: asdict(figures) for name, figures in self.empty.items()},
            "absence": {name: asdict(figures) for name, figures in self.absence.items()},
            "two_labels": {name: asdict(figures) for name, figures in self.two_labels.items()},
            "texts": {name: asdict(figures) for name, figures in self.texts.items()},
            "photos": None if self.photos is None else self.photos.to_json(),
        }

    def about_line(self) -> str:
        """Return what was evaluated on what, in words."""
        return ", ".join(f"{_words(key)} {value}" for key, value in self.about.items())

    def text(self) -> str:
        """Return the report as tables for a terminal."""
        blocks = [self.about_line()] if self.about else []
        for title, rows in self.tables():
            blocks.append("\n".join([title, table(rows, numbers=True)]))
        return "\n\n".join(blocks) + "\n"

    def markdown(self, detailed: bool = True) -> str:
        """Return the report as Markdown tables.

        Args:
            detailed: with the tables by label, interaction and visibility.
        """
        blocks = [self.about_line()] if self.about else []
        for title, rows in self.tables(detailed):
            head = f"| {' | '.join(rows[0])} |\n|{' --- |' + ' ---: |' * (len(rows[0]) - 1)}"
            body = "\n".join(f"| {' | '.join(row)} |" for row in rows[1:])
            blocks.append(f"**{title}**\n\n{head}\n{body}")
        return "\n\n".join(blocks) + "\n"

    def save(self, folder: Path) -> None:
        """Write report.json, report.txt, report.md and pairs.jsonl (one question a line)."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(self.to_json(), indent=1, allow_nan=False))
        (folder / "report.txt").write_text(self.text(), encoding="utf-8")
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        with (folder / "pairs.jsonl").open("w", encoding="utf-8") as lines:
            for pair in self.pairs:
                lines.write(json.dumps(_without_nan(asdict(pair)), allow_nan=False) + "\n")
            for outcome in self.photos.outcomes if self.photos else ():
                lines.write(json.dumps(_without_nan(outcome.to_json()), allow_nan=False) + "\n")

    def tables(self, detailed: bool = True) -> list[tuple[str, list[tuple[str, ...]]]]:
        """Return title and rows of every table, the first row its heads."""
        tables = []
        if key := self.key_figures:
            tables.append(("Key figures", _key_rows(key)))
        for section, groups in self.groups.items():
            task, _, by = section.partition("/")
            if by and not detailed:
                continue
            title = f"{TITLES[task]}, {_BY[by]}" if by else TITLES[task]
            tables.append((title, _group_rows(groups)))
        if self.two_labels:
            tables.append(("Two objects in one image", _two_label_rows(self.two_labels)))
        if self.empty:
            tables.append(("Contact that is not there", _empty_rows(self.empty)))
        if self.absence:
            tables.append(("Finding that nothing is touched", _absence_rows(self.absence)))
        if self.texts:
            tables.append(("Text of the answers", _text_rows(self.texts)))
        if self.photos is not None:
            tables += self.photos.tables()
        return tables


def _two_label_rows(kinds: Mapping[str, TwoLabelFigures]) -> list[tuple[str, ...]]:
    names = _shown(next(iter(kinds.values())).differ)
    rows = [("two labels, one image", "pairs", *_spread(names, "differ", "told apart"))]
    for kind, f in kinds.items():
        cells = [(_percent(f.differ[n]), _percent(f.told_apart[n])) for n in names]
        rows.append((_words(kind), str(f.pairs), *chain.from_iterable(cells)))
    return rows


def _empty_rows(kinds: Mapping[str, EmptyFigures]) -> list[tuple[str, ...]]:
    names = _shown(next(iter(kinds.values())).false_positive_rate)
    rows = [("nothing touched", "pairs", *_spread(names, "false positive", "vertices"))]
    for kind, f in kinds.items():
        cells = [(_percent(f.false_positive_rate[n]), f"{f.mean_vertices[n]:.0f}") for n in names]
        rows.append((_words(kind), str(f.pairs), *chain.from_iterable(cells)))
    return rows


def _absence_rows(kinds: Mapping[str, AbsenceFigures]) -> list[tuple[str, ...]]:
    names = _shown(next(iter(kinds.values())).recall)
    rows = [("questions about", "pairs", "nothing touched", *_spread(names, "P", "R", "F1"))]
    for kind, f in kinds.items():
        cells = [
            (_number(f.precision[n]) or "-", _number(f.recall[n]), _number(f.f1[n])) for n in names
        ]
        rows.append((_words(kind), str(f.pairs), str(f.absent), *chain.from_iterable(cells)))
    return rows


def _key_rows(figures: Mapping[str, KeyFigure]) -> list[tuple[str, ...]]:
    names = list(dict.fromkeys(name for figure in figures.values() for name in figure.by))
    rows = [("figure", "pairs", *(_words(name) for name in names), "model 95 %")]
    for name, figure in figures.items():
        cells = (_number(figure.by.get(predictor)) or "-" for predictor in names)
        sure = _range(figure.interval) or "-"
        rows.append((_words(name), str(figure.pairs), *cells, sure))
    return rows


def _text_rows(tasks: Mapping[str, TextFigures]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("names in the text", "pairs", "F1", "exact", "F1 if touched")]
    for task, f in tasks.items():
        cells = (f"{f.f1:.3f}", _percent(f.exact), _number(f.touched_f1) or "-")
        rows.append((_words(task), str(f.pairs), *cells))
    return rows


def _group_rows(groups: Mapping[str, Group]) -> list[tuple[str, ...]]:
    """Lay out groups, without the columns that no group fills."""
    rows = [_cells(name, group) for name, group in groups.items()]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    kept = [c for c in columns if any(row.get(c, "") for row in rows)]
    return [tuple(kept), *(tuple(row.get(c, "") or "-" for c in kept) for row in rows)]


def _cells(name: str, group: Group) -> dict[str, str]:
    model = group.by[MODEL]
    cells = {
        "questions": _words(name),
        "pairs": str(group.pairs),
        "F1": _number(model.f1),
        "95 %": _range(group.f1_interval),
        "P": _number(model.precision),
        "R": _number(model.recall),
        "area F1": _number(model.area_f1),
        "side": _number(model.side_accuracy),
        "geo. cm": "" if model.geodesic is None else f"{100 * model.geodesic:.1f}",
        "SIM": _number(model.similarity),
        "MAE": _number(model.mean_absolute_error),
        "AUC": _number(model.auc),
        "aIoU": _number(model.average_iou),
    }
    if LABEL_ONLY in group.by:
        blind = group.by[LABEL_ONLY]
        cells |= {
            "label-only F1": _number(blind.f1),
            "label-only AUC": _number(blind.auc),
            "gain": "" if group.gain is None else f"{group.gain:+.3f}",
            "gain 95 %": _range(group.gain_interval),
        }
    for other in (NEAREST, REGRESSOR):
        if other in group.by:
            cells[f"{_words(other)} F1"] = _number(group.by[other].f1)
    for reference, title in ((TRUE_SIDE, "side told"), (TRUE_TEMPLATE, "side+interaction told")):
        if reference in group.by and model.similarity is None:
            closed = group.gap_closed.get(reference)
            cells[f"{title} F1"] = _number(group.by[reference].f1)
            cells["gap closed" if reference == TRUE_SIDE else "gap closed (both told)"] = (
                "" if closed is None else _percent(closed)
            )
    return cells


def _shown(predictors: Mapping[str, float]) -> list[str]:
    """Return the predictors that stand in the narrow tables: those that are told nothing."""
    return [name for name in (MODEL, LABEL_ONLY, REGRESSOR) if name in predictors]


def _spread(names: Iterable[str], *titles: str) -> tuple[str, ...]:
    return tuple(f"{_words(name)}: {title}" for name in names for title in titles)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _range(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f}..{interval[1]:.3f}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value

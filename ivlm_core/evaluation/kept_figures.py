"""Figures that stand beside a model's weights: what it reached, on which questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ivlm_core.config import ConfigError, read_json
from ivlm_core.disk import new_file
from ivlm_core.evaluation.outcomes import MODEL

FILE = "figures.json"


def figures_of(report: Mapping[str, Any], predictor: str) -> dict[str, float]:
    """Return a report's key figures of one predictor, those that it has."""
    values = {name: f["by"].get(predictor) for name, f in report["key_figures"].items()}
    return {name: value for name, value in values.items() if value is not None}


def intervals_of(report: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of the model's key figures, those that have one."""
    found = {name: f.get("interval") for name, f in report["key_figures"].items()}
    return {name: (sure[0], sure[1]) for name, sure in found.items() if sure}


@dataclass(frozen=True)
class KeptFigures:
    """A model's key figures.

    Attributes:
        about: what was asked: data, split, images, questions, tasks.
        values: by key figure.
        intervals: 95 %, of those that have one.
    """

    about: dict[str, Any]
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, report: Mapping[str, Any], tasks: Sequence[str]) -> "KeptFigures":
        """Take them from a report, `Report.to_json()`."""
        about = {key: report["about"][key] for key in ("data", "split", "images", "questions")}
        return cls({**about, "tasks": list(tasks)}, figures_of(report, MODEL), intervals_of(report))

    def save(self, folder: Path) -> None:
        """Write them into a model's folder."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        with new_file(folder / FILE) as partial:
            partial.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "KeptFigures":
        """Read them from a model's folder.

        Raises:
            FileNotFoundError: it has none.
            ConfigError: the file is damaged.
        """
        if not (folder / FILE).is_file():
            raise FileNotFoundError(
                f"{folder} has no {FILE}; write it with `ivlm evaluate --model {folder} --keep`"
            )
        data = read_json(folder / FILE)
        try:
            intervals = {name: (low, high) for name, (low, high) in data["intervals"].items()}
            about = {key: data["about"][key] for key in ("data", "split", "images", "tasks")}
            return cls({**data["about"], **about}, dict(data["values"]), intervals)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{folder / FILE} is damaged ({error!r}); evaluate again") from error

"""Makes a model again from what it tells of its making, and compares the figures of the two."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ivlm_core.evaluation.evaluate import EvaluateConfig
from ivlm_core.evaluation.evaluate import main as evaluate
from ivlm_core.evaluation.kept_figures import KeptFigures
from ivlm_core.synthesis.writer import generate
from ivlm_core.text_table import table
from ivlm_core.training.provenance import legs
from ivlm_core.training.train import train


@dataclass(frozen=True)
class Compared:
    """One figure of the model and of the one that was made again."""

    name: str
    given: float
    interval: tuple[float, float] | None
    """95 % interval of `given`; None where it has none."""
    again: float | None

    @property
    def within(self) -> bool | None:
        """Whether the figure is inside the interval; None where there is no interval."""
        if self.interval is None:
            return None
        return self.again is not None and self.interval[0] <= self.again <= self.interval[1]


@dataclass(frozen=True)
class Reproduction:
    """A model made again."""

    model: Path
    compared: tuple[Compared, ...]

    @property
    def holds(self) -> bool:
        """Whether every figure that has an interval is inside it."""
        return all(figure.within is not False for figure in self.compared)

    def text(self) -> str:
        """Return the comparison for a terminal."""
        rows = [("figure", "given", "95 %", "again", "within")]
        words = {True: "yes", False: "NO", None: "-"}
        for f in self.compared:
            between = "-" if f.interval is None else f"{f.interval[0]:.3f}..{f.interval[1]:.3f}"
            again = "-" if f.again is None else f"{f.again:.3f}"
            name = f.name.replace("_", " ")
            rows.append((name, f"{f.given:.3f}", between, again, words[f.within]))
        return table(rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        figures = [{**asdict(f), "within": f.within} for f in self.compared]
        return {"model": str(self.model), "holds": self.holds, "figures": figures}


def reproduce(model: Path, out: Path, workers: int = 2, progress: bool = True) -> Reproduction:
    """Generate, train and evaluate as a model's provenance tells; an unfinished try is continued.

    Args:
        model: folder of a model with `provenance.json` and `figures.json`.
        out: folder for data, runs and report.
        workers: processes that generate.
        progress: show bars.

    Raises:
        FileNotFoundError, ValueError: the model does not tell enough.
        FloatingPointError: the training diverged.
    """
    given = KeptFigures.load(model)
    todo = legs(model, out)
    folder = model
    for leg in todo:
        generate(replace(leg.data, workers=workers), progress)
        folder = train(leg.run)
    report = evaluate(
        EvaluateConfig(
            data=todo[-1].run.data,
            model=str(folder),
            split=given.about["split"],
            limit=given.about["images"],
            tasks=tuple(given.about["tasks"]),
            out=out / "report",
            progress=progress,
        )
    )
    again = KeptFigures.of(report.to_json(), given.about["tasks"])
    compared = tuple(
        Compared(name, value, given.intervals.get(name), again.values.get(name))
        for name, value in given.values.items()
    )
    return Reproduction(folder, compared)

"""Affordance in photographs against heat maps (AGD20K): KLD, SIM and NSS."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.given_pictures import affordance_in_photo
from ivlm_core.evaluation.heat_maps import SIZE, fitted, kld, nss, sim
from ivlm_core.evaluation.metrics import nan_mean
from ivlm_core.evaluation.report_files import plain_json, save_report, text_of

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline

_SPREAD = 0.25
"""Standard deviation of the blind guess, in sides of the photograph."""


@dataclass(frozen=True)
class HeatScores:
    """Means over some heat maps; NaN where none says anything."""

    samples: int
    kld: float
    """Lower is better."""
    sim: float
    nss: float
    constant: int
    """Predictions of one value everywhere: they count as uniform, with an NSS of 0."""
    empty: int
    """True heat maps without any heat; they are left out of the means."""


@dataclass(frozen=True)
class HeatReport:
    """Scores of one model on one setting."""

    about: dict[str, Any]
    all: HeatScores
    middle: HeatScores
    """Of a blind guess: a round spot in the middle of every photograph."""
    per_affordance: dict[str, HeatScores]
    per_object: dict[str, HeatScores]

    def text(self) -> str:
        """Return a table."""
        rows: list[tuple[str, ...]] = [("", "samples", "KLD", "SIM", "NSS", "constant", "empty")]
        groups: Mapping[str, HeatScores] = {
            "all": self.all,
            "middle of the photograph": self.middle,
            **{f"  to {name}": scores for name, scores in self.per_affordance.items()},
            **{f"  {name}": scores for name, scores in self.per_object.items()},
        }
        for name, s in groups.items():
            figures = (f"{value:.3f}" for value in (s.kld, s.sim, s.nss))
            rows.append((name, str(s.samples), *figures, str(s.constant), str(s.empty)))
        return text_of(self.about, rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; what there is none of is null."""
        found = asdict(self)
        return plain_json({**found.pop("about"), **found})

    def save(self, folder: Path) -> None:
        """Write report.json and report.txt."""
        save_report(folder, self.to_json(), self.text())


class _Meter:
    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []
        self.constant = self.empty = 0

    def add(self, truth: NDArray[np.float64], found: NDArray[np.float64]) -> None:
        self.constant += not np.ptp(found)
        if not truth.any():
            self.empty += 1
            self.rows.append((np.nan, np.nan, np.nan))
            return
        self.rows.append((kld(truth, found), sim(truth, found), nss(truth, found)))

    def scores(self) -> HeatScores:
        divergence, overlap, saliency = (nan_mean(column) for column in np.array(self.rows).T)
        count = len(self.rows)
        return HeatScores(count, divergence, overlap, saliency, self.constant, self.empty)


def evaluate_affordance_photos(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> HeatReport:
    """Mask the affordance in every photograph, and compare it with the labelled heat map.

    Both are resized to 224 pixels first. The model is told the object, not the affordance, and was
    trained on renders: it is judged on what it never learned, as is said with the figures.

    Args:
        pipeline: of a model of affordances.
        items: of kind `afford2d`, each with its heat map.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, or a model that was not trained for affordance.
        DatasetError: a heat map cannot be read.
    """
    from ivlm_core.pipeline import Query

    pipeline.check_task("object_affordance")
    if not items:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    whole, middle, spot = _Meter(), _Meter(), _spot()
    affordances: dict[str, _Meter] = defaultdict(_Meter)
    objects: dict[str, _Meter] = defaultdict(_Meter)
    for item in tqdm(items, desc="evaluate", unit="question", disable=not progress):
        if item.kind != "afford2d" or len(item.masks) != 1:
            raise ValueError(
                f"{item.dataset} {item.name} is of kind {item.kind} with {len(item.masks)} masks; "
                "expected affordance in a photograph with one heat map"
            )
        truth = fitted(_heat(item.masks[0]))
        query = Query(item.image, item.label, "object_affordance")
        found = fitted(affordance_in_photo(pipeline, query))
        for meter in (whole, affordances[str(item.affordance)], objects[item.label]):
            meter.add(truth, found)
        middle.add(truth, spot)
    return HeatReport(
        {**(about or {}), "supervision": "none on photographs", "questions": len(items)},
        whole.scores(),
        middle.scores(),
        {name: meter.scores() for name, meter in sorted(affordances.items())},
        {name: meter.scores() for name, meter in sorted(objects.items())},
    )


def _heat(path: Path) -> NDArray[np.float64]:
    """Return a heat map in [0, 1], `[height, width]`."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L"), np.float64) / 255
    except OSError as error:
        raise DatasetError(f"heat map '{path}' cannot be read: {error}") from error


def _spot() -> NDArray[np.float64]:
    """Return the blind guess, `[SIZE, SIZE]`."""
    away = ((np.arange(SIZE) + 0.5) / SIZE - 0.5) / _SPREAD
    return np.exp(-0.5 * (away[:, None] ** 2 + away[None] ** 2))

"""Affordance on point clouds (PIAD, LEMON), as IAGNet and its followers score it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.objects import (
    LEMON_AFFORDANCES,
    PIAD_AFFORDANCES,
    read_point_file,
)
from ivlm_core.evaluation.given_pictures import scores_on_pictures
from ivlm_core.evaluation.metrics import (
    average_iou,
    mean_absolute_error,
    nan_mean,
    roc_auc,
    similarity,
)
from ivlm_core.evaluation.report_files import plain_json, save_report, text_of
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.official.views import render_point_cloud

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline

LEMON_RIG, LEMON_RADIUS = "object4", 0.03
"""Cameras that LEMON's clouds are seen by, and the size of their splats."""

_NO_FACES = np.zeros((0, 3), np.int32)


@dataclass(frozen=True)
class AffordanceScores:
    """Means over some questions; NaN where no question has a figure."""

    samples: int
    average_iou: float
    """Over 20 thresholds; samples without a point of at least one half are left out, as of AUC."""
    auc: float
    similarity: float
    mean_absolute_error: float


@dataclass(frozen=True)
class AffordanceReport:
    """Scores of one model on one split."""

    about: dict[str, Any]
    all: AffordanceScores
    per_object: dict[str, AffordanceScores]
    per_affordance: dict[str, AffordanceScores]

    def text(self) -> str:
        """Return a table; aIoU and AUC in per cent, as papers print them."""
        rows: list[tuple[str, ...]] = [("", "samples", "aIoU %", "AUC %", "SIM", "MAE")]
        groups = {
            "all": self.all,
            **{f"  {name}": scores for name, scores in self.per_object.items()},
            **{f"  to {name}": scores for name, scores in self.per_affordance.items()},
        }
        for name, s in groups.items():
            per_cent = (f"{100 * value:.1f}" for value in (s.average_iou, s.auc))
            plain = (f"{value:.3f}" for value in (s.similarity, s.mean_absolute_error))
            rows.append((name, str(s.samples), *per_cent, *plain))
        return text_of(self.about, rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; what there is none of is null."""
        found = {**self.about, **{k: v for k, v in asdict(self).items() if k != "about"}}
        return plain_json(found)

    def save(self, folder: Path) -> None:
        """Write report.json and report.txt."""
        save_report(folder, self.to_json(), self.text())


def evaluate_affordance(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    batch_size: int = 4,
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> AffordanceReport:
    """Ask about every item's first point cloud as a user would, and score the answers.

    The model is told the object, not the affordance: it has to see that in the image.

    Args:
        pipeline: of a model of affordances.
        items: of kind `oafford`, with point files.
        batch_size: questions answered together.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, or the model was not trained for it.
        DatasetError: a point file is missing or damaged, or does not score an affordance.
    """
    pipeline.check_task("object_affordance")
    if not items:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    rows = []
    bar = tqdm(total=len(items), desc="evaluate", unit="question", disable=not progress)
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        truths = [_cloud(item) for item in batch]
        answers = _answers(pipeline, batch, [mesh for mesh, _ in truths])
        for (_, truth), scores in zip(truths, answers, strict=True):
            measures = (average_iou, roc_auc, similarity, mean_absolute_error)
            rows.append([measure(truth[None], scores[None])[0] for measure in measures])
        bar.update(len(batch))
    bar.close()
    figures = np.array(rows, float)

    def group(names: Sequence[str]) -> dict[str, AffordanceScores]:
        return {name: _means(figures[[n == name for n in names]]) for name in sorted(set(names))}

    return AffordanceReport(
        {**(about or {}), "questions": len(items)},
        _means(figures),
        group([item.label for item in items]),
        group([str(item.affordance) for item in items]),
    )


def _answers(
    pipeline: "Pipeline", items: Sequence[LabelledImage], clouds: Sequence[Mesh]
) -> list[np.ndarray]:
    """Return the scores of every item's points.

    LEMON's clouds are shown as its models saw them: from nearer and in smaller splats than PIAD's.
    """
    from ivlm_core.pipeline import Query

    queries = [
        Query(item.image, item.label, "object_affordance", cloud)
        for item, cloud in zip(items, clouds, strict=True)
    ]
    if items[0].dataset != "lemon":
        return [found.scores for found in pipeline.predict_batch(queries)]
    size = pipeline.config.sam.image_size
    shown = [_lemon_views(cloud, size) for cloud in clouds]
    return [
        scores_on_pictures(pipeline, query, views.images, views.lift)
        for query, views in zip(queries, shown, strict=True)
    ]


@dataclass(frozen=True)
class _CloudViews:
    images: np.ndarray
    lift: LiftOperator


def _lemon_views(cloud: Mesh, size: int) -> _CloudViews:
    seen = render_point_cloud(cloud.vertices, get_rig(LEMON_RIG), size, LEMON_RADIUS)
    lift = LiftOperator.from_point_map(seen.point_ids, cloud.num_vertices)
    return _CloudViews(seen.images, lift)


def _means(figures: np.ndarray) -> AffordanceScores:
    return AffordanceScores(len(figures), *map(nan_mean, figures.T))


def _cloud(item: LabelledImage) -> tuple[Mesh, np.ndarray]:
    """Return the points of an item's cloud and how much each affords what is asked."""
    if item.kind != "oafford" or not item.point_files:
        raise ValueError(
            f"{item.dataset} {item.name} is of kind {item.kind} with {len(item.point_files)} point "
            "files; expected an affordance with a point cloud"
        )
    columns = LEMON_AFFORDANCES if item.dataset == "lemon" else PIAD_AFFORDANCES
    mesh, scores = _points(item.point_files[0], columns)
    if item.affordance not in scores:
        raise DatasetError(f"'{item.point_files[0]}' does not score affordance {item.affordance!r}")
    return mesh, scores[item.affordance]


@lru_cache(maxsize=64)
def _points(path: Path, columns: tuple[str, ...]) -> tuple[Mesh, dict[str, np.ndarray]]:
    points, scores = read_point_file(path, columns)
    return Mesh(points, _NO_FACES, name=path.stem), scores

"""Contact on objects' meshes, and on the body beside it (PICO)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ivlm_core.datasets.published.files import DatasetError, read_arrays
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.given_pictures import scores_on_pictures
from ivlm_core.evaluation.metrics import contact_scores
from ivlm_core.evaluation.published import ContactReport
from ivlm_core.evaluation.report_files import plain_json, save_report, text_of
from ivlm_core.geometry.mesh import load_mesh
from ivlm_core.inputs import read_image
from ivlm_core.lift.lift import LiftOperator

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline


@dataclass(frozen=True)
class ObjectContactScores:
    """Means over samples, as DECO defines the figures of one."""

    samples: int
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class PicoReport:
    """Contact of body and object; None of what was not asked."""

    about: dict[str, Any]
    on_object: ObjectContactScores | None
    per_object: dict[str, ObjectContactScores]
    on_body: ContactReport | None

    def text(self) -> str:
        """Return a table."""
        rows: list[tuple[str, ...]] = [("", "samples", "F1", "P", "R")]
        if self.on_body is not None:
            b = self.on_body.binary
            figures = (b.f1, b.precision, b.recall)
            cells = (f"{value:.4f}" for value in figures)
            rows.append(("contact on the body", str(len(b.images)), *cells))
        if self.on_object is not None:
            rows.append(("contact on the object", *_cells(self.on_object)))
        rows += [(f"  {name}", *_cells(scores)) for name, scores in self.per_object.items()]
        return text_of(self.about, rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; what there is none of is null."""
        return plain_json(
            {
                **self.about,
                "object": None if self.on_object is None else asdict(self.on_object),
                "per_object": {name: asdict(scores) for name, scores in self.per_object.items()},
                "human": None if self.on_body is None else self.on_body.to_json(),
            }
        )

    def save(self, folder: Path) -> None:
        """Write report.json and report.txt."""
        save_report(folder, self.to_json(), self.text())


def evaluate_object_contact(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    on_body: ContactReport | None = None,
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> PicoReport:
    """Ask about contact on every item's object as a user would, and score the answers.

    An item with a mesh is rendered; one with pictures and lifting maps is seen in these.

    Args:
        pipeline: of a model of contact on objects.
        items: of kind `ocontact`; none only with `on_body`.
        on_body: what was found about the body, for the same report.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, or a model that was not trained for it.
        DatasetError: a mesh or a map is missing, or does not fit its labels.
    """
    if not items and on_body is None:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    if items:
        pipeline.check_task("object_contact")
    rows = []
    for item in tqdm(items, desc="evaluate", unit="question", disable=not progress):
        if item.kind != "ocontact":
            raise ValueError(
                f"{item.dataset} {item.name} is of kind {item.kind}; expected contact on an object"
            )
        found = contact_scores(item.dense()[None], _scores(pipeline, item)[None])
        rows.append([found.f1[0], found.precision[0], found.recall[0]])
    figures, labels = np.array(rows).reshape(-1, 3), [item.label for item in items]
    return PicoReport(
        {**(about or {}), "questions": len(items)},
        _means(figures) if items else None,
        {n: _means(figures[[label == n for label in labels]]) for n in sorted(set(labels))},
        on_body,
    )


def _scores(pipeline: "Pipeline", item: LabelledImage) -> NDArray[np.float32]:
    from ivlm_core.pipeline import Query

    if item.mesh_file is not None:
        mesh = load_mesh(item.mesh_file)
        if mesh.num_vertices != item.num_vertices:
            raise DatasetError(
                f"{item.dataset} {item.name}: labels of {item.num_vertices} vertices, but "
                f"'{item.mesh_file}' has {mesh.num_vertices}"
            )
        return pipeline.predict(item.image, item.label, "object_contact", mesh).scores
    if not item.renders or len(item.renders) != len(item.maps):
        raise DatasetError(
            f"{item.dataset} {item.name} has {len(item.renders)} pictures of its object and "
            f"{len(item.maps)} lifting maps; it needs one of each a view"
        )
    maps = [read_arrays(path, item.dataset) for path in item.maps]
    lift = LiftOperator.from_indices(
        np.stack([found["pixel_to_vertices_map"] for found in maps]),
        np.stack([found["bary_coords_map"] for found in maps]),
        item.num_vertices,
    )
    pictures = np.stack([read_image(path) for path in item.renders])
    query = Query(item.image, item.label, "object_contact")
    try:
        return scores_on_pictures(pipeline, query, pictures, lift)
    except ValueError as error:
        raise DatasetError(f"{item.dataset} {item.name}: {error}") from error


def _means(figures: NDArray[np.float64]) -> ObjectContactScores:
    return ObjectContactScores(len(figures), *map(float, figures.mean(axis=0)))


def _cells(scores: ObjectContactScores) -> tuple[str, ...]:
    figures = (scores.f1, scores.precision, scores.recall)
    return (str(scores.samples), *(f"{value:.4f}" for value in figures))

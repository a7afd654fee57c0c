"""A model on the field's datasets of contact on the body: DAMON, LEMON, RICH."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.damon import (
    BinaryReport,
    GroupScores,
    SemanticReport,
    binary_report,
    semantic_report,
)
from ivlm_core.evaluation.geodesic import geodesic_error
from ivlm_core.evaluation.report_files import plain_json, save_report, text_of
from ivlm_core.geometry.geodesic import SurfaceDistance
from ivlm_core.inputs import read_image
from ivlm_core.official.quirks import ReferenceQuirks

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline

SUPPORTING = "supporting"
"""Class of DAMON for the ground and other support; the semantic task leaves it out."""


@dataclass(frozen=True)
class ContactReport:
    """Scores of one model on one split; answers are written by the model, never given."""

    about: dict[str, Any]
    binary: BinaryReport
    semantic: SemanticReport | None
    """None where every item asks about support."""

    def text(self) -> str:
        """Return a table; distances are in centimetres."""
        rows: list[tuple[str, ...]] = [("", "samples", "F1", "P", "R", "geodesic cm")]
        b = self.binary
        whole = GroupScores(len(b.images), b.f1, b.precision, b.recall, b.geodesic)
        rows.append(("contact of any kind", *_cells(whole)))
        if self.semantic is not None:
            found = self.semantic.per_object.values()
            count = sum(group.samples for group in found)
            name, nan = "contact by object", "-"
            geodesic = _centimetres(self.semantic.geodesic)
            rows.append((name, str(count), f"{self.semantic.f1:.4f}", nan, nan, geodesic))
            for category, group in self.semantic.per_category.items():
                rows.append((f"  {category}", *_cells(group)))
        return text_of(self.about, rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; what there is none of is null."""
        semantic = None if self.semantic is None else asdict(self.semantic)
        found = {**self.about, "binary": asdict(self.binary), "semantic": semantic}
        return plain_json(found)

    def save(self, folder: Path) -> None:
        """Write report.json (results of every image included) and report.txt."""
        save_report(folder, self.to_json(), self.text())


def evaluate_contact(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    distances: NDArray[np.floating] | SurfaceDistance | None = None,
    batch_size: int = 8,
    quirks: ReferenceQuirks | None = None,
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> ContactReport:
    """Ask about every item as a user would, and score the answers.

    Questions about one image that follow each other share its reading.

    Args:
        pipeline: of a model whose body has the vertices of the labels.
        items: of kind `hcontact`.
        distances: over the body, in metres: computed ones, or a matrix (`load_distances`).
        batch_size: least number of questions answered together; whole images are taken.
        quirks: deviations to reproduce in the scores; default are the definitions of DECO.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, labels of another body, or an image that
            cannot be read.
    """
    from ivlm_core.pipeline import Query

    pipeline.check_task("human_contact")
    body = pipeline.surfaces.body_template
    for item in items:
        if item.kind != "hcontact" or item.num_vertices != body.mesh.num_vertices:
            raise ValueError(
                f"{item.dataset} {item.name} has labels of kind {item.kind} on "
                f"{item.num_vertices} vertices; the model's body {body.topology} has "
                f"{body.mesh.num_vertices}, so they cannot be compared"
            )
    if not items:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    scores = []
    bar = tqdm(total=len(items), desc="evaluate", unit="question", disable=not progress)
    for batch in _batches(items, batch_size):
        pictures = {item.image: read_image(item.image) for item in batch}
        queries = [Query(pictures[i.image], i.label, "human_contact") for i in batch]
        scores += [prediction.scores for prediction in pipeline.predict_batch(queries)]
        bar.update(len(batch))
    bar.close()
    found, truth = np.stack(scores), np.stack([item.dense() for item in items])
    errors = None
    if distances is not None:
        errors = geodesic_error(truth, found, distances, quirks=quirks).false_positive
    named = np.array([SUPPORTING not in item.label for item in items])
    semantic = None
    if named.any():
        semantic = semantic_report(
            [item.label for item, keep in zip(items, named, strict=True) if keep],
            truth[named],
            found[named],
            None if errors is None else errors[named],
            quirks=quirks,
        )
    images = [str(item.image) for item in items]
    return ContactReport(
        {**(about or {}), "images": len(set(images)), "questions": len(items)},
        binary_report(images, truth, found, errors, quirks),
        semantic,
    )


def _batches(items: Sequence[LabelledImage], size: int) -> Iterator[list[LabelledImage]]:
    batch: list[LabelledImage] = []
    for item in items:
        if len(batch) >= size and item.image != batch[-1].image:
            yield batch
            batch = []
        batch.append(item)
    yield batch


def _cells(group: GroupScores) -> tuple[str, ...]:
    numbers = (f"{value:.4f}" for value in (group.f1, group.precision, group.recall))
    return (str(group.samples), *numbers, _centimetres(group.geodesic))


def _centimetres(metres: float) -> str:
    return "-" if np.isnan(metres) else f"{100 * metres:.2f}"

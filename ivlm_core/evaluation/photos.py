"""Contact masks on photographs against labelled ones (DAMON 2D)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.heat_maps import fitted, kld, nss, sim
from ivlm_core.evaluation.metrics import nan_mean
from ivlm_core.evaluation.report_files import plain_json, save_report, text_of
from ivlm_core.evaluation.segmentation import MaskMeter, mask_overlap

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline


@dataclass(frozen=True)
class PhotoScores:
    """Means over some photographs; NaN where no photograph says anything."""

    samples: int
    giou: float
    """Mean of the masks' IoU."""
    ciou: float
    """All intersections over all unions."""
    kld: float
    sim: float
    nss: float


@dataclass(frozen=True)
class PhotoReport:
    """Scores of one model on one split."""

    about: dict[str, Any]
    all: PhotoScores
    per_object: dict[str, PhotoScores]

    def text(self) -> str:
        """Return a table."""
        rows: list[tuple[str, ...]] = [("", "samples", "gIoU", "cIoU", "KLD", "SIM", "NSS")]
        for name, s in {"all": self.all, **self.per_object}.items():
            figures = (f"{v:.3f}" for v in (s.giou, s.ciou, s.kld, s.sim, s.nss))
            rows.append((name, str(s.samples), *figures))
        return text_of(self.about, rows)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; what there is none of is null."""
        objects = {name: asdict(scores) for name, scores in self.per_object.items()}
        found = {**self.about, "all": asdict(self.all), "per_object": objects}
        return plain_json(found)

    def save(self, folder: Path) -> None:
        """Write report.json and report.txt."""
        save_report(folder, self.to_json(), self.text())


class _Meter:
    """Adds up the scores of photographs."""

    def __init__(self) -> None:
        self.masks = MaskMeter()
        self.maps: list[tuple[float, float, float]] = []

    def add(self, truth: np.ndarray, probabilities: np.ndarray) -> None:
        self.masks.add(mask_overlap(probabilities[None], truth[None], heat_map=True))
        true, found = fitted(truth), fitted(probabilities)
        self.maps.append((kld(true, found), sim(true, found), nss(true, found)))

    def scores(self) -> PhotoScores:
        means = map(nan_mean, np.array(self.maps).T)
        return PhotoScores(len(self.maps), self.masks.giou(), self.masks.ciou(), *means)


def evaluate_photos(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> PhotoReport:
    """Mask every photograph as a user would, and compare with its labelled mask.

    Args:
        pipeline: of a published h2dcontact checkpoint.
        items: of kind `h2dcontact`, each with its mask.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, a mask that is not of its photograph's size,
            or a model that was not trained for it.
    """
    from ivlm_core.photo_contact import check_model, contact_in_photo

    check_model(pipeline)
    if not items:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    whole = _Meter()
    objects: dict[str, _Meter] = defaultdict(_Meter)
    for item in tqdm(items, desc="evaluate", unit="question", disable=not progress):
        if item.kind != "h2dcontact" or len(item.masks) != 1:
            raise ValueError(
                f"{item.dataset} {item.name} is of kind {item.kind} with {len(item.masks)} masks; "
                "expected contact in a photograph with one mask"
            )
        found = contact_in_photo(pipeline, item.image, item.label).probabilities
        truth = np.asarray(Image.open(item.masks[0]).convert("L")) > 127
        if truth.shape != found.shape:
            raise ValueError(
                f"{item.masks[0]} is {truth.shape[1]}x{truth.shape[0]} pixels, its photograph "
                f"{found.shape[1]}x{found.shape[0]}"
            )
        for meter in (whole, objects[item.label]):
            meter.add(truth.astype(np.float32), found)
    images = len({item.image for item in items})
    return PhotoReport(
        {**(about or {}), "images": images, "questions": len(items)},
        whole.scores(),
        {name: meter.scores() for name, meter in sorted(objects.items())},
    )

"""Contact masks on photographs against true ones: how masks are scored, and DAMON 2D."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.evaluation.heat_maps import fitted, kld, nss, sim
from ivlm_core.evaluation.metrics import THRESHOLD, f1_score, nan_mean
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
    f1: float
    """Mean F1 of the pixels, over the masks that have any."""
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
        rows: list[tuple[str, ...]] = [("", "samples", "gIoU", "cIoU", "F1", "KLD", "SIM", "NSS")]
        for name, s in {"all": self.all, **self.per_object}.items():
            figures = (f"{v:.3f}" for v in (s.giou, s.ciou, s.f1, s.kld, s.sim, s.nss))
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


class PhotoMeter:
    """Adds up the scores of photographs."""

    def __init__(self) -> None:
        self.masks = MaskMeter()
        self.f1: list[float] = []
        """Of every photograph; NaN where the true mask is empty."""
        self.maps: list[tuple[float, float, float]] = []

    def add(self, truth: np.ndarray, probabilities: np.ndarray, threshold: float) -> None:
        """Take in a photograph.

        Args:
            truth: float `[height, width]`, 1 in contact and 0 elsewhere.
            probabilities: float `[height, width]`.
            threshold: of contact.
        """
        contact = (probabilities >= threshold).astype(np.float32)
        self.masks.add(mask_overlap(contact[None], truth[None], heat_map=True))
        self.f1.append(mask_f1(truth, contact))
        true, found = fitted(truth), fitted(probabilities)
        self.maps.append((kld(true, found), sim(true, found), nss(true, found)))

    def scores(self) -> PhotoScores:
        """Return the means so far."""
        means = map(nan_mean, np.array(self.maps).T)
        f1 = nan_mean(np.array(self.f1))
        return PhotoScores(len(self.maps), self.masks.giou(), self.masks.ciou(), f1, *means)


def mask_f1(truth: np.ndarray, scores: np.ndarray, threshold: float = THRESHOLD) -> float:
    """Return the F1 of pixels `[height, width]`; NaN where the truth is empty."""
    if not truth.any():
        return np.nan
    return float(f1_score(truth.reshape(1, -1), scores.reshape(1, -1), threshold)[0])


def evaluate_photos(
    pipeline: "Pipeline",
    items: Sequence[LabelledImage],
    progress: bool = False,
    about: dict[str, Any] | None = None,
) -> PhotoReport:
    """Mask every photograph as a user would, and compare with its labelled mask.

    Args:
        pipeline: of a published h2dcontact checkpoint, or of a model trained for `photo_contact`.
        items: of kind `h2dcontact`, each with its mask.
        progress: shows a bar.
        about: what else the report should say of itself.

    Raises:
        ValueError: no items, items of another kind, a mask that is not of its photograph's size,
            or a model that was not trained for it.
    """
    from PIL import Image  # here: `ivlm evaluate --help` needs no pictures

    from ivlm_core.photo_contact import check_model, contact_in_photo

    check_model(pipeline)
    if not items:
        raise ValueError("there is nothing to evaluate: the dataset gave no items")
    whole = PhotoMeter()
    objects: dict[str, PhotoMeter] = defaultdict(PhotoMeter)
    for item in tqdm(items, desc="evaluate", unit="question", disable=not progress):
        if item.kind != "h2dcontact" or len(item.masks) != 1:
            raise ValueError(
                f"{item.dataset} {item.name} is of kind {item.kind} with {len(item.masks)} masks; "
                "expected contact in a photograph with one mask"
            )
        answer = contact_in_photo(pipeline, item.image, item.label)
        found = answer.probabilities
        truth = np.asarray(Image.open(item.masks[0]).convert("L")) > 127
        if truth.shape != found.shape:
            raise ValueError(
                f"{item.masks[0]} is {truth.shape[1]}x{truth.shape[0]} pixels, its photograph "
                f"{found.shape[1]}x{found.shape[0]}"
            )
        for meter in (whole, objects[item.label]):
            meter.add(truth.astype(np.float32), found, answer.threshold)
    images = len({item.image for item in items})
    return PhotoReport(
        {**(about or {}), "images": images, "questions": len(items)},
        whole.scores(),
        {name: meter.scores() for name, meter in sorted(objects.items())},
    )

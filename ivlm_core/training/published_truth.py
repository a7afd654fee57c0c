"""What the masks of a published dataset's item show, and what they are lifted to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ivlm_core.datasets.published.files import DatasetError, read_arrays
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.objects import read_point_file
from ivlm_core.inputs import read_image
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.official.preprocess import pixel_labels
from ivlm_core.official.views import SurfaceViews


@dataclass(frozen=True)
class MaskTruth:
    """What one item's masks are to be.

    Attributes:
        pictures: uint8 RGB `[view, height, width, 3]` that the masks are decoded on; None for a
            photograph, which is its own picture.
        target: float32 `[view, height, width]`: contact 0 or 1, heat map in [0, 1], -1 ignored.
        vertices: float32 `[vertex]`, the truth on the surface; None for a photograph.
        lift: takes masks there.
    """

    pictures: np.ndarray | None
    target: Tensor
    vertices: Tensor | None = None
    lift: LiftOperator | None = None


class TruthReader:
    """Reads what items' masks are to be."""

    def __init__(self, body: SurfaceViews | None, size: int) -> None:
        """Remember the body.

        Args:
            body: its views, for contact on it.
            size: side of the model's views, pixels.
        """
        self.body, self.size = body, size
        self._body_lift = None if body is None else body.lift_operator()

    def read(self, item: LabelledImage) -> MaskTruth | None:
        """Read what an item's masks are to be; None for items in words.

        Raises:
            DatasetError: a file is missing or damaged, or is not of the views' size.
            ValueError: contact on the body without views of it, or a kind without such masks.
        """
        if item.kind == "vqa":
            return None
        masks = np.stack([_mask(path) for path in item.masks])
        if item.kind == "h2dcontact":
            return MaskTruth(None, pixel_labels(masks).float())
        if item.kind == "hcontact":
            return self._on_body(item, masks)
        if item.kind not in ("ocontact", "oafford"):
            raise ValueError(f"items of kind {item.kind} have no masks to learn")
        return self._on_object(item, masks)

    def _on_body(self, item: LabelledImage, masks: np.ndarray) -> MaskTruth:
        if self.body is None:
            raise ValueError("contact on the body needs the body's views")
        self._check_size(item, masks)
        target = pixel_labels(masks, self.body.images).float()
        vertices = torch.from_numpy(item.dense())
        return MaskTruth(self.body.images, target, vertices, self._body_lift)

    def _on_object(self, item: LabelledImage, masks: np.ndarray) -> MaskTruth:
        self._check_size(item, masks)
        heat = item.kind == "oafford"
        pictures = np.stack([read_image(path) for path in item.renders])
        target = pixel_labels(masks, pictures, "heat_map" if heat else "contact").float()
        maps = [read_arrays(path, item.dataset) for path in item.maps]
        if heat:
            _, scores = read_point_file(item.point_files[0])
            truth = torch.from_numpy(scores[str(item.affordance)].astype(np.float32))
            ids = np.stack([found["mapping"] for found in maps])
            return MaskTruth(pictures, target, truth, LiftOperator.from_point_map(ids, len(truth)))
        lift = LiftOperator.from_indices(
            np.stack([found["pixel_to_vertices_map"] for found in maps]),
            np.stack([found["bary_coords_map"] for found in maps]),
            item.num_vertices,
        )
        return MaskTruth(pictures, target, torch.from_numpy(item.dense()), lift)

    def _check_size(self, item: LabelledImage, masks: np.ndarray) -> None:
        if masks.shape[1:] != (self.size, self.size):
            raise DatasetError(
                f"{item.dataset} {item.name}: masks of {masks.shape[2]}x{masks.shape[1]} pixels, "
                f"but the model's views have {self.size}x{self.size}; preprocess for views of "
                "that size"
            )


def _mask(path: Path) -> np.ndarray:
    """Return a grey picture, uint8 `[height, width]`."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L"))
    except OSError as error:
        raise DatasetError(f"mask '{path}' cannot be read: {error}") from error

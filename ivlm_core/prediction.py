"""A question about one image, and what is told of a surface's vertices in answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.model.prompts import Task


@dataclass(frozen=True)
class Query:
    """One question about one image."""

    image: Any
    """uint8 RGB `[height, width, 3]`, a PIL image, or a path."""
    label: str
    """The object; `scene` asks for the ground and undefined support (human contact only)."""
    task: Task
    mesh: Mesh | None = None
    """Surface of the object for object tasks; None takes the shipped mesh of the label."""
    box: PixelBox | None = None
    """Where a detector found the object; None where that is not known. Only models that learned to
    read boxes take them (`Pipeline.reads_boxes`)."""


@dataclass(frozen=True)
class Prediction:
    """What a query gives."""

    task: Task
    label: str
    answer: str
    """What the language model wrote, contact token included."""
    scores: np.ndarray
    """float32 `[vertex]` in [0, 1], in the order of `mesh.vertices`; where unseen, 0 or that of the
    nearest seen vertex (`LiftConfig.unseen`), unless the token tells more
    (`LiftConfig.token_share`)."""
    seen: np.ndarray
    """bool `[vertex]`: in view of at least one camera of the rig."""
    threshold: float
    mesh: Mesh
    """The surface, in its own vertices and units (the body: metres, star pose)."""
    topology: str
    """`anny`, `smpl`, `smplh`, `smplx`; of objects `mesh`, or `points` for a point cloud."""
    part_scores: dict[str, float]
    """Mean score of each named part's seen vertices, highest first."""
    view_names: tuple[str, ...]
    view_images: np.ndarray
    """uint8 RGB `[view, size, size, 3]`: the renders that were localised on."""
    mask_probabilities: np.ndarray
    """float32 `[view, size, size]`."""
    timings: dict[str, float]
    """Seconds by stage of the batch the query was in, `total` included."""
    label_known: bool = True
    """False where the model was trained on a list of labels and this is none of them."""
    attention: np.ndarray | None = None
    """float32 `[height, width]` over the image, 1 at the highest: where the language model looked
    when it asked for contact (`model.attention`). None unless wanted, or without contact token."""

    @property
    def contact(self) -> np.ndarray:
        """Bool `[vertex]`: score at or above the threshold."""
        return self.scores >= self.threshold

    @property
    def known(self) -> np.ndarray:
        """Bool `[vertex]`: seen, or with the score of a seen one (`LiftConfig.unseen`)."""
        return self.seen | (self.scores > 0)


def part_scores(mesh: Mesh, scores: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    """Return the mean score of each named part's seen vertices, highest first.

    Args:
        mesh: with named parts.
        scores: `[vertex]`.
        seen: bool `[vertex]`.
    """
    means = {}
    for name, vertices in mesh.parts.items():
        visible = vertices[seen[vertices]]
        if len(visible):
            means[name] = float(scores[visible].mean())
    return dict(sorted(means.items(), key=lambda item: -item[1]))

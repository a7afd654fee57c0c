"""One labelled question of a dataset on the user's disk."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

Kind = Literal["hcontact", "h2dcontact", "ocontact", "oafford", "afford2d", "vqa", "referring"]
"""What is asked: contact on the body, contact in the photograph, contact on an object, affordance
of an object, affordance in the photograph, questions in words, a region that words refer to."""

SMPLX_VERTICES = 10475


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image, what is asked about it, and where the answer lies on disk."""

    dataset: str
    name: str
    """Unique among the items of a dataset's split."""
    image: Path
    kind: Kind
    label: str
    """The object asked about, in words; `scene` for the ground."""
    vertices: np.ndarray | None = None
    """int32 `[contact]`, vertices in contact; None where the truth is no vertex set."""
    num_vertices: int = 0
    parts: tuple[str, ...] = ()
    """Body parts in contact."""
    affordance: str | None = None
    point_files: tuple[Path, ...] = ()
    """Point clouds with affordance scores, the best match of the image first."""
    mesh_file: Path | None = None
    """The object's mesh."""
    renders: tuple[Path, ...] = ()
    """Pictures of the surface by view, in the order of the view set."""
    masks: tuple[Path, ...] = ()
    """Truth in these pictures; of 2D kinds, the one mask of the image."""
    maps: tuple[Path, ...] = ()
    """Which vertices or points each pixel of the pictures shows."""
    turns: tuple[tuple[str, str], ...] = ()
    """Questions and answers in words."""
    regions: tuple[np.ndarray, ...] = field(default=())
    """Polygons float64 `[corner, 2]` (x, y) in pixels of the region that words refer to."""

    def dense(self) -> np.ndarray:
        """Return contact as float32 `[vertex]`, 1 in contact and 0 elsewhere.

        Raises:
            ValueError: the truth is no vertex set.
        """
        if self.vertices is None:
            raise ValueError(f"{self.dataset} {self.name} has no vertices in contact to return")
        values = np.zeros(self.num_vertices, np.float32)
        values[self.vertices] = 1.0
        return values

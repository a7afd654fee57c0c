"""The published human lift before its revision of 2026-04: a vote instead of a mean.

Every pixel above a gate votes for the three vertices of its face with its barycentric weights; a
vertex is in contact where the mean weight of its votes, over all views together, exceeds a ratio.
The mean says how close to the vertex its contact pixels lie, not how many of its pixels are in
contact: a single pixel decides. Models trained before the revision were tuned with it; nothing
here has a gradient.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from ivlm_core.lift.lift import Lifted, usable_pixels
from ivlm_core.lift.sparse import SparseRows
from ivlm_core.render.rasterizer import PixelMap

VOTE_GATE = 1 / (1 + math.exp(-0.3))
"""Probability of the logit 0.3, above which a pixel votes."""
VOTE_RATIO = 0.3


class VoteLift(nn.Module):
    """The votes of pixels for the vertices of one mesh under one rig."""

    pixels: Tensor
    seen: Tensor

    def __init__(self, image_shape: tuple[int, int, int], pixels: Tensor, rows: SparseRows) -> None:
        """Use ``from_pixel_map``, ``from_indices`` or ``from_tensors``.

        Args:
            image_shape: (views, height, width) of the masks.
            pixels: int [P], flat indices of the pixels on the surface.
            rows: [V, P], the barycentric weights.
        """
        super().__init__()
        self.image_shape = image_shape
        self.rows = rows
        ones = torch.ones_like(rows.weights)
        self.votes = SparseRows(rows.columns, ones, rows.offsets, rows.num_columns)
        self.register_buffer("pixels", pixels.long(), persistent=False)
        self.register_buffer("seen", rows(torch.ones(len(pixels), 1))[:, 0] > 0, persistent=False)

    @classmethod
    def from_pixel_map(cls, pixel_map: PixelMap, num_vertices: int) -> "VoteLift":
        """The votes of a rendered mesh."""
        return cls.from_indices(pixel_map.vertex_ids, pixel_map.barycentric, num_vertices)

    @classmethod
    def from_indices(
        cls, vertex_ids: np.ndarray, weights: np.ndarray, num_vertices: int
    ) -> "VoteLift":
        """The votes of any pixel-to-vertex map.

        Args:
            vertex_ids: int [J, H, W, C]; a pixel votes only if all C ids are in [0, V).
            weights: float [J, H, W, C].
            num_vertices: V.

        Raises:
            ValueError: the shapes differ.
        """
        ids, share = np.asarray(vertex_ids), np.asarray(weights)
        pixels = usable_pixels(ids, share, num_vertices)
        views, height, width, corners = ids.shape
        rows = SparseRows.from_entries(
            torch.from_numpy(ids.reshape(-1, corners)[pixels].ravel().astype(np.int64)),
            torch.arange(len(pixels)).repeat_interleave(corners),
            torch.from_numpy(share.reshape(-1, corners)[pixels].ravel()),
            num_vertices,
            len(pixels),
        )
        return cls((views, height, width), torch.from_numpy(pixels), rows)

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything ``from_tensors`` needs, on the CPU, as named contiguous tensors."""
        tensors = {
            "shape": torch.tensor(self.image_shape),
            "pixels": self.pixels.int(),
            "columns": self.rows.columns,
            "weights": self.rows.weights,
            "offsets": self.rows.offsets,
        }
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "VoteLift":
        """Inverse of ``to_tensors``."""
        views, height, width = (int(n) for n in tensors["shape"])
        rows = SparseRows(
            tensors["columns"], tensors["weights"], tensors["offsets"], len(tensors["pixels"])
        )
        return cls((views, height, width), tensors["pixels"], rows)

    def forward(self, values: Tensor) -> Lifted:
        """Same as ``lift``."""
        return self.lift(values)

    @torch.no_grad()
    def lift(self, values: Tensor, gate: float = VOTE_GATE, ratio: float = VOTE_RATIO) -> Lifted:
        """Pixel probabilities to contact.

        Args:
            values: [B, J, H, W], probabilities in [0, 1].
            gate: pixels above this probability vote.
            ratio: a vertex is in contact where the mean weight of its votes is above this.

        Returns:
            Scores of 0 or 1, and seen vertices.

        Raises:
            ValueError: a shape does not fit.
        """
        if values.ndim != 4 or tuple(values.shape[1:]) != self.image_shape:
            raise ValueError(
                f"lift needs values of shape [B, {', '.join(map(str, self.image_shape))}] "
                f"(batch, view, height, width), got {tuple(values.shape)}. Resize the masks to "
                "the size the views were rendered at."
            )
        voting = (values.float().flatten(1)[:, self.pixels].t() > gate).float()
        mean = self.rows(voting) / self.votes(voting).clamp_min(1)
        return Lifted(scores=(mean > ratio).float().t(), seen=self.seen)

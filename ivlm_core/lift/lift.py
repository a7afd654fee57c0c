"""Pixel values of J views to one score per vertex: linear, differentiable, on any device.

Per view, a vertex gets the barycentric-weighted mean of the pixels of its faces; over views, the
(weighted) mean of those that see it. One implementation serves bodies, meshes and point clouds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from ivlm_core.lift.sparse import SparseRows
from ivlm_core.render.rasterizer import PixelMap


@dataclass(frozen=True)
class Lifted:
    """Result of a lift.

    Attributes:
        scores: float32 [B, V]; 0 where not seen (which means unknown, not "no").
        seen: bool [V], True where some view has a pixel that touches the vertex.
    """

    scores: Tensor
    seen: Tensor


def usable_pixels(vertex_ids: np.ndarray, weights: np.ndarray, num_vertices: int) -> np.ndarray:
    """Flat indices [P] of the pixels of a map whose ids are all vertices.

    Args:
        vertex_ids: int [J, H, W, C].
        weights: float, same shape.
        num_vertices: V; other ids, such as -1 for the background, are no vertices.

    Raises:
        ValueError: the shapes differ.
    """
    if vertex_ids.ndim != 4 or np.shape(weights) != vertex_ids.shape:
        raise ValueError(
            "A lift needs vertex ids and weights of one shape [J, H, W, C], got "
            f"{vertex_ids.shape} and {np.shape(weights)}."
        )
    return np.flatnonzero(((vertex_ids >= 0) & (vertex_ids < num_vertices)).all(axis=-1))


class LiftOperator(nn.Module):
    """The linear map from pixels to vertices of one mesh under one rig.

    Buffers follow ``.to(device)`` and stay out of ``state_dict``. The work is done only on the
    pixels that hit the surface, and only for the (view, vertex) pairs that occur.
    """

    pixels: Tensor
    pair_vertex: Tensor
    pair_view: Tensor
    pair_mass: Tensor
    seen: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_vertices: int,
        pixels: Tensor,
        pair_pixels: SparseRows,
        pair_vertex: Tensor,
        pair_view: Tensor,
        pair_mass: Tensor,
    ) -> None:
        """Use ``from_pixel_map``, ``from_point_map`` or ``from_tensors``."""
        super().__init__()
        self.image_shape = image_shape
        self.num_vertices = num_vertices
        self.pair_pixels = pair_pixels
        pixels, pair_vertex, pair_view = (t.long() for t in (pixels, pair_vertex, pair_view))
        self.register_buffer("pixels", pixels, persistent=False)
        self.register_buffer("pair_vertex", pair_vertex, persistent=False)
        self.register_buffer("pair_view", pair_view, persistent=False)
        self.register_buffer("pair_mass", pair_mass.float(), persistent=False)
        ones = torch.ones(len(pair_vertex), device=pair_vertex.device)
        self.vertex_pairs = SparseRows.from_entries(
            pair_vertex,
            torch.arange(len(pair_vertex), device=ones.device),
            ones,
            num_vertices,
            len(pair_vertex),
        )
        seen = torch.zeros(num_vertices, dtype=torch.bool, device=pair_vertex.device)
        seen[pair_vertex] = True
        self.register_buffer("seen", seen, persistent=False)

    @classmethod
    def from_pixel_map(
        cls, pixel_map: PixelMap, num_vertices: int, pool: int = 1
    ) -> "LiftOperator":
        """The operator of a rendered mesh.

        Args:
            pixel_map: J views of the mesh.
            num_vertices: V.
            pool: pixels of the map per mask pixel, along each side. A map made at four times the
                size of the masks also sees the small faces (fingers, face) that lie between the
                centres of mask pixels; lifting costs the same. The result is that of enlarging
                the masks without smoothing.
        """
        return cls.from_indices(pixel_map.vertex_ids, pixel_map.barycentric, num_vertices, pool)

    @classmethod
    def from_point_map(cls, point_ids: np.ndarray, num_points: int) -> "LiftOperator":
        """The operator of a rendered point cloud: int [J, H, W] point per pixel, -1 for none."""
        ids = np.asarray(point_ids)[..., None]
        return cls.from_indices(ids, np.ones(ids.shape, dtype=np.float32), num_points)

    @classmethod
    def from_indices(
        cls, vertex_ids: np.ndarray, weights: np.ndarray, num_vertices: int, pool: int = 1
    ) -> "LiftOperator":
        """The operator of any pixel-to-vertex map.

        Args:
            vertex_ids: int [J, H, W, C]; a pixel counts only if all C ids are in [0, V).
            weights: float [J, H, W, C], their weights.
            num_vertices: V.
            pool: see ``from_pixel_map``.
        """
        ids = np.asarray(vertex_ids)
        fine = usable_pixels(ids, weights, num_vertices)
        corners = ids.shape[-1]
        return cls.from_hits(
            ids.shape[:3],
            fine,
            ids.reshape(-1, corners)[fine],
            np.asarray(weights).reshape(-1, corners)[fine],
            num_vertices,
            pool,
        )

    @classmethod
    def from_hits(
        cls,
        map_shape: tuple[int, int, int],
        hits: np.ndarray,
        vertex_ids: np.ndarray,
        weights: np.ndarray,
        num_vertices: int,
        pool: int = 1,
    ) -> "LiftOperator":
        """The operator of the pixels of a map that see a surface.

        Args:
            map_shape: (J, H, W) of the map.
            hits: int [P], their flat indices in it.
            vertex_ids: int [P, C], in [0, V).
            weights: float [P, C].
            num_vertices: V.
            pool: see ``from_pixel_map``.
        """
        views, height, width = map_shape
        corners = vertex_ids.shape[1]
        if pool < 1 or height % pool or width % pool:
            raise ValueError(
                f"pool must divide the size of the pixel map ({height}, {width}), got {pool}."
            )
        view, row, col = np.unravel_index(hits, map_shape)
        image_shape = (views, height // pool, width // pool)
        mask_pixel = np.ravel_multi_index((view, row // pool, col // pool), image_shape)
        # Ranks by counting where numpy would sort: there are millions of pixels.
        occurs = np.bincount(mask_pixel, minlength=math.prod(image_shape)) > 0
        pixels, column = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[mask_pixel]

        pair = (view[:, None] * num_vertices + vertex_ids).ravel()
        weight = weights.ravel().astype(np.float64)
        total = np.bincount(pair, weights=weight, minlength=views * num_vertices)
        pairs = np.flatnonzero(total > 0)
        row_of_pair = np.full(views * num_vertices, -1)
        row_of_pair[pairs] = np.arange(len(pairs))
        keep = (weight > 0) & (total[pair] > 0)
        share = weight[keep] / total[pair[keep]]
        place = row_of_pair[pair[keep]], np.repeat(column, corners)[keep]
        # One entry per pair and pixel: the shares of equal places add up.
        matrix = csr_matrix((share, place), shape=(len(pairs), len(pixels)))
        matrix.sort_indices()
        rows = SparseRows(
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data),
            torch.from_numpy(matrix.indptr),
            len(pixels),
        )
        return cls(
            image_shape,
            num_vertices,
            torch.from_numpy(pixels),
            rows,
            torch.from_numpy(pairs % num_vertices),
            torch.from_numpy(pairs // num_vertices),
            torch.from_numpy(total[pairs]),
        )

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything ``from_tensors`` needs, on the CPU, as named contiguous tensors."""
        tensors = {
            "shape": torch.tensor([*self.image_shape, self.num_vertices]),
            "pixels": self.pixels.int(),
            "pair_vertex": self.pair_vertex.int(),
            "pair_view": self.pair_view.int(),
            "pair_mass": self.pair_mass,
            "columns": self.pair_pixels.columns,
            "weights": self.pair_pixels.weights,
            "offsets": self.pair_pixels.offsets,
        }
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "LiftOperator":
        """Inverse of ``to_tensors``."""
        views, height, width, num_vertices = (int(n) for n in tensors["shape"])
        rows = SparseRows(
            tensors["columns"], tensors["weights"], tensors["offsets"], len(tensors["pixels"])
        )
        return cls(
            (views, height, width),
            num_vertices,
            tensors["pixels"],
            rows,
            tensors["pair_vertex"],
            tensors["pair_view"],
            tensors["pair_mass"],
        )

    def forward(
        self,
        values: Tensor,
        view_weights: Tensor | None = None,
        gate: float | None = None,
        by_pixels: bool = False,
    ) -> Lifted:
        """Same as ``lift``."""
        return self.lift(values, view_weights, gate, by_pixels)

    def lift(
        self,
        values: Tensor,
        view_weights: Tensor | None = None,
        gate: float | None = None,
        by_pixels: bool = False,
    ) -> Lifted:
        """Pixel values to vertex scores.

        Args:
            values: [B, J, H, W], any float type; probabilities in [0, 1] give scores in [0, 1].
            view_weights: how much each view counts, >= 0: [B, J], or [B, J, V] per vertex;
                None counts all views that see a vertex alike. A vertex whose views all have
                weight 0 gets score 0.
            gate: only pixels above this value count, in the mean of a view and in whether the
                view counts for a vertex at all (object meshes of the published models: 0.3).
            by_pixels: a view counts by the pixels it spends on the vertex, so that a close-up
                decides about a hand that is a speck in the other views (times ``view_weights``).

        Returns:
            Scores (differentiable w.r.t. ``values`` and ``view_weights``) and seen vertices.

        Raises:
            ValueError: a shape does not fit this operator.
        """
        if values.ndim != 4 or tuple(values.shape[1:]) != self.image_shape:
            raise ValueError(
                f"lift needs values of shape [B, {', '.join(map(str, self.image_shape))}] "
                f"(batch, view, height, width), got {tuple(values.shape)}. Resize the masks to "
                "the size the views were rendered at."
            )
        pixel_values = values.float().flatten(1)[:, self.pixels].t()  # [P, B]
        if gate is None:
            view_means = self.pair_pixels(pixel_values)  # [K, B], K = (view, vertex) pairs
            pair_weights = torch.ones_like(view_means)
        else:
            counts = (pixel_values > gate).float()
            mass = self.pair_pixels(counts)
            view_means = self.pair_pixels(pixel_values * counts) / mass.clamp_min(1e-12)
            pair_weights = (mass > 0).float()
        if by_pixels:
            pair_weights = pair_weights * self.pair_mass[:, None]
        if view_weights is not None:
            pair_weights = pair_weights * self._pair_weights(view_weights, len(values))
        total = self.vertex_pairs(pair_weights)
        scores = self.vertex_pairs(view_means * pair_weights) / total.clamp_min(1e-12)
        if len(pixel_values):
            # Weights are rounded: a mean may leave its values by an ulp, and a probability 1.
            low, high = pixel_values.detach().aminmax(dim=0)
            scores = scores.clamp(low.clamp(max=0.0), high.clamp(min=0.0))
        return Lifted(scores=scores.t(), seen=self.seen)

    def _pair_weights(self, view_weights: Tensor, batch: int) -> Tensor:
        """View weights [B, J] or [B, J, V] picked out for the pairs: [K, B]."""
        views = self.image_shape[0]
        weights = view_weights.float()
        if tuple(weights.shape) == (batch, views):
            return weights[:, self.pair_view].t()
        if tuple(weights.shape) == (batch, views, self.num_vertices):
            return weights[:, self.pair_view, self.pair_vertex].t()
        raise ValueError(
            f"view_weights must have shape [{batch}, {views}] or "
            f"[{batch}, {views}, {self.num_vertices}], got {tuple(weights.shape)}."
        )

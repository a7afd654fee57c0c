"""The body in a few hundred regions: a coarse contact target that needs no rendering."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ivlm_core.geometry.body import Body, load_body


class BodyRegions:
    """Vertices grouped by place, alike on both sides; dense hands and face get more regions."""

    def __init__(self, body: Body, per_side: int = 96) -> None:
        from scipy.cluster.vq import kmeans2

        vertices = body.mesh.vertices.astype(np.float64)
        left = vertices[:, 0] >= 0
        _, near = kmeans2(vertices[left], per_side, minit="++", seed=0)
        index = np.full(len(vertices), -1)
        index[left] = near
        index[~left] = index[body.mirror[~left]] + per_side
        _, self.index = np.unique(index, return_inverse=True)  # no empty regions
        self.sizes = np.bincount(self.index)

    def __len__(self) -> int:
        """Return the number of regions."""
        return len(self.sizes)

    def shares(self, vertices: np.ndarray) -> Tensor:
        """Return the share of every region that the vertices cover, float32 `[region]`."""
        counts = np.bincount(self.index[vertices], minlength=len(self))
        return torch.from_numpy((counts / self.sizes).astype(np.float32))


@lru_cache(maxsize=2)
def body_regions(topology: str) -> BodyRegions:
    """Return the regions of a shipped body."""
    return BodyRegions(load_body(topology))

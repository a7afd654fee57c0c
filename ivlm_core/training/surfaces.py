"""Surfaces as training sees them: view inputs, target masks from vertex labels, a coarser lift."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ivlm_core.config import IvlmConfig
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import ViewRig, get_rig
from ivlm_core.model.sam import normalise_views
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.surfaces import make_lift, render_views


class TrainingSurface:
    """One mesh under its rig."""

    def __init__(
        self,
        mesh: Mesh,
        rig: ViewRig,
        config: IvlmConfig,
        lift_size: int,
        fine: int,
        style: Literal["normal", "position"],
    ) -> None:
        self.num_vertices = len(mesh.vertices)
        self.views_uint8 = render_views(mesh, rig, config.sam.image_size, style)
        low = 4 * config.sam.grid_size
        coarse = rasterize(mesh, rig.cameras(low))
        self._hit = torch.from_numpy(coarse.hit)  # [view, low, low]
        self._pixels = self._hit.flatten().nonzero()[:, 0]  # [pixel] that see the surface
        self._ids = torch.from_numpy(coarse.vertex_ids[coarse.hit]).long()  # [pixel, 3]
        self._weights = torch.from_numpy(coarse.barycentric[coarse.hit])
        self.lift = make_lift(mesh, rig, lift_size, max(1, fine // lift_size))
        self._sight = torch.zeros(self.num_views, self.num_vertices, dtype=torch.bool)
        self._sight[self.lift.pair_view, self.lift.pair_vertex] = True
        self.lift_size = lift_size

    @classmethod
    def body(cls, mesh: Mesh, config: IvlmConfig, lift_size: int) -> "TrainingSurface":
        """Return the body's surface; its lift sees the vertices that inference sees."""
        rig, fine = get_rig(config.views.human_rig), config.sam.image_size * config.lift.pool
        return cls(mesh, rig, config, lift_size, fine, "normal")

    @classmethod
    def object(cls, mesh: Mesh, config: IvlmConfig, lift_size: int) -> "TrainingSurface":
        """Return an object's surface; there are hundreds, so its lift is made from less."""
        rig, fine = get_rig(config.views.object_rig), config.sam.image_size
        return cls(mesh.normalised()[0], rig, config, lift_size, fine, "position")

    def to(self, device: torch.device) -> "TrainingSurface":
        """Move what losses are computed from; the same surface, for chaining."""
        if self._hit.device != device:
            for name in ("views_uint8", "_hit", "_pixels", "_ids", "_weights", "_sight", "lift"):
                setattr(self, name, getattr(self, name).to(device))
        return self

    @property
    def views(self) -> Tensor:
        """SAM's input `[view, 3, size, size]`."""
        return normalise_views(self.views_uint8)

    @property
    def on_surface(self) -> Tensor:
        """Bool `[view, low, low]`: pixels that a mask target exists for."""
        return self._hit

    @property
    def num_views(self) -> int:
        """Views of the rig."""
        return len(self.views_uint8)

    def seen_from(self, views: Sequence[int]) -> Tensor:
        """Return bool `[vertex]`: in sight of one of these views."""
        return self._sight[list(views)].any(dim=0)

    def vertex_targets(self, vertices: Sequence[np.ndarray]) -> Tensor:
        """Return float `[batch, vertex]`, 1 on the listed vertices."""
        return vertex_targets(vertices, self.num_vertices).to(self._hit.device)

    def mask_targets(self, vertex_targets: Tensor) -> Tensor:
        """Interpolate vertex labels `[batch, vertex]` to masks `[batch, view, low, low]`."""
        masks = vertex_targets.new_zeros(len(vertex_targets), self._hit.numel())
        seen = (vertex_targets[:, self._ids] * self._weights).sum(dim=-1)
        masks[:, self._pixels] = seen
        return masks.unflatten(1, self._hit.shape)


class TrainingSurfaces:
    """The body, and object instances, each rendered when it is first asked for."""

    def __init__(
        self, body: Mesh, object_mesh: Callable[[str], Mesh], config: IvlmConfig, lift_size: int
    ) -> None:
        self.body = TrainingSurface.body(body, config, lift_size)
        self._object_mesh, self._config, self._lift_size = object_mesh, config, lift_size
        self._objects: dict[str, TrainingSurface] = {}

    def object(self, instance: str) -> TrainingSurface:
        """Return the surface of an object instance."""
        if instance not in self._objects:
            mesh = self._object_mesh(instance)
            self._objects[instance] = TrainingSurface.object(mesh, self._config, self._lift_size)
        return self._objects[instance]


def vertex_targets(vertices: Sequence[np.ndarray], num_vertices: int) -> Tensor:
    """Return float `[batch, vertex]`, 1 on the listed vertices."""
    target = torch.zeros(len(vertices), num_vertices)
    for row, ids in zip(target, vertices, strict=True):
        row[torch.from_numpy(np.asarray(ids, dtype=np.int64))] = 1
    return target

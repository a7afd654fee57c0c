"""Surfaces that contact is localised on: rendered, encoded and prepared for lifting, once.

A body's views never change and an object's change only with its mesh, so everything about a
surface that does not depend on the camera image is kept in memory and on disk, under a hash of
mesh, rig and encoder weights.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ivlm_core.cache import ArtifactCache, content_key
from ivlm_core.geometry.body import Body, load_body
from ivlm_core.geometry.mesh import Mesh, check_mesh
from ivlm_core.geometry.view_rig import ViewRig, get_rig
from ivlm_core.lift.lift import LiftOperator
from ivlm_core.lift.unseen import nearest_seen
from ivlm_core.lift.view_weights import view_angle_weights
from ivlm_core.lift.votes import VoteLift
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.sam import normalise_views
from ivlm_core.render.points import in_unit_sphere, render_points
from ivlm_core.render.rasterizer import cast_pixels, rasterize
from ivlm_core.render.shading import position_colors, shade

if TYPE_CHECKING:
    from ivlm_core.official.views import SurfaceViews

RENDER_VERSION = 6
"""Part of every cache key; raise it when renders or lift tensors change their meaning."""

SPLAT_RADIUS = 0.05
"""Of a point in the views of a cloud of `SPLAT_POINTS`, in halves of the image (PIAD's)."""
SPLAT_POINTS = 2048

MAX_READY = 16
"""Surfaces that stay on the model's device (a 1024-pixel body: about 50 MB), oldest out first."""


@dataclass(frozen=True)
class Surface:
    """A mesh with everything that localising and lifting on it needs."""

    mesh: Mesh
    """In the user's own vertices and units."""
    topology: str
    rig: ViewRig
    view_images: Tensor
    """uint8 RGB `[view, size, size, 3]`."""
    view_embeddings: Tensor
    """`[view, embed_dim, grid, grid]`."""
    lift: LiftOperator
    angle_weights: Tensor
    """`[view, vertex]`: how squarely a camera looks at a vertex."""
    nearest_seen: Tensor | None = None
    """int64 `[vertex]`: itself, or the nearest vertex in sight (`lift.unseen`), where the model's
    configuration asks for its score."""
    votes: VoteLift | None = None
    """Takes the place of `lift` for scores, where the model's configuration asks for votes."""


def render_views(
    mesh: Mesh, rig: ViewRig, size: int, style: Literal["normal", "position"]
) -> Tensor:
    """Render a mesh that stands in its rig's frame: uint8 RGB `[view, size, size, 3]`."""
    cameras = rig.cameras(size)
    lights = rig.light_positions()
    images = shade(mesh, rasterize(mesh, cameras), cameras, style=style, light_positions=lights)
    return torch.from_numpy(images)


def render_cloud(cloud: Mesh, rig: ViewRig, size: int) -> tuple[Tensor, LiftOperator]:
    """Render points that stand in their rig's frame, as splats that shrink as points get dense.

    Returns:
        uint8 RGB `[view, size, size, 3]`, and the lift to the nearest point of every pixel.
    """
    radius = SPLAT_RADIUS * min(1.0, math.sqrt(SPLAT_POINTS / cloud.num_vertices))
    colors = position_colors(cloud.vertices)
    seen = render_points(cloud.vertices, colors, rig.cameras(size), max(radius, 2.0 / size))
    ids = seen.point_ids[..., None]
    lift = LiftOperator.from_indices(ids, np.ones(ids.shape, np.float32), cloud.num_vertices)
    return torch.from_numpy(seen.images), lift


def make_lift(mesh: Mesh, rig: ViewRig, size: int, pool: int) -> LiftOperator:
    """Return the lift of `[view, size, size]` masks, from a map `pool` times finer."""
    seen = cast_pixels(mesh, rig.cameras(size * pool))
    return LiftOperator.from_hits(
        seen.image_shape,
        seen.pixels,
        seen.vertex_ids,
        seen.barycentric,
        len(mesh.vertices),
        pool,
    )


def weights_hash(module: nn.Module) -> str:
    """Return a digest of all weights of a module."""
    return content_key(module.state_dict())


class SurfaceStore:
    """Makes surfaces for one model and remembers them."""

    def __init__(self, model: IvlmModel, cache: ArtifactCache) -> None:
        self._model = model
        self._cache = cache
        self._encoder_hash = weights_hash(model.image_encoder)
        self._device = next(model.parameters()).device
        self._ready: dict[str, Surface] = {}
        self._body_views: SurfaceViews | None = None
        self._body_views_key = ""

    @cached_property
    def body_template(self) -> Body:
        """The body that the model's configuration names.

        Read when first asked about, since models of objects need none.

        Raises:
            ValueError: a body of the SMPL family whose file is not there (`load_body`).
        """
        return load_body(self._model.config.body)

    @property
    def body_parts(self) -> tuple[str, ...]:
        """Names of the body's parts, in the body's order."""
        return tuple(self.body_template.mesh.parts)

    def use_body_views(self, views: "SurfaceViews") -> None:
        """Take these pictures of the body, and the maps to lift from them, for rendered ones.

        Raises:
            ValueError: pictures of another size, of other cameras or of another body than the
                model localises on.
        """
        size, rig = self._model.config.sam.image_size, self._model.config.views.human_rig
        vertices = self.body_template.mesh.num_vertices
        found = (*views.images.shape[1:3], views.rig.view_names, views.num_vertices)
        if found != (size, size, get_rig(rig).view_names, vertices):
            raise ValueError(
                f"the model localises on views {', '.join(get_rig(rig).view_names)} of {size} x "
                f"{size} pixels and a body of {vertices} vertices, but these are views "
                f"{', '.join(found[2])} of {found[0]} x {found[1]} pixels and {found[3]} vertices"
            )
        self._body_views = views
        self._body_views_key = content_key(views.images, views.vertex_ids, views.barycentric)

    def forget_ready(self) -> None:
        """Give back the device's memory of surfaces; they come back from the cache when needed."""
        self._ready.clear()

    def body(self) -> Surface:
        """Return the body in its star pose."""
        body, rig = self.body_template, get_rig(self._model.config.views.human_rig)
        mesh = body.mesh
        surface = self._surface(mesh, lambda: mesh, body.topology, rig, "normal", self._body_views)
        if self._model.config.lift.human_mode == "mean":
            return surface
        return dataclasses.replace(surface, votes=self._votes(mesh, rig))

    def of_mesh(self, mesh: Mesh) -> Surface:
        """Return an object's surface; mesh or point cloud may have any scale and origin.

        Raises:
            MeshError: it cannot be used (`check_mesh`).
        """
        views = self._model.config.views
        cloud_rig = views.cloud_rig if mesh.is_cloud else None

        def place() -> Mesh:
            check_mesh(mesh, allow_cloud=True)
            if cloud_rig is not None:
                return dataclasses.replace(mesh, vertices=in_unit_sphere(mesh.vertices))
            return mesh.normalised()[0]

        rig = get_rig(cloud_rig or views.object_rig)
        topology = "points" if mesh.is_cloud else "mesh"
        in_sphere = cloud_rig is not None
        return self._surface(mesh, place, topology, rig, "position", in_sphere=in_sphere)

    def _surface(
        self,
        mesh: Mesh,
        place: Callable[[], Mesh],
        topology: str,
        rig: ViewRig,
        style: Literal["normal", "position"],
        given: "SurfaceViews | None" = None,
        in_sphere: bool = False,
    ) -> Surface:
        """Return the surface of a mesh; `place` puts it into its rig's frame where it is new."""
        size = self._model.config.sam.image_size
        key = content_key(
            "surface",
            RENDER_VERSION,
            mesh.content_hash,
            dataclasses.asdict(rig),
            size,
            self._model.config.lift.pool,
            self._model.config.lift.unseen,
            style,
            self._encoder_hash,
            self._body_views_key if given is not None else "",
            in_sphere,
        )
        parts = self._cache.get_or_make(
            key, lambda: self._prepare(place(), rig, size, style, given)
        )
        ready = self._ready.get(key)
        if ready is not None and ready.view_images is parts["view_images"]:
            return dataclasses.replace(ready, mesh=mesh, topology=topology)
        lift = {k.removeprefix("lift."): v for k, v in parts.items() if k.startswith("lift.")}
        nearest = parts.get("nearest_seen")
        surface = Surface(
            mesh=mesh,
            topology=topology,
            rig=rig,
            view_images=parts["view_images"],
            view_embeddings=parts["view_embeddings"].to(self._device),
            lift=LiftOperator.from_tensors(lift).to(self._device),
            angle_weights=parts["angle_weights"].to(self._device),
            nearest_seen=None if nearest is None else nearest.long().to(self._device),
        )
        if len(self._ready) >= MAX_READY:
            self._ready.pop(next(iter(self._ready)), None)
        self._ready[key] = surface
        return surface

    def _votes(self, mesh: Mesh, rig: ViewRig) -> VoteLift:
        """Return the votes for a mesh that stands in its rig's frame."""
        size = self._model.config.sam.image_size
        about = (mesh.content_hash, dataclasses.asdict(rig), size, self._body_views_key)
        key = content_key("votes", RENDER_VERSION, *about)

        def make() -> dict[str, Tensor]:
            seen = self._body_views or rasterize(mesh, rig.cameras(size))
            ids, weights = seen.vertex_ids, seen.barycentric
            return VoteLift.from_indices(ids, weights, len(mesh.vertices)).to_tensors()

        return VoteLift.from_tensors(self._cache.get_or_make(key, make)).to(self._device)

    @torch.inference_mode()
    def _prepare(
        self,
        placed: Mesh,
        rig: ViewRig,
        size: int,
        style: Literal["normal", "position"],
        given: "SurfaceViews | None",
    ) -> dict[str, Tensor]:
        if placed.is_cloud:
            images, lift = render_cloud(placed, rig, size)
        elif given is None:
            images = render_views(placed, rig, size, style)
            lift = make_lift(placed, rig, size, self._model.config.lift.pool)
        else:
            images = torch.from_numpy(given.images)
            lift = given.lift_operator()
        embeddings = self._model.embed_views(normalise_views(images.to(self._device)))
        parts = {
            "view_images": images,
            "view_embeddings": embeddings.cpu(),
            "angle_weights": view_angle_weights(placed, rig.cameras(size)),
            **{f"lift.{name}": tensor for name, tensor in lift.to_tensors().items()},
        }
        if self._model.config.lift.unseen == "nearest":
            source = nearest_seen(placed, lift.seen.numpy())
            parts["nearest_seen"] = torch.from_numpy(source).int()
        return parts

"""Shapes made of equal copies: mirrored pairs and spokes."""

from dataclasses import dataclass, field

import numpy as np

from ivlm_core.synthesis.objects.meshing import Array, Distance, Faces, Solid


@dataclass(frozen=True)
class Spokes:
    """`count` equal copies of a thin shape lying near the +z axis, turned about the y axis."""

    solid: Solid
    count: int
    phase: float = field(default=0.0)

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        vertices, faces = self.solid.mesh(edge)
        turned, shifted = [], []
        for k in range(self.count):
            angle = self.phase + 2 * np.pi * k / self.count
            c, s = np.cos(angle), np.sin(angle)
            x, y, z = vertices.T
            turned.append(np.stack([c * x + s * z, y, c * z - s * x], 1))
            shifted.append(faces + k * len(vertices))
        return np.concatenate(turned), np.concatenate(shifted)

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        sector = np.float32(2 * np.pi / self.count)
        angle = np.arctan2(x, z) - np.float32(self.phase)
        folded = angle - sector * np.round(angle / sector)
        radius = np.hypot(x, z)
        return self.solid.distance(radius * np.sin(folded), y, radius * np.cos(folded))


@dataclass(frozen=True)
class Mirrored:
    """A shape at x > 0 (in this frame) together with its mirror image at x < 0.

    Args:
        solid: the shape.
        at: its origin [3] in metres.
        rotation: 3x3 axes of the shape; none means aligned.
    """

    solid: Solid
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: Array | None = None

    def mesh(self, edge: float) -> tuple[Array, Faces]:
        """See `Solid.mesh`."""
        vertices, faces = self.solid.mesh(edge)
        if self.rotation is not None:
            vertices = vertices @ self.rotation.T
        vertices = vertices + np.asarray(self.at)
        faces = faces[~(vertices[faces, 0] < -1e-6).all(1)]
        other = vertices * np.array([-1.0, 1.0, 1.0])
        return np.concatenate([vertices, other]), np.concatenate(
            [faces, faces[:, ::-1] + len(vertices)]
        )

    def distance(self, x: Distance, y: Distance, z: Distance) -> Distance:
        """See `Solid.distance`."""
        moved = np.stack([np.abs(x), y, z]) - np.asarray(self.at, np.float32)[:, None]
        if self.rotation is not None:
            moved = self.rotation.T.astype(np.float32) @ moved
        return self.solid.distance(*moved)

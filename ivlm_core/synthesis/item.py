"""An object placed in a scene."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis.objects import ObjectInstance
from ivlm_core.synthesis.objects.instance import FAR
from ivlm_core.synthesis.objects.meshing import inside_box
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.rotations import rigid_inverse


@dataclass(eq=False)
class Item:
    """An object instance with its place in the world and its role.

    Attributes:
        instance: shape as it is placed (a worn backpack has fitted straps).
        pose: object to world, 4x4 rigid.
        scale: stretch along the object's axes [3].
        template: how it is used, "bystander" where it is not.
        side: side of the body that takes part.
        affordances: what it is used for.
        in_contact: whether the body is meant to touch it.
        shipped: the instance as stored in the data set, where it differs from `instance`.
    """

    instance: ObjectInstance
    pose: Array = field(default_factory=lambda: np.eye(4))
    scale: Array = field(default_factory=lambda: np.ones(3))
    template: str = "bystander"
    side: str = "none"
    affordances: tuple[str, ...] = ()
    in_contact: bool = True
    shipped: ObjectInstance | None = None
    _placed: tuple[ObjectInstance, bytes, NDArray[np.float32]] | None = field(
        default=None, init=False, repr=False
    )

    @property
    def category(self) -> str:
        """Category of the object."""
        return self.instance.category

    def to_local(self, points: NDArray[np.floating]) -> Array:
        """World points [N, 3] in the object's own frame."""
        return ((points - self.pose[:3, 3]) @ self.pose[:3, :3]) / self.scale

    def _to_local(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """The same in single precision, which distances are in anyway, in half the time."""
        place, turn = self.pose[:3, 3].astype(np.float32), self.pose[:3, :3].astype(np.float32)
        moved = np.empty(points.shape, np.float32)
        for k in range(3):  # numpy is slow along rows of three
            np.subtract(points[:, k], place[k], out=moved[:, k], dtype=np.float32)
        local = moved @ turn
        if not (self.scale == 1).all():
            local /= self.scale.astype(np.float32)
        return np.asarray(local, np.float32)

    def to_world(self, points: NDArray[np.floating]) -> Array:
        """Points [N, 3] of the object's own frame in the world."""
        return (points * self.scale) @ self.pose[:3, :3].T + self.pose[:3, 3]

    def distance(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Signed distance of world points [N, 3], float32 [N] metres, negative inside."""
        return self.instance.sdf(self._to_local(points)) * np.float32(self.scale.mean())

    def near(self, points: NDArray[np.floating], reach: float = 0.05) -> NDArray[np.intp]:
        """Indices of world points [N, 3] within `reach` of the object's bounding box."""
        low, high = self.instance.bounds
        local = self._to_local(points)
        margin = np.float32(min(reach, FAR))
        return np.flatnonzero(inside_box(local, low - margin, high + margin))

    def vertices(self) -> NDArray[np.float32]:
        """Vertices in the world, float32 [V, 3]; not to be changed."""
        place = self.pose.tobytes() + self.scale.tobytes()
        if self._placed is None or self._placed[:2] != (self.instance, place):
            world = self.to_world(self.instance.mesh.vertices).astype(np.float32)
            self._placed = self.instance, place, world
        return self._placed[2]

    def frame(self, name: str) -> Array:
        """An interaction frame in the world, 4x4."""
        local = self.instance.frames[name].copy()
        local[:3, 3] *= self.scale
        return self.pose @ local

    def attach(self, name: str, world: Array) -> None:
        """Place the object so that one of its frames lies at a world frame 4x4."""
        local = self.instance.frames[name].copy()
        local[:3, 3] *= self.scale
        self.pose = world @ rigid_inverse(local)

    def move(self, shift: Array) -> None:
        """Move the object by a vector [3]."""
        self.pose = self.pose.copy()
        self.pose[:3, 3] += shift

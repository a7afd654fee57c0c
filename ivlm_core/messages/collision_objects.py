"""Objects for MoveIt's planning scene: a small mesh, and a subframe for each graspable region."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.grasping.collision import collision_mesh
from ivlm_core.grasping.regions import affordance_regions
from ivlm_core.messages.arrangement import Display, of_objects
from ivlm_core.messages.cdr import (
    OBJECT_REMOVE,
    CollisionObjectData,
    Stamp,
    encode_collision_object,
)
from ivlm_core.messages.placement import Placed


class CollisionObjects:
    """Objects for planning scenes, where they are known to be."""

    def __init__(self) -> None:
        self._small: dict[str, tuple[Mesh, Mesh]] = {}
        self._frames: dict[str, str] = {}

    def add(self, header: Stamp, placed: Sequence[Placed], display: Display) -> Iterator[bytes]:
        """Yield a `CollisionObject` for each object whose place is known, with its regions.

        The object's frame is its mesh's.
        """
        for prediction, pose, where in of_objects(placed):
            if where != "object" or prediction.mesh.is_cloud:
                continue
            name = prediction.label.replace(" ", "_")
            known = self._small.get(name)
            if known is None or known[0] is not prediction.mesh:
                known = self._small[name] = (prediction.mesh, collision_mesh(prediction.mesh))
            regions = affordance_regions(
                prediction.mesh,
                prediction.scores,
                prediction.seen,
                prediction.threshold,
                approach_axis=display.approach_axis,
            )
            turns = [Rotation.from_matrix(region.rotation).as_quat() for region in regions]
            poses = [np.concatenate([r.position, q]) for r, q in zip(regions, turns, strict=True)]
            self._frames[name] = header.frame_id
            yield encode_collision_object(
                CollisionObjectData(
                    header=header,
                    id=name,
                    pose=pose,
                    vertices=known[1].vertices,
                    faces=known[1].faces,
                    subframe_names=[region.name for region in regions],
                    subframe_poses=np.array(poses).reshape(-1, 7),
                )
            )

    def remove(self) -> list[bytes]:
        """Return what removes all that was added."""
        gone = [
            CollisionObjectData(Stamp(frame_id=frame), name, operation=OBJECT_REMOVE)
            for name, frame in self._frames.items()
        ]
        self._small, self._frames = {}, {}
        return [encode_collision_object(data) for data in gone]

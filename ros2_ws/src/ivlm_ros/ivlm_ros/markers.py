"""Predictions as RViz markers: coloured meshes whose shading is part of their colours.

RViz draws a TRIANGLE_LIST with colours per corner unlit, so a body would be a flat silhouette; a
soft light is therefore baked into the colours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.visualize.colours import score_colours, shaded
from ivlm_core.visualize.wording import parts_line
from ivlm_ros.cdr import DELETE_ALL, TEXT_VIEW_FACING, MarkerData, Pose, Stamp

if TYPE_CHECKING:
    from ivlm_core.geometry.mesh import Mesh
    from ivlm_core.pipeline import Prediction

_TO_LIGHT = np.array([0.35, 0.75, 0.56]) / np.linalg.norm([0.35, 0.75, 0.56])
"""Towards the light in the mesh's frame (+y up, +z front): above, in front, a bit to the side."""

_CAPTION_HEIGHT = 0.07
_CAPTION_GAP = 0.12
_REMEMBERED = 8


@dataclass(frozen=True)
class _Corners:
    """The corners of a mesh's triangles; those without area are left out, RViz has no normal there.

    Attributes:
        mesh: the mesh, kept alive so that its id stays its own.
        vertices: int [3 x face], vertex of each corner.
        points: float64 [3 x face, 3], its position.
    """

    mesh: "Mesh"
    vertices: np.ndarray
    points: np.ndarray

    @classmethod
    def of(cls, mesh: "Mesh") -> "_Corners":
        vertices = mesh.faces[mesh.face_areas > 0].ravel().astype(np.intp)
        return cls(mesh, vertices, mesh.vertices[vertices].astype(np.float64))


class MarkerMaker:
    """Makes markers of predictions; remembers each mesh's corner positions between frames."""

    def __init__(self) -> None:
        self._corners: dict[int, _Corners] = {}

    def mesh_marker(self, prediction: "Prediction", header: Stamp, pose: Pose) -> MarkerData:
        """Return the mesh as triangles coloured by score.

        Args:
            prediction: what to show.
            header: of the image.
            pose: of the mesh in the header's frame.
        """
        corners = self._corners_of(prediction.mesh)
        return MarkerData(
            header=header,
            ns=prediction.task,
            id=0,
            pose=pose,
            frame_locked=True,  # follow the camera; also frees RViz from finding an old stamp in tf
            points=corners.points,
            colors=shaded_colours(prediction).take(corners.vertices, axis=0),
        )

    def caption(self, prediction: "Prediction", header: Stamp, pose: Pose) -> MarkerData:
        """Return what was asked and found as a line of text above the mesh."""
        height = float(np.ptp(prediction.mesh.vertices[:, 1]))
        low, high = prediction.mesh.bounds.astype(np.float64)
        x, y, z = pose.position
        centre = (low + high) / 2
        above = (x + centre[0], y - centre[1] - height / 2 - _CAPTION_GAP, z - centre[2])
        found = f"\n{parts_line(prediction)}" if prediction.part_scores else ""
        return MarkerData(
            header=header,
            ns=f"{prediction.task}_caption",
            id=0,
            type=TEXT_VIEW_FACING,
            pose=Pose(position=(float(above[0]), float(above[1]), float(above[2]))),
            scale=(_CAPTION_HEIGHT,) * 3,
            frame_locked=True,
            text=f"{prediction.task.replace('_', ' ')}: {prediction.label}{found}",
        )

    def _corners_of(self, mesh: "Mesh") -> _Corners:
        known = self._corners.get(id(mesh))
        if known is None or known.mesh is not mesh:
            if len(self._corners) >= _REMEMBERED:
                self._corners.pop(next(iter(self._corners)))
            known = self._corners[id(mesh)] = _Corners.of(mesh)
        return known


def shaded_colours(prediction: "Prediction") -> np.ndarray:
    """Return the shaded colours of all vertices, float32 [vertex, 4] RGBA, opaque."""
    plain = score_colours(prediction.scores, prediction.seen)
    shades = shaded(plain, prediction.mesh.vertex_normals, _TO_LIGHT)
    rgba = np.ones((len(shades), 4), np.float32)
    rgba[:, :3] = shades.astype(np.float32) / 255
    return rgba


def clearing_marker(header: Stamp) -> MarkerData:
    """Return the marker that removes everything this node has shown."""
    return MarkerData(header=header, ns="", id=0, action=DELETE_ALL)

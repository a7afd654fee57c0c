"""Predictions as RViz markers: coloured meshes whose shading is part of their colours.

RViz draws a TRIANGLE_LIST with colours per corner unlit, so a body would be a flat silhouette; a
soft light is therefore baked into the colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ivlm_core.messages.cdr import (
    DELETE,
    DELETE_ALL,
    TEXT_VIEW_FACING,
    MarkerData,
    Pose,
    Stamp,
    encode_marker_array,
)
from ivlm_core.messages.placement import Placed, place_vertices
from ivlm_core.visualize.colours import ColourMap, score_colours, shaded
from ivlm_core.visualize.wording import parts_line

if TYPE_CHECKING:
    from ivlm_core.geometry.mesh import Mesh
    from ivlm_core.pipeline import Prediction

_TO_LIGHT = np.array([0.35, 0.75, 0.56]) / np.linalg.norm([0.35, 0.75, 0.56])
"""Towards the light in the mesh's frame (+y up, +z front): above, in front, a bit to the side."""

_CAPTION_HEIGHT = 0.07
_CAPTION_GAP = 0.12
_REMEMBERED = 16
_REMOVED_AGAIN = 64
"""Namespaces of a dozen labels; to remove one takes some 300 bytes."""


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

    def mesh_marker(
        self, placed: Placed, header: Stamp, colour_map: ColourMap = "warm"
    ) -> MarkerData:
        """Return the mesh as triangles coloured by score.

        Args:
            placed: what to show, and where in the header's frame.
            header: of the image.
            colour_map: which colours.
        """
        prediction, pose, where = placed
        moving = where == "person"  # another mesh in every image
        corners = _Corners.of(prediction.mesh) if moving else self._corners_of(prediction.mesh)
        return MarkerData(
            header=header,
            ns=namespace(placed),
            id=0,
            pose=pose,
            frame_locked=True,  # follow the camera; also frees RViz from finding an old stamp in tf
            points=corners.points,
            colors=shaded_colours(prediction, colour_map).take(corners.vertices, axis=0),
        )

    def caption(self, placed: Placed, header: Stamp) -> MarkerData:
        """Return what was asked and found as a line of text above the mesh."""
        prediction, pose, _ = placed
        low, high = _bounds(place_vertices(prediction.mesh.vertices, pose))
        above = ((low[0] + high[0]) / 2, low[1] - _CAPTION_GAP, (low[2] + high[2]) / 2)
        found = f"\n{parts_line(prediction)}" if prediction.part_scores else ""
        return MarkerData(
            header=header,
            ns=f"{namespace(placed)}_caption",
            id=0,
            type=TEXT_VIEW_FACING,
            pose=Pose(position=above),
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


def _bounds(points: np.ndarray) -> tuple[list[float], list[float]]:
    return points.min(axis=0).astype(float).tolist(), points.max(axis=0).astype(float).tolist()


def namespace(placed: Placed) -> str:
    """Return the namespace of a prediction's markers: RViz lists and switches them by label."""
    posed = "_posed" if placed.where == "person" else ""
    return f"{placed.prediction.label}/{placed.prediction.task}{posed}"


def shaded_colours(prediction: "Prediction", colour_map: ColourMap = "warm") -> np.ndarray:
    """Return the shaded colours of all vertices, float32 [vertex, 4] RGBA, opaque."""
    plain = score_colours(prediction.scores, prediction.known, colour_map)
    shades = shaded(plain, prediction.mesh.vertex_normals, _TO_LIGHT)
    rgba = np.ones((len(shades), 4), np.float32)
    rgba[:, :3] = shades.astype(np.float32) / 255
    return rgba


class MarkerScene:
    """What RViz shows: each message is the full picture, and removes what is gone.

    What is gone is removed by every message after that, as far as `_REMOVED_AGAIN` reaches: a
    viewer that is busy gets the newest message only, and would keep for ever what just one removes.
    """

    def __init__(self) -> None:
        self._maker = MarkerMaker()
        self.shown: tuple[str, ...] = ()
        """Namespaces that a viewer may show: those that went, then those of the last message."""
        self._cleared = True
        self._frame = ""

    def show(
        self, placed: Sequence[Placed], header: Stamp, colour_map: ColourMap = "warm"
    ) -> bytes:
        """Return a `MarkerArray` that shows predictions at their poses, and nothing else."""
        markers = []
        for item in placed:
            markers.append(self._maker.mesh_marker(item, header, colour_map))
            if item.where != "person":  # its text stands above the canonical body
                markers.append(self._maker.caption(item, header))
        names = tuple(marker.ns for marker in markers)
        left = tuple(ns for ns in self.shown if ns not in names)[-_REMOVED_AGAIN:]
        gone = [MarkerData(header, ns, 0, action=DELETE) for ns in left]
        self.shown, self._frame = left + names, header.frame_id
        self._cleared = not self.shown
        return encode_marker_array(markers + gone)

    def clear(self) -> bytes | None:
        """Return a `MarkerArray` that removes everything; None where nothing is shown."""
        if self._cleared:
            return None
        self._cleared = True
        header = Stamp(frame_id=self._frame)
        return encode_marker_array([MarkerData(header=header, ns="", id=0, action=DELETE_ALL)])

"""What a user should know of a mesh that can be used, but perhaps not as it was meant."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ivlm_core.geometry.mesh import Mesh

_LARGEST = 10.0
"""Metres; a larger object is rather one whose file has millimetres."""
_LONG = 0.25
"""Share of the mesh's size from which a side is long: scores between its ends are not told."""


def mesh_notes(mesh: "Mesh") -> list[str]:
    """Say what is doubtful about a mesh, with the remedy; most give nothing.

    Args:
        mesh: that passed `check_mesh`, metres.
    """
    notes = []
    size = float(np.ptp(mesh.bounds, axis=0).max())
    if size > _LARGEST:
        notes.append(
            f"mesh '{mesh.name}' is {size:g} m large; units are taken as metres, so scale it by "
            "0.001 if its file has millimetres"
        )
    if _is_coarse(mesh, size):
        notes.append(
            f"mesh '{mesh.name}' is mostly of triangles with sides longer than {_LONG:.0%} of its "
            f"size; scores stand at its {mesh.num_vertices} vertices only, so subdivide it for "
            "where between them"
        )
    return notes


def _is_coarse(mesh: "Mesh", size: float) -> bool:
    """Whether most of the surface lies in triangles with a long side."""
    if mesh.is_cloud:
        return False
    corners = mesh.vertices[mesh.faces]  # [F, 3, 3]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    areas = mesh.face_areas
    return bool(areas[sides.max(axis=1) > _LONG * size].sum() > 0.5 * areas.sum())

"""Point clouds as meshes that can be drawn: a small octahedron for every point."""

import numpy as np

from ivlm_core.geometry.mesh import Mesh

_CORNERS = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)
_FACES = np.array(
    [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
)
_REACH = 0.6
"""Of an octahedron, in median distances between neighbours."""


def drawable(
    mesh: Mesh, scores: np.ndarray, seen: np.ndarray
) -> tuple[Mesh, np.ndarray, np.ndarray]:
    """Return what shows a surface: a mesh as it is, a cloud as octahedra.

    Args:
        mesh: the surface.
        scores: float [V].
        seen: bool [V].

    Returns:
        A mesh with faces, and scores and flags of its vertices.
    """
    if not mesh.is_cloud:
        return mesh, scores, seen
    return octahedra(mesh), np.repeat(scores, len(_CORNERS)), np.repeat(seen, len(_CORNERS))


def octahedra(cloud: Mesh) -> Mesh:
    """Return the mesh of a cloud: six vertices and eight faces a point, in the points' order."""
    from scipy.spatial import cKDTree  # here: most surfaces are meshes and need not wait for it

    apart, _ = cKDTree(cloud.vertices).query(cloud.vertices, k=2)
    near = apart[:, 1]
    radius = _REACH * float(np.median(near[near > 0])) if (near > 0).any() else 0.01
    vertices = cloud.vertices[:, None] + radius * _CORNERS
    starts = len(_CORNERS) * np.arange(cloud.num_vertices)
    faces = (starts[:, None, None] + _FACES).reshape(-1, 3)
    return Mesh(vertices.reshape(-1, 3), faces, name=cloud.name)

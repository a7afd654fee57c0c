"""Vertices that no view shows, between fingers or in an armpit: contact there is next door's."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ivlm_core.geometry.mesh import Mesh


def nearest_seen(mesh: Mesh, seen: np.ndarray) -> np.ndarray:
    """Return the vertex whose score each vertex has: its own, or that of the nearest seen one.

    Nearest is measured along edges, so that nothing crosses from one finger to the other. Where no
    way leads to a seen vertex (points of a cloud, a part inside another), it is the vertex itself.
    A way crosses the seams of a texture (`Mesh.places`).

    Args:
        mesh: V vertices; any unit.
        seen: bool `[V]`.

    Returns:
        int64 `[V]`.
    """
    own = np.arange(mesh.num_vertices)
    if mesh.is_cloud or seen.all() or not seen.any():
        return own
    point = mesh.places
    where = np.zeros((int(point.max()) + 1, 3))
    where[point] = mesh.vertices
    shown = np.full(len(where), -1)  # a seen vertex of each point, or -1
    shown[point[seen]] = own[seen]
    edges = point[mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)]
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    lengths = np.linalg.norm(np.diff(where[edges], axis=1)[:, 0], axis=1)
    # An entry of 0 would be no edge at all; faces without area may have such edges.
    lengths = np.maximum(lengths, np.finfo(np.float64).tiny)
    graph = csr_matrix((lengths, edges.T), shape=(len(where), len(where)))
    distances, _, sources = dijkstra(
        graph,
        directed=False,
        indices=np.flatnonzero(shown >= 0),
        return_predecessors=True,
        min_only=True,
    )
    reached = np.isfinite(distances)
    nearest = np.where(reached, shown[np.where(reached, sources, 0)], -1)[point]
    return np.where(seen | (nearest < 0), own, nearest).astype(np.int64)

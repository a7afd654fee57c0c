"""Vertices that no view shows, between fingers or in an armpit: contact there is next door's."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from ivlm_core.geometry.mesh import Mesh


def nearest_seen(mesh: Mesh, seen: np.ndarray) -> np.ndarray:
    """Return the vertex whose score each vertex has: its own, or that of the nearest seen one.

    Nearest is measured along edges, so that nothing crosses from one finger to the other. Where no
    way leads to a seen vertex (points of a cloud, a part inside another), it is the vertex itself.

    Args:
        mesh: V vertices; any unit.
        seen: bool `[V]`.

    Returns:
        int64 `[V]`.
    """
    own = np.arange(mesh.num_vertices)
    if mesh.is_cloud or seen.all() or not seen.any():
        return own
    edges = mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    lengths = np.linalg.norm(np.diff(mesh.vertices[edges], axis=1)[:, 0], axis=1)
    # An entry of 0 would be no edge at all; faces without area may have such edges.
    lengths = np.maximum(lengths, np.finfo(np.float64).tiny)
    graph = csr_matrix((lengths, edges.T), shape=(len(own), len(own)))
    distances, _, sources = dijkstra(
        graph,
        directed=False,
        indices=np.flatnonzero(seen),
        return_predecessors=True,
        min_only=True,
    )
    return np.where(np.isfinite(distances), sources, own).astype(np.int64)

"""Mirror maps of body templates: which vertex lies on the other side."""

import numpy as np
from scipy.spatial import cKDTree

_NEIGHBOURS = 8


def mirror_permutation(template: np.ndarray, max_distance: float | None = None) -> np.ndarray:
    """Pair every vertex with the one nearest to its mirror image (x negated).

    Pairs are formed from the closest upwards, so the map is always its own inverse; vertices
    that find no free partner (asymmetric templates) stay on themselves.

    Args:
        template: float [V, 3], undeformed; shaped or posed bodies are not symmetric enough.
        max_distance: refuse a template with a vertex farther than this from its partner, metres.

    Returns:
        int32 [V].

    Raises:
        ValueError: a vertex is farther from its partner than ``max_distance``.
    """
    points = np.asarray(template, dtype=np.float64)
    count = len(points)
    flipped = points * (-1.0, 1.0, 1.0)
    distance, partner = cKDTree(points).query(flipped, k=min(_NEIGHBOURS, count))
    distance, partner = distance.reshape(count, -1), partner.reshape(count, -1)
    first = np.repeat(np.arange(count), partner.shape[1])
    mirror = np.full(count, -1, dtype=np.int32)
    for entry in np.argsort(distance.ravel(), kind="stable"):
        a, b = first[entry], partner.ravel()[entry]
        if mirror[a] < 0 and mirror[b] < 0:
            mirror[a], mirror[b] = b, a
    alone = mirror < 0
    mirror[alone] = np.flatnonzero(alone)
    worst = float(np.linalg.norm(points[mirror] - flipped, axis=1).max(initial=0.0))
    if max_distance is not None and worst > max_distance:
        raise ValueError(
            f"The template is not mirror symmetric: a vertex is {worst:.2e} m from its partner. "
            "Give the undeformed template, not a shaped or posed body."
        )
    return mirror

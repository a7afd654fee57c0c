"""Signed distance to a polygon in the plane."""

from collections.abc import Iterator

import numpy as np

from ivlm_core.synthesis.objects.meshing import Array, Distance

_TOGETHER = 1 << 14
"""Edges times points of one step: their arrays stay in a core's cache."""


def blocks(points: int, edges: int) -> Iterator[slice]:
    """Parts of some points that are compared with all edges in one step each."""
    step = max(1, _TOGETHER // max(edges, 1))
    return (slice(start, start + step) for start in range(0, points, step))


class Polygon:
    """A polygon whose distance is asked for.

    Args:
        points: corners [K, 2].
        closed: whether the last corner joins the first; if not, the polygon is closed by the line
            u = 0, which does not count as surface (for shapes mirrored about it, u >= 0).
    """

    def __init__(self, points: Array, closed: bool) -> None:
        corners = points.astype(np.float32)
        last = None if closed else -1
        start, end = corners[:last], np.roll(corners, -1, axis=0)[:last]
        edge = end - start
        length = edge[:, 0] * edge[:, 0] + edge[:, 1] * edge[:, 1]
        real = length != 0.0
        start, end, edge, length = start[real], end[real], edge[real], length[real, None]
        (self._au, self._av), (self._eu, self._ev) = start.T[:, :, None], edge.T[:, :, None]
        self._share_u, self._share_v = self._eu / length, self._ev / length
        self._low = np.minimum(start, end)[:, 1:]
        self._high = np.maximum(start, end)[:, 1:]
        # All edges upwards, so that inside is on one side of all.
        up = np.where(self._ev < 0, np.float32(-1), np.float32(1))
        self._up_u, self._up_v = self._eu * up, self._ev * up

    def distance(self, u: Distance, v: Distance) -> Distance:
        """Signed distances [N] of points with coordinates u, v (float32 [N]), negative inside."""
        distance = np.empty_like(u)
        for part in blocks(len(u), len(self._au)):
            inside, squared, _, _ = self._compare(u[part], v[part])
            distance[part] = _signed(squared.min(axis=0), inside)
        return distance

    def offset(self, u: Distance, v: Distance) -> tuple[Distance, Distance, Distance]:
        """As `distance`, with the vector (du, dv) [N] from the nearest point."""
        distance, du, dv = np.empty_like(u), np.empty_like(u), np.empty_like(u)
        for part in blocks(len(u), len(self._au)):
            inside, squared, wu, wv = self._compare(u[part], v[part])
            nearest = squared.argmin(axis=0)
            every = np.arange(len(nearest))
            distance[part] = _signed(squared[nearest, every], inside)
            du[part], dv[part] = wu[nearest, every], wv[nearest, every]
        return distance, du, dv

    def _compare(self, u: Distance, v: Distance) -> tuple[np.ndarray, Distance, Distance, Distance]:
        """Compare N points with all K edges.

        Returns:
            Which points are inside [N]; squared distances from the edges [K, N]; the vectors
            from their nearest points, u and v [K, N].
        """
        wu, wv = u - self._au, v - self._av
        crossed = wu * self._up_v < wv * self._up_u
        crossed &= v >= self._low
        crossed &= v < self._high
        t = wu * self._share_u
        t += wv * self._share_v
        np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        wu -= t * self._eu
        wv -= t * self._ev
        squared = wu * wu
        squared += np.multiply(wv, wv, out=t)
        return np.logical_xor.reduce(crossed, axis=0), squared, wu, wv


def _signed(squared: Distance, inside: np.ndarray) -> Distance:
    """Distances [N] from squared ones, negative where inside."""
    distance = np.sqrt(squared, out=squared)
    np.negative(distance, out=distance, where=inside)
    return distance

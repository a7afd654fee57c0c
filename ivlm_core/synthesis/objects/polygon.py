"""Signed distance to a polygon in the plane."""

import numpy as np

from ivlm_core.synthesis.objects.meshing import Array, Distance


def polygon_distance(u: Distance, v: Distance, points: Array, closed: bool) -> Distance:
    """Signed distance [N] to a polygon, negative inside.

    Args:
        u: first coordinates float32 [N].
        v: second coordinates float32 [N].
        points: corners [K, 2].
        closed: whether the last corner joins the first; if not, the polygon is closed by the line
            u = 0, which does not count as surface (for shapes mirrored about it, u >= 0).
    """
    return polygon_offset(u, v, points, closed, direction=False)[0]


def polygon_offset(
    u: Distance, v: Distance, points: Array, closed: bool, direction: bool = True
) -> tuple[Distance, Distance, Distance]:
    """As `polygon_distance`, with the vector (du, dv) [N] from the nearest point if `direction`."""
    corners = points.astype(np.float32)
    following = np.roll(corners, -1, axis=0)
    best = np.full(u.shape, np.inf, np.float32)
    best_u, best_v = (np.zeros_like(u), np.zeros_like(v)) if direction else (u, v)
    inside = np.zeros(u.shape, bool)
    for i in range(len(corners) if closed else len(corners) - 1):
        (au, av), (bu, bv) = corners[i], following[i]
        eu, ev = bu - au, bv - av
        length = eu * eu + ev * ev
        if length == 0.0:
            continue
        wu, wv = u - au, v - av
        if ev != 0.0:
            spans = (v >= min(av, bv)) & (v < max(av, bv))
            left = wu * ev < wv * eu if ev > 0 else wu * ev > wv * eu
            inside ^= spans & left
        t = wu * (eu / length)
        t += wv * (ev / length)
        np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        wu -= t * eu
        wv -= t * ev
        squared = wu * wu
        squared += wv * wv
        if direction:
            nearer = squared < best
            best_u = np.where(nearer, wu, best_u)
            best_v = np.where(nearer, wv, best_v)
        np.minimum(best, squared, out=best)
    distance = np.sqrt(best, out=best)
    np.negative(distance, out=distance, where=inside)
    return distance, best_u, best_v

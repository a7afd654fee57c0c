"""The exact way back from pixels to vertices, for measured fields (not for training)."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import lsqr

from ivlm_core.render.rasterizer import PixelMap


def reconstruct(
    pixel_values: np.ndarray, pixel_map: PixelMap, num_vertices: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vertex values whose interpolation fits the pixels best (least squares).

    Undoes ``interpolate`` exactly wherever the pixels determine the vertices, that is where
    every face has at least three pixels that are not in line; the lift's mean, in contrast,
    smooths over a vertex's faces. Vertices that the pixels leave open get the solution nearest
    to the mean.

    Args:
        pixel_values: [J, H, W]; only hit pixels are read.
        pixel_map: the J views.
        num_vertices: V.

    Returns:
        Values float32 [V] (0 where not seen) and seen vertices bool [V].
    """
    hit = pixel_map.hit
    values = np.asarray(pixel_values, dtype=np.float64)[hit]
    ids = pixel_map.vertex_ids[hit].ravel()
    weights = pixel_map.barycentric[hit].astype(np.float64).ravel()
    matrix = csr_matrix(
        (weights, (np.repeat(np.arange(len(values)), 3), ids)), (len(values), num_vertices)
    )
    total = np.asarray(matrix.sum(axis=0)).ravel()
    seen = total > 0
    start = np.zeros(num_vertices)
    start[seen] = (matrix.T @ values)[seen] / total[seen]
    scale = np.zeros(num_vertices)  # columns of length one: few steps whatever the face sizes
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0)).ravel())
    scale[seen] = 1.0 / length[seen]
    scaled = (matrix @ csr_matrix((scale, (np.arange(num_vertices),) * 2))).tocsr()
    change = lsqr(scaled, values - matrix @ start, atol=1e-12, btol=1e-12, iter_lim=500)[0]
    return (start + scale * change).astype(np.float32), seen

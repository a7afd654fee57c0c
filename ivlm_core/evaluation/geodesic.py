"""Geodesic contact error: how far over the surface wrong contact lies from true contact."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.evaluation.metrics import THRESHOLD, Values
from ivlm_core.geometry.geodesic import SurfaceDistance
from ivlm_core.official.quirks import ReferenceQuirks


@dataclass(frozen=True)
class GeodesicError:
    """Mean distances per sample, float64 `[sample]`, in the unit of the distances.

    Attributes:
        false_positive: from predicted contact to the nearest true contact, the `geo.` of DECO,
            LEMON and InteractVLM; NaN where there is no prediction or no truth.
        false_negative: from true contact to the nearest predicted contact; NaN likewise.
    """

    false_positive: Values
    false_negative: Values


def geodesic_error(
    truth: ArrayLike,
    scores: ArrayLike,
    distances: NDArray[np.floating] | SurfaceDistance,
    threshold: float = THRESHOLD,
    quirks: ReferenceQuirks | None = None,
) -> GeodesicError:
    """Compare predicted with true contact over the surface.

    Args:
        truth: `[sample, vertex]`, in contact where above 0.
        scores: `[sample, vertex]`, in contact where at or above `threshold`.
        distances: on the mesh, or a matrix of them `[vertex, vertex]`, see `load_distances`.
        threshold: see `scores`.
        quirks: `geodesic_exactly_one` and `geodesic_swapped` give the published numbers, which
            have no NaN.

    Raises:
        ValueError: the shapes do not fit.
    """
    true, found = np.asarray(truth), np.asarray(scores)
    if true.ndim != 2 or true.shape != found.shape:
        raise ValueError(
            "truth and scores must both be [sample, vertex] of one shape, got "
            f"{true.shape} and {found.shape}; add an axis for a single sample"
        )
    if isinstance(distances, np.ndarray) and distances.shape != (true.shape[1],) * 2:
        raise ValueError(
            f"distances must be [{true.shape[1]}, {true.shape[1]}] for these samples, got "
            f"{list(distances.shape)}; take the matrix of the same body model"
        )
    quirks = quirks or ReferenceQuirks()
    if quirks.geodesic_swapped:
        true, found = found, true
    predicted = found >= threshold
    contact = true == 1 if quirks.geodesic_exactly_one else true > 0
    if quirks.geodesic_exactly_one:
        predicted = predicted | ~predicted.any(axis=1, keepdims=True)
        contact = contact | ~contact.any(axis=1, keepdims=True)
    errors = [_of_sample(p, c, distances) for p, c in zip(predicted, contact, strict=True)]
    both = np.asarray(errors, dtype=float).reshape(-1, 2)
    return GeodesicError(false_positive=both[:, 0], false_negative=both[:, 1])


def load_distances(path: str | Path) -> NDArray[np.floating]:
    """Open a matrix of geodesic distances `[vertex, vertex]`, an `.npy` file, read when needed.

    For SMPL it is `smpl_neutral_geodesic_dist.npy`, which DECO distributes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no square matrix of numbers.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"No geodesic distances at '{path}'. For SMPL, take smpl_neutral_geodesic_dist.npy of "
            "the data that DECO distributes."
        )
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"'{path}' is no array file of numpy: {error}") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype.kind != "f":
        raise ValueError(
            f"'{path}' must hold float distances [vertex, vertex], got {matrix.dtype} "
            f"{list(matrix.shape)}"
        )
    return matrix


def _of_sample(
    predicted: NDArray[np.bool_],
    contact: NDArray[np.bool_],
    distances: NDArray[np.floating] | SurfaceDistance,
) -> tuple[float, float]:
    if not predicted.any() or not contact.any():
        return np.nan, np.nan
    if isinstance(distances, SurfaceDistance):
        return distances.to(contact)[predicted].mean(), distances.to(predicted)[contact].mean()
    between = distances[np.flatnonzero(predicted)][:, np.flatnonzero(contact)].astype(float)
    return between.min(axis=1).mean(), between.min(axis=0).mean()

"""Points on a mesh with scores, spread by area: a box has eight vertices, but six whole sides."""

from dataclasses import dataclass

import numpy as np

from ivlm_core.geometry.mesh import Mesh

POINTS = 4000
"""Points on a surface by default: 5 mm apart on a mug."""


@dataclass(frozen=True)
class ScoredPoints:
    """Points of a surface.

    Attributes:
        positions: float64 `[point, 3]`, the mesh's frame and unit.
        normals: float64 `[point, 3]`, unit, out of the surface.
        scores: float64 `[point]`, interpolated.
    """

    positions: np.ndarray
    normals: np.ndarray
    scores: np.ndarray


def scored_points(
    mesh: Mesh,
    scores: np.ndarray,
    seen: np.ndarray | None = None,
    count: int = POINTS,
    seed: int = 0,
) -> ScoredPoints:
    """Spread points over a surface; the same arguments give the same points.

    Args:
        mesh: the object; faces turned outwards.
        scores: float `[vertex]` in [0, 1].
        seen: bool `[vertex]`; faces with a vertex that was not seen get no points, since their
            score is not known. None takes all.
        count: how many.
        seed: of the places.

    Raises:
        ValueError: a length differs from the mesh's number of vertices, a score is not in [0, 1],
            `count` is not positive, or nothing was seen.
    """
    scores = np.asarray(scores, dtype=np.float64)
    seen = np.ones(mesh.num_vertices, bool) if seen is None else np.asarray(seen, dtype=bool)
    for name, values in (("scores", scores), ("seen", seen)):
        if values.shape != (mesh.num_vertices,):
            raise ValueError(
                f"{name} must be [{mesh.num_vertices}], one a vertex, got {values.shape}"
            )
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must be in [0, 1], as Prediction.scores are")
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count}")
    faces = mesh.faces[seen[mesh.faces].all(axis=1)]
    corners = mesh.vertices[faces].astype(np.float64)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double_area = np.linalg.norm(cross, axis=1)
    total = double_area.sum()
    if not total > 0:
        raise ValueError("no face of the mesh was seen whole, so there is nowhere to look")
    rng = np.random.default_rng(seed)
    # Equal steps through the summed areas: every region gets its share, up to one point.
    steps = (np.arange(count) + rng.random(count)) / count * total
    chosen = np.searchsorted(double_area.cumsum(), steps, side="right").clip(max=len(faces) - 1)
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - along), root * along], axis=1)  # uniform
    return ScoredPoints(
        np.einsum("pk,pkc->pc", weights, corners[chosen]),
        cross[chosen] / double_area[chosen, None],
        np.einsum("pk,pk->p", weights, scores[faces[chosen]]),
    )

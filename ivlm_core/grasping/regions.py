"""Regions of an object that can be grasped, each as one named frame, for planners' scenes."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.grasping.samples import Axis, approach_frames

_LEAST_SHARE = 0.05
"""Of the graspable area; smaller patches are noise."""


@dataclass(frozen=True)
class AffordanceRegion:
    """A connected patch of the surface.

    Attributes:
        name: the part of the mesh it lies on, else `region`; with a number from the second on.
        position: float64 `[3]`, the vertex nearest to its middle, the mesh's frame and unit.
        rotation: float64 `[3, 3]`, columns are the axes of a frame there; its approach axis points
            into the surface.
        score: mean over its area.
        vertices: int `[n]`.
    """

    name: str
    position: np.ndarray
    rotation: np.ndarray
    score: float
    vertices: np.ndarray


def affordance_regions(
    mesh: Mesh,
    scores: np.ndarray,
    seen: np.ndarray,
    threshold: float,
    most: int = 8,
    approach_axis: Axis = "x",
) -> list[AffordanceRegion]:
    """Return the connected patches whose vertices are seen and at or above the threshold.

    Args:
        mesh: the object; it has faces.
        scores: float `[vertex]` in [0, 1].
        seen: bool `[vertex]`.
        threshold: least score.
        most: number of regions at most.
        approach_axis: as in `affordance_samples`.

    Returns:
        The region with the most score times area first; none where nothing reaches the threshold.
    """
    chosen = np.asarray(seen, bool) & (np.asarray(scores) >= threshold)
    areas = mesh.vertex_areas.astype(np.float64)
    total = areas[chosen].sum()
    patches = _patches(mesh, chosen)
    large = [p for p in patches if areas[p].sum() > 0 and areas[p].sum() >= _LEAST_SHARE * total]
    large.sort(key=lambda p: -float((areas[p] * scores[p]).sum()))
    found: list[AffordanceRegion] = []
    for patch in large[:most]:
        weights = areas[patch] / areas[patch].sum()
        places = mesh.vertices[patch].astype(np.float64)
        near = patch[np.linalg.norm(places - weights @ places, axis=1).argmin()]
        inward = -mesh.vertex_normals[near].astype(np.float64)
        if not inward.any():
            continue
        found.append(
            AffordanceRegion(
                _name(mesh, patch, [region.name for region in found]),
                mesh.vertices[near].astype(np.float64),
                approach_frames(inward[None] / np.linalg.norm(inward), approach_axis)[0],
                float(weights @ scores[patch]),
                patch,
            )
        )
    return found


def _patches(mesh: Mesh, chosen: np.ndarray) -> list[np.ndarray]:
    """Return the vertices of each patch, int `[n]`, ascending; only chosen vertices connect."""
    place = mesh.places
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edges = place[edges[chosen[edges].all(axis=1)]]
    count = int(place.max()) + 1
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (count, count))
    vertices = np.flatnonzero(chosen)
    patch = connected_components(graph, directed=False)[1][place[vertices]]
    order = np.argsort(patch, kind="stable")  # once for all: noise makes thousands of patches
    ends = np.flatnonzero(np.diff(patch[order])) + 1
    return np.split(vertices[order], ends) if len(vertices) else []


def _name(mesh: Mesh, patch: np.ndarray, taken: list[str]) -> str:
    """Return the part that most of a patch lies on, else `region`, made unique."""
    shares = {name: np.isin(patch, part).mean() for name, part in mesh.parts.items()}
    best = max(shares, key=lambda name: shares[name], default=None)
    base = best.replace(" ", "_") if best is not None and shares[best] > 0.5 else "region"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name

"""The best places to grasp at, with the direction to come from."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ivlm_core.grasping.surface import ScoredPoints

Axis = Literal["x", "y", "z"]

_AXES: tuple[Axis, ...] = ("x", "y", "z")


@dataclass(frozen=True)
class AffordanceSamples:
    """Places on a surface, best first.

    Attributes:
        positions: float64 `[sample, 3]`, the mesh's frame and unit.
        rotations: float64 `[sample, 3, 3]`, columns are the axes of a frame there; its approach
            axis points into the surface.
        scores: float64 `[sample]`.
    """

    positions: np.ndarray
    rotations: np.ndarray
    scores: np.ndarray


def affordance_samples(
    points: ScoredPoints,
    threshold: float,
    spacing: float,
    most: int = 20,
    approach_axis: Axis = "x",
) -> AffordanceSamples:
    """Take the best points that keep their distance (greedy non-maximum suppression).

    Args:
        points: of one surface.
        threshold: least score.
        spacing: least distance between two samples, the mesh's unit.
        most: number of samples at most.
        approach_axis: axis of the samples' frames that points into the surface: x as in REP 103
            and RViz, z for Franka's hand and most grasp generators.

    Returns:
        None to `most` samples.

    Raises:
        ValueError: an argument is out of range.
    """
    if spacing < 0 or most < 1:
        raise ValueError(f"spacing must be 0 or more and most 1 or more, got {spacing}, {most}")
    if approach_axis not in _AXES:
        raise ValueError(f"approach_axis must be x, y or z, got {approach_axis!r}")
    order = np.argsort(-points.scores, kind="stable")
    order = order[points.scores[order] >= threshold]
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best = order[0]
        kept.append(int(best))
        away = np.linalg.norm(points.positions[order] - points.positions[best], axis=1)
        order = order[(away >= spacing) & (order != best)]
    return AffordanceSamples(
        points.positions[kept],
        approach_frames(-points.normals[kept], approach_axis),
        points.scores[kept],
    )


def approach_frames(directions: np.ndarray, approach_axis: Axis) -> np.ndarray:
    """Right-handed frames `[sample, 3, 3]` with unit directions `[sample, 3]` as one axis."""
    axis = _AXES.index(approach_axis)
    # The world axis that is least along a direction gives a second one, without a jump at poles.
    helper = np.eye(3)[np.abs(directions).argmin(axis=1)] if len(directions) else directions
    second = np.cross(directions, helper)
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    frames = np.empty((len(directions), 3, 3))
    frames[:, :, axis] = directions
    frames[:, :, (axis + 1) % 3] = second
    frames[:, :, (axis + 2) % 3] = np.cross(directions, second)
    return frames

"""Affordance inside the gripper of grasp candidates, so that any planner can rank them anew."""

import numpy as np

from ivlm_core.grasping.surface import ScoredPoints

_AT_ONCE = 16
"""Candidates whose boxes are looked into together: arrays that stay in the processor's cache."""


def score_grasps(
    points: ScoredPoints,
    poses: np.ndarray,
    box_size: np.ndarray,
    box_center: np.ndarray | None = None,
) -> np.ndarray:
    """Score candidates by the surface between their fingers.

    A candidate's score is the median of the points inside its gripper's box, divided by the
    highest score of the surface, as LERF-TOGO (Rashid et al. 2023) ranks candidates.

    Args:
        points: of the object's surface.
        poses: float `[grasp, 4, 4]`, gripper frame to the frame of the points.
        box_size: float `[3]`, extents of the space between the fingers along the gripper's axes,
            the unit of the points.
        box_center: float `[3]`, its centre in the gripper's frame; None is the origin.

    Returns:
        float64 `[grasp]` in [0, 1]; 0 where the box holds nothing of the surface.

    Raises:
        ValueError: shapes that do not fit, a size that is not positive, a centre that is not
            finite, or a pose that is no rigid motion.
    """
    poses = np.asarray(poses, dtype=np.float64)
    size = np.asarray(box_size, dtype=np.float64)
    center = np.zeros(3) if box_center is None else np.asarray(box_center, dtype=np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4):
        raise ValueError(f"poses must be [grasp, 4, 4], got {poses.shape}")
    fits = size.shape == center.shape == (3,) and np.isfinite(center).all()
    if not fits or not (size > 0).all():
        raise ValueError(
            f"the box needs three positive extents and a finite centre of three, got {size}, "
            f"{center}"
        )
    turns = poses[:, :3, :3]
    with np.errstate(invalid="ignore"):  # NaN is no rotation, too
        rigid = np.linalg.det(turns) > 0
    off = np.abs(turns.transpose(0, 2, 1) @ turns - np.eye(3)).max(axis=(1, 2), initial=0.0)
    wrong = np.flatnonzero(~((off < 1e-4) & rigid))
    if len(wrong):
        raise ValueError(f"pose {wrong[0]} is no rotation and translation; give rigid motions")
    lost = np.flatnonzero(~np.isfinite(poses[:, :3, 3]).all(axis=1))
    if len(lost):
        raise ValueError(f"pose {lost[0]} has no finite position")
    highest = points.scores.max()
    if highest <= 0:
        return np.zeros(len(poses))
    rising = np.argsort(points.scores, kind="stable")
    positions, scores = points.positions[rising], points.scores[rising]
    medians = [
        _medians(scores, _inside(positions, some, size, center))
        for some in np.array_split(poses, range(_AT_ONCE, len(poses), _AT_ONCE))
    ]
    return np.concatenate(medians) / highest


def _inside(
    positions: np.ndarray, poses: np.ndarray, size: np.ndarray, center: np.ndarray
) -> np.ndarray:
    """Whether points are in grippers' boxes: bool `[grasp, point]`."""
    inside = np.ones((len(poses), len(positions)), bool)
    for axis in range(3):
        along = poses[:, :3, axis]  # [grasp, 3], the gripper's axis
        middle = (along * poses[:, :3, 3]).sum(axis=1) + center[axis]
        inside &= np.abs(along @ positions.T - middle[:, None]) <= size[axis] / 2
    return inside


def _medians(rising: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the median of what each row of `chosen` `[row, value]` chooses; 0 of nothing.

    Args:
        rising: `[value]`, sorted.
        chosen: bool `[row, value]`.
    """
    rank = chosen.cumsum(axis=1, dtype=np.int32)
    count = rank[:, -1:]
    below, above = (
        rising[(rank >= place).argmax(axis=1)] for place in ((count + 1) // 2, count // 2 + 1)
    )
    return np.where(count[:, 0] > 0, (below + above) / 2, 0.0)

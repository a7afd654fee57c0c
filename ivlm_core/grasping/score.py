"""Affordance inside the gripper of grasp candidates, so that any planner can rank them anew."""

import numpy as np

from ivlm_core.grasping.surface import ScoredPoints


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
    highest = points.scores.max()
    scores = np.zeros(len(poses))
    for i, pose in enumerate(poses):
        local = (points.positions - pose[:3, 3]) @ pose[:3, :3] - center
        inside = (np.abs(local) <= size / 2).all(axis=1)
        if inside.any() and highest > 0:
            scores[i] = np.median(points.scores[inside]) / highest
    return scores

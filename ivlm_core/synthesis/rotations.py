"""Rotations as 3x3 matrices acting on column vectors; angles in radians."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ivlm_core.synthesis.objects.meshing import Array, cross

_EYE3, _EYE4 = np.eye(3), np.eye(4)


def length(vector: Array) -> float:
    """Return the length of a vector [3] (faster than numpy's for one)."""
    return math.sqrt(vector @ vector)


def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return products [N] of vectors [3, N] with each other."""
    total: NDArray[np.float32] = a[0] * b[0]
    total += a[1] * b[1]
    total += a[2] * b[2]
    return total


def unit(vector: ArrayLike) -> Array:
    """Return a vector [3] scaled to length one."""
    vector = np.asarray(vector, float)
    return vector / max(length(vector), 1e-12)


def about(axis: ArrayLike, angle: float) -> Array:
    """Return the rotation by `angle` about an axis [3]."""
    x, y, z = unit(axis).tolist()
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return _EYE3 + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


def between(start: ArrayLike, end: ArrayLike) -> Array:
    """Return the smallest rotation that turns direction `start` [3] into `end` [3]."""
    a, b = unit(start), unit(end)
    axis = cross(a, b)
    sine = length(axis)
    if sine < 1e-9:
        return np.eye(3) if a @ b > 0 else about(cross(a, _EYE3[np.argmin(np.abs(a))]), np.pi)
    return about(axis / sine, float(np.arctan2(sine, a @ b)))


def share_of(turn: Array, share: float) -> Array:
    """Return a share (0 to 1) of a rotation."""
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    sine = length(axis)
    if sine < 1e-9:
        return np.eye(3)
    return about(axis / sine, share * float(np.arctan2(sine, np.trace(turn) - 1)))


def twist_about(axis: ArrayLike, turn: Array) -> float:
    """Return the angle of the part of a rotation that turns about `axis` [3]."""
    axis = unit(axis)
    side = unit(cross(axis, _EYE3[np.argmin(np.abs(axis))]))
    moved = turn @ side
    moved = moved - axis * (axis @ moved)
    return float(np.arctan2(axis @ cross(side, moved), side @ moved))


def columns(x: Array, y: Array, z: Array) -> Array:
    """Return axes [3] as the columns of a matrix [3, 3]."""
    axes = np.empty((3, 3))
    axes[:, 0], axes[:, 1], axes[:, 2] = x, y, z
    return axes


def basis(y: ArrayLike, z: ArrayLike) -> Array:
    """Return axes [3, 3] in columns with the given y and the z nearest the given one."""
    up = unit(y)
    z = np.asarray(z, float)
    ahead = unit(z - up * (up @ z))
    return columns(cross(up, ahead), up, ahead)


def frame(origin: ArrayLike, axes: Array) -> Array:
    """Return the 4x4 frame with an origin [3] and axes [3, 3]."""
    made = _EYE4.copy()
    made[:3, :3], made[:3, 3] = axes, origin
    return made


def rigid_inverse(pose: Array) -> Array:
    """Return the inverse of a 4x4 rigid transform."""
    inverse = _EYE4.copy()
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse


def yaw(angle: float) -> Array:
    """Return the rotation by `angle` about +y (towards +x from +z)."""
    return about((0, 1, 0), angle)

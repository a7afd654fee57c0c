"""Arms and legs by inverse kinematics: two bones that bend about one hinge."""

import math

import numpy as np

from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.rig import Pose
from ivlm_core.synthesis.rotations import about, columns, cross, length, share_of, twist_about, unit

SIDES = ("left", "right")
LETTER = {"left": "L", "right": "R"}
SIGN = {"left": 1.0, "right": -1.0}
"""Sign of x on each side of the body."""
STRAIGHTEST = 0.995
"""Longest reach, as a share of the straight limb."""


def _solve(
    root: Array, target: Array, pole: Array, upper: float, lower: float
) -> tuple[Array, Array, Array]:
    """Directions of the upper and lower bone and the hinge axis [3] of a limb.

    Args:
        root: where the limb starts [3].
        target: where it shall end [3].
        pole: direction in which the middle joint points [3].
        upper: length of the upper bone.
        lower: of the lower bone, metres.
    """
    reach = target - root
    distance = max(length(reach), abs(upper - lower) * 1.1 + 1e-3)
    distance = min(distance, STRAIGHTEST * (upper + lower))
    along = unit(reach)
    aside = unit(pole - along * (along @ pole))
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    cosine = min(max(cosine, -1.0), 1.0)
    first = along * cosine + aside * math.sqrt(1 - cosine**2)
    second = unit(root + along * distance - (root + first * upper))
    return first, second, unit(cross(first, along))


def _axes(direction: Array, hinge: Array) -> Array:
    """Axes [3, 3] from a bone's direction and a hinge across it."""
    hinge = unit(hinge - direction * (direction @ hinge))
    return columns(direction, hinge, cross(direction, hinge))


def _bend(
    pose: Pose, bones: tuple[str, str, str], target: Array, pole: Array, rest_hinge: Array
) -> Array:
    """Bend a limb so that the third bone's head reaches a target; return where it got [3]."""
    upper, lower, end = bones
    rest = [pose.rest(bone) for bone in bones]
    first, second = rest[1] - rest[0], rest[2] - rest[1]
    a, b, hinge = _solve(pose.head(upper), target, pole, length(first), length(second))
    pose.set(upper, _axes(a, hinge) @ _axes(unit(first), rest_hinge).T)
    pose.set(lower, _axes(b, hinge) @ _axes(unit(second), rest_hinge).T)
    return pose.head(end)


def bend_arm(pose: Pose, side: str, wrist: Array, pole: Array) -> Array:
    """Put a wrist at a point as near as the arm reaches.

    Args:
        pose: changed in place.
        side: "left" or "right".
        wrist: point in the world [3].
        pole: direction in which the elbow points [3].

    Returns:
        Where the wrist is [3].
    """
    s = LETTER[side]
    bones = (f"upperarm01.{s}", f"lowerarm01.{s}", f"wrist.{s}")
    rest = [pose.rest(bone) for bone in bones]
    hinge = unit(cross(rest[1] - rest[0], rest[2] - rest[1]))
    return _bend(pose, bones, wrist, pole, hinge)


def turn_hand(pose: Pose, side: str, turn: Array) -> float:
    """Give a hand a world rotation relative to rest; the forearm rolls along.

    Returns:
        Angle in radians between the forearm and the hand, beyond that at rest.
    """
    s = LETTER[side]
    lower, wrist = pose.turn_of(f"lowerarm01.{s}"), f"wrist.{s}"
    rest = pose.rest(wrist) - pose.rest(f"lowerarm01.{s}")
    along = unit(lower @ rest)
    roll = twist_about(along, turn @ lower.T)
    pose.set(f"lowerarm02.{s}", about(along, 0.6 * roll) @ lower)
    pose.set(wrist, turn)
    straight = about(along, roll) @ lower
    bend = turn @ straight.T
    return float(np.arccos(np.clip((np.trace(bend) - 1) / 2, -1, 1)))


def arm_length(pose: Pose, side: str) -> float:
    """Length from shoulder to wrist in metres."""
    s = LETTER[side]
    points = [pose.rest(f"{bone}.{s}") for bone in ("upperarm01", "lowerarm01", "wrist")]
    return sum(length(b - a) for a, b in zip(points[:-1], points[1:], strict=True))


def leg_length(pose: Pose) -> float:
    """Length from hip to ankle in metres."""
    points = [pose.rest(f"{bone}.L") for bone in ("upperleg01", "lowerleg01", "foot")]
    return sum(length(b - a) for a, b in zip(points[:-1], points[1:], strict=True))


def bend_leg(pose: Pose, side: str, ankle: Array, pole: Array, foot: Array) -> Array:
    """Put an ankle at a point and give the foot a rotation relative to rest.

    Args:
        pose: changed in place.
        side: "left" or "right".
        ankle: point in the world [3].
        pole: direction in which the knee points [3].
        foot: world rotation of the foot [3, 3].

    Returns:
        Where the ankle is [3].
    """
    s = LETTER[side]
    bones = (f"upperleg01.{s}", f"lowerleg01.{s}", f"foot.{s}")
    # The knee points forwards and the shin bends backwards, about +x.
    got = _bend(pose, bones, ankle, pole, np.array([1.0, 0, 0]))
    pose.set(f"foot.{s}", foot)
    return got


def sole_drop(pose: Pose) -> float:
    """Height of the ankle above the sole of a flat foot, metres."""
    low = float(pose.shape.vertices[:, 1].min())
    return float(pose.rest("foot.L")[1] - low)


def bend_trunk(pose: Pose, turn: Array) -> None:
    """Turn the upper trunk by a world rotation spread evenly over the spine."""
    step = share_of(turn, 0.25)
    for bone in ("spine05", "spine04", "spine03", "spine02"):
        pose.rotate(bone, step)


def turn_head(pose: Pose, turn: Array) -> None:
    """Turn the head by a world rotation spread over the neck."""
    half = share_of(turn, 1 / 3)
    for bone in ("neck01", "neck03", "head"):
        pose.rotate(bone, half)


def raise_shoulder(pose: Pose, side: str, target: Array) -> None:
    """Let clavicle and shoulder follow a hand that goes above or across."""
    s = LETTER[side]
    joint = pose.head(f"upperarm01.{s}")
    rise = float(np.clip((target[1] - joint[1]) / arm_length(pose, side), 0, 1))
    axis = pose.turn_of("spine02") @ np.array([0, 0, SIGN[side]])
    pose.rotate(f"clavicle.{s}", about(axis, 0.22 * rise))
    pose.rotate(f"shoulder01.{s}", about(axis, 0.28 * rise))

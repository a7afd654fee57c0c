"""Typing on keys and playing guitars: both hands do different things on one object."""

from typing import Any

import numpy as np

from ivlm_core.synthesis.grasp import DEEPEST, in_hand_space, take, touching
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lean import palm_on
from ivlm_core.synthesis.limbs import SIDES, SIGN, arm_length
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import about, basis, cross, frame, unit, yaw

_TRUNK = ("chest", "belly", "hips")


def fingertips_on(
    person: Person, side: str, item: Item, key: Array, into: Array, fingers: Array, pole: Array
) -> None:
    """Let a hand hover over a surface with its fingertips on it.

    Args:
        person: changed in place.
        side: hand.
        item: stays where it is.
        key: place of the fingertips [3].
        into: direction into the surface [3].
        fingers: direction of the fingers [3].
        pole: direction of the elbow [3].

    Raises:
        UnsuitableError: out of reach, or the fingers do not reach the surface.
    """
    rng, hand = person.rng, person.hands[side]
    z = unit(into)
    along = unit(fingers - z * (z @ fingers))
    x = along * SIGN[side]
    lift = rng.uniform(0.030, 0.042)
    palm = frame(key - along * 0.065 - z * lift, np.stack([x, cross(z, x), z], axis=1))
    person.reach(side, palm, 0.9, pole)
    hand.open_thumb(0.1)
    hand.close(in_hand_space(hand, item))
    hand.apply()
    depth = person.depth(item, hand.topology.skin)
    if depth < -DEEPEST:
        raise UnsuitableError(f"hand {-1000 * depth:.0f} mm inside")
    if touching(person, hand, item) < 8:
        raise UnsuitableError("hand does not touch")
    person.busy.add(side)


def _facing(person: Person) -> Array:
    """Level direction [3] that the hips face."""
    ahead = person.pose.turn_of("root")[:, 2]
    return unit(ahead * np.array([1.0, 0, 1.0]))


def type_on_lap(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Type with both hands on something that lies on the thighs of a sitting person.

    Options: `keys`, the sides whose fingertips are on the keys; the other hand stays free.
    """
    rng, pose = person.rng, person.pose
    if not person.seated or person.bed is not None:
        raise UnsuitableError("no lap")
    ahead = _facing(person)
    thighs = part_vertices("thigh")[::2]
    hips = 0.5 * (pose.head("upperleg01.L") + pose.head("upperleg01.R"))
    knees = 0.5 * (pose.head("lowerleg01.L") + pose.head("lowerleg01.R"))
    slope = unit(knees - hips)
    user = yaw(rng.normal(0, 0.05)) @ -ahead
    pitch = about((1, 0, 0), float(np.clip(np.arcsin(slope[1]), -0.35, 0.45)))
    item.pose = frame((0, 0, 0), basis((0, 1, 0), user) @ pitch)
    belly = float((pose.vertices(part_vertices("belly", "chest")[::2]) @ ahead).max())
    near = max(belly - float(ahead @ hips) + 0.02, 0.13) + rng.uniform(0.0, 0.05)
    place = hips + ahead * (near + item.instance.sizes["depth"] / 2)
    place[1] = float(pose.vertices(thighs)[:, 1].max()) + 0.03
    item.move(place)
    for _ in range(5):
        gap = person.depth(item, thighs)
        if abs(gap + 0.004) < 0.0015:
            break
        item.move(np.array([0, -(min(gap, 0.06) + 0.004), 0]))
    down = -item.pose[:3, 1]
    for s in SIDES if options.get("both", True) else (side,):
        _type(person, s, item, down)


def _type(person: Person, side: str, item: Item, down: Array) -> None:
    """Put the fingertips of one hand on its half of the keys."""
    rng = person.rng
    held = item.frame(f"keys_{side}")
    key = held[:3, 3] + item.pose[:3, :3] @ np.array(
        [rng.uniform(-0.02, 0.02), 0.0, rng.uniform(-0.015, 0.02)]
    )
    away = -item.pose[:3, 2] - held[:3, 1] * (SIGN[side] * rng.uniform(0.0, 0.5))
    pole = person.chest @ np.array([SIGN[side] * rng.uniform(0.5, 1.1), -0.7, -0.5])
    fingertips_on(person, side, item, key, down, away, pole)


def type_on_hand(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Type with one hand on something that lies on the other palm.

    Options: `place`, (up, ahead) from the shoulders in arm lengths.
    """
    rng, pose = person.rng, person.pose
    other = "right" if side == "left" else "left"
    length = arm_length(pose, side)
    up, ahead = np.array(options.get("place", (-0.50, 0.60))) + rng.normal(0, 0.04, 2)
    nose = person.chest[:, 2]
    heading = yaw(float(np.arctan2(nose[0], nose[2])) + rng.normal(0, 0.08))
    shoulders = 0.5 * (pose.head("upperarm01.L") + pose.head("upperarm01.R"))
    goal = shoulders + heading @ np.array([SIGN[side] * 0.04, up * length, ahead * length])
    tilt = about((1, 0, 0), rng.uniform(0.0, 0.3)) @ about((0, 0, 1), rng.normal(0, 0.05))
    item.pose = frame(goal, heading @ yaw(np.pi) @ tilt)
    under = item.frame("under")
    into, left = item.pose[:3, 1], heading[:, 0]
    inwards = unit(-left * SIGN[side] * rng.uniform(0.3, 1.0) + heading[:, 2])
    pole = person.chest @ np.array([SIGN[side] * 0.35, -1.0, -0.3])
    point = under[:3, 3] + left * (SIGN[side] * rng.uniform(0.0, 0.05))
    palm_on(person, side, item, point, into, inwards, pole=pole)
    _type(person, other, item, -into)


def play_guitar(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Play a guitar before the belly: one hand on the neck, the other on the strings.

    Options: `angle`, range of the neck's rise, radians; `neck`, the neck's frame; `low`, how much
    lower than usual it hangs, metres.
    """
    rng, pose = person.rng, person.pose
    other = "right" if side == "left" else "left"
    ahead, left = person.chest[:, 2], person.chest[:, 0]
    rise = rng.uniform(*options.get("angle", (0.2, 0.6)))
    along = left * (SIGN[side] * np.cos(rise)) + person.chest[:, 1] * np.sin(rise)
    axes = basis(along, ahead + 0.15 * person.chest[:, 1])
    drop = options.get("low", 0.0) + rng.uniform(-0.03, 0.04)
    centre = pose.head("spine04") - left * (SIGN[side] * rng.uniform(0.02, 0.09))
    centre = centre + person.chest[:, 1] * (0.05 - drop)
    item.pose = frame(centre + ahead * 0.30, axes)
    trunk = part_vertices(*_TRUNK)[::2]
    if person.seated:
        _lift_off(person, item)
    for _ in range(6):
        gap = person.depth(item, trunk)
        if abs(gap + 0.001) < 0.0015:
            break
        item.move(-ahead * (min(gap, 0.08) + 0.001))
    if person.seated:
        _lift_off(person, item)
    pole = person.chest @ np.array([SIGN[side] * rng.uniform(0.3, 0.8), -1.0, 0.1])
    take(
        person,
        side,
        item,
        options.get("neck", "grip_neck"),
        shift=rng.uniform(-0.04, 0.06),
        pole=pole,
        roll=True,
    )
    person.busy.add(side)
    strum = item.frame("strum")
    point = strum[:3, 3] + strum[:3, 1] * rng.uniform(-0.05, 0.05)
    fingers = left * SIGN[side] * 0.8 - person.chest[:, 1] * rng.uniform(0.3, 0.8)
    pole = person.chest @ np.array([SIGN[other] * 1.0, rng.uniform(-0.1, 0.3), 0.5])
    if rng.uniform() < 0.5:
        palm_on(person, other, item, point, strum[:3, 2], fingers, tilt=0.25, pole=pole)
    else:
        fingertips_on(person, other, item, point, strum[:3, 2], fingers, pole)


def _lift_off(person: Person, item: Item) -> None:
    """Move an item up until it rests on the thighs."""
    thighs = part_vertices("thigh")[::2]
    for _ in range(5):
        gap = person.depth(item, thighs)
        if gap > -0.004:
            return
        item.move(np.array([0, -gap - 0.002, 0]))


__all__ = ["fingertips_on", "play_guitar", "type_on_hand", "type_on_lap"]

"""Objects in hands: held in one, between two, at the ear, or fixed in the world and taken."""

import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis.hand import THUMB, Distance, Hand
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import LETTER, SIGN, bend_arm
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError
from ivlm_core.synthesis.rotations import about, basis, cross, frame, unit

DEEPEST = 0.009
"""Deepest a hand may be in an object, metres."""


def in_hand_space(hand: Hand, item: Item) -> Distance:
    """Signed distance to an item of points [N, 3] in the space of a hand as it is now."""
    world = hand.world

    def distance(points: Array) -> NDArray[np.float32]:
        return item.distance(points @ world[:3, :3].T + world[:3, 3])

    return distance


FLAT_THUMB = -3.0
"""Opening that brings the thumb, which points half out of a palm at rest, beside a flat hand."""


def thumb_opening(radius: float) -> float:
    """How far the thumb opens for something of a radius (metres, 0 for a flat side): up to 1."""
    if radius <= 0:
        return FLAT_THUMB
    return float(np.clip(0.75 + radius * 6, 0.7, 1.0))


def close_hand(person: Person, side: str, item: Item, thumb: float) -> float:
    """Close the fingers on an item that is at the palm; return the deepest point, metres < 0."""
    hand = person.hands[side]
    hand.open_thumb(thumb)
    hand.close(in_hand_space(hand, item))
    hand.apply()
    return person.depth(item, hand.topology.skin)


def clear_of_palm(person: Person, side: str, item: Item, gap: float = -0.0005) -> float:
    """How far the item must move out along the palm's normal so that the palm just touches it."""
    hand = person.hands[side]
    normal = hand.world[:3, :3] @ hand.directions[2]
    skin = hand.shape.vertices[hand.topology.palm].astype(float)
    world = hand.world
    points = skin @ world[:3, :3].T + world[:3, 3]
    total = 0.0
    for _ in range(5):
        least = float(item.distance(points - normal * total).min())
        if abs(least - gap) < 0.0007:
            break
        total += float(np.clip(gap - least, -0.02, 0.03))
    return total


def grip_reach(radius: float) -> float:
    """Where on the palm something of a radius lies (see `Hand.palm`)."""
    return float(np.clip(0.98 - radius * 5, 0.72, 0.95))


def hold(
    person: Person,
    side: str,
    item: Item,
    grip: str,
    point: Array,
    *,
    thumb: Array | None = None,
    palm: Array | None = None,
    axis: str = "thumb",
    tilt: float = 0.0,
    noise: float = 0.15,
    exact: bool = False,
) -> None:
    """Hold an item in one hand near a point.

    Args:
        person: changed in place.
        side: hand.
        item: placed in the hand.
        grip: the item's frame that the hand takes.
        point: place of the palm [3].
        thumb: where the thumb's side points [3].
        palm: or where the palm faces [3].
        axis: "thumb": the grip's axis (+y) points to the thumb's side; "hanging": the grip's +x
            points along the fingers on both sides; "fingers": +y mostly along the fingers.
        tilt: rotation of the item in the palm, radians, from the thumb towards the fingers.
        noise: see `Person.natural`.
        exact: bend the wrist so that the thumb's side points, or the palm faces, exactly as asked.

    Raises:
        UnsuitableError: out of reach, or the hand cannot close without going too deep.
    """
    radius = item.instance.grip_radius[grip]
    reach = grip_reach(radius)
    target = person.natural(side, point, thumb, palm, reach, noise)
    if exact and thumb is not None:
        target = frame(target[:3, 3], basis(thumb, target[:3, 2]))
    elif exact and palm is not None:
        facing = unit(palm)
        across = target[:3, 1] - facing * (facing @ target[:3, 1])
        target = frame(target[:3, 3], basis(across, facing))
    person.reach(side, target, reach)
    hand = person.hands[side]
    world = hand.world @ hand.palm(reach)
    sign = 1.0 if side == "left" else -1.0
    if axis == "hanging" and side == "right":
        world = world @ frame((0, 0, 0), np.diag([-1.0, -1.0, 1.0]))
    if axis == "edge":
        # The edge lies in the palm, the plate goes on along the fingers.
        world = world @ frame((-sign * 0.015, 0, radius), about((0, 1, 0), sign * np.pi / 2))
    else:
        # Turning about the palm's normal by -sign brings +y towards the fingers.
        world = world @ frame((0, 0, radius), about((0, 0, 1), -sign * tilt))
    item.attach(grip, world)
    if axis == "hanging":
        _hang(item, grip)
    settle(person, side, item, radius)


def _hang(item: Item, grip: str) -> None:
    """Turn an item about its grip's axis so that it hangs upright."""
    held = item.frame(grip)
    axis = held[:3, 1]
    now = item.pose[:3, 1]
    flat_now = now - axis * (axis @ now)
    flat_up = np.array([0, 1.0, 0]) - axis * axis[1]
    angle = np.arctan2(axis @ cross(flat_now, flat_up), flat_now @ flat_up)
    turn = frame(held[:3, 3], about(axis, float(angle))) @ frame(-held[:3, 3], np.eye(3))
    item.pose = turn @ item.pose


def settle(person: Person, side: str, item: Item, radius: float) -> None:
    """Push an item out of the palm and close the fingers on it.

    Raises:
        UnsuitableError: the hand stays too deep in the item.
    """
    hand = person.hands[side]
    normal = hand.world[:3, :3] @ hand.directions[2]
    item.move(normal * clear_of_palm(person, side, item))
    for _ in range(3):
        depth = close_hand(person, side, item, thumb_opening(radius))
        if depth > -DEEPEST:
            break
        item.move(normal * (-depth - 0.004))
    if depth < -DEEPEST:
        raise UnsuitableError(f"hand {-1000 * depth:.0f} mm inside")
    if touching(person, hand, item) < 12:
        raise UnsuitableError("hand does not touch")


def touching(person: Person, hand: Hand, item: Item, reach: float = 0.008) -> int:
    """Number of the hand's vertices within `reach` metres of an item."""
    points = person.pose.vertices(hand.topology.skin)
    return int((item.distance(points) < reach).sum())


def take(
    person: Person,
    side: str,
    item: Item,
    grip: str,
    *,
    align: str = "flip",
    thumb: float | None = None,
    pole: Array | None = None,
    tilt: float = 0.0,
    roll: bool = False,
    noise: float = 0.0,
    shift: float = 0.0,
    at: Array | None = None,
) -> None:
    """Put a hand on a frame of an item that stays where it is, and close it.

    Args:
        person: changed in place.
        side: hand.
        item: the item.
        grip: the item's frame.
        align: how the hand turns about the palm's normal: "flip" takes the better direction of the
            grip's axis, "free" follows the forearm, "thumb" keeps the thumb along the axis.
        thumb: opening of the thumb, 0 to 1; none takes it from the grip's radius.
        pole: direction of the elbow [3].
        tilt: rotation of the palm about the grip's axis, radians.
        roll: turn the palm about the (round) grip's axis so that the wrist stays straight.
        noise: standard deviation of a further turn about the palm's normal, radians.
        shift: place along the grip's axis, metres from its middle.
        at: a frame 4x4 in the world instead of the named one (radius 0).

    Raises:
        UnsuitableError: out of reach or too deep.
    """
    hand = person.hands[side]
    radius = item.instance.grip_radius.get(grip, 0.0)
    reach = grip_reach(radius) if radius > 0 else 0.85
    if pole is None:
        pole = person.elbow(side)
    held = item.frame(grip) if at is None else at
    held = held @ frame((0, shift, 0), about((0, 1, 0), tilt))
    contact = held @ frame((0, 0, -radius), np.eye(3))
    turn = _best_turn(person, side, contact, align, pole) + person.rng.normal(0, noise)
    contact = contact @ frame((0, 0, 0), about((0, 0, 1), turn))
    if roll:
        contact = contact @ frame((0, 0, radius), np.eye(3))
        angle = _best_roll(person, side, contact, pole)
        contact = contact @ frame((0, 0, 0), about((0, 1, 0), angle))
        contact = contact @ frame((0, 0, -radius), np.eye(3))
    opening = thumb_opening(radius) if thumb is None else thumb
    back = 0.0
    for _ in range(4):
        _at(person, side, contact, back, reach, pole)
        extra = clear_of_palm(person, side, item)
        back += extra
        if abs(extra) < 0.0015:
            break
    for _ in range(3):
        depth = close_hand(person, side, item, opening)
        if depth > -DEEPEST:
            break
        back += -depth - 0.004
        _at(person, side, contact, back, reach, pole)
    if depth < -DEEPEST:
        raise UnsuitableError(f"hand {-1000 * depth:.0f} mm inside")
    if touching(person, hand, item) < 8:
        raise UnsuitableError("hand does not touch")


def _at(person: Person, side: str, contact: Array, back: float, reach: float, pole: Array) -> None:
    """Bring the palm to a frame, `back` metres away from it along its normal."""
    palm = contact.copy()
    palm[:3, 3] -= contact[:3, 2] * back
    person.reach(side, palm, reach, pole)


def _forearm(person: Person, side: str, goal: Array, pole: Array) -> Array:
    """Direction of the forearm [3] when the hand is at a point."""
    s = LETTER[side]
    wrist = goal - unit(goal - person.pose.head(f"upperarm01.{s}")) * 0.07
    for _ in range(2):
        got = bend_arm(person.pose, side, wrist, pole)
        forearm = unit(got - person.pose.head(f"lowerarm01.{s}"))
        wrist = goal - forearm * 0.07
    return forearm


def _best_roll(person: Person, side: str, contact: Array, pole: Array) -> float:
    """Turn about the grip's axis that brings the fingers nearest to the forearm's direction."""
    forearm = _forearm(person, side, contact[:3, 3], pole)
    x = contact[:3, :3].T @ forearm * SIGN[side]
    # Rotating about y by an angle takes x to (cos, 0, -sin).
    return 0.85 * float(np.arctan2(-x[2], x[0]))


def _best_turn(person: Person, side: str, contact: Array, align: str, pole: Array) -> float:
    """Turn about the palm's normal that brings the fingers nearest to the forearm's direction."""
    if align == "thumb":
        return 0.0
    goal = contact[:3, 3] - contact[:3, 2] * 0.02
    forearm = _forearm(person, side, goal, pole)
    x = contact[:3, :3].T @ forearm * SIGN[side]
    turn = float(np.arctan2(x[1], x[0]))
    return turn if align == "free" else (0.0 if abs(turn) < np.pi / 2 else np.pi)


__all__ = ["FLAT_THUMB", "THUMB", "hold", "settle", "take"]

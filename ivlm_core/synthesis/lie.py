"""Lying on the back on beds and sofas."""

import numpy as np

from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lean import palm_on
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN, bend_leg, leg_length, sole_drop
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import about, basis, cross, yaw
from ivlm_core.synthesis.support import lean_back

SUNK = 0.014
"""How deep the back sinks into what carries it, metres."""


def lie(person: Person, item: Item, *, legs: str = "straight") -> None:
    """Lie on the back on an item that stands on the floor.

    Args:
        person: changed in place.
        item: bed or sofa; stays at the origin.
        legs: "straight", "bent" (soles on the item), "tucked" (heels near the hips) or
            "one_bent".

    Raises:
        UnsuitableError: the person is too long for it.
    """
    rng, pose = person.rng, person.pose
    person.seated, person.bed = True, item
    spot = item.frame("lie")
    up, to_head = spot[:3, 1], spot[:3, 2]
    if "pillow" not in item.instance.frames and rng.uniform() < 0.5:
        to_head = -to_head
    axes = yaw(rng.normal(0, 0.03)) @ np.stack([cross(to_head, up), to_head, up], axis=1)
    pose.rotate("root", axes)
    person.trunk(rng.uniform(0.0, 0.06), rng.normal(0, 0.04), rng.normal(0, 0.04))
    root = spot[:3, 3] + up * 0.12 + axes[:, 0] * rng.uniform(-0.06, 0.06)
    if "backrest" in item.instance.frames:
        root = root + item.frame("backrest")[:3, 2] * rng.uniform(0.03, 0.07)
    pose.move(root - pose.root)
    _place_along(person, item, to_head)
    bent = {side: legs in ("bent", "tucked") for side in SIDES}
    if legs == "one_bent":
        bent[SIDES[int(rng.integers(2))]] = True
    level = float(spot[1, 3])
    state = {
        side: (
            rng.uniform(0.07, 0.15),
            rng.uniform(0.46, 0.62) - (0.14 if legs == "tucked" else 0.0),
            rng.uniform(0.1, 0.5),
        )
        for side in SIDES
    }
    for _ in range(4):
        for side in SIDES:
            _leg(person, side, axes, bent[side], level, state[side])
        gap = person.depth(item, part_vertices("hips", "back", "belly"))
        if abs(gap + SUNK) < 0.002:
            break
        pose.move(-up * (gap + SUNK))
    lean_back(person, item)
    for side in SIDES:
        skin = part_vertices(f"{side} foot", f"{side} shin", f"{side} thigh")
        rise = 0.0
        for _ in range(3):
            gap = person.depth(item, skin)
            if -0.012 < gap < 0.004:
                break
            rise -= float(np.clip(gap + 0.004, -0.06, 0.06))
            _leg(person, side, axes, bent[side], level + rise, state[side])
    _rest_head(person, item)
    person.look(rng.normal(0, 0.2), 0.0)


def _place_along(person: Person, item: Item, to_head: Array) -> None:
    """Move the body along its length so that the head lies where the pillow or the end is."""
    pose = person.pose
    if "pillow" in item.instance.frames:
        place = to_head @ item.frame("pillow")[:3, 3] + person.rng.uniform(-0.06, 0.04)
        pose.move(to_head * (place - to_head @ pose.head("head") - 0.03))
        return
    end = 0.5 * item.instance.sizes["seat_width"] - person.rng.uniform(0.02, 0.06)
    top = float((pose.vertices(part_vertices("head")) @ to_head).max())
    pose.move(to_head * (end - top))


def _leg(
    person: Person,
    side: str,
    axes: Array,
    bent: bool,
    level: float,
    state: tuple[float, float, float],
) -> None:
    """Lay one leg; `level` is the height of the surface, metres, `state` what was drawn."""
    pose = person.pose
    apart, near, toe = state
    length, drop = leg_length(pose), sole_drop(pose)
    hip = pose.head(f"upperleg01.{LETTER[side]}")
    left, to_head = axes[:, 0], axes[:, 1]
    across = left * (SIGN[side] * apart + left @ (pose.root - hip))
    if bent:
        goal = hip + across - to_head * near * length
        goal[1] = level + drop
        turn = basis((0, 1, 0), -to_head) @ yaw(SIGN[side] * 0.3 * toe)
    else:
        goal = hip + across - to_head * 0.985 * length
        goal[1] = level + 0.045
        turn = axes @ about((1, 0, 0), 0.35) @ yaw(SIGN[side] * toe)
    pole = np.array([0, 1.0, 0]) + left * (SIGN[side] * 0.1)
    bend_leg(pose, side, goal, pole, turn)


def _rest_head(person: Person, item: Item) -> None:
    """Nod the head until it lies on what is under it."""
    pose = person.pose
    head = part_vertices("head")[::2]
    start = pose.turns.copy()
    for nod in np.arange(-0.25, 0.65, 0.09):
        pose.restore(start)
        person.look(0.0, float(nod))
        if person.depth(item, head) > -0.014:
            return
    raise UnsuitableError("head inside what carries it")


def rest_arm(person: Person, side: str) -> None:
    """Lay an arm of someone lying beside the body or on the belly.

    Raises:
        UnsuitableError: there is no room.
    """
    if person.rng.uniform() < 0.5:
        _on_belly(person, side)
    else:
        _beside(person, side)


def _on_belly(person: Person, side: str) -> None:
    """Lay a hand on the belly or the chest."""
    rng, pose = person.rng, person.pose
    turn = person.chest
    low, high = pose.head("spine04"), pose.head("spine02")
    point = low + rng.uniform(-0.2, 1.0) * (high - low)
    point = point + turn[:, 0] * (SIGN[side] * rng.uniform(0.05, 0.10))
    trunk = pose.vertices(part_vertices("belly", "chest", "hips"))
    near = np.linalg.norm((trunk - point) @ turn[:, :2], axis=1) < 0.06
    if not near.any():
        raise UnsuitableError("belly out of reach")
    height = float(((trunk[near] - point) @ turn[:, 2]).max())
    point = point + turn[:, 2] * (height + 0.012)
    palm = person.natural(side, point, palm=-turn[:, 2], noise=0.05)
    person.reach(side, palm, pole=turn @ np.array([SIGN[side] * 0.35, -0.7, 0.5]))
    person.hands[side].relax(rng, float(rng.uniform(0.1, 0.3)))
    person.hands[side].apply()


def _beside(person: Person, side: str) -> None:
    """Lay an arm beside the body, the palm on what carries it."""
    rng, pose, item = person.rng, person.pose, person.bed
    if item is None:
        raise UnsuitableError("nobody lies")
    turn = pose.turn_of("root")
    hip = pose.head(f"upperleg01.{LETTER[side]}")
    left, to_head = turn[:, 0], turn[:, 1]
    point = hip + left * (SIGN[side] * rng.uniform(0.14, 0.30)) + to_head * rng.uniform(-0.05, 0.2)
    point[1] = item.frame("lie")[1, 3]
    if abs(float(item.distance(point[None])[0])) > 0.02:
        raise UnsuitableError("no room for the arm")
    palm_on(
        person,
        side,
        item,
        point,
        np.array([0, -1.0, 0]),
        left * (SIGN[side] * rng.uniform(-0.1, 0.5)) - to_head,
        pole=left * SIGN[side] + np.array([0, 0.5, 0]),
    )


__all__ = ["lie", "rest_arm"]

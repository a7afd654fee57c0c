"""Objects that carry the person: seats, bicycles and boards."""

import numpy as np

from ivlm_core.synthesis.grasp import take
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lean import lean_to
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN, leg_length, sole_drop
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, part_vertices
from ivlm_core.synthesis.rotations import about, frame, yaw

SUNK = 0.009
"""How deep a soft part of the body sinks into what carries it, metres."""


def sit(
    person: Person,
    item: Item,
    *,
    lean: tuple[float, float] = (-0.12, 0.20),
    legs: str = "front",
    place: str = "seat",
    turn: float = 0.0,
    back: bool = False,
) -> None:
    """Sit on a chair, stool or bench that stands on the floor.

    Args:
        person: changed in place.
        item: the seat; stays at the origin.
        lean: range of the trunk's lean forwards, radians.
        legs: "front", "apart", "stretched", "one_stretched", "crossed" or "tucked".
        place: frame of the seat.
        turn: rotation of the person on the seat to the left, radians.
        back: lean against the backrest.

    Raises:
        UnsuitableError: the body does not fit.
    """
    rng, pose = person.rng, person.pose
    person.seated = True
    seat = item.frame(place)
    facing = yaw(turn)
    pose.rotate("root", facing)
    recline = -rng.uniform(0.02, 0.10)
    pose.rotate("root", facing @ about((1, 0, 0), recline) @ facing.T)
    ahead = facing @ np.array([0, 0, 1.0])
    start = seat[:3, 3] + ahead * rng.uniform(-0.06, 0.02) + np.array([0, 0.10, 0])
    pose.move(start - pose.root)
    tilt = rng.uniform(*lean)
    if back and "backrest" in item.instance.frames:
        tilt = -rng.uniform(0.02, 0.16)
    person.trunk(tilt, rng.uniform(-0.12, 0.12), rng.uniform(-0.05, 0.05))
    under = part_vertices("hips", "thigh")
    behind = part_vertices("hips", "back")
    against = back and "backrest" in item.instance.frames
    front = item.instance.sizes.get("seat_front")
    for _ in range(5 if against else 4):
        _sitting_legs(person, facing, legs, front)
        step = 0.0
        if against:
            gap = person.depth(item, behind)
            rest = item.frame("backrest")
            reach = float(((pose.vertices(behind) - rest[:3, 3]) @ rest[:3, 2]).min())
            # On a deep seat the hips touch it long before the back touches anything.
            step = reach if gap > 0.03 or reach > 0.06 else 0.0
            pose.move(-ahead * float(np.clip(step, -0.08, 0.15)))
        points = pose.vertices(under)
        near = item.near(points, 0.1)
        gap = float(item.distance(points[near]).min()) if len(near) else 0.1
        if abs(gap + SUNK) < 0.002 and abs(step) < 0.02:
            break
        pose.move(np.array([0, -(gap + SUNK), 0]))
    if against:
        lean_back(person, item)
    person.look(rng.uniform(-0.5, 0.5), rng.uniform(-0.1, 0.35))


def lean_back(person: Person, item: Item) -> None:
    """Bend the trunk backwards until the back touches what is behind or under it."""
    back = part_vertices("back")
    for _ in range(8):
        if person.depth(item, back) < 0.002:
            return
        person.trunk(-0.045)


def _sitting_legs(person: Person, facing: Array, legs: str, front: float | None) -> None:
    """Put the feet of a sitting person, on the floor where they reach it.

    `front` is where a seat that reaches down to the floor ends, metres ahead; feet stay before it.
    """
    pose = person.pose
    length, drop = leg_length(pose), sole_drop(pose)
    state = person.legs
    if not state:
        rng = person.rng
        state["apart"] = rng.uniform(0.06, 0.12) + (0.10 if legs == "apart" else 0.0)
        state["ahead"] = {side: rng.uniform(-0.03, 0.12) for side in SIDES}
        if legs in ("stretched", "one_stretched"):
            chosen = SIDES if legs == "stretched" else (SIDES[int(rng.integers(2))],)
            for side in chosen:
                state["ahead"][side] += rng.uniform(0.14, 0.26)
        if legs == "tucked":
            state["ahead"] = {side: -rng.uniform(0.08, 0.16) for side in SIDES}
        state["toe"] = {side: rng.uniform(0.0, 0.35) for side in SIDES}
    for side in SIDES:
        hip = pose.head(f"upperleg01.{LETTER[side]}")
        local = facing.T @ hip
        across = SIGN[side] * state["apart"]
        centre = facing.T @ pose.root
        if legs == "crossed":
            across = -SIGN[side] * 0.05
        z = local[2] + 0.46 * length + state["ahead"][side]
        if front is not None:
            z = max(z, front + 0.12 + max(state["ahead"][side], 0.0))
        if legs == "crossed":
            z += 0.10 + (0.07 if side == "left" else -0.07)
        goal = facing @ np.array([centre[0] + across, 0.0, z])
        goal[1] = drop
        reach = goal - hip
        longest = 0.97 * length
        pitch = 0.0
        if np.linalg.norm(reach) > longest and front is not None:
            goal = hip + reach * (0.96 * length / float(np.linalg.norm(reach)))
        elif np.linalg.norm(reach) > longest:
            # Too high a seat: feet hang.
            goal[1] = hip[1] - 0.56 * length
            ahead = facing @ np.array([0, 0, 0.44 * length + 0.6 * state["ahead"][side]])
            goal[[0, 2]] = (facing @ np.array([local[0], 0, 0]))[[0, 2]] + ahead[[0, 2]]
            goal[[0, 2]] += (facing @ np.array([0, 0, local[2]]))[[0, 2]]
            pitch = 0.35
        turn = facing @ yaw(SIGN[side] * state["toe"][side]) @ about((1, 0, 0), pitch)
        pole = facing @ np.array([SIGN[side] * 0.12, 0.75, 1.0])
        ankle_place = goal - turn @ np.array([0, drop, 0])
        person.foot(side, ankle_place, turn, pole)


def ride(person: Person, item: Item, *, hands: str = "both", shift: float = 0.0) -> None:
    """Sit on a bicycle, feet on the pedals.

    Args:
        person: changed in place.
        item: the bicycle; stays at the origin.
        hands: "both", "left" or "right": which hands hold the bar.
        shift: how far behind the middle of the saddle to sit, metres.

    Raises:
        UnsuitableError: the bicycle does not fit.
    """
    rng, pose = person.rng, person.pose
    person.seated = True
    saddle = item.frame("saddle")[:3, 3]
    pose.move(saddle + np.array([0, 0.09, -shift]) - pose.root)
    tilt = about((1, 0, 0), rng.uniform(0.15, 0.35))
    pose.rotate("root", tilt)
    under = part_vertices("hips", "thigh")
    toe = about((1, 0, 0), rng.uniform(0.0, 0.3))
    for _ in range(4):
        for side in SIDES:
            pedal = item.frame(f"pedal_{side}")[:3, 3]
            ball = np.array([0, 0.0, 0.07 * leg_length(pose) / 0.8])
            place = pedal - toe @ ball + np.array([SIGN[side] * 0.01, 0.002, 0])
            pole = np.array([SIGN[side] * 0.10, 0.4, 1.0])
            person.foot(side, place, toe, pole)
        points = pose.vertices(under)
        near = item.near(points, 0.1)
        gap = float(item.distance(points[near]).min()) if len(near) else 0.1
        if abs(gap + SUNK) < 0.002:
            break
        pose.move(np.array([0, -(gap + SUNK), 0]))
    holding = SIDES if hands == "both" else (hands,)
    bar = {side: item.frame(f"grip_{side}")[:3, 3] + (0, 0.05, -0.06) for side in holding}
    lean_to(person, bar, rng.uniform(0.80, 0.92))
    person.look(rng.uniform(-0.4, 0.4), rng.uniform(-0.75, -0.3))
    for side in holding:
        out = np.array([SIGN[side] * 0.9, -0.6, -0.3])
        grip = f"grip_{side}"
        take(person, side, item, grip, pole=out, roll=True)
        person.busy.add(side)


def board(
    person: Person,
    item: Item,
    *,
    regular: bool,
    crouch: tuple[float, float] = (0.80, 0.97),
    push: bool = False,
    spread: float = 1.0,
) -> None:
    """Stand sideways on a skateboard or surfboard.

    Args:
        person: changed in place.
        item: the board; turned so that the person still faces about +z.
        regular: the left foot is in front.
        crouch: range of the legs' reach as a share of their length.
        push: only the front foot on the board, the other on the floor beside it.
        spread: distance between the feet as a share of that of the board's frames.

    Raises:
        UnsuitableError: the legs are too short.
    """
    rng, pose = person.rng, person.pose
    # The nose points to the person's left when the left foot leads.
    sign = 1.0 if regular else -1.0
    open_turn = rng.uniform(0.1, 0.5)
    item.pose = frame((0, 0, 0), yaw(sign * (np.pi / 2 - open_turn)))
    surfing = item.category == "surfboard"
    if surfing:
        low = float(item.vertices()[:, 1].min())
        item.move(np.array([0, -low, 0]))
    front, back = item.frame("foot_front")[:3, 3], item.frame("foot_back")[:3, 3]
    middle = (front + back) / 2
    reach = float(np.linalg.norm(front - back)) * spread
    longest = 0.62 * leg_length(pose)
    share = min(1.0, longest / reach) * spread
    front, back = middle + (front - middle) * share, middle + (back - middle) * share
    lead, trail = ("left", "right") if regular else ("right", "left")
    nose = item.pose[:3, :3] @ np.array([0, 0, 1.0])
    heading = float(np.arctan2(nose[0], nose[2]))
    places, turns = {}, {}
    for side, place, angle in ((lead, front, 0.55), (trail, back, 0.15)):
        turns[side] = yaw(angle * heading + rng.uniform(-0.15, 0.15))
        ball = turns[side] @ np.array([0, 0, 0.055])
        places[side] = place - ball
    if push:
        aside = np.array([0, 0, 1.0]) * rng.uniform(-0.30, -0.2) - nose * rng.uniform(0.0, 0.2)
        places[trail] = np.array([places[trail][0], 0.0, places[trail][2]]) + aside
    person.feet(places, turns, rng.uniform(*crouch))
    settle_feet(person, item, [lead] if push else list(SIDES), places, turns)
    lean = rng.uniform(0.05, 0.45)
    person.trunk(lean, sign * rng.uniform(0.0, 0.45), rng.uniform(-0.08, 0.08))
    person.look(sign * rng.uniform(0.1, 0.7), -lean * 0.6)


def settle_feet(
    person: Person, item: Item, sides: list[str], places: dict[str, Array], turns: dict[str, Array]
) -> None:
    """Lift or lower feet until their soles touch an item."""
    for side in sides:
        sole = part_vertices(f"{side} foot")
        for _ in range(3):
            points = person.pose.vertices(sole)
            gap = float(item.distance(points).min())
            if abs(gap) < 0.003:
                break
            places[side] = places[side] - np.array([0, gap + 0.001, 0])
            person.foot(side, places[side], turns[side])


__all__ = ["SUNK", "board", "lean_back", "ride", "settle_feet", "sit"]

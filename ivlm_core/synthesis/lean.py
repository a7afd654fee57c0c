"""Standing at things that stand: leaning on them, pushing and opening them."""

from typing import Any

import numpy as np

from ivlm_core.synthesis.grasp import FLAT_THUMB, take
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN, arm_length
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import about, basis, cross, frame, unit, yaw

_FRONT = ("hips", "thigh", "belly", "shin", "foot", "chest")


def lean_to(
    person: Person,
    points: dict[str, Array],
    want: float,
    most: float = 1.2,
    aside: float = 0.0,
    hips: bool = False,
) -> None:
    """Lean the trunk until the hands reach points with bent elbows.

    Args:
        person: changed in place.
        points: place of the palm [3] per side.
        want: longest reach as a share of the arm.
        most: largest lean, radians.
        aside: direction of the lean, radians from forwards to the left.
        hips: bend in the hips as well; for someone who stands.

    Raises:
        UnsuitableError: too far even so.
    """
    pose = person.pose
    start, root = pose.turns.copy(), pose.root
    for lean in np.arange(0, most, 0.12):
        pose.restore(start)
        pose.move(root - pose.root)
        if hips:
            _bow(person, 0.6 * float(lean * np.cos(aside)))
        person.trunk(float(lean * np.cos(aside)), aside=float(lean * np.sin(aside)))
        far = max(
            float(np.linalg.norm(point - pose.head(f"upperarm01.{LETTER[side]}")))
            for side, point in points.items()
        )
        if far < want * arm_length(pose, "left"):
            person.look(0.0, -0.5 * float(lean * np.cos(aside)))
            return
    raise UnsuitableError("too far to lean")


def _bow(person: Person, angle: float) -> None:
    """Tip the pelvis forwards by an angle in radians; legs and feet stay."""
    pose = person.pose
    foot = pose.head("foot.L")
    legs = [pose.rig.below[pose.rig.index[f"upperleg01.{s}"]] for s in LETTER.values()]
    below = np.concatenate(legs)
    kept = pose.turns[below].copy()
    turn = pose.turn_of("root")
    pose.rotate("root", turn @ about((1, 0, 0), angle) @ turn.T)
    turns = pose.turns.copy()
    turns[below] = kept
    pose.restore(turns)
    pose.move(foot - pose.head("foot.L"))


def palm_on(
    person: Person,
    side: str,
    item: Item,
    point: Array,
    into: Array,
    fingers: Array,
    *,
    tilt: float = 0.0,
    pole: Array | None = None,
) -> None:
    """Lay a flat hand on a surface.

    Args:
        person: changed in place.
        side: hand.
        item: stays where it is.
        point: place on the surface [3].
        into: direction into the surface [3].
        fingers: direction of the fingers [3].
        tilt: how much the wrist is lifted off the surface, radians.
        pole: direction of the elbow [3].
    """
    z = unit(into)
    x = unit(fingers - z * (z @ fingers)) * SIGN[side]
    axes = np.stack([x, cross(z, x), z], axis=1)
    take(
        person,
        side,
        item,
        "",
        at=frame(point, axes),
        align="thumb",
        thumb=FLAT_THUMB,
        tilt=-SIGN[side] * tilt,
        noise=0.08,
        pole=pole,
    )
    person.busy.add(side)


def front_of(person: Person, ahead: Array, below: float) -> float:
    """How far the body reaches in a direction [3] below a height, metres."""
    points = person.pose.vertices(part_vertices(*_FRONT))
    points = points[points[:, 1] < below]
    return float((points @ ahead).max()) if len(points) else 0.0


def lean_on(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand at a table with one or both hands flat on it.

    Options: `turn`, where the table is, radians from straight ahead towards the hand's side;
    `inwards`, range of the hands' distance from the edge, metres; `tilt`, range of how much the
    wrist is lifted, radians.
    """
    rng = person.rng
    sides = SIDES if item.side == "both" else (side,)
    turn = options.get("turn", 0.0) * SIGN[side] + rng.normal(0, 0.08)
    ahead = yaw(turn) @ np.array([0, 0, 1.0])
    out = cross(np.array([0, 1.0, 0]), ahead)
    item.pose = frame((0, 0, 0), basis((0, 1, 0), -ahead))
    height = item.instance.sizes["height"]
    place = ahead * (front_of(person, ahead, height + 0.05) + rng.uniform(0.01, 0.06))
    width = item.instance.sizes["width"]
    along = rng.uniform(-0.25, 0.25) * max(width - 0.8, 0.0)
    root = person.pose.root * np.array([1.0, 0, 1.0])
    place = place + out * (out @ root + along)
    item.move(place - item.frame("edge")[:3, 3] * np.array([1.0, 0, 1.0]))
    low, high = options.get("inwards", (0.07, 0.20))
    points = {}
    for s in sides:
        shoulder = person.pose.head(f"upperarm01.{LETTER[s]}")
        aside = out @ shoulder * rng.uniform(0.9, 1.5) if len(sides) == 2 else out @ shoulder
        inwards = rng.uniform(low, high)
        points[s] = place + ahead * inwards + out * (aside - out @ place)
        points[s][1] = height
    lean_to(
        person,
        {s: p + [0, 0.06, 0] - 0.05 * ahead for s, p in points.items()},
        rng.uniform(0.9, 0.98),
        aside=turn,
        hips=True,
    )
    for s, point in points.items():
        inwards = float(rng.uniform(-0.2, 0.5))
        palm_on(
            person,
            s,
            item,
            point,
            np.array([0, -1.0, 0]),
            yaw(-SIGN[s] * inwards) @ ahead,
            tilt=rng.uniform(*options.get("tilt", (0.15, 0.5))),
            pole=person.chest @ np.array([SIGN[s] * 0.8, -0.3, -0.6]),
        )


def push(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand behind something with both hands (or one) on its handle.

    Options: `grips`, prefix of the frames of the hands; `ahead`, range of the handle's distance
    from the shoulders, arm lengths.
    """
    rng, pose = person.rng, person.pose
    sides = SIDES if item.side == "both" else (side,)
    prefix = options.get("grips", "grip")
    names = {s: f"{prefix}_{s}" for s in SIDES}
    item.pose = frame((0, 0, 0), yaw(rng.normal(0, 0.06)))
    ends = [item.frame(name)[:3, 3] for name in names.values()]
    middle = (ends[0] + ends[1]) / 2
    length = arm_length(pose, "left")
    shoulders = 0.5 * (pose.head("upperarm01.L") + pose.head("upperarm01.R"))
    ahead = rng.uniform(*options.get("ahead", (0.45, 0.75))) * length
    goal = np.array([shoulders[0] + rng.normal(0, 0.03), 0.0, shoulders[2] + ahead])
    item.move(goal - middle * np.array([1.0, 0, 1.0]))
    if options.get("tip"):
        _tip(item, rng.uniform(0.25, 0.5), goal)
    keep_clear(person, item, np.array([0, 0, 1.0]))
    points = {s: item.frame(names[s])[:3, 3] + [0, 0.04, -0.06] for s in sides}
    lean_to(person, points, rng.uniform(0.82, 0.95), hips=True)
    for s in sides:
        pole = person.chest @ np.array([SIGN[s] * rng.uniform(0.5, 1.0), -0.6, -0.5])
        take(person, s, item, names[s], pole=pole, roll=True)
        person.busy.add(s)


def _tip(item: Item, angle: float, goal: Array) -> None:
    """Tip something on its wheels towards the person; its handle stays at `goal` [3]."""
    before = item.frame("grip_left")[:3, 3] * np.array([1.0, 0, 1.0])
    item.pose = item.pose @ frame((0, 0, 0), about((1, 0, 0), -angle))
    item.move(np.array([0, -float(item.vertices()[:, 1].min()), 0]))
    after = item.frame("grip_left")[:3, 3] * np.array([1.0, 0, 1.0])
    item.move(before - after)


def keep_clear(person: Person, item: Item, ahead: Array) -> None:
    """Move an item away in a direction [3] until it no longer meets the body."""
    points = person.pose.vertices()[::3]
    for _ in range(6):
        near = item.near(points)
        if len(near) == 0:
            return
        least = float(item.distance(points[near]).min())
        if least > 0.01:
            return
        item.move(ahead * (0.015 - least))


def open_door(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand before a door with a hand on its handle.

    Options: `grip`, the handle's frame; `turn`, where the door is, radians from straight ahead
    towards the hand's side; `reach`, range of the handle's distance, arm lengths.
    """
    rng = person.rng
    grip = options.get("grip", "handle")
    ahead = _before(person, item, side, options)
    shoulder = person.pose.head(f"upperarm01.{LETTER[side]}")
    reach = rng.uniform(*options.get("reach", (0.55, 0.8))) * arm_length(person.pose, side)
    out = cross(np.array([0, 1.0, 0]), ahead)
    goal = shoulder + ahead * reach + out * SIGN[side] * rng.uniform(-0.12, 0.10)
    shift = goal - item.frame(grip)[:3, 3]
    item.move(shift * np.array([1.0, 0, 1.0]))
    keep_clear(person, item, ahead)
    handle = item.frame(grip)[:3, 3]
    aside = options.get("turn", 0.0) * SIGN[side]
    lean_to(person, {side: handle - 0.06 * ahead}, rng.uniform(0.90, 0.98), aside=aside, hips=True)
    pole = person.chest @ np.array([SIGN[side] * rng.uniform(0.4, 1.0), -0.7, -0.3])
    knob = bool(item.instance.sizes.get("knob"))
    take(person, side, item, grip, pole=pole, roll=not knob, align="free" if knob else "flip")
    person.busy.add(side)


def push_flat(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Push against an upright face with one or both palms.

    Options: `frame`, the face's frame (+z out of it); `height`, range of the hands' height above
    the shoulders, arm lengths; `turn` as for `open_door`.
    """
    rng, pose = person.rng, person.pose
    sides = SIDES if item.side == "both" else (side,)
    ahead = _before(person, item, side, options)
    out = cross(np.array([0, 1.0, 0]), ahead)
    face = options.get("frame", "panel")
    length = arm_length(pose, "left")
    shoulders = 0.5 * (pose.head("upperarm01.L") + pose.head("upperarm01.R"))
    goal = shoulders + ahead * rng.uniform(0.50, 0.78) * length + out * rng.uniform(-0.08, 0.08)
    item.move((goal - item.frame(face)[:3, 3]) * np.array([1.0, 0, 1.0]))
    keep_clear(person, item, ahead)
    surface = item.frame(face)[:3, 3]
    low, high = options.get("height", (-0.15, 0.25))
    height = shoulders[1] + rng.uniform(low, high) * length
    height = min(height, item.instance.sizes["height"] - 0.12)
    points = {}
    for s in sides:
        shoulder = pose.head(f"upperarm01.{LETTER[s]}")
        point = shoulder + out * (SIGN[s] * rng.uniform(-0.05, 0.10))
        point = point + ahead * (ahead @ (surface - point))
        point[1] = height + rng.uniform(-0.05, 0.05)
        points[s] = point
    lean_to(person, {s: p - 0.08 * ahead for s, p in points.items()}, 0.97, 0.7, hips=True)
    for s, point in points.items():
        fingers = np.array([0, 1.0, 0]) - out * (SIGN[s] * rng.uniform(0.0, 0.6))
        pole = person.chest @ np.array([SIGN[s] * rng.uniform(0.3, 0.9), -0.9, -0.2])
        palm_on(person, s, item, point, ahead, fingers, tilt=rng.uniform(0.15, 0.45), pole=pole)


def _before(person: Person, item: Item, side: str, options: dict[str, Any]) -> Array:
    """Turn a person away and an item's front (+z) to them; return the direction [3] to the item.

    A thing as tall as the person would hide them from a camera before them, so they are seen from
    the side or from behind.
    """
    rng = person.rng
    away = float(rng.choice((-1, 1))) * rng.uniform(1.3, 2.2)
    person.pose.rotate("root", yaw(away))
    turn = options.get("turn", 0.0) * SIGN[side] + rng.normal(0, 0.10)
    ahead = yaw(away + turn) @ np.array([0, 0, 1.0])
    item.pose = frame((0, 0, 0), basis((0, 1, 0), -ahead))
    return ahead


__all__ = ["keep_clear", "lean_on", "lean_to", "open_door", "palm_on", "push", "push_flat"]

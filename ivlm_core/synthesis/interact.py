"""The actions that templates name: each brings a person and an item together."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ivlm_core.synthesis import grasp, lean, play, slide, slung, support, worn
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.lie import lie as lie_on
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN, arm_length, leg_length
from ivlm_core.synthesis.objects import ObjectInstance
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import about, basis, frame, unit, yaw
from ivlm_core.synthesis.template import Template

LEGS = ("sit", "ride", "board", "kick", "lie", "ski")
"""Actions that decide how the person stands or sits."""
PHASES: dict[str, int] = {
    "sit": 0,
    "ride": 0,
    "board": 0,
    "kick": 0,
    "lie": 0,
    "ski": 0,
    "lean_on": 1,
    "push": 1,
    "open_door": 1,
    "push_flat": 1,
    "wear_backpack": 2,
    "wear_hat": 2,
    "between_hands": 3,
    "hold_with_both": 3,
    "wear_headphones": 2,
    "over_shoulder": 3,
    "over_forearm": 3,
    "pole_on_floor": 3,
    "type_on_lap": 3,
    "type_on_hand": 3,
    "play_guitar": 3,
}
"""Order of the actions; what is not named comes last."""


def perform(person: Person, item: Item, template: Template, side: str) -> None:
    """Bring a person and an item together as a template says.

    Args:
        person: changed in place.
        item: placed.
        template: what to do.
        side: the hand or foot, where one takes part.

    Raises:
        UnsuitableError: this draw does not work out.
    """
    item.template = template.name
    item.affordances = template.affordances
    item.side = side if {"hand", "foot"} & set(template.uses) else "both"
    if {"head"} & set(template.uses):
        item.side = "none"
    ACTIONS[template.action](person, item, side, dict(template.options))


def suits(template: Template, instance: ObjectInstance) -> bool:
    """Whether an instance can be used as a template says: the right kind, with its grip."""
    options = template.options
    if instance.category == "umbrella":
        opened = instance.sizes.get("open", 1.0) > 0.5
        if opened == bool(options.get("furled", False)):
            return False
    if template.action == "beside":
        return any(grip in instance.frames for grip in options["grips"])
    return "needs" not in options or options["needs"] in instance.frames


def _direction(person: Person, side: str, name: str, point: Array) -> Array:
    """A named direction of a template in the world [3], with some noise."""
    rng = person.rng
    if name == "world_up":
        return unit(np.array([0, 1.0, 0]) + rng.normal(0, 0.05, 3))
    if name == "face":
        eyes = person.pose.head("head") + person.pose.turn_of("head") @ np.array([0, 0.08, 0.1])
        return unit(unit(eyes - point) + rng.normal(0, 0.15, 3))
    vector = {
        "up": (0, 1, 0.1),
        "down": (0, -1, 0),
        "ahead": (0, 0.15, 1),
        "inwards": (-SIGN[side], 0, 0),
        "outwards": (SIGN[side], 0.3, 0),
    }[name]
    return person.chest @ unit(np.array(vector) + rng.normal(0, 0.15, 3))


def hold(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Hold an item in one hand in a region."""
    rng = person.rng
    options.pop("furled", None)
    options.pop("needs", None)
    grip = options.pop("grip", "grip")
    if side == "left" and f"{grip}_left_hand" in item.instance.frames:
        grip = f"{grip}_left_hand"
    if grip not in item.instance.frames:
        raise UnsuitableError("no such grip")
    point = person.region(side, options.pop("region"))
    upright = options.pop("upright", False) or (
        options.get("thumb") == "up" and rng.uniform() < 0.4
    )
    thumb = options.pop("thumb", None)
    palm = options.pop("palm", None)
    tilt = options.pop("tilt", rng.normal(0, 0.12))
    grasp.hold(
        person,
        side,
        item,
        grip,
        point,
        thumb=None if thumb is None else _direction(person, side, thumb, point),
        palm=None if palm is None else _direction(person, side, palm, point),
        tilt=tilt,
        exact=bool(upright),
        **options,
    )
    person.busy.add(side)


def hold_with_both(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Hold an item as `hold` does and put the other hand on its second grip."""
    hold(person, item, side, options)
    other = "right" if side == "left" else "left"
    pole = person.chest @ np.array([SIGN[other] * person.rng.uniform(0.3, 1.0), -0.8, -0.5])
    grasp.take(person, other, item, "grip_second", align="thumb", pole=pole, roll=True, noise=0.1)
    person.busy.add(other)


@lru_cache(maxsize=4)
def _face_vertices(side: str) -> tuple[int, int]:
    """Vertices at the tip of the nose and at the ear of a side."""
    from ivlm_core.geometry.body import load_body

    body = load_body("anny")
    head = part_vertices("head")
    vertices = body.mesh.vertices[head]
    nose = int(head[vertices[:, 2].argmax()])
    low, high = vertices[:, 1].min(), vertices[:, 1].max()
    middle = np.abs(vertices[:, 1] - (low + 0.55 * (high - low))) < 0.04
    reach = np.where(middle, vertices[:, 0] * SIGN[side], -9.0)
    return nose, int(head[reach.argmax()])


def at_mouth(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Bring the mouth of a bottle or mug to the lips."""
    rng, pose = person.rng, person.pose
    head = pose.turn_of("head")
    nose, _ = _face_vertices(side)
    lips = pose.vertices(np.array([nose]))[0] + head @ np.array([0, -0.045, 0.0])
    aim = lips + head @ np.array([0, 0.0, rng.uniform(0.0, 0.06)])
    thumb = head @ unit(np.array([0, 1.0, -rng.uniform(0.3, 0.9)]))
    point = aim + head @ np.array([SIGN[side] * 0.05, -0.12, 0.07])
    for _ in range(3):
        grasp.hold(person, side, item, options["grip"], point, thumb=thumb, exact=True)
        miss = aim - item.frame("mouth")[:3, 3]
        if np.linalg.norm(miss) < 0.015:
            break
        point = point + miss
    person.busy.add(side)


def at_ear(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Hold a phone to the ear."""
    pose, rng = person.pose, person.rng
    head = pose.turn_of("head")
    _, ear_vertex = _face_vertices(side)
    out = head @ np.array([SIGN[side], 0, 0])
    ear = pose.vertices(np.array([ear_vertex]))[0] + out * (0.003 + rng.uniform(0, 0.006))
    palm = unit(-out + head @ np.array([0, 0.05, rng.uniform(-0.25, 0.05)]))
    point = ear + out * 0.02 + head @ np.array([0, -0.06, 0.03])
    for _ in range(3):
        grasp.hold(
            person, side, item, "grip", point, palm=palm, tilt=rng.uniform(0.9, 1.2), noise=0.05
        )
        miss = ear - item.frame("earpiece")[:3, 3]
        if np.linalg.norm(miss) < 0.01:
            break
        point = point + miss
    person.busy.add(side)


def between_hands(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Hold an item between both hands."""
    rng, pose = person.rng, person.pose
    kind = options.get("grips", "palm")
    names = {s: f"{kind}_{s}" for s in SIDES}
    centre = 0.5 * sum(item.instance.frames[name][:3, 3] for name in names.values())
    length = arm_length(pose, "left")
    up, ahead = np.array(options["place"]) + rng.normal(0, 0.06, 2)
    shoulders = 0.5 * (pose.head("upperarm01.L") + pose.head("upperarm01.R"))
    goal = shoulders + person.chest @ np.array([rng.normal(0, 0.03), up * length, ahead * length])
    lean = about((1, 0, 0), rng.normal(0, 0.12)) @ about((0, 0, 1), rng.normal(0, 0.06))
    nose = person.chest @ np.array([0, 0, 1.0])
    axes = yaw(float(np.arctan2(nose[0], nose[2])) + rng.normal(0, 0.08)) @ lean
    item.pose = frame(goal - axes @ centre, axes)
    if item.category == "ball" and item.instance.sizes["radius"] < 0.085:
        raise UnsuitableError("ball too small for two hands")
    if up > 0.5:
        top = float(pose.vertices(part_vertices("head"))[:, 1].max())
        item.move(np.array([0, max(0.0, top + 0.015 - float(item.vertices()[:, 1].min())), 0]))
    else:
        _clear_trunk(person, item)
    for s in SIDES:
        pole = person.chest @ np.array([SIGN[s] * rng.uniform(0.3, 1.0), -0.8, -0.5])
        grasp.take(
            person,
            s,
            item,
            names[s],
            align="free",
            thumb=rng.uniform(0.2, 0.6),
            pole=pole,
            noise=0.15,
        )
        person.busy.add(s)


def _clear_trunk(person: Person, item: Item) -> None:
    """Move an item forwards until it no longer meets trunk, head and legs."""
    points = person.pose.vertices(
        part_vertices("chest", "belly", "hips", "thigh", "head", "neck", "shoulder")
    )
    ahead = person.chest[:, 2]
    for _ in range(6):
        near = item.near(points)
        if len(near) == 0:
            return
        least = float(item.distance(points[near]).min())
        if least > -0.002:
            return
        item.move(ahead * (0.006 - least))


def sit(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Sit on a seat."""
    turn = options.pop("turn", 0.0) * float(person.rng.choice((-1, 1)))
    support.sit(person, item, turn=turn + person.rng.normal(0, 0.05), **options)


def lie(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Lie on the back."""
    lie_on(person, item, **options)


def ride(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Ride a bicycle."""
    one = options.pop("one", False)
    support.ride(person, item, hands=side if one else "both", **options)


def board(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand on a skateboard or surfboard."""
    regular = options.pop("regular", bool(person.rng.uniform() < 0.5))
    support.board(person, item, regular=regular, **options)
    if options.get("push"):
        item.side = "left" if regular else "right"


def bike_beside(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand beside a bicycle with one hand on it."""
    rng, sign = person.rng, SIGN[side]
    grip = options["grip"]
    if grip == "grip_":
        grip += "right" if side == "left" else "left"
    shoulder = person.pose.head(f"upperarm01.{LETTER[side]}")
    local = item.instance.frames[grip][:3, 3]
    item.pose = frame((0, 0, 0), yaw(rng.normal(0, 0.05)))
    reach = rng.uniform(0.02, 0.12) if grip != "grip_saddle" else rng.uniform(0.12, 0.22)
    ahead = rng.uniform(0.15, 0.32) if grip != "grip_saddle" else rng.uniform(0.0, 0.25)
    goal = np.array([shoulder[0] + sign * reach, local[1], shoulder[2] + ahead])
    item.move(goal - item.frame(grip)[:3, 3])
    pole = np.array([sign * 0.5, -0.4, -0.9])
    on_bar = grip != "grip_saddle"
    align = "flip" if on_bar else "free"
    grasp.take(person, side, item, grip, pole=pole, align=align, roll=on_bar)
    person.busy.add(side)


def beside(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand by an item on the floor with one or both hands on it."""
    rng = person.rng
    grip = next(g for g in options["grips"] if g in item.instance.frames)
    both = item.side == "both"
    ahead = options.get("ahead", 0.10) + rng.uniform(-0.05, 0.08)
    front = item.category == "chair"
    across = (
        rng.uniform(-0.04, 0.04)
        if both
        else SIGN[side] * (rng.uniform(0.08, 0.2) if front else rng.uniform(0.26, 0.36))
    )
    item.pose = frame((0, 0, 0), yaw(rng.normal(0, 0.12)))
    held = item.frame(grip)[:3, 3]
    item.move(np.array([across - held[0], 0.0, ahead - held[2]]))
    if front:
        lean.keep_clear(person, item, np.array([0, 0, 1.0]))
    for s in SIDES if both else (side,):
        shift = 0.0
        if both:
            axis = item.frame(grip)[:3, 1]
            shift = SIGN[s] * float(np.sign(axis[0])) * rng.uniform(0.10, 0.15)
        pole = person.chest @ np.array([SIGN[s] * rng.uniform(0.5, 1.0), -0.5, -0.6])
        grasp.take(person, s, item, grip, shift=shift, pole=pole, roll=not front)
        person.busy.add(s)


def upright_board(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Stand a surfboard on its tail beside the person, who holds one rail."""
    rng, sign = person.rng, SIGN[side]
    shoulder = person.pose.head(f"upperarm01.{LETTER[side]}")
    length = arm_length(person.pose, side)
    point = shoulder + length * np.array(
        [
            sign * (rng.uniform(0.15, 0.35) + options.get("out", 0.0)),
            rng.uniform(-0.55, -0.05),
            rng.uniform(0.55, 0.70) - options.get("out", 0.0),
        ]
    )
    half = item.instance.sizes["length"] / 2
    heights = {g: item.instance.frames[g][2, 3] + half for g in ("carry", "carry_nose")}
    grip = min(heights, key=lambda g: abs(heights[g] - point[1]))
    point[1] = heights[grip]
    up = unit(np.array([0, 1.0, 0]) + rng.normal(0, 0.03, 3))
    grasp.hold(person, side, item, grip, point, thumb=up, axis="edge", exact=True)
    item.move(np.array([0, -float(item.vertices()[:, 1].min()), 0]))
    grasp.settle(person, side, item, item.instance.grip_radius[grip])
    person.busy.add(side)


def wear_backpack(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Wear a backpack."""
    straps = options["straps"] if options["straps"] == "both" else side
    item.side = straps
    worn.wear_backpack(
        person, item, straps=straps, front=options.get("front", False), low=options.get("low", 0.0)
    )


def wear_hat(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Wear a hat."""
    worn.wear_hat(person, item, style=options.get("style", "straight"))


def wear_headphones(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Wear headphones."""
    worn.wear_headphones(person, item, **options)


def over_shoulder(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Carry a handbag by its strap over one shoulder."""
    slung.over_shoulder(person, item, side, **options)


def over_forearm(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Carry a handbag over one forearm."""
    slung.over_forearm(person, item, side, **options)


def pole_on_floor(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Put a broom on the floor and take its pole with one or both hands."""
    rng, sign = person.rng, SIGN[side]
    out, ahead = options["place"]
    foot = np.array([sign * (out + rng.normal(0, 0.06)), 0.0, ahead + rng.normal(0, 0.06)])
    upper = person.place(side, options["hand"], 0.05)
    axis = unit(upper - foot)
    item.pose = frame(foot, basis(axis, person.chest @ np.array([0, 0, 1.0])))
    item.move(np.array([0, 0.002 - float(item.vertices()[:, 1].min()), 0]))
    lengths = item.instance.sizes
    reach = min(float(np.linalg.norm(upper - foot)), lengths["length"] - rng.uniform(0.06, 0.15))
    middle = float(item.instance.frames["grip"][1, 3])
    places = {side: reach}
    if item.side == "both":
        places["right" if side == "left" else "left"] = reach - rng.uniform(0.18, 0.28)
    if min(places.values()) < lengths["free"] + 0.06:
        raise UnsuitableError("pole too short")
    for s, place in places.items():
        pole = person.chest @ np.array([SIGN[s] * rng.uniform(0.4, 1.0), -0.7, -0.5])
        grasp.take(person, s, item, "grip", shift=place - middle, pole=pole, roll=True, noise=0.1)
        person.busy.add(s)


def kick(person: Person, item: Item, side: str, options: dict[str, Any]) -> None:
    """Touch a ball on the floor with one foot."""
    rng, pose, sign = person.rng, person.pose, SIGN[side]
    radius = item.instance.sizes["radius"]
    if radius < 0.07:
        raise UnsuitableError("ball too small to kick")
    other = "right" if side == "left" else "left"
    length = leg_length(pose)
    person.stand(width=rng.uniform(0.07, 0.11), crouch=rng.uniform(0.93, 0.97))
    pose.move(np.array([-sign * 0.05, 0, 0]))
    person.foot(other, np.array([-sign * 0.08, 0, 0.0]), yaw(-sign * rng.uniform(0, 0.4)))
    turn = yaw(sign * rng.uniform(-0.1, 0.35))
    if options.get("on_top"):
        centre = np.array([sign * rng.uniform(0.06, 0.14), radius, rng.uniform(0.25, 0.35)])
        item.pose = frame(centre, about(rng.normal(size=3), rng.uniform(0, 3)))
        foot = turn @ about((1, 0, 0), -rng.uniform(0.1, 0.35))
        ball = foot @ np.array([0, 0, 0.09])
        place = centre + np.array([0, radius + 0.01, 0]) - ball
    else:
        foot = turn @ about((1, 0, 0), rng.uniform(-0.1, 0.5))
        ahead = rng.uniform(0.15, 0.50) * length / 0.8
        place = np.array([sign * rng.uniform(0.06, 0.14), rng.uniform(0.03, 0.10), ahead])
    pole = np.array([sign * 0.1, 0.3, 1.0])
    person.foot(side, place, foot, pole)
    sole = part_vertices(f"{side} foot")
    if options.get("on_top"):
        for _ in range(4):
            gap = float(item.distance(pose.vertices(sole)).min())
            if abs(gap) < 0.002:
                break
            place = place - np.array([0, gap + 0.001, 0])
            person.foot(side, place, foot, pole)
    else:
        points = pose.vertices(sole)
        toe = points[points[:, 2].argmax()]
        item.pose = frame(
            np.array([toe[0], max(radius, toe[1] + 0.02), toe[2] + radius + 0.04]),
            about(rng.normal(size=3), rng.uniform(0, 3)),
        )
        for _ in range(6):
            gap = float(item.distance(points).min())
            if abs(gap + 0.002) < 0.002:
                break
            item.move(np.array([0, 0, -(gap + 0.002)]))
    person.trunk(rng.uniform(-0.05, 0.2), rng.uniform(-0.2, 0.2))
    person.look(rng.uniform(-0.2, 0.2), rng.uniform(0.1, 0.5))


ACTIONS: dict[str, Callable[[Person, Item, str, dict[str, Any]], None]] = {
    "hold": hold,
    "hold_with_both": hold_with_both,
    "at_mouth": at_mouth,
    "at_ear": at_ear,
    "between_hands": between_hands,
    "sit": sit,
    "ride": ride,
    "board": board,
    "bike_beside": bike_beside,
    "beside": beside,
    "upright_board": upright_board,
    "wear_backpack": wear_backpack,
    "wear_hat": wear_hat,
    "wear_headphones": wear_headphones,
    "over_shoulder": over_shoulder,
    "over_forearm": over_forearm,
    "pole_on_floor": pole_on_floor,
    "kick": kick,
    "lie": lie,
    "ski": slide.ski,
    "lean_on": lean.lean_on,
    "push": lean.push,
    "open_door": lean.open_door,
    "push_flat": lean.push_flat,
    "type_on_lap": play.type_on_lap,
    "type_on_hand": play.type_on_hand,
    "play_guitar": play.play_guitar,
}
"""Actions by name."""

__all__ = ["ACTIONS", "LEGS", "PHASES", "perform"]

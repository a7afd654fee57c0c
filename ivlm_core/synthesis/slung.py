"""Handbags over the shoulder and over the forearm."""

import numpy as np
import open3d as o3d

from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import LETTER, SIGN
from ivlm_core.synthesis.objects import make_handbag
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import frame, unit, yaw
from ivlm_core.synthesis.worn import trunk_scene

STEEPEST = 0.45
"""Largest rise of a forearm on which a handle stays, as a share of its length."""
PRESSED = 0.006
"""How deep a handle sinks into the forearm, metres."""


def over_shoulder(person: Person, item: Item, side: str, *, region: str, low: float = 0.0) -> None:
    """Carry a handbag under the arm, its strap over the shoulder of a side.

    Args:
        person: changed in place; the arm of that side goes to the region first, for the strap is
            led around the posed shoulder.
        item: the bag; gets a fitted strap.
        side: shoulder.
        region: where that hand is.
        low: how much lower than usual the bag hangs, metres.

    Raises:
        UnsuitableError: a bag without strap, or no line for the strap.
    """
    rng, pose, bag = person.rng, person.pose, item.instance
    if bag.sizes["strap"] == 0:
        raise UnsuitableError("no strap")
    person.free_arm(side, region, float(rng.uniform(0.2, 0.9)))
    person.busy.add(side)
    chest, sign = person.chest, SIGN[side]
    ahead = chest @ np.array([0, 0, 1.0])
    axes = yaw(float(np.arctan2(ahead[0], ahead[2])) + sign * rng.uniform(-0.25, 0.15))
    joint = pose.head(f"upperarm01.{LETTER[side]}")
    drop = rng.uniform(0.26, 0.34) + low
    top = joint + np.array([0, -drop * pose.shape.height / 1.75, 0])
    item.pose = frame(top - axes @ np.array([0, bag.sizes["height"], 0.02]), axes)
    _move_out(person, item, axes[:, 0] * sign)
    item.shipped = bag
    item.instance = make_handbag(bag.seed, _strap(person, item, side))


def _move_out(person: Person, item: Item, out: Array) -> None:
    """Move an item along a direction [3] until it just touches the trunk or the thighs."""
    points = person.pose.vertices(part_vertices("chest", "belly", "hips", "back", "thigh"))
    total = 0.0
    for _ in range(30):
        near = item.near(points)
        least = float(item.distance(points[near]).min()) if len(near) else 0.05
        if abs(least - 0.001) < 0.001:
            return
        step = float(np.clip(0.001 - least, -0.01, 0.03))
        total += step
        if abs(total) > 0.30:
            break
        item.move(out * step)


def _strap(person: Person, item: Item, side: str) -> Array:
    """Centre line [K, 3] of a strap in the bag's frame, from its front over the shoulder."""
    pose, bag = person.pose, item.instance
    radius = bag.sizes["strap"] + 0.001
    ends = [item.frame(name)[:3, 3] for name in ("strap_front", "strap_back")]
    joint, neck = pose.head(f"upperarm01.{LETTER[side]}"), pose.head("neck01")
    up, ahead = person.chest[:, 1], person.chest[:, 2]
    over = neck + 0.68 * (joint - neck)
    centre = over + up * (up @ (joint - over)) - up * 0.10
    rays = []
    for angle in np.radians((12, 36, 60, 84, 108, 132, 156, 172)):
        direction = np.cos(angle) * ahead + np.sin(angle) * up
        rays.append(np.concatenate([centre + direction * 0.45, -direction]))
    cast = np.array(rays, np.float32)
    hit = trunk_scene(person).cast_rays(o3d.core.Tensor.from_numpy(cast))["t_hit"].numpy()
    if not np.isfinite(hit).all() or (hit > 0.449).any():
        raise UnsuitableError("no line for the strap")
    points = cast[:, :3] + cast[:, 3:] * (hit - radius)[:, None]
    return item.to_local(np.concatenate([ends[:1], points, ends[1:]]))


def _forearm_surface(person: Person, side: str) -> Array:
    """Points [N, 3] on the skin of a forearm, dense enough for a thin handle."""
    pose = person.pose
    corners = pose.vertices()[pose.rig.faces]
    own = np.isin(pose.rig.faces, part_vertices(f"{side} forearm")).all(1)
    a, b, c = corners[own].swapaxes(0, 1)
    return np.concatenate([a, (a + b + c) / 3, (a + b) / 2, (b + c) / 2]).astype(float)


def over_forearm(
    person: Person, item: Item, side: str, *, place: tuple[float, float, float]
) -> None:
    """Hang a handbag over the forearm of a side.

    Args:
        person: changed in place.
        item: the bag; hangs upright, its loop around the forearm.
        side: arm.
        place: where the hand is, as in `person.REGIONS`.

    Raises:
        UnsuitableError: the forearm is too steep.
    """
    rng, pose, s = person.rng, person.pose, LETTER[side]
    point = person.place(side, place, 0.05)
    inwards = person.chest @ np.array([-SIGN[side] * rng.uniform(0.0, 1.0), 1.0, 0.0])
    person.reach(side, person.natural(side, point, thumb=inwards))
    person.hands[side].relax(rng, float(rng.uniform(0.2, 0.9)))
    person.hands[side].apply()
    person.busy.add(side)
    elbow, wrist = pose.head(f"lowerarm01.{s}"), pose.head(f"wrist.{s}")
    along = unit(wrist - elbow)
    if abs(along[1]) > STEEPEST:
        raise UnsuitableError("forearm too steep")
    turn = yaw(float(np.arctan2(-along[2], along[0])) + rng.normal(0, 0.12))
    axes = turn if rng.uniform() < 0.5 else turn @ yaw(np.pi)
    share = rng.uniform(0.35, 0.8)
    target = elbow + share * (wrist - elbow)
    loop = item.instance.frames["loop"][:3, 3]
    item.pose = frame(target + np.array([0, 0.06, 0]) - axes @ loop, axes)
    points = _forearm_surface(person, side)
    for _ in range(10):
        near = item.near(points)
        gap = float(item.distance(points[near]).min()) if len(near) else 0.03
        if abs(gap + PRESSED) < 0.0015:
            return
        item.move(np.array([0, -(gap + PRESSED), 0]))
    raise UnsuitableError("the bag does not hang on the forearm")


__all__ = ["over_forearm", "over_shoulder"]

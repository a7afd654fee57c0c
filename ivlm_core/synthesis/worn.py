"""Backpacks with straps fitted to the body, and hats and headphones on heads."""

import numpy as np
import open3d as o3d

from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import LETTER, SIDES, SIGN
from ivlm_core.synthesis.objects import make_backpack
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.person import Person, UnsuitableError, part_vertices
from ivlm_core.synthesis.rotations import about, frame, unit

_TRUNK = ("chest", "belly", "back", "hips", "neck", "shoulder")


def wear_backpack(
    person: Person, item: Item, *, straps: str, front: bool = False, low: float = 0.0
) -> None:
    """Wear a backpack; its straps are led around the posed shoulders.

    Args:
        person: changed in place.
        item: the backpack; gets fitted straps.
        straps: "both", "left" or "right".
        front: on the chest instead of the back.
        low: how much lower than usual it hangs, metres.

    Raises:
        UnsuitableError: no line for a strap is found.
    """
    rng, pose = person.rng, person.pose
    chest = person.chest
    facing = chest @ about((0, 1, 0), np.pi if front else 0.0)
    shoulder = 0.5 * (pose.head("upperarm01.L") + pose.head("upperarm01.R"))
    bag = item.instance
    height = bag.sizes["height"]
    aside = 0.0 if straps == "both" else SIGN[straps] * rng.uniform(0.04, 0.10)
    drop = low + rng.uniform(-0.02, 0.06) + 0.5 * height
    slip = 0.0 if straps == "both" else -SIGN[straps] * rng.uniform(0.0, 0.12)
    axes = facing @ about((1, 0, 0), rng.uniform(-0.04, 0.04)) @ about((0, 0, 1), slip)
    place = frame(shoulder + axes @ np.array([aside * (-1 if front else 1), -drop, -0.3]), axes)
    back = bag.frames["back"][2, 3]
    trunk = pose.vertices(part_vertices(*_TRUNK))
    local = (trunk - place[:3, 3]) @ place[:3, :3]
    inside = (np.abs(local[:, 0]) < 0.4 * bag.sizes["width"]) & (
        np.abs(local[:, 1]) < 0.45 * height
    )
    if inside.sum() < 10:
        raise UnsuitableError("backpack misses the back")
    place[:3, 3] += place[:3, 2] * (float(local[inside, 2].min()) - back + 0.004)
    item.pose = place
    lines: dict[str, Array | None] = {"left": None, "right": None}
    for side in SIDES if straps == "both" else (straps,):
        # On the chest, the wearer's left is the bag's right.
        bag_side = side if not front else ("right" if side == "left" else "left")
        lines[bag_side] = _strap(person, item, side, bag_side, facing)
    item.shipped = bag
    item.instance = make_backpack(bag.seed, lines["left"], lines["right"])


def _strap(person: Person, item: Item, side: str, bag_side: str, facing: Array) -> Array:
    """Centre line [K, 3] of a strap in the bag's frame, around the shoulder of a side."""
    pose, bag = person.pose, item.instance
    radius = bag.sizes["strap_radius"] + 0.003
    scene = trunk_scene(person)
    top = item.frame(f"strap_{bag_side}_top")[:3, 3]
    bottom = item.frame(f"strap_{bag_side}_bottom")[:3, 3]
    joint = pose.head(f"upperarm01.{LETTER[side]}")
    neck = pose.head("neck01")
    away = facing @ np.array([0, 0, 1.0])
    up = person.chest[:, 1]
    out = unit((joint - neck) - up * (up @ (joint - neck)))
    over = neck + 0.62 * (joint - neck)
    centre = over + up * (up @ (joint - over)) - up * 0.10
    directions = [np.cos(a) * away + np.sin(a) * up for a in np.radians((128, 104, 80, 56, 30, 4))]
    origins = [centre] * len(directions)
    low = centre - up * 0.13 - out * 0.02
    for angle in np.radians((8, 38, 66)):
        directions.append(np.cos(angle) * away + np.sin(angle) * out - 0.12 * up)
        origins.append(low)
    rays = np.array(
        [
            np.concatenate([origin + unit(d) * 0.45, -unit(d)])
            for origin, d in zip(origins, directions, strict=True)
        ],
        np.float32,
    )
    hit = scene.cast_rays(o3d.core.Tensor.from_numpy(rays))["t_hit"].numpy()
    if not np.isfinite(hit).all() or (hit > 0.449).any():
        raise UnsuitableError("no line for the strap")
    points = rays[:, :3] + rays[:, 3:] * (hit - radius)[:, None]
    line = np.concatenate([top[None], points, bottom[None]])
    return item.to_local(line)


def trunk_scene(person: Person) -> o3d.t.geometry.RaycastingScene:
    """The trunk without arms and head, for rays."""
    faces = person.pose.rig.faces
    trunk = part_vertices(*_TRUNK)
    inside = np.zeros(len(person.pose.shape.vertices), bool)
    inside[trunk] = True
    kept = faces[inside[faces].all(1)]
    number = np.zeros(len(inside), np.uint32)
    number[trunk] = np.arange(len(trunk), dtype=np.uint32)
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    tensor = o3d.core.Tensor.from_numpy
    points = np.ascontiguousarray(person.pose.vertices(trunk), np.float32)
    scene.add_triangles(tensor(points), tensor(number[kept]))
    return scene


def wear_hat(person: Person, item: Item, *, style: str = "straight") -> None:
    """Put a hat on the head, stretched to fit it.

    Args:
        person: the head's pose is used.
        item: the hat; placed and stretched.
        style: "straight", "tilted", "back" (brim behind) or "low" (in the face).
    """
    rng, pose = person.rng, person.pose
    head = pose.turn_of("head")
    skull = part_vertices("head")
    local = (pose.vertices(skull) - pose.head("head")) @ head
    top = float(local[:, 1].max())
    level = top - rng.uniform(0.075, 0.095)
    pitch, roll, spin = rng.uniform(-0.12, 0.08), rng.normal(0, 0.04), rng.normal(0, 0.08)
    if style == "tilted":
        roll += rng.choice((-1, 1)) * rng.uniform(0.15, 0.28)
    elif style == "back":
        spin += np.pi
    elif style == "low":
        pitch += rng.uniform(0.12, 0.2)
        level -= 0.012
    ring = local[np.abs(local[:, 1] - level) < 0.012]
    if len(ring) < 8:
        raise UnsuitableError("no ring around the head")
    low, high = ring[:, [0, 2]].min(0), ring[:, [0, 2]].max(0)
    half = (high - low) / 2 + 0.004
    sizes = item.instance.sizes
    item.scale = np.array(
        [
            half[0] / sizes["inner_half_width"],
            (top - level + 0.004) / sizes["depth"] if sizes["depth"] < 0.14 else 1.0,
            half[1] / sizes["inner_half_length"],
        ]
    )
    item.scale[1] = np.clip(item.scale[1], 0.8, 1.15)
    middle = (high + low) / 2
    origin = pose.head("head") + head @ np.array([middle[0], level, middle[1]])
    turn = about((1, 0, 0), pitch) @ about((0, 0, 1), roll) @ about((0, 1, 0), spin)
    item.pose = frame(origin, head @ turn)
    points = pose.vertices(skull)
    up = item.pose[:3, 1]
    for _ in range(4):
        near = item.near(points)
        if len(near) == 0:
            break
        least = float(item.distance(points[near]).min())
        if least > -0.006:
            break
        item.move(up * min(0.02, -least - 0.004))


def wear_headphones(person: Person, item: Item, *, pitch: float = 0.0) -> None:
    """Put headphones on the ears, stretched to fit the head.

    Args:
        person: the head's pose is used.
        item: the headphones; placed and stretched.
        pitch: turn of the band to the forehead, radians; some noise is added.
    """
    rng, pose = person.rng, person.pose
    head = pose.turn_of("head")
    local = (pose.vertices(part_vertices("head")) - pose.head("head")) @ head
    low, top = float(local[:, 1].min()), float(local[:, 1].max())
    level = local[np.abs(local[:, 1] - (low + 0.55 * (top - low))) < 0.04]
    left, right = level[level[:, 0].argmax()], level[level[:, 0].argmin()]
    middle = (left + right) / 2
    half = (left[0] - right[0]) / 2 - rng.uniform(0.004, 0.007)
    sizes = item.instance.sizes
    crown = local[np.abs(local[:, 0] - middle[0]) < 0.03]
    turn = about((1, 0, 0), pitch + rng.normal(0, 0.06)) @ about((0, 0, 1), rng.normal(0, 0.02))
    # The band passes over the highest point of the head in its own, turned plane.
    turned = (crown - middle) @ turn
    height = float(turned[np.abs(turned[:, 2]) < 0.02, 1].max())
    item.scale = np.array([half / sizes["half_width"], (height + 0.003) / sizes["height"], 1.0])
    if not 0.75 < item.scale[1] < 1.35:
        raise UnsuitableError("headphones do not fit the head")
    item.pose = frame(pose.head("head") + head @ middle, head @ turn)

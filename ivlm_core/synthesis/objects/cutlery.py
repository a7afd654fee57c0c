"""Scissors and spoon: small metal things that point along +y, away from the little finger."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, Colour, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Revolution, cylinder
from ivlm_core.synthesis.objects.tools import BLADE
from ivlm_core.synthesis.objects.tube import Tube

SCISSORS_AFFORDANCES = {
    "grasp": ("handle", "second_handle"),
    "cut": ("edge", "blade"),
    "stab": ("tip",),
}
SPOON_AFFORDANCES = {
    "grasp": ("handle",),
    "lift": ("handle",),
    "contain": ("inside",),
}
FLAT = np.column_stack([(-1, 0, 0), (0, 0, 1), (0, 1, 0)])
"""Rotation that lays a shape's z along the object's y and its y along the object's z."""


def scissors(rng: np.random.Generator) -> Assembly:
    """Handles at y = 0, points upwards, everything in the y-z plane.

    Frames: grip (between the two rings, palm at the ring on the -z side), tip (between the points).
    """
    made = Assembly(edge=0.008)
    style = pick(rng, "office", "office", "tailor", "nail", "school")
    blade, wide = {
        "office": (rng.uniform(0.085, 0.115), rng.uniform(0.014, 0.018)),
        "tailor": (rng.uniform(0.120, 0.155), rng.uniform(0.018, 0.024)),
        "nail": (rng.uniform(0.045, 0.060), rng.uniform(0.009, 0.012)),
        "school": (rng.uniform(0.060, 0.075), rng.uniform(0.014, 0.018)),
    }[style]
    bar = rng.uniform(0.0042, 0.0060) * (0.8 if style == "nail" else 1.0)
    half_wide = rng.uniform(0.013, 0.016)
    half_long = half_wide * rng.uniform(1.15, 1.75)
    shank = rng.uniform(0.020, 0.034)
    opening = rng.uniform(8, 30) if rng.uniform() < 0.6 else rng.uniform(1, 4)
    ring_y = -shank - half_long
    lift = -ring_y + half_long + bar
    angles = np.arange(14) * 2 * np.pi / 14
    t = np.linspace(0, 1, 9)
    outline = wide * (1 - t**2.5) * (0.75 if style == "nail" else 1.0)
    if style == "school":
        outline = wide * np.sqrt(np.clip(1 - np.clip((t - 0.85) / 0.15, 0, 1) ** 2, 0, 1))
    stations = -0.012 + (blade + 0.012) * t

    def split(vertices: Array) -> np.ndarray:
        along, across = vertices[:, 2], np.abs(vertices[:, 0])
        return np.where(along > 0.78 * blade, 2, np.where(across < 0.28 * wide, 1, 0))

    for sign, part in ((1, "handle"), (-1, "second_handle")):
        swing = turn("x", sign * opening / 2)
        low, high = (-0.002 * (1 - t), outline) if sign > 0 else (-outline, 0.002 * (1 - t))
        high, low = np.maximum(high, low + 1e-4), low
        at = np.array([0.0013 * sign, lift, 0])
        made.add(
            ("blade", "edge", "tip"),
            Plate(stations, low, high, 0.0026, 0.0008),
            at=at,
            rotation=swing @ BLADE,
            split=split,
        )
        middle = -sign * (half_wide + bar + 0.001)
        ring = np.stack(
            [
                np.zeros(14),
                ring_y + half_long * np.cos(angles),
                middle + half_wide * np.sin(angles),
            ],
            1,
        )
        made.add(part, Tube(ring, bar, loop=True), at=(0, lift, 0), rotation=swing, edge=0.007)
        arm = np.array([(0, 0.004, 0), (0, -shank * 0.5, middle * 0.3), (0, -shank, middle * 0.8)])
        made.add(part, Tube(arm, bar * 0.95), at=(0, lift, 0), rotation=swing)
        made.colours[part] = (0, 0, 0)
    made.add(
        "screw", cylinder(0.004, 2 * bar + 0.003, 0.001), at=(0, lift, 0), rotation=turn("z", 90)
    )
    drop = np.radians(opening / 2)
    outer = 2 * half_wide + bar + 0.001
    reach = (outer * np.cos(drop) - ring_y * np.sin(drop)) + bar
    centre = lift + ring_y * np.cos(drop) + (half_wide * np.sin(drop))
    made.frame("grip", (0, centre, 0), (0, 1, 0), (0, 0, 1), reach)
    made.frame("tip", (0, lift + blade * np.cos(drop), 0), (0, 1, 0), (0, 0, 1))
    steel = paint(rng, "metal")
    r, g, b = (min(250, channel + 25) for channel in steel)
    grip: Colour = paint(rng, pick(rng, "any", "any", "dark")) if style != "nail" else steel
    second = paint(rng) if rng.uniform() < 0.25 else grip
    made.colours |= {
        "handle": grip,
        "second_handle": second,
        "blade": steel,
        "edge": (r, g, b),
        "tip": steel,
        "screw": paint(rng, "metal"),
    }
    made.sizes = {"length": lift + blade, "opening": opening}
    return made


def spoon(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, the hollow of the bowl towards +z.

    Frames: grip (the handle, palm at its back), mouth (the bowl's tip, +y ahead of it).
    """
    made = Assembly(edge=0.007)
    style = pick(rng, "tea", "table", "table", "wooden", "serving")
    length, half = {
        "tea": (rng.uniform(0.130, 0.150), rng.uniform(0.020, 0.024)),
        "table": (rng.uniform(0.175, 0.215), rng.uniform(0.028, 0.034)),
        "wooden": (rng.uniform(0.250, 0.330), rng.uniform(0.033, 0.042)),
        "serving": (rng.uniform(0.230, 0.290), rng.uniform(0.040, 0.050)),
    }[style]
    wood = style == "wooden"
    oval = rng.uniform(0.62, 0.80)
    deep, wall = half * rng.uniform(0.30, 0.42), 0.0045 if wood else 0.0020
    s = np.linspace(0, 1, 8)
    outer = np.stack([half * np.sin(s * np.pi / 2), deep * (1 - np.cos(s * np.pi / 2))], 1)
    inner = np.stack(
        [
            (half - wall) * np.sin(s[::-1] * np.pi / 2),
            deep - (deep - wall) * np.cos(s[::-1] * np.pi / 2),
        ],
        1,
    )
    cup = Revolution(np.concatenate([outer, inner]), stretch=(oval, 1.0))
    middle = length - half

    def split(vertices: Array) -> np.ndarray:
        radius = np.hypot(vertices[:, 0] / oval, vertices[:, 2])
        share = np.clip((deep - vertices[:, 1]) / deep, 0, 1)
        edge = (half - wall / 2) * np.sqrt(np.clip(1 - share**2, 0, 1))
        below = vertices[:, 1] < deep - (deep - wall / 2) * np.sqrt(
            np.clip(1 - (radius / half) ** 2, 0, 1)
        )
        return np.where(below | (radius > edge + wall), 0, 1)

    made.add(("bowl", "inside"), cup, at=(0, middle, -deep * 0.8), rotation=FLAT, split=split)
    end = middle - half * 0.94
    if wood:
        radius = rng.uniform(0.0045, 0.0065)
        line = np.array([(0, radius, 0), (0, end * 0.6, 0), (0, end + 0.006, 0)])
        made.add("handle", Tube(line, (radius, radius * 0.9, radius * 0.85)))
        thick = 2 * radius
    else:
        thick = rng.uniform(0.0026, 0.0036)
        wide = rng.uniform(0.007, 0.011)
        steps = np.array([0, 0.04, 0.15, 0.4, 0.7, 1.0])
        outline = np.array([0.5, 0.9, 1.0, 0.75, 0.45, 0.5]) * wide
        stations = (steps - 0.5) * (end + 0.003)
        handle = Plate(stations, -outline, outline, thick, thick * 0.45)
        made.add("handle", handle, at=(0, (end + 0.003) / 2, 0), rotation=FLAT)
    made.frame("grip", (0, end * 0.45, 0), (0, 1, 0), (0, 0, 1), thick / 2)
    made.frame("mouth", (0, length, 0), (0, 1, 0), (0, 0, 1))
    main = paint(rng, "wood" if wood else pick(rng, "metal", "metal", "any", "light"))
    r, g, b = (int(channel * 0.88) for channel in main)
    handle_colour = paint(rng) if rng.uniform() < 0.35 else main
    made.colours = {"bowl": main, "inside": (r, g, b), "handle": handle_colour}
    made.sizes = {"length": length}
    return made

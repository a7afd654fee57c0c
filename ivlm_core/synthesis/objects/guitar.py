"""Guitars, acoustic and electric."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Z_TO_Y, Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, cylinder
from ivlm_core.synthesis.objects.tube import Tube

GUITAR_AFFORDANCES = {
    "play": ("strings", "neck"),
    "grasp": ("neck",),
    "carry": ("neck", "body"),
    "lift": ("neck", "body"),
}


def _body(length: float, lower: float, upper: float, waist: float) -> tuple[Array, Array]:
    """Stations from the tail up [K] and half widths [K] of a body, metres."""
    share = np.array([0, 0.03, 0.1, 0.25, 0.4, 0.55, 0.65, 0.78, 0.9, 0.97, 1.0])
    half = np.array([0.0, 0.45, 0.78, 1.0, 0.93, 0, 0, 0, 0, 0, 0]) * lower
    half[5:7] = waist, (waist + upper) / 2
    half[7:] = np.array([1.0, 0.85, 0.5, 0.0]) * upper
    return share * length, half


def guitar(rng: np.random.Generator) -> Assembly:
    """Stand upright with its head at +y and its strings towards +z; origin in the body's middle.

    Frames: grip_neck (its lower half, +y to the head, palm behind), grip_high (the same nearer the
    head), strum (on the body's front over the strings, +y to the head, +z into it), back (middle of
    the body's back, +z out of it).
    """
    made = Assembly(edge=0.034)
    electric = rng.uniform() < 0.4
    length = rng.uniform(0.36, 0.42) if electric else rng.uniform(0.44, 0.51)
    lower = rng.uniform(0.15, 0.175) if electric else rng.uniform(0.175, 0.205)
    upper, waist = lower * rng.uniform(0.72, 0.85), lower * rng.uniform(0.58, 0.68)
    thick = rng.uniform(0.040, 0.052) if electric else rng.uniform(0.085, 0.115)
    along, half = _body(length, lower, upper, waist)
    low = -length / 2
    # A plate lies in x-z; here it stands, its z up and its y to the back.
    made.add("body", Plate(along + low, -half, half, thick, 0.008), rotation=Z_TO_Y)
    front = thick / 2
    if not electric:
        hole = rng.uniform(0.045, 0.055)
        at = (0, low + length * 0.68, front)
        made.add("hole", cylinder(hole, 0.003), at=at, rotation=Z_TO_Y, edge=0.02)
    else:
        guard = Box((lower * 0.9, length * 0.4, 0.004), 0.001)
        made.add("hole", guard, at=(0.02, low + length * 0.45, front + 0.001))
    neck = rng.uniform(0.42, 0.48)
    wide, deep = rng.uniform(0.048, 0.058), rng.uniform(0.022, 0.026)
    start = low + length * 0.78
    top = length / 2 + neck * 0.78
    at = (0, (start + top) / 2, front + 0.004)
    made.add("neck", Box((wide, top - start, deep), 0.009), at=at, edge=0.026)
    head = rng.uniform(0.14, 0.19)
    made.add(
        "head",
        Box((wide + 0.03, head, 0.018), 0.006),
        at=(0, top + head / 2 - 0.005, front - 0.004),
    )
    for k in range(3):
        for side in (-1, 1):
            peg = np.array([(0, 0, 0), (side * 0.022, 0, 0)])
            place = (side * (wide / 2 + 0.012), top + (k + 0.8) * head / 4, front - 0.004)
            made.add("head", Tube(peg, 0.007, sides=6), at=place, edge=0.02)
    surface = front + 0.004 + deep / 2
    bridge = low + length * 0.24
    made.add("bridge", Box((wide * 2.2, 0.03, 0.012), 0.003), at=(0, bridge, front + 0.004))
    for k in range(6):
        x = (k - 2.5) * wide / 7
        line = np.array([(x, bridge, front + 0.010), (x, top + 0.02, surface + 0.003)])
        made.add("strings", Tube(line, 0.0012, sides=4), edge=0.035)
    radius = deep / 2
    for name, share in (("grip_neck", 0.45), ("grip_high", 0.8)):
        y = length / 2 + share * (top - length / 2)
        made.frame(name, (0, y, front + 0.004), (0, 1, 0), (0, 0, 1), radius)
    strum = low + length * (0.52 if electric else 0.5)
    made.frame("strum", (0, strum, front + 0.012), (0, 1, 0), (0, 0, -1))
    made.frame("back", (0, low + length * 0.35, -front), (0, 1, 0), (0, 0, -1))
    wood = paint(rng, "wood")
    made.colours = {
        "body": paint(rng, "any") if electric else paint(rng, pick(rng, "wood", "wood", "dark")),
        "hole": paint(rng, pick(rng, "light", "dark")) if electric else paint(rng, "dark"),
        "neck": wood,
        "head": wood if rng.uniform() < 0.6 else paint(rng, "dark"),
        "bridge": paint(rng, pick(rng, "dark", "metal")),
        "strings": paint(rng, "metal"),
    }
    made.sizes = {"length": length + neck + head, "thickness": thick, "width": 2 * lower}
    return made

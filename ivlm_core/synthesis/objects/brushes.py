"""Toothbrush and broom."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, Revolution, cylinder, frustum
from ivlm_core.synthesis.objects.tube import Tube

TOOTHBRUSH_AFFORDANCES = {
    "grasp": ("handle", "grip"),
    "lift": ("handle", "grip"),
}
BROOM_AFFORDANCES = {
    "grasp": ("pole", "grip"),
    "move": ("pole", "grip"),
    "push": ("pole", "grip"),
}


def toothbrush(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, bristles towards +z; frames grip, mouth (at the bristles)."""
    made = Assembly(edge=0.006)
    electric = rng.uniform() < 0.3
    length = rng.uniform(0.165, 0.200) + (0.03 if electric else 0.0)
    head, half = rng.uniform(0.024, 0.032), rng.uniform(0.0050, 0.0065)
    radius = rng.uniform(0.0105, 0.0145) if electric else rng.uniform(0.0050, 0.0070)
    end = length * rng.uniform(0.56, 0.64)
    waist = rng.uniform(0.75, 0.95)
    base = length - head
    heights = np.array([0.004, end * 0.25, end * 0.5, end * 0.75, end])
    widths = radius * np.array([0.9, 1.0, waist, 1.0, 0.7])
    bow = rng.uniform(-0.004, 0.004) if not electric else 0.0
    spine = np.stack([np.zeros(5), heights, bow * np.sin(np.pi * heights / end)], 1)
    made.add("handle", Tube(spine, tuple(widths), sides=10))
    neck = np.array([(0, end, 0), (0, (end + base) / 2, 0), (0, base + 0.004, 0)])
    thin = rng.uniform(0.0026, 0.0036)
    made.add("neck", Tube(neck, (radius * 0.66, thin, thin)))
    deep = 0.0045
    made.add("head", Box((2 * half, head, deep), 0.002), at=(0, base + head / 2, 0))
    tuft = rng.uniform(0.0090, 0.0120)
    rows = int(rng.integers(2, 5))
    step = head * 0.92 / rows
    for k in range(rows):
        tall = tuft * rng.uniform(0.85, 1.0)
        at = (0, base + head * 0.04 + step * (k + 0.5), deep / 2 + tall / 2 - 0.0005)
        made.add("bristles", Box((1.7 * half, step * 0.93, tall), 0.0012), at=at)
    if rng.uniform() < 0.7:
        low, high = end * rng.uniform(0.2, 0.35), end * rng.uniform(0.6, 0.8)
        line = np.stack([np.interp((low, high), heights, spine[:, k]) for k in range(3)], 1)
        made.add("grip", Tube(line, radius * 1.06, sides=10))
        made.colours["grip"] = paint(rng)
        radius *= 1.06
    middle = np.array([0, end * 0.5, float(np.interp(end * 0.5, heights, spine[:, 2]))])
    made.frame("grip", middle, (0, 1, 0), (0, 0, 1), radius)
    at = (0, base + head * 0.7, deep / 2 + tuft * 0.85)
    made.frame("mouth", at, (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "light"))
    made.colours |= {
        "handle": main,
        "neck": main if rng.uniform() < 0.6 else paint(rng, "light"),
        "head": main if rng.uniform() < 0.5 else paint(rng, "light"),
        "bristles": paint(rng, pick(rng, "light", "light", "any")),
    }
    made.sizes = {"length": length}
    return made


def broom(rng: np.random.Generator) -> Assembly:
    """Bristles at y = 0, pole along y.

    Frames: grip (upper part of the pole), grip_second (below it, for the other hand).
    `sizes["length"]` is its whole length, `sizes["free"]` the height at which the free pole starts.
    """
    made = Assembly(edge=0.035)
    style = pick(rng, "push", "house", "corn", "angle")
    length = rng.uniform(1.12, 1.42)
    radius = rng.uniform(0.0105, 0.0140)
    tall = {
        "push": rng.uniform(0.06, 0.09),
        "house": rng.uniform(0.09, 0.14),
        "corn": rng.uniform(0.28, 0.40),
        "angle": rng.uniform(0.12, 0.16),
    }[style]
    if style == "corn":
        spread, tied = rng.uniform(0.11, 0.16), 0.030
        flat = rng.uniform(0.28, 0.45)
        profile = frustum(spread, tied, tall).profile
        straw = Revolution(profile, stretch=(1.0, flat), around=24)
        made.add("bristles", straw, at=(0, tall / 2, 0), edge=0.03)
        for share in (0.72, 0.85):
            size = spread + (tied - spread) * share
            band = Revolution(cylinder(size * 1.06, 0.012).profile, stretch=(1.0, flat), around=24)
            made.add("head", band, at=(0, tall * share, 0), edge=0.03)
        top = tall
    else:
        wide = rng.uniform(0.35, 0.55) if style == "push" else rng.uniform(0.24, 0.34)
        deep = rng.uniform(0.05, 0.08) if style == "push" else rng.uniform(0.035, 0.055)
        block = rng.uniform(0.030, 0.045)
        spread = rng.uniform(1.0, 1.25)
        s = np.array([-0.5, 0.5])
        low, high = np.array([-0.5 * spread, -0.5]) * wide, np.array([0.5 * spread, 0.5]) * wide
        if style == "angle":
            low = np.array([-0.95, -0.5]) * wide
        # The plate's stations run upwards, its width along x.
        stand = np.column_stack([(1, 0, 0), (0, 0, -1), (0, 1, 0)])
        brush = Plate(s * tall, low * 0.97, high * 0.97, deep * 0.9, 0.004)
        made.add("bristles", brush, at=(0, tall / 2, 0), rotation=stand, edge=0.03)
        made.add("head", Box((wide, block, deep), 0.008), at=(0, tall + block / 2 - 0.002, 0))
        top = tall + block
        made.add(
            "head", frustum(radius * 2.2, radius * 1.2, 0.05), at=(0, top + 0.02, 0), edge=0.02
        )
        top += 0.04
    made.add("pole", cylinder(radius, length - top + 0.03), at=(0, (length + top - 0.03) / 2, 0))
    if rng.uniform() < 0.6:
        cover = rng.uniform(0.12, 0.28)
        made.add(
            "grip", cylinder(radius + 0.0015, cover, 0.001), at=(0, length - cover / 2 + 0.002, 0)
        )
        made.colours["grip"] = paint(rng, pick(rng, "any", "dark"))
    made.frame("grip", (0, length * 0.82, 0), (0, 1, 0), (0, 0, 1), radius)
    made.frame("grip_second", (0, length * 0.55, 0), (0, 1, 0), (0, 0, 1), radius)
    pole = paint(rng, pick(rng, "wood", "wood", "any", "metal"))
    fibre = pick(rng, "wood", "any") if style != "corn" else "wood"
    made.colours |= {
        "pole": pole,
        "head": paint(rng, pick(rng, "any", "wood", "dark")),
        "bristles": paint(rng, fibre),
    }
    made.sizes = {"length": length, "free": top}
    return made

"""Hammer, knife, umbrella and racket: things with a handle along y."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, Y_TO_X, Y_TO_Z, paint, pick
from ivlm_core.synthesis.objects.primitives import Box, Revolution, Tube, cylinder

HAMMER_AFFORDANCES = {
    "grasp": ("handle", "grip"),
    "hit": ("face",),
    "pull": ("peen",),
    "lift": ("handle", "grip", "head"),
}


def _handle_profile(
    length: float, radius: float, swell: float, start: float = 0.0
) -> np.ndarray:
    """Profile [K, 2] of a handle along y that swells at its lower end."""
    return np.array(
        [
            (0, start),
            (radius * 0.8, start),
            (radius * swell, start + 0.012),
            (radius * swell, start + length * 0.12),
            (radius, start + length * 0.35),
            (radius * 0.92, start + length * 0.7),
            (radius * 0.85, start + length - 0.003),
            (radius * 0.7, start + length),
            (0, start + length),
        ]
    )


def hammer(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, striking face towards +z.

    Frames: grip for the right hand (fingers point to the striking side), grip_left_hand for the
    left one.
    """
    made = Assembly(edge=0.014)
    style = pick(rng, "claw", "claw", "ball", "mallet", "sledge")
    length = rng.uniform(0.26, 0.36) + (0.08 if style == "sledge" else 0.0)
    radius = rng.uniform(0.013, 0.017)
    profile = _handle_profile(length, radius, rng.uniform(1.0, 1.2))
    cover = length * rng.uniform(0.4, 0.52)
    made.add(
        ("handle", "grip"),
        Revolution(profile, stretch=(0.88, 1.08)),
        split=lambda vertices: (vertices[:, 1] < cover).astype(int),
    )
    y = length - 0.012
    if style == "mallet":
        size, reach = rng.uniform(0.030, 0.042), rng.uniform(0.10, 0.14)
        made.add("head", cylinder(size, reach - 0.02, 0.003), at=(0, y, 0), rotation=Y_TO_Z)
        for part, side in (("face", 1), ("peen", -1)):
            made.add(
                part,
                cylinder(size * 1.03, 0.012, 0.003),
                at=(0, y, side * (reach / 2 - 0.006)),
                rotation=Y_TO_Z,
            )
    elif style == "sledge":
        size, reach = rng.uniform(0.042, 0.056), rng.uniform(0.11, 0.15)
        made.add("head", Box((size * 0.9, size * 0.9, reach - 0.02), 0.006), at=(0, y, 0))
        for part, side in (("face", 1), ("peen", -1)):
            made.add(part, Box((size, size, 0.014), 0.005), at=(0, y, side * (reach / 2 - 0.007)))
    else:
        size, reach = rng.uniform(0.012, 0.016), rng.uniform(0.045, 0.060)
        made.add("head", Box((size * 1.7, 0.034, 0.036), 0.006), at=(0, y, 0))
        made.add("head", cylinder(size * 0.8, reach), at=(0, y, reach / 2), rotation=Y_TO_Z)
        made.add("face", cylinder(size, 0.018, 0.002), at=(0, y, reach - 0.002), rotation=Y_TO_Z)
        if style == "ball":
            made.add("head", cylinder(size * 0.7, 0.05), at=(0, y, -0.025), rotation=Y_TO_Z)
            ball = np.array([(0, y, -0.046), (0, y, -0.050)])
            made.add("peen", Tube(ball, size * 0.95, sides=12), edge=0.006)
        else:
            back = rng.uniform(0.065, 0.085)
            sag = rng.uniform(0.018, 0.032)
            t = np.linspace(0, 1, 6)
            for side in (-1, 1):
                claw = np.stack(
                    [side * (0.006 + 0.007 * t), y + 0.006 - sag * t**2, -0.012 - back * t], 1
                )
                made.add("peen", Tube(claw, tuple(0.0085 - 0.0055 * t), sides=8), edge=0.012)
    made.add("head", cylinder(radius * 0.8, 0.006), at=(0, length + 0.002, 0))
    at, r = (0, cover * 0.55, 0), radius * 0.9
    made.frame("grip", at, (0, 1, 0), (1, 0, 0), r)
    made.frame("grip_left_hand", at, (0, 1, 0), (-1, 0, 0), r)
    made.frame("face", (0, y, reach / 2 if style in ("mallet", "sledge") else reach + 0.007),
               (0, 1, 0), (0, 0, 1))
    metal = paint(rng, pick(rng, "metal", "dark")) if style != "mallet" else paint(rng, "any")
    wood = paint(rng, pick(rng, "wood", "wood", "any"))
    made.colours = {
        "handle": wood,
        "grip": paint(rng, pick(rng, "any", "dark")) if rng.uniform() < 0.6 else wood,
        "head": metal,
        "face": paint(rng, "metal"),
        "peen": metal if rng.uniform() < 0.7 else paint(rng, "metal"),
    }
    made.sizes = {"length": length}
    return made

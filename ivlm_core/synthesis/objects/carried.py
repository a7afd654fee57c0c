"""Ball and box: things carried with two hands."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid

BALL_AFFORDANCES = {
    "grasp": ("panel", "stripe"),
    "lift": ("panel", "stripe"),
    "throw": ("panel", "stripe"),
    "kick": ("panel", "stripe"),
}
BOX_AFFORDANCES = {
    "lift": ("side_left", "side_right", "bottom"),
    "carry": ("side_left", "side_right", "bottom"),
    "push": ("side_front", "side_back", "side_left", "side_right"),
    "open": ("lid",),
    "contain": ("bottom", "side_left", "side_right", "side_front", "side_back"),
    "support": ("lid",),
}


def ball(rng: np.random.Generator) -> Assembly:
    """Centred sphere; frames palm_left (+x side), palm_right and grip (palm at -z)."""
    radius = rng.uniform(0.10, 0.16) if rng.uniform() < 0.75 else rng.uniform(0.034, 0.10)
    made = Assembly(edge=radius / 5.6)
    pattern = pick(rng, "plain", "belt", "octants", "caps", "meridians")
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    width = rng.uniform(0.15, 0.35)
    sectors = int(rng.integers(2, 5))

    def split(vertices: Array) -> np.ndarray:
        unit = vertices / radius
        along = unit @ axis
        if pattern == "plain":
            marked = along > 0.93
        elif pattern == "belt":
            marked = np.abs(along) < width
        elif pattern == "octants":
            marked = np.prod(np.sign(unit + 1e-6), axis=1) > 0
        elif pattern == "caps":
            marked = np.abs(along) > 1 - width
        else:
            marked = np.sin(sectors * np.arctan2(unit[:, 0], unit[:, 2])) > 0
        return marked.astype(int)

    made.add(("panel", "stripe"), Ellipsoid((radius, radius, radius)), split=split)
    made.frame("palm_left", (radius, 0, 0), (0, 1, 0), (-1, 0, 0), 0)
    made.frame("palm_right", (-radius, 0, 0), (0, 1, 0), (1, 0, 0), 0)
    made.frame("grip", (0, 0, 0), (0, 1, 0), (0, 0, 1), radius)
    made.colours = {
        "panel": paint(rng, pick(rng, "any", "any", "light")),
        "stripe": paint(rng, pick(rng, "any", "dark", "light")),
    }
    made.sizes = {"radius": radius}
    return made


def box(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, front towards +z.

    Frames: palm_left (+x side), palm_right, under_left and under_right (below the two sides, +y
    forward, +z up into the box), top (on the closed lid or between the rims, +y up, +z forward).
    """
    width, height, depth = rng.uniform((0.22, 0.14, 0.20), (0.50, 0.40, 0.42))
    made = Assembly(edge=float(np.clip(max(width, height, depth) / 15, 0.018, 0.028)))
    style = pick(rng, "closed", "closed", "flaps", "crate")
    sides = ("side_left", "side_right", "side_front", "side_back")
    if style == "closed":

        def split(vertices: Array) -> np.ndarray:
            scaled = vertices - np.sign(vertices) * (np.array([width, height, depth]) / 2)
            nearest = np.argmin(np.abs(scaled) + np.array([0, -1e-4, 0]), axis=1)
            positive = np.take_along_axis(vertices, nearest[:, None], 1)[:, 0] > 0
            return 2 * nearest + np.where(positive, 0, 1)

        names = ("side_left", "side_right", "lid", "bottom", "side_front", "side_back")
        made.add(names, Box((width, height, depth), 0.004), at=(0, height / 2, 0), split=split)
        if rng.uniform() < 0.6:
            tape = rng.uniform(0.03, 0.06)
            made.add("tape", Box((width + 0.001, 0.06, tape), 0.001), at=(0, height - 0.029, 0))
            made.colours["tape"] = paint(rng, pick(rng, "light", "any", "wood"))
    else:
        wall = 0.006 if style == "flaps" else 0.012
        made.add("bottom", Box((width, wall, depth), 0), at=(0, wall / 2, 0))
        for name, sign in (("side_left", 1), ("side_right", -1)):
            made.add(
                name,
                Box((wall, height, depth), 0),
                at=(sign * (width - wall) / 2, height / 2, 0),
            )
        for name, sign in (("side_front", 1), ("side_back", -1)):
            made.add(
                name,
                Box((width, height, wall), 0),
                at=(0, height / 2, sign * (depth - wall) / 2),
            )
        if style == "flaps":
            for sign in (-1, 1):
                flap, angle = min(width, depth) * 0.42, np.radians(rng.uniform(15, 75))
                c, s = np.cos(angle) * flap / 2, np.sin(angle) * flap / 2
                made.add(
                    "lid",
                    Box((flap, wall * 0.7, depth * 0.98), 0),
                    at=(sign * (width / 2 + c), height + s - 0.002, 0),
                    rotation=turn("z", sign * np.degrees(angle)),
                )
                angle = np.radians(rng.uniform(15, 75))
                c, s = np.cos(angle) * flap / 2, np.sin(angle) * flap / 2
                made.add(
                    "lid",
                    Box((width * 0.98, wall * 0.7, flap), 0),
                    at=(0, height + s - 0.002, sign * (depth / 2 + c)),
                    rotation=turn("x", -sign * np.degrees(angle)),
                )
        else:
            for sign in (-1, 1):
                at = (0, height - 0.01, sign * depth / 2)
                made.add("rim", Box((width + 0.016, 0.02, 0.016), 0.004), at=at)
                at = (sign * width / 2, height - 0.01, 0)
                made.add("rim", Box((0.016, 0.02, depth + 0.016), 0.004), at=at)
            made.colours["rim"] = paint(rng)
    for name, sign in (("left", 1), ("right", -1)):
        at = (sign * width / 2, height * 0.45, 0)
        made.frame(f"palm_{name}", at, (0, 1, 0), (-sign, 0, 0), 0)
        made.frame(f"under_{name}", (sign * (width / 2 - 0.06), 0, 0), (0, 0, 1), (0, 1, 0), 0)
    made.frame("top", (0, height, 0), (0, 1, 0), (0, 0, 1))
    card = paint(rng, pick(rng, "wood", "wood", "any"))
    made.colours |= dict.fromkeys((*sides, "bottom", "lid"), card)
    if style == "closed" and rng.uniform() < 0.4:
        made.colours["lid"] = paint(rng)
    made.sizes = {"width": width, "height": height, "depth": depth}
    return made

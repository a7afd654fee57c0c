"""Laptop and keyboard: things to type on; the user is at +z."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Box

LAPTOP_AFFORDANCES = {
    "press": ("keys", "touchpad"),
    "display": ("display",),
    "open": ("screen",),
    "carry": ("base",),
}
KEYBOARD_AFFORDANCES = {
    "press": ("keys", "space"),
    "carry": ("case",),
    "grasp": ("case",),
}


def _rows(made: Assembly, size: tuple[float, float], top: float, z: float, rows: int) -> None:
    """Add rows of keys as slabs on a surface, size (x, z) of the field, its middle at `z`."""
    pitch = size[1] / rows
    for k in range(rows):
        at = (0, top + 0.001, z - size[1] / 2 + (k + 0.5) * pitch)
        made.add("keys", Box((size[0], 0.005, pitch - 0.003), 0.001), at=at, edge=0.024)


def laptop(rng: np.random.Generator) -> Assembly:
    """Lie open, underside at y = 0, the user at +z.

    Frames: keys_left and keys_right (on the keys, +y to the user's left, +z down), under (on the
    underside, +y to the user, +z up), screen (on the display, +y up, +z to the user), carry (the
    base's front edge, axis along x, palm at +z).
    """
    made = Assembly(edge=0.028)
    width = rng.uniform(0.29, 0.38)
    depth = width * rng.uniform(0.64, 0.70)
    base = rng.uniform(0.013, 0.022)
    made.add("base", Box((width, base, depth), 0.005), at=(0, base / 2, 0))
    field = (width * rng.uniform(0.80, 0.92), depth * rng.uniform(0.42, 0.48))
    z = -depth * rng.uniform(0.13, 0.17)
    _rows(made, field, base, z, 5)
    pad = (width * rng.uniform(0.25, 0.38), 0.003, depth * 0.24)
    made.add("touchpad", Box(pad, 0.001), at=(0, base, depth * 0.30), edge=0.024)
    lean = turn("x", -rng.uniform(5, 32))
    hinge = np.array([0, base * 0.8, -depth / 2 + 0.004])
    tall, thick = depth * rng.uniform(0.94, 1.0), rng.uniform(0.006, 0.009)
    lid = hinge + lean @ np.array([0, tall / 2, 0])
    made.add("screen", Box((width, tall, thick), 0.003), at=lid, rotation=lean)
    shown = (width - 0.02, tall - 0.028, 0.003)
    face = lid + lean @ np.array([0, 0.004, thick / 2])
    made.add("display", Box(shown, 0.001), at=face, rotation=lean)
    surface = face + lean @ np.array([0, 0, 0.0015])
    made.frame("screen", surface, lean[:, 1], lean[:, 2])
    top = base + 0.0035
    for name, sign in (("left", -1), ("right", 1)):
        made.frame(f"keys_{name}", (sign * field[0] * 0.22, top, z), (-1, 0, 0), (0, -1, 0))
    made.frame("under", (0, 0, 0.01), (0, 0, 1), (0, 1, 0), 0)
    edge = (0, base / 2, depth / 2 - base / 2)
    made.frame("carry", edge, (1, 0, 0), (0, 0, -1), base / 2)
    shell = paint(rng, pick(rng, "metal", "metal", "dark", "any"))
    made.colours = {
        "base": shell,
        "keys": paint(rng, pick(rng, "dark", "dark", "light")),
        "touchpad": paint(rng, "metal"),
        "screen": shell,
        "display": paint(rng, pick(rng, "dark", "any", "light")),
    }
    made.sizes = {"width": width, "depth": depth, "thickness": base}
    return made


def keyboard(rng: np.random.Generator) -> Assembly:
    """Lie with its underside at y = 0, the user at +z.

    Frames: keys_left and keys_right, under and carry as those of a laptop.
    """
    made = Assembly(edge=0.028)
    small = rng.uniform() < 0.4
    width = rng.uniform(0.27, 0.33) if small else rng.uniform(0.40, 0.46)
    depth = rng.uniform(0.105, 0.165)
    thick = rng.uniform(0.012, 0.028)
    made.add("case", Box((width, thick, depth), 0.005), at=(0, thick / 2, 0))
    field = (width - 0.02, depth * 0.68)
    z = -depth * 0.06
    block = field[0] if small else field[0] * 0.74
    shift = 0.0 if small else (block - field[0]) / 2
    rows, pitch = 5, field[1] / 5
    for k in range(rows):
        for wide, x in ((block - 0.006, shift), (field[0] - block, field[0] / 2 - 0.12 * width)):
            if wide > 0.02:
                at = (x, thick + 0.002, z - field[1] / 2 + (k + 0.5) * pitch)
                made.add("keys", Box((wide, 0.008, pitch - 0.003), 0.002), at=at, edge=0.024)
    at = (shift, thick + 0.002, z + field[1] / 2 + pitch * 0.45)
    made.add("space", Box((block * 0.42, 0.008, pitch * 0.85), 0.002), at=at, edge=0.024)
    top = thick + 0.006
    for name, sign in (("left", -1), ("right", 1)):
        key = (shift + sign * block * 0.22, top, z)
        made.frame(f"keys_{name}", key, (-1, 0, 0), (0, -1, 0))
    made.frame("under", (0, 0, 0), (0, 0, 1), (0, 1, 0), 0)
    edge = (0, thick / 2, depth / 2 - thick / 2)
    made.frame("carry", edge, (1, 0, 0), (0, 0, -1), thick / 2)
    made.colours = {
        "case": paint(rng, pick(rng, "dark", "dark", "light", "metal")),
        "keys": paint(rng, pick(rng, "dark", "light", "any")),
        "space": paint(rng, pick(rng, "dark", "light", "any")),
    }
    made.sizes = {"width": width, "depth": depth, "thickness": thick}
    return made

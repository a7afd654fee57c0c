"""Book and remote control."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Y_TO_Z, Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, Torus, cylinder
from ivlm_core.synthesis.objects.tube import Tube

BOOK_AFFORDANCES = {
    "grasp": ("cover", "spine"),
    "carry": ("cover", "spine"),
    "open": ("cover",),
    "display": ("pages",),
}
REMOTE_AFFORDANCES = {
    "grasp": ("back", "edge"),
    "press": ("button", "pad"),
}


def book(rng: np.random.Generator) -> Assembly:
    """Centred, spine along y; closed with its front towards +z, or open with the pages to -z.

    Frames: palm_left, palm_right (on the covers where two hands hold it), grip_spine (closed: the
    back at -x, palm outside) or grip_open (the back of an open one, palm behind).
    `sizes["open"]` is 1 when it is open.
    """
    made = Assembly(edge=0.020)
    opened = rng.uniform() < 0.5
    height = rng.uniform(0.17, 0.30)
    width = height * rng.uniform(0.62, 0.80)
    thick = rng.uniform(0.012, 0.040)
    board = rng.uniform(0.0020, 0.0032)
    inset = rng.uniform(0.003, 0.006)
    half = thick / 2
    if opened:
        tilt = rng.uniform(8, 32)
        leaf = max(half, 0.008)
        for name, sign in (("left", 1), ("right", -1)):
            lean = turn("y", sign * tilt)
            at = lean @ np.array([sign * width / 2, 0, -board / 2])
            made.add("cover", Box((width, height, board), 0.001), at=at, rotation=lean)
            paper = Box((width - inset, height - 2 * inset, leaf), 0.003)
            at = lean @ np.array([sign * (width - inset) / 2, 0, -board - leaf / 2 + 0.001])
            made.add("pages", paper, at=at, rotation=lean)
            for k in range(int(rng.integers(1, 4))):
                block = Box((width * rng.uniform(0.4, 0.72), height * 0.16, 0.0014), 0.0004)
                shift = np.array(
                    [sign * width * 0.48, height * (0.26 - 0.25 * k), -board - leaf + 0.0008]
                )
                made.add("print", block, at=lean @ shift, rotation=lean, edge=0.026)
            place = lean @ np.array([sign * width * 0.62, -height * 0.12, 0])
            made.frame(f"palm_{name}", place, (0, 1, 0), lean @ np.array([0, 0, -1.0]), 0)
        line = np.array([(0, -height / 2 + 0.004, 0), (0, height / 2 - 0.004, 0)])
        spine = 0.004
        made.add("spine", Tube(line, spine), at=(0, 0, -0.001))
        made.frame("grip_open", (0, -height * 0.15, -0.001), (0, 1, 0), (0, 0, -1), spine)
        made.colours["print"] = paint(rng, pick(rng, "dark", "dark", "any"))
    else:
        for sign in (1, -1):
            at = (0, 0, sign * (half - board / 2))
            made.add("cover", Box((width, height, board), 0.001), at=at)
        block = Box((width - inset, height - 2 * inset, thick - 2 * board + 0.0006), 0.001)
        made.add("pages", block, at=(-inset / 2 + 0.0005, 0, 0))
        back = Box((board * 1.5, height, thick), 0.001)
        made.add("spine", back, at=(-width / 2, 0, 0))
        plate = Box(
            (width * rng.uniform(0.4, 0.7), height * rng.uniform(0.12, 0.3), 0.0016), 0.0005
        )
        at_y = height * rng.uniform(-0.05, 0.28)
        made.add("print", plate, at=(0, at_y, half - 0.0004), edge=0.026)
        made.frame("grip_spine", (-width / 2 + half, 0, 0), (0, 1, 0), (1, 0, 0), half)
        for name, sign in (("left", 1), ("right", -1)):
            edge_x = width / 2 + (board * 0.75 if sign < 0 else 0.0)
            at = (sign * edge_x, -height * 0.1, half - board / 2 if sign > 0 else 0.0)
            made.frame(f"palm_{name}", at, (0, 1, 0), (-sign, 0, 0), 0)
        made.colours["print"] = paint(rng)
    main = paint(rng, pick(rng, "any", "any", "any", "dark", "wood"))
    made.colours |= {
        "cover": main,
        "spine": paint(rng) if rng.uniform() < 0.3 else main,
        "pages": paint(rng, "light"),
    }
    made.sizes = {"width": width, "height": height, "thickness": thick, "open": float(opened)}
    return made


def remote(rng: np.random.Generator) -> Assembly:
    """Centred, long side along y, buttons towards +z; frame grip (palm on the back)."""
    made = Assembly(edge=0.009)
    width, height = rng.uniform(0.036, 0.056), rng.uniform(0.135, 0.225)
    depth = rng.uniform(0.012, 0.022)
    radius = min(rng.uniform(0.003, 0.008), depth / 2)

    def split(vertices: Array) -> np.ndarray:
        return np.where(vertices[:, 2] < -depth / 2 + radius * 0.6, 0, 1)

    made.add(("back", "edge"), Box((width, height, depth), radius), split=split)
    face = depth / 2
    rows, columns = int(rng.integers(3, 8)), int(rng.integers(2, 4))
    start = height * rng.uniform(0.0, 0.12)
    step = (start + height * 0.44) / rows
    wide = (width - 2 * radius) / columns * 0.62
    for row in range(rows):
        for column in range(columns):
            x = (column - (columns - 1) / 2) * (width - radius) / columns
            key = Box((wide, min(step * 0.6, 0.010), 0.004), 0.0012)
            made.add("button", key, at=(x, start - step * (row + 0.5), face), edge=0.012)
    size = width * rng.uniform(0.24, 0.34)
    ring = pick(rng, "ring", "disc", "bar")
    at = (0, start + size + 0.006, face)
    if ring == "ring":
        made.add("pad", Torus(size * 0.8, 0.0028), at=at, rotation=Y_TO_Z, edge=0.010)
        made.add("button", cylinder(size * 0.4, 0.004, 0.001), at=at, rotation=Y_TO_Z)
    elif ring == "disc":
        made.add("pad", cylinder(size, 0.004, 0.001), at=at, rotation=Y_TO_Z)
    else:
        made.add("pad", Box((size * 1.6, size * 1.4, 0.004), 0.001), at=at)
    power = cylinder(0.0045, 0.004, 0.001)
    where = (-width * 0.22, height * 0.44, face)
    made.add("power", power, at=where, rotation=Y_TO_Z, edge=0.008)
    made.frame("grip", (0, -height * 0.08, 0), (0, 1, 0), (0, 0, 1), depth / 2)
    shell = paint(rng, pick(rng, "dark", "dark", "light", "metal", "any"))
    made.colours = {
        "back": shell,
        "edge": shell if rng.uniform() < 0.6 else paint(rng, "dark"),
        "button": paint(rng, pick(rng, "light", "metal", "any")),
        "pad": paint(rng, pick(rng, "metal", "any", "light")),
        "power": (200, 40, 40),
    }
    made.sizes = {"width": width, "height": height, "depth": depth}
    return made

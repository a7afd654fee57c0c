"""Refrigerator and door: what opens by a handle; their fronts face +z."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Z_TO_Y, Assembly, paint, pick
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid, cylinder
from ivlm_core.synthesis.objects.tube import Tube

REFRIGERATOR_AFFORDANCES = {
    "open": ("handle",),
    "pull": ("handle",),
    "push": ("door",),
    "contain": ("body",),
}
DOOR_AFFORDANCES = {
    "open": ("handle",),
    "pull": ("handle",),
    "push": ("panel", "inset", "handle"),
}


def _upright_bar(
    made: Assembly, name: str, x: float, z: float, span: tuple[float, float], thick: float
) -> None:
    """Add an upright bar before a front at `z` with two studs and its frame."""
    ahead = z + 0.045
    bar = np.array([(x, span[0], ahead), (x, span[1], ahead)])
    made.add("handle", Tube(bar, thick), edge=0.026)
    for y in (span[0] + 0.02, span[1] - 0.02):
        stud = np.array([(x, y, z - 0.005), (x, y, ahead)])
        made.add("handle", Tube(stud, thick * 0.8, sides=6), edge=0.026)
    made.frame(name, (x, sum(span) / 2, ahead), (0, 1, 0), (0, 0, -1), thick)


def refrigerator(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, the doors at +z.

    Frames: handle (the larger door's), handle_freezer, both +y up and palm in front; panel (on the
    front of the door at the height of a chest, +y up, +z out of it).
    """
    made = Assembly(edge=0.055)
    width, depth = rng.uniform(0.55, 0.75), rng.uniform(0.52, 0.66)
    height = rng.uniform(1.45, 1.85)
    made.add("body", Box((width, height - 0.03, depth), 0.012), at=(0, height / 2 + 0.015, 0))
    made.add("feet", Box((width - 0.06, 0.04, depth - 0.08), 0.004), at=(0, 0.02, 0))
    door = rng.uniform(0.045, 0.07)
    freezer_on_top = rng.uniform() < 0.5
    share = rng.uniform(0.26, 0.36) if freezer_on_top else rng.uniform(0.60, 0.70)
    split = height * (1 - share)
    z = depth / 2 + door / 2 - 0.004
    for low, high in ((0.06, split - 0.004), (split + 0.004, height)):
        made.add("door", Box((width, high - low, door), 0.014), at=(0, (low + high) / 2, z))
    front = z + door / 2
    side = rng.choice((-1.0, 1.0))
    x = float(side) * (width / 2 - 0.06)
    thick = rng.uniform(0.010, 0.014)
    reach = rng.uniform(0.20, 0.34)
    below = (max(split - 0.06 - reach, 0.3), split - 0.06)
    upper_low = split + 0.06 if freezer_on_top else max(split + 0.06, 0.80)
    above = (upper_low, min(upper_low + reach, height - 0.05))
    names = ("handle", "handle_freezer") if freezer_on_top else ("handle_freezer", "handle")
    for name, span in zip(names, (below, above), strict=True):
        _upright_bar(made, name, x, front, span, thick)
    panel = split - 0.12 if freezer_on_top else split + 0.2
    made.frame("panel", (-float(side) * width * 0.05, panel, front), (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "light", "light", "metal", "any"))
    made.colours = {
        "body": main if rng.uniform() < 0.7 else paint(rng, "metal"),
        "feet": paint(rng, "dark"),
        "door": main,
        "handle": paint(rng, pick(rng, "metal", "dark", "light")),
    }
    made.sizes = {"height": height, "width": width, "depth": depth}
    return made


def door(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, closed in its frame, the user at +z.

    Frames: handle (palm in front; +y up on a bar, along x on a lever, any way on a knob), panel
    (on the front at the height of a chest, +y up, +z out of it).
    """
    made = Assembly(edge=0.055)
    width, height = rng.uniform(0.74, 0.95), rng.uniform(1.95, 2.10)
    thick = rng.uniform(0.035, 0.05)
    made.add("panel", Box((width, height, thick), 0.004), at=(0, height / 2 + 0.005, 0))
    front = thick / 2
    inset = 0.004 if rng.uniform() < 0.6 else 0.0
    if inset:
        for low, high in ((0.12, 0.42), (0.52, 0.92)):
            size = (width * 0.64, height * (high - low), 0.008)
            at = (0, height * (low + high) / 2, front)
            made.add("inset", Box(size, 0.003), at=at)
    jamb, deep = rng.uniform(0.05, 0.09), thick + rng.uniform(0.02, 0.06)
    post = Box((jamb, height + 0.01, deep), 0.005)
    made.add("frame", Mirrored(post, at=(width / 2 + jamb / 2 + 0.003, height / 2 + 0.005, 0)))
    lintel = (0, height + 0.01 + jamb / 2, 0)
    made.add("frame", Box((width + 2 * jamb, jamb, deep), 0.005), at=lintel)
    side = float(rng.choice((-1.0, 1.0)))
    x, y = side * (width / 2 - 0.075), rng.uniform(0.95, 1.08)
    knob = 0.0
    style = pick(rng, "lever", "lever", "knob", "bar")
    if style == "bar":
        _upright_bar(made, "handle", x, front, (y - 0.15, y + 0.20), rng.uniform(0.011, 0.016))
    else:
        rose = cylinder(0.026, 0.012, 0.003)
        made.add("handle", rose, at=(x, y, front + 0.004), rotation=Z_TO_Y, edge=0.02)
        ahead = front + 0.055
        stud = np.array([(x, y, front), (x, y, ahead)])
        made.add("handle", Tube(stud, 0.009, sides=6), edge=0.02)
        if style == "knob":
            ball = knob = rng.uniform(0.026, 0.031)
            made.add("handle", Ellipsoid((ball, ball, ball)), at=(x, y, ahead + 0.01), edge=0.012)
            made.frame("handle", (x, y, ahead + 0.01), (0, 1, 0), (0, 0, -1), ball)
        else:
            end = x - side * rng.uniform(0.11, 0.13)
            lever = np.array([(x, y, ahead), (end, y, ahead)])
            made.add("handle", Tube(lever, 0.011), edge=0.02)
            made.frame("handle", ((x + end) / 2, y, ahead), (1, 0, 0), (0, 0, -1), 0.011)
    hinge = cylinder(0.010, 0.10)
    for at_y in (0.25, height - 0.25):
        made.add("frame", hinge, at=(-side * width / 2, at_y, front), edge=0.03)
    middle = (-side * width * 0.06, 1.25, front + inset)
    made.frame("panel", middle, (0, 1, 0), (0, 0, 1))
    wood = paint(rng, pick(rng, "wood", "wood", "light", "any"))
    made.colours = {
        "panel": wood,
        "inset": wood if rng.uniform() < 0.5 else paint(rng, pick(rng, "light", "wood")),
        "frame": paint(rng, pick(rng, "light", "wood", "dark")),
        "handle": paint(rng, pick(rng, "metal", "dark")),
    }
    made.sizes = {"height": height, "width": width, "knob": knob}
    return made

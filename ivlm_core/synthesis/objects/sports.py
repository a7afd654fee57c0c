"""Baseball bat, frisbee and dumbbell."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid, Revolution, cylinder

BASEBALL_BAT_AFFORDANCES = {
    "grasp": ("grip", "knob"),
    "hit": ("barrel", "label", "cap"),
    "carry": ("grip", "handle", "barrel"),
}
FRISBEE_AFFORDANCES = {
    "grasp": ("rim", "lip"),
    "throw": ("rim", "lip", "top"),
}
DUMBBELL_AFFORDANCES = {
    "grasp": ("handle",),
    "lift": ("handle",),
    "carry": ("handle",),
}


def baseball_bat(rng: np.random.Generator) -> Assembly:
    """Knob at y = 0, barrel upwards.

    Frames: grip (above the knob), grip_second (for the other hand, above the first one),
    grip_barrel (where it is carried).
    """
    made = Assembly(edge=0.018)
    length = rng.uniform(0.66, 0.88)
    thin = rng.uniform(0.0115, 0.0145)
    thick = rng.uniform(0.029, 0.036)
    start = rng.uniform(0.42, 0.52)
    tape = length * rng.uniform(0.30, 0.38)
    s = np.array([0.03, 0.2, 0.36, 0.45, start + 0.06, start + 0.14, 0.78, 0.93])
    share = np.array([0.0, 0.0, 0.06, 0.16, 0.42, 0.72, 1.0, 1.0])
    body = np.stack([thin + (thick - thin) * share, length * s], 1)
    knob = thin * rng.uniform(1.6, 2.0)
    cupped = rng.uniform() < 0.5
    profile = np.concatenate(
        [
            [(0, 0), (knob * 0.8, 0), (knob, 0.006), (knob * 0.9, 0.013)],
            body,
            [(thick * 0.93, length * 0.975), (thick * 0.55, length), (0, length)],
        ]
    )
    low, high = length * 0.68, length * rng.uniform(0.74, 0.84)

    def split(vertices: Array) -> np.ndarray:
        y = vertices[:, 1]
        marked = (y > low) & (y < high)
        above = np.where(y > length * 0.955, 4, np.where(marked, 3, 2))
        upper = np.where(y > length * start, above, 5)
        return np.where(y < 0.0155, 0, np.where(y < tape, 1, upper))

    made.add(
        ("knob", "grip", "barrel", "label", "cap", "handle"),
        Revolution(profile, rows=(0.0155, tape, length * start, low, high, length * 0.955)),
        split=split,
    )
    if cupped:
        made.add("cap", cylinder(thick * 0.5, 0.01, 0.003), at=(0, length, 0))
    made.frame("grip", (0, 0.070, 0), (0, 1, 0), (0, 0, 1), thin)
    second = 0.175
    girth = float(np.interp(second, body[:, 1], body[:, 0]))
    made.frame("grip_second", (0, second, 0), (0, 1, 0), (0, 0, 1), girth)
    made.frame("grip_barrel", (0, length * 0.7, 0), (0, 1, 0), (0, 0, 1), thick * 0.97)
    wooden = rng.uniform() < 0.5
    main = paint(rng, "wood" if wooden else pick(rng, "any", "metal", "dark"))
    cover = paint(rng, pick(rng, "dark", "any")) if rng.uniform() < 0.7 else main
    made.colours = {
        "knob": main if rng.uniform() < 0.5 else cover,
        "grip": cover,
        "handle": main,
        "barrel": main,
        "label": paint(rng) if rng.uniform() < 0.5 else main,
        "cap": paint(rng, pick(rng, "dark", "any")) if rng.uniform() < 0.4 else main,
    }
    made.sizes = {"length": length}
    return made


def frisbee(rng: np.random.Generator) -> Assembly:
    """Top towards +y, rim at y = 0, hollow below.

    Frames: carry (the rim at -x, palm outside, axis along the rim), palm_left (the rim at +x),
    palm_right.
    """
    wide = rng.uniform(0.100, 0.145)
    made = Assembly(edge=wide / 9)
    ring = rng.uniform() < 0.2
    tall, wall = rng.uniform(0.016, 0.030), rng.uniform(0.0025, 0.0040)
    round_by = tall * rng.uniform(0.6, 0.9)
    hole = wide * rng.uniform(0.55, 0.68)
    start = rng.uniform(0.1, 0.5) * wide
    band = (start, start + rng.uniform(0.2, 0.35) * wide)
    top = (hole, tall) if ring else (0, tall + rng.uniform(0, 0.006))
    under = (hole, tall - wall) if ring else (0, top[1] - wall)
    profile = np.array(
        [
            under,
            (wide - round_by, tall - wall),
            (wide - wall * 1.4, tall - round_by),
            (wide - wall * 1.4, 0.002),
            (wide - wall * 0.7, 0),
            (wide, 0.002),
            (wide, tall - round_by),
            (wide - round_by * 0.3, tall - round_by * 0.3),
            (wide - round_by, tall),
            top,
        ]
    )

    def split(vertices: Array) -> np.ndarray:
        radius, y = np.hypot(vertices[:, 0], vertices[:, 2]), vertices[:, 1]
        level = np.interp(radius, (0, wide - round_by), (top[1], tall))
        inside = (y < level - wall / 2) & (radius < wide - wall * 0.7 - 1e-4)
        marked = (radius > band[0]) & (radius < band[1]) & (not ring)
        upper = np.where(radius > wide - round_by * 1.05, 1, np.where(marked, 4, 0))
        return np.where(y < 0.004, 2, np.where(inside, 3, upper))

    parts = ("top", "rim", "lip", "underside")
    made.add(
        parts if ring else (*parts, "ornament"),
        Revolution(profile, closed=ring, around=40, rows=(0.004,)),
        split=split,
    )
    middle = (wide, tall * 0.4)
    made.frame("carry", (-middle[0] + 0.004, middle[1], 0), (0, 0, 1), (1, 0, 0), 0.004)
    for name, sign in (("left", 1), ("right", -1)):
        at = (sign * wide, (tall - round_by) * 0.5, 0)
        made.frame(f"palm_{name}", at, (0, 1, 0), (-sign, 0, 0), 0)
    main = paint(rng, pick(rng, "any", "any", "any", "light"))
    rim = paint(rng) if rng.uniform() < 0.35 else main
    made.colours = {
        "top": main,
        "rim": rim,
        "lip": rim,
        "underside": main,
        "ornament": paint(rng) if rng.uniform() < 0.6 else main,
    }
    made.sizes = {"radius": wide, "height": top[1]}
    return made


def dumbbell(rng: np.random.Generator) -> Assembly:
    """Centred, handle along y; frame grip (the handle)."""
    made = Assembly(edge=0.016)
    style = pick(rng, "hex", "round", "plates", "vinyl")
    radius = rng.uniform(0.0125, 0.0165)
    free = rng.uniform(0.118, 0.140)
    size = rng.uniform(0.030, 0.058)
    long = rng.uniform(0.045, 0.080)
    made.add("handle", cylinder(radius, free + 0.02), at=(0, 0, 0), edge=0.012)
    if rng.uniform() < 0.4:
        made.add("handle", Ellipsoid((radius * 1.15, free * 0.35, radius * 1.15)), edge=0.012)
        radius *= 1.15
    lay = turn("z", -90)
    if style == "plates":
        count = int(rng.integers(1, 4))
        at = free / 2
        for k in range(count):
            deep = rng.uniform(0.016, 0.024)
            plate = cylinder(size * (1.35 - 0.22 * k), deep, 0.003)
            made.add("weights", _pair(plate, at + deep / 2), rotation=lay.T)
            at += deep + 0.0005
        stub = cylinder(radius * 1.0, 0.06)
        made.add("ends", _pair(stub, at + 0.02), rotation=lay.T)
        made.add("ends", _pair(cylinder(radius * 1.7, 0.014, 0.003), at + 0.008), rotation=lay.T)
    elif style == "hex":
        for spin in (0, 60, 120):
            side = Box((size * 1.155, long, size * 2), 0.004)
            turned = turn("y", spin)
            made.add(
                "weights", Mirrored(side, (free / 2 + long / 2, 0, 0), lay @ turned), rotation=lay.T
            )
        made.add("ends", _pair(cylinder(size * 0.6, 0.006, 0.002), free / 2 + long), rotation=lay.T)
    elif style == "vinyl":
        head = Ellipsoid((size, long * 0.6, size))
        made.add("weights", _pair(head, free / 2 + long * 0.5), rotation=lay.T)
        made.add(
            "ends", _pair(cylinder(radius * 1.1, 0.02, 0.004), free / 2 + long), rotation=lay.T
        )
    else:
        made.add("weights", _pair(cylinder(size, long, 0.008), free / 2 + long / 2), rotation=lay.T)
        made.add("ends", _pair(cylinder(size * 0.7, 0.01, 0.004), free / 2 + long), rotation=lay.T)
    made.frame("grip", (0, 0, 0), (0, 1, 0), (0, 0, 1), radius)
    main = paint(rng, pick(rng, "dark", "metal", "any", "any"))
    made.colours = {
        "handle": paint(rng, "metal") if style != "vinyl" else main,
        "weights": main,
        "ends": paint(rng, pick(rng, "metal", "any")),
    }
    made.sizes = {"length": float(free + 2 * long), "radius": size}
    return made


def _pair(solid: Revolution | Ellipsoid, distance: float) -> Mirrored:
    """Two equal solids about the x axis, at that distance from the middle on both sides."""
    return Mirrored(solid, (distance, 0, 0), turn("z", -90))

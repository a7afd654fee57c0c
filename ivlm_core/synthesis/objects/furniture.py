"""Stool and bench: things to sit on, standing on y = 0, the sitter facing +z."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Box, Torus, cylinder
from ivlm_core.synthesis.objects.tube import Tube

STOOL_AFFORDANCES = {
    "sit": ("seat",),
    "support": ("seat", "footrest"),
    "move": ("seat",),
    "carry": ("seat", "legs"),
}
BENCH_AFFORDANCES = {
    "sit": ("seat",),
    "lay": ("seat",),
    "support": ("seat", "backrest"),
}


def four_legs(
    made: Assembly, half: tuple[float, float], top: float, splay: float, radius: float, square: bool
) -> None:
    """Add four legs from `top` to the ground under a seat of half size (x, z)."""
    for sx in (-1, 1):
        for sz in (-1, 1):
            above = np.array([sx * (half[0] - 0.035), top, sz * (half[1] - 0.035)])
            foot = above + np.array([sx * splay, -top, sz * splay])
            if square:
                centre = (above + foot) / 2
                made.add("legs", Box((radius * 2, top, radius * 2), 0.003), at=centre, edge=0.032)
            else:
                foot[1] = radius * 0.7
                line = np.stack([above, foot])
                made.add("legs", Tube(line, (radius, radius * 0.7), sides=8), edge=0.032)


def stool(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, the sitter facing +z.

    Frames: seat, palm_left and palm_right (sides of the seat), carry (its -x edge, palm outside,
    axis along z), footrest (front of the foot rail, +y up, +z forward).
    """
    made = Assembly(edge=0.028)
    seat_height = rng.uniform(0.42, 0.52) if rng.uniform() < 0.5 else rng.uniform(0.60, 0.76)
    width = rng.uniform(0.29, 0.40)
    thickness = rng.uniform(0.025, 0.075)
    below = seat_height - thickness
    rounding = min(0.4 * thickness, 0.02)
    round_seat = rng.uniform() < 0.6
    at = (0, below + thickness / 2, 0)
    if round_seat:
        made.add("seat", cylinder(width / 2, thickness, rounding), at=at)
        depth = width
    else:
        depth = width * rng.uniform(0.8, 1.0)
        made.add("seat", Box((width, thickness, depth), rounding), at=at)
    base = pick(rng, "legs", "legs", "pedestal", "tripod")
    rest = seat_height * rng.uniform(0.28, 0.45)
    if base == "pedestal":
        disc = rng.uniform(0.18, 0.23)
        made.add("legs", cylinder(0.025, below), at=(0, below / 2, 0), edge=0.035)
        made.add("legs", cylinder(disc, 0.016, 0.005), at=(0, 0.008, 0), edge=0.028)
        ring = rng.uniform(0.13, 0.16)
        made.add("footrest", Torus(ring, 0.010), at=(0, rest, 0), edge=0.034)
        spoke = np.array([(0, 0, 0), (0, 0, ring)])
        made.add("footrest", Spokes(Tube(spoke, 0.008, sides=6), 3), at=(0, rest, 0))
        rest_z = ring
    else:
        splay = rng.uniform(0.02, 0.07)
        radius = rng.uniform(0.012, 0.020)
        inner = width * (0.33 if round_seat else 0.40)
        if base == "tripod" or round_seat:
            count = 3 if base == "tripod" else 4
            foot = radius * 0.8
            leg = np.array([(0, below + 0.01, inner), (0, foot, inner + splay)])
            phase = np.pi if base == "tripod" else np.pi / 4
            spread = Spokes(Tube(leg, (radius, foot), sides=8), count, phase)
            made.add("legs", spread, edge=0.035)
            ring = inner + splay * (1 - rest / below)
            made.add("footrest", Torus(ring, 0.009), at=(0, rest, 0), edge=0.034)
            rest_z = ring
        else:
            half = (inner + 0.035, inner * depth / width + 0.035)
            four_legs(made, half, below + 0.01, splay, radius, square=False)
            out = splay * (1 - rest / below)
            x, z = half[0] - 0.035 + out, half[1] - 0.035 + out
            square = np.array([(x, rest, z), (x, rest, -z), (-x, rest, -z), (-x, rest, z)])
            made.add("footrest", Tube(square, 0.009, sides=6, loop=True))
            rest_z = z
    made.frame("seat", (0, seat_height, 0), (0, 1, 0), (0, 0, 1))
    made.frame("footrest", (0, rest + 0.009, rest_z), (0, 1, 0), (0, 0, 1))
    for name, sx in (("left", 1), ("right", -1)):
        made.frame(f"palm_{name}", (sx * width / 2, at[1], 0), (0, 1, 0), (-sx, 0, 0), 0)
    inset = min(thickness / 2, 0.02)
    made.frame("carry", (-width / 2 + inset, at[1], 0), (0, 0, 1), (1, 0, 0), inset)
    legs = paint(rng, pick(rng, "wood", "metal", "dark", "any"))
    made.colours = {
        "seat": paint(rng, pick(rng, "any", "any", "wood")),
        "legs": legs,
        "footrest": paint(rng, "metal") if rng.uniform() < 0.5 else legs,
    }
    made.sizes = {"seat_height": seat_height, "seat_width": width, "seat_depth": depth}
    return made


def bench(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, long along x, the sitter facing +z.

    Frames: seat, seat_left and seat_right (a quarter of the length to either side), backrest where
    there is one.
    """
    made = Assembly(edge=0.06)
    length, depth = rng.uniform(1.05, 1.85), rng.uniform(0.36, 0.46)
    seat_height = rng.uniform(0.41, 0.49)
    plank = rng.uniform(0.025, 0.045)
    style = pick(rng, "park", "park", "plain", "upholstered")
    back = style == "park" and rng.uniform() < 0.8
    count = 1 if style == "upholstered" else int(rng.integers(2, 5))
    thick = 0.09 if style == "upholstered" else plank
    rounding = 0.025 if style == "upholstered" else 0.006
    pitch = depth / count
    for k in range(count):
        z = -depth / 2 + (k + 0.5) * pitch
        size = (length, thick, pitch - (0.0 if count == 1 else 0.014))
        made.add("seat", Box(size, rounding), at=(0, seat_height - thick / 2, z))
    below = seat_height - thick
    lean = turn("x", -rng.uniform(6, 15))
    foot = np.array([0, seat_height - 0.03, -depth / 2 - 0.005])
    rise = rng.uniform(0.36, 0.46)
    stand = length * rng.uniform(0.36, 0.46)
    if pick(rng, "posts", "panels") == "panels":
        panel = Box((0.05, below + 0.006, depth * 0.94), 0.008)
        made.add("legs", Mirrored(panel, at=(stand, below / 2 + 0.003, 0)))
    else:
        side = rng.uniform(0.045, 0.07)
        for z in (-depth * 0.38, depth * 0.38):
            post = Box((side, below + 0.006, side), 0.006)
            made.add("legs", Mirrored(post, at=(stand, below / 2 + 0.003, z)))
        rail = Box((side * 0.8, 0.05, depth * 0.76), 0.006)
        made.add("legs", Mirrored(rail, at=(stand, below - 0.03, 0)))
    if back:
        post = Box((0.045, rise + 0.05, 0.03), 0.006)
        middle = foot + lean @ np.array([0, rise / 2 - 0.03, -0.012])
        made.add("backrest", Mirrored(post, at=(stand, *middle[1:]), rotation=lean))
        slats = int(rng.integers(2, 5))
        gap = (rise - 0.10) / slats
        for k in range(slats):
            y = 0.10 + (k + 0.5) * gap
            size = (length, gap - 0.018, plank * 0.8)
            made.add("backrest", Box(size, 0.006), at=foot + lean @ [0, y, 0.014], rotation=lean)
        face = foot + lean @ np.array([0, 0.10 + (slats - 0.5) * gap, 0.014 + plank * 0.4])
        up, ahead = lean @ np.array([0, 1.0, 0]), lean @ np.array([0, 0, 1.0])
        made.frame("backrest", face, up, ahead)
    if style == "park" and rng.uniform() < 0.5:
        arm, x = rng.uniform(0.18, 0.23), length / 2 - 0.04
        rest = Box((0.05, 0.03, depth * 0.9), 0.01)
        made.add("armrest", Mirrored(rest, at=(x, seat_height + arm, -0.02)), edge=0.05)
        for z in (-0.36, 0.34):
            post = Box((0.03, arm + 0.02, 0.03), 0.006)
            at = (x, seat_height + arm / 2 - 0.012, z * depth)
            made.add("armrest", Mirrored(post, at=at), edge=0.05)
    # The middle of the seat is a gap when the planks are even in number.
    z = 0.0 if count % 2 else pitch / 2
    for name, x in (("seat", 0.0), ("seat_left", length / 4), ("seat_right", -length / 4)):
        made.frame(name, (x, seat_height, z), (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "wood", "wood", "any"))
    made.colours = {
        "seat": main,
        "backrest": main,
        "legs": paint(rng, pick(rng, "dark", "metal", "wood")),
        "armrest": paint(rng, pick(rng, "dark", "wood")),
    }
    made.sizes = {"seat_height": seat_height, "seat_width": length, "seat_depth": depth}
    return made

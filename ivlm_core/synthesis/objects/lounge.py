"""Sofa and bed: upholstered things to sit and lie on, standing on y = 0, the sitter facing +z."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid

SOFA_AFFORDANCES = {
    "sit": ("seat",),
    "lay": ("seat", "armrest"),
    "support": ("seat", "backrest", "armrest"),
}
BED_AFFORDANCES = {
    "lay": ("mattress", "pillow"),
    "sit": ("mattress",),
    "support": ("mattress", "pillow"),
}


def sofa(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, long along x, the sitter facing +z.

    Frames: seat, seat_left and seat_right (at the ends), backrest, lie (on the seat where the hips
    of someone lying are, +y up, +z to where the head lies), armrest_left and armrest_right.
    """
    made = Assembly(edge=0.06)
    inner = rng.uniform(1.10, 1.95)
    deep, seat_height = rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.45)
    cushion = rng.uniform(0.11, 0.16)
    back_thick, arm = rng.uniform(0.14, 0.20), rng.uniform(0.10, 0.20)
    rise = rng.uniform(0.34, 0.46)
    foot = rng.uniform(0.05, 0.14)
    base_top = seat_height - cushion
    whole = deep + back_thick
    middle = (deep - whole) / 2
    tall = base_top - foot
    made.add(
        "base", Box((inner + 2 * arm, tall, whole), 0.02), at=(0, foot + tall / 2, middle - 0.01)
    )
    count = int(rng.integers(1, 4))
    wide = inner / count
    for k in range(count):
        at = (-inner / 2 + (k + 0.5) * wide, base_top + cushion / 2 - 0.003, 0)
        made.add("seat", Box((wide - 0.008, cushion + 0.006, deep), 0.034), at=at)
    lean = turn("x", -rng.uniform(8, 14))
    low = np.array([0, seat_height - 0.06, -deep / 2 - 0.03])
    for k in range(count):
        pad = Box((wide - 0.008, rise + 0.06, back_thick), 0.034)
        at = low + lean @ np.array([0, rise / 2 + 0.03, -back_thick / 2 + 0.05])
        made.add("backrest", pad, at=at + [-inner / 2 + (k + 0.5) * wide, 0, 0], rotation=lean)
    face = low + lean @ np.array([0, rise * 0.75, 0.05])
    x = inner / 2 + arm / 2
    over = rng.uniform(0.14, 0.22)
    rest = Box((arm, seat_height + over - foot, whole * 0.96), 0.034)
    made.add("armrest", Mirrored(rest, at=(x, (seat_height + over + foot) / 2, middle)))
    for z in (deep / 2 - 0.07, middle - whole / 2 + 0.07):
        leg = Box((0.05, foot + 0.01, 0.05), 0.006)
        made.add("legs", Mirrored(leg, at=(inner / 2 + arm - 0.07, foot / 2 + 0.005, z)), edge=0.04)
    # Over the middle of a cushion, not over a gap.
    centre = 0.0 if count % 2 else wide / 2
    for name, along in (
        ("seat", centre),
        ("seat_left", inner / 2 - 0.24),
        ("seat_right", 0.24 - inner / 2),
    ):
        made.frame(name, (along, seat_height, deep * 0.12), (0, 1, 0), (0, 0, 1))
    made.frame("backrest", face + [centre, 0, 0], lean[:, 1], lean[:, 2])
    made.frame("lie", (centre, seat_height, 0.0), (0, 1, 0), (1, 0, 0))
    for name, side in (("left", 1), ("right", -1)):
        top = (side * x, seat_height + over, middle)
        made.frame(f"armrest_{name}", top, (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "dark", "light"))
    made.colours = {
        "base": main,
        "seat": main if rng.uniform() < 0.6 else paint(rng),
        "backrest": main,
        "armrest": main,
        "legs": paint(rng, pick(rng, "wood", "metal", "dark")),
    }
    made.sizes = {
        "seat_height": seat_height,
        "seat_width": inner,
        "seat_depth": deep,
        "seat_front": deep / 2,
    }
    return made


def bed(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, long along x with the pillow at +x; who sits on its side faces +z.

    Frames: seat (on the +z side), seat_left and seat_right (the same side nearer the ends), lie
    (under the hips of someone lying, +y up, +z to the pillow), pillow (on top of it).
    """
    made = Assembly(edge=0.085)
    length = rng.uniform(1.95, 2.10)
    width = rng.uniform(0.85, 1.0) if rng.uniform() < 0.6 else rng.uniform(1.3, 1.6)
    height, thick = rng.uniform(0.42, 0.56), rng.uniform(0.16, 0.24)
    frame_top = height - thick + rng.uniform(0.0, 0.05)
    foot = rng.uniform(0.06, 0.18)
    made.add("mattress", Box((length, thick, width), 0.034), at=(0, height - thick / 2, 0))
    tall = frame_top - foot
    wide = width + 0.03
    made.add("frame", Box((length + 0.04, tall, wide), 0.01), at=(0, foot + tall / 2, 0))
    board = rng.uniform(0.25, 0.55)
    head_x = length / 2 + 0.035
    made.add(
        "headboard",
        Box((0.05, height + board - foot, wide), 0.012),
        at=(head_x, (height + board + foot) / 2, 0),
    )
    if rng.uniform() < 0.4:
        end = frame_top + rng.uniform(0.12, 0.25)
        at = (-length / 2 - 0.03, (end + foot) / 2, 0)
        made.add("frame", Box((0.04, end - foot, wide), 0.01), at=at)
    for x in (-length / 2 + 0.06, length / 2 - 0.06):
        for z in (-width / 2 + 0.06, width / 2 - 0.06):
            made.add("legs", Box((0.06, foot + 0.01, 0.06), 0.006), at=(x, foot / 2 + 0.005, z))
    count = 2 if width > 1.2 else 1
    half = min(0.36, width / count / 2 - 0.04)
    flat = rng.uniform(0.035, 0.05)
    pillow_x = length / 2 - 0.22
    for k in range(count):
        z = 0.0 if count == 1 else (k - 0.5) * width / 2
        pad = Ellipsoid((0.19, flat, half))
        made.add("pillow", pad, at=(pillow_x, height + flat * 0.55, z), edge=0.06)
    lane = 0.0 if count == 1 else width / 4
    for name, x in (("seat", 0.0), ("seat_left", length / 4), ("seat_right", -length / 4)):
        made.frame(name, (x, height, width / 2 - 0.20), (0, 1, 0), (0, 0, 1))
    made.frame("lie", (0.0, height, lane), (0, 1, 0), (1, 0, 0))
    made.frame("pillow", (pillow_x, height + flat * 1.55, lane), (0, 1, 0), (1, 0, 0))
    linen = paint(rng, pick(rng, "light", "light", "any"))
    wood = paint(rng, pick(rng, "wood", "dark", "light", "metal"))
    made.colours = {
        "mattress": linen,
        "pillow": paint(rng, pick(rng, "light", "any")),
        "frame": wood,
        "headboard": wood if rng.uniform() < 0.6 else paint(rng),
        "legs": wood,
    }
    made.sizes = {
        "height": height,
        "length": length,
        "width": width,
        "seat_height": height,
        "seat_front": width / 2,
    }
    return made

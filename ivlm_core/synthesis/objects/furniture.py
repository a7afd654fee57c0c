"""Chair, stool and bench: things to sit on, standing on y = 0, the sitter facing +z."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid, Spokes, Tube, cylinder

CHAIR_AFFORDANCES = {
    "sit": ("seat",),
    "support": ("seat", "backrest"),
    "move": ("backrest", "seat"),
    "carry": ("backrest", "seat"),
}


def _four_legs(
    made: Assembly, half: tuple[float, float], top: float, splay: float, radius: float, square: bool
) -> None:
    """Add four legs from `top` to the ground under a seat of half size (x, z)."""
    for sx in (-1, 1):
        for sz in (-1, 1):
            above = np.array([sx * (half[0] - 0.035), top, sz * (half[1] - 0.035)])
            foot = above + np.array([sx * splay, -top, sz * splay])
            if square:
                centre = (above + foot) / 2
                made.add(
                    "legs", Box((radius * 2, top, radius * 2), 0.003), at=centre, edge=0.032
                )
            else:
                foot[1] = radius * 0.7
                line = np.stack([above, foot])
                made.add("legs", Tube(line, (radius, radius * 0.7), sides=8), edge=0.032)


def _star_base(made: Assembly, top: float, reach: float) -> None:
    """Add a column and five feet on castors."""
    made.add("legs", cylinder(0.028, top - 0.08), at=(0, (top + 0.08) / 2, 0), edge=0.03)
    arm = np.array([(0, 0.105, 0), (0, 0.075, reach)])
    made.add("legs", Spokes(Tube(arm, (0.024, 0.016)), 5), edge=0.032)
    castor = np.array([(0, 0.027, reach - 0.004), (0, 0.030, reach)])
    made.add("legs", Spokes(Tube(castor, 0.027, sides=8), 5), edge=0.02)


def chair(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, the sitter facing +z.

    Frames: seat, backrest, carry (top rail, palm above), palm_left and palm_right (sides of the
    seat), armrest_left and armrest_right where there are armrests (on top, +y up, +z forward).
    """
    made = Assembly(edge=0.034)
    style = pick(rng, "wood", "wood", "office", "shell", "metal")
    width, depth = rng.uniform(0.40, 0.50), rng.uniform(0.39, 0.48)
    seat_height = rng.uniform(0.42, 0.50)
    thickness = {"wood": 0.03, "office": 0.07, "shell": 0.025, "metal": 0.035}[style]
    thickness += rng.uniform(0, 0.015)
    below = seat_height - thickness
    rounding = min(0.45 * thickness, 0.02)
    if style == "shell" and rng.uniform() < 0.5:
        made.add("seat", cylinder(width / 2, thickness, rounding), at=(0, below + thickness / 2, 0))
        depth = width
    else:
        made.add(
            "seat", Box((width, thickness, depth), rounding), at=(0, below + thickness / 2, 0)
        )
    legs = 0.016 + rng.uniform(0, 0.007)
    if style == "office":
        _star_base(made, below + 0.01, rng.uniform(0.26, 0.32))
    else:
        splay = rng.uniform(0.02, 0.06) if style in ("shell", "metal") else 0.0
        square = style == "wood" and rng.uniform() < 0.6
        thin = legs if style == "wood" else 0.012
        _four_legs(made, (width / 2, depth / 2), below + 0.01, splay, thin, square)
        if style == "wood" and rng.uniform() < 0.5:
            for sx in (-1, 1):
                x, y, z = sx * (width / 2 - 0.035), below * 0.45, depth / 2 - 0.035
                rail = np.array([(x, y, -z), (x, y, z)])
                made.add("legs", Tube(rail, 0.010, sides=6))
    rise = rng.uniform(0.38, 0.55)
    lean = rng.uniform(4, 14)
    tilt = turn("x", -lean)
    foot = np.array([0, seat_height - 0.02, -depth / 2 + 0.02])
    span = width * rng.uniform(0.86, 0.98)
    rest = pick(rng, "panel", "slats", "ladder") if style != "office" else "pad"
    thick = 0.024

    def on_back(x: float, y: float, z: float = 0.0) -> np.ndarray:
        return foot + tilt @ np.array([x, y, z])

    if rest == "pad":
        pad = rise * 0.78
        made.add(
            "backrest",
            Box((span, pad, 0.055), 0.025),
            at=on_back(0, rise - pad / 2, -0.02),
            rotation=tilt,
        )
        made.add("backrest", Tube(np.array([on_back(0, -0.05, -0.03), on_back(0, rise * 0.5, -0.04)]), 0.02))
        face, thick = 0.0075, 0.055
        top_centre = on_back(0, rise - 0.0275, -0.02)
        front = on_back(0, rise - pad / 2, face)
    else:
        for sx in (-1, 1):
            post = np.stack([on_back(sx * (span / 2 - 0.015), 0), on_back(sx * (span / 2 - 0.015), rise)])
            made.add("backrest", Tube(post, 0.014), edge=0.032)
        rail = rng.uniform(0.05, 0.09)
        made.add(
            "backrest",
            Box((span, rail, thick), 0.008),
            at=on_back(0, rise - rail / 2),
            rotation=tilt,
        )
        if rest == "panel":
            tall = rise * rng.uniform(0.55, 0.75)
            made.add(
                "backrest",
                Box((span - 0.03, tall, thick * 0.7), 0.006),
                at=on_back(0, rise - rail * 0.6 - tall / 2),
                rotation=tilt,
            )
        elif rest == "slats":
            count = int(rng.integers(3, 6))
            for k in range(count):
                x = (k + 1) / (count + 1) * (span - 0.03) - (span - 0.03) / 2
                made.add(
                    "backrest",
                    Box((0.026, rise - 0.01, thick * 0.6), 0.004),
                    at=on_back(x, (rise - rail) / 2),
                    rotation=tilt,
                )
        else:
            for k in range(int(rng.integers(1, 3)) + 1):
                made.add(
                    "backrest",
                    Box((span, rail * 0.8, thick * 0.8), 0.006),
                    at=on_back(0, rise - rail * 0.5 - (k + 1) * 0.135),
                    rotation=tilt,
                )
        face = thick / 2
        top_centre = on_back(0, rise - thick / 2)
        front = on_back(0, rise - rail / 2, face)
    arms = rng.uniform() < (0.5 if style == "office" else 0.3)
    if arms:
        height = seat_height + rng.uniform(0.18, 0.24)
        for name, sx in (("left", 1), ("right", -1)):
            x = sx * (width / 2 + 0.015)
            front_z = depth / 2 - 0.08
            made.add(
                "armrest",
                Box((0.05, 0.028, depth * 0.8), 0.011),
                at=(x, height - 0.014, -0.02),
            )
            post = np.array([(x - sx * 0.02, below + 0.015, front_z), (x, height - 0.02, front_z)])
            made.add("armrest", Tube(post, 0.013))
            if style == "office":
                continue
            link = np.array(
                [
                    (x, height - 0.018, -depth * 0.38),
                    on_back(sx * (span / 2 - 0.015), height - seat_height + 0.01),
                ]
            )
            made.add("armrest", Tube(link, 0.012))
        for name, sx in (("left", 1), ("right", -1)):
            at = (sx * (width / 2 + 0.015), height, -0.02)
            made.frame(f"armrest_{name}", at, (0, 1, 0), (0, 0, 1))
    if style in ("wood", "shell") and rng.uniform() < 0.35:
        radii = (width * 0.42, 0.025, depth * 0.42)
        made.add("seat", Ellipsoid(radii), at=(0, seat_height - 0.004, 0))
        seat_top = seat_height + 0.021
    else:
        seat_top = seat_height
    made.frame("seat", (0, seat_top, 0), (0, 1, 0), (0, 0, 1))
    made.frame("backrest", front, tilt @ np.array([0, 1.0, 0]), tilt @ np.array([0, 0, 1.0]))
    made.frame("carry", top_centre, (1, 0, 0), (0, -1, 0), thick / 2)
    for name, sx in (("left", 1), ("right", -1)):
        at = (sx * width / 2, below + thickness / 2, 0.0)
        made.frame(f"palm_{name}", at, (0, 0, 1), (-sx, 0, 0), 0)
    wood = paint(rng, pick(rng, "wood", "any", "dark") if style == "wood" else pick(rng, "any", "dark", "light"))
    made.colours = {
        "seat": paint(rng) if rng.uniform() < 0.5 else wood,
        "backrest": wood,
        "legs": paint(rng, "metal") if style != "wood" else wood,
        "armrest": paint(rng, "dark") if rng.uniform() < 0.5 else wood,
    }
    made.sizes = {
        "seat_height": seat_top,
        "seat_width": width,
        "seat_depth": depth,
        "height": seat_height + rise,
    }
    return made

"""Chairs: wooden, office, shell and metal-legged, with and without armrests."""

from dataclasses import dataclass

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.furniture import four_legs
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid, cylinder
from ivlm_core.synthesis.objects.tube import Tube

CHAIR_AFFORDANCES = {
    "sit": ("seat",),
    "support": ("seat", "backrest"),
    "move": ("backrest", "seat"),
    "carry": ("backrest", "seat"),
}


@dataclass(frozen=True)
class _Back:
    """Plane of a backrest: foot [3] at its lower middle, tilt 3x3, width and height in metres."""

    foot: Array
    tilt: Array
    span: float
    rise: float

    def at(self, x: float, y: float, z: float = 0.0) -> Array:
        """Point [3] of the object at x across, y up along the back and z in front of it."""
        return self.foot + self.tilt @ np.array([x, y, z])


def _star_base(made: Assembly, top: float, reach: float) -> None:
    """Add a column and five feet on castors."""
    made.add("legs", cylinder(0.028, top - 0.08), at=(0, (top + 0.08) / 2, 0), edge=0.03)
    arm = np.array([(0, 0.105, 0), (0, 0.075, reach)])
    made.add("legs", Spokes(Tube(arm, (0.024, 0.016)), 5), edge=0.032)
    castor = np.array([(0, 0.027, reach - 0.004), (0, 0.030, reach)])
    made.add("legs", Spokes(Tube(castor, 0.027, sides=8), 5), edge=0.02)


def _wooden_legs(
    made: Assembly, rng: np.random.Generator, half: tuple[float, float], top: float
) -> None:
    """Add four straight legs, round or square, perhaps with rails along the sides."""
    four_legs(made, half, top, 0.0, rng.uniform(0.016, 0.023), square=rng.uniform() < 0.6)
    if rng.uniform() < 0.5:
        x, y, z = half[0] - 0.035, top * 0.45, half[1] - 0.035
        rail = Tube(np.array([(x, y, -z), (x, y, z)]), 0.010, sides=6)
        made.add("legs", Mirrored(rail))


def _padded_back(made: Assembly, back: _Back) -> None:
    """Add the backrest of an office chair with its frames."""
    pad = back.rise * 0.78
    middle = back.at(0, back.rise - pad / 2, -0.02)
    made.add("backrest", Box((back.span, pad, 0.055), 0.025), at=middle, rotation=back.tilt)
    stem = np.stack([back.at(0, -0.05, -0.03), back.at(0, back.rise * 0.5, -0.04)])
    made.add("backrest", Tube(stem, 0.02))
    made.frame("backrest", middle + back.tilt @ [0, 0, 0.0275], back.tilt[:, 1], back.tilt[:, 2])
    top = back.at(0, back.rise - 0.0275, -0.02)
    made.frame("carry", top, (1, 0, 0), (0, -1, 0), 0.0275)


def _framed_back(made: Assembly, rng: np.random.Generator, back: _Back) -> None:
    """Add two posts, a top rail and a panel, slats or a ladder with their frames."""
    thick, rail = 0.024, rng.uniform(0.05, 0.09)
    side = back.span / 2 - 0.015
    for x in (-side, side):
        post = np.stack([back.at(x, 0), back.at(x, back.rise)])
        made.add("backrest", Tube(post, 0.014), edge=0.032)

    def board(size: tuple[float, float, float], x: float, y: float, rounding: float) -> None:
        made.add("backrest", Box(size, rounding), at=back.at(x, y), rotation=back.tilt)

    board((back.span, rail, thick), 0, back.rise - rail / 2, 0.008)
    style = pick(rng, "panel", "slats", "ladder")
    if style == "panel":
        tall = back.rise * rng.uniform(0.55, 0.75)
        board((back.span - 0.03, tall, thick * 0.7), 0, back.rise - rail * 0.6 - tall / 2, 0.006)
    elif style == "slats":
        count = int(rng.integers(3, 6))
        for share in np.arange(1, count + 1) / (count + 1) - 0.5:
            x = float(share) * (back.span - 0.03)
            board((0.026, back.rise - 0.01, thick * 0.6), x, (back.rise - rail) / 2, 0.004)
    else:
        for k in range(int(rng.integers(2, 4))):
            y = back.rise - rail * 0.5 - (k + 1) * 0.135
            board((back.span, rail * 0.8, thick * 0.8), 0, y, 0.006)
    front = back.at(0, back.rise - rail / 2, thick / 2)
    made.frame("backrest", front, back.tilt[:, 1], back.tilt[:, 2])
    top = back.at(0, back.rise - thick / 2)
    made.frame("carry", top, (1, 0, 0), (0, -1, 0), thick / 2)


def _armrests(
    made: Assembly, half: tuple[float, float], height: float, below: float, back: _Back | None
) -> None:
    """Add two armrests whose tops are at `height`, joined to the backrest if one is given."""
    x, depth = half[0] + 0.015, 2 * half[1]
    made.add(
        "armrest", Mirrored(Box((0.05, 0.028, depth * 0.8), 0.011), at=(x, height - 0.014, -0.02))
    )
    front = half[1] - 0.08
    post = np.array([(x - 0.02, below + 0.015, front), (x, height - 0.02, front)])
    made.add("armrest", Mirrored(Tube(post, 0.013)))
    if back is not None:
        end = back.at(back.span / 2 - 0.015, height - back.foot[1] - 0.01)
        link = np.stack([np.array([x, height - 0.018, -depth * 0.38]), end])
        made.add("armrest", Mirrored(Tube(link, 0.012)))
    for name, side in (("left", 1), ("right", -1)):
        made.frame(f"armrest_{name}", (side * x, height, -0.02), (0, 1, 0), (0, 0, 1))


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
    half = (width / 2, depth / 2)
    below, middle = seat_height - thickness, seat_height - thickness / 2
    rounding = min(0.45 * thickness, 0.02)
    disc = style == "shell" and rng.uniform() < 0.5
    if disc:
        made.add("seat", cylinder(width / 2, thickness, rounding), at=(0, middle, 0))
        depth = width
        half = (width * 0.31 + 0.035, width * 0.31 + 0.035)
    else:
        made.add("seat", Box((width, thickness, depth), rounding), at=(0, middle, 0))
    if style == "office":
        _star_base(made, below + 0.01, rng.uniform(0.26, 0.32))
    elif style == "wood":
        _wooden_legs(made, rng, half, below + 0.01)
    else:
        four_legs(made, half, below + 0.01, rng.uniform(0.02, 0.06), 0.012, square=False)
    back = _Back(
        foot=np.array([0, seat_height - 0.02, -0.36 * width if disc else -depth / 2 + 0.02]),
        tilt=turn("x", -rng.uniform(4, 14)),
        span=width * (0.66 if disc else rng.uniform(0.86, 0.98)),
        rise=rng.uniform(0.38, 0.55),
    )
    if style == "office":
        _padded_back(made, back)
    else:
        _framed_back(made, rng, back)
    if rng.uniform() < (0.5 if style == "office" else 0.3):
        height = seat_height + rng.uniform(0.18, 0.24)
        _armrests(made, (width / 2, depth / 2), height, below, None if style == "office" else back)
    seat_top = seat_height
    if style in ("wood", "shell") and rng.uniform() < 0.35:
        cushion = Ellipsoid((width * 0.42, 0.025, depth * 0.42))
        made.add("seat", cushion, at=(0, seat_height - 0.004, 0))
        seat_top += 0.021
    made.frame("seat", (0, seat_top, 0), (0, 1, 0), (0, 0, 1))
    for name, side in (("left", 1), ("right", -1)):
        at = (side * width / 2, middle, 0.0)
        made.frame(f"palm_{name}", at, (0, 1, 0), (-side, 0, 0), 0)
    main = paint(rng, pick(rng, "any", "dark", "wood" if style == "wood" else "light"))
    made.colours = {
        "seat": paint(rng) if rng.uniform() < 0.5 else main,
        "backrest": main,
        "legs": main if style == "wood" else paint(rng, "metal"),
        "armrest": paint(rng, "dark") if rng.uniform() < 0.5 else main,
    }
    made.sizes = {
        "seat_height": seat_top,
        "seat_width": width,
        "seat_depth": depth,
        "height": seat_height + back.rise,
    }
    return made

"""Ball, box and backpack: things carried with two hands or on the back."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Array, Box, Ellipsoid, Tube

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
BACKPACK_AFFORDANCES = {
    "wear": ("strap_left", "strap_right", "back"),
    "carry": ("strap_left", "strap_right", "grab"),
    "lift": ("grab",),
    "grasp": ("grab", "strap_left", "strap_right"),
    "open": ("zip",),
    "contain": ("body", "pocket"),
}


def ball(rng: np.random.Generator) -> Assembly:
    """Centred sphere; frames palm_left (+x side), palm_right and grip (palm at -z)."""
    radius = rng.uniform(0.10, 0.16) if rng.uniform() < 0.75 else rng.uniform(0.034, 0.10)
    made = Assembly(edge=radius / 4.5)
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
    made = Assembly(edge=float(np.clip(max(width, height, depth) / 12, 0.02, 0.032)))
    style = pick(rng, "closed", "closed", "flaps", "crate")
    sides = ("side_left", "side_right", "side_front", "side_back")
    if style == "closed":

        def split(vertices: Array) -> np.ndarray:
            scaled = vertices - np.sign(vertices) * (np.array([width, height, depth]) / 2)
            nearest = np.argmin(np.abs(scaled) + np.array([0, -1e-4, 0]), axis=1)
            positive = np.take_along_axis(vertices, nearest[:, None], 1)[:, 0] > 0
            return 2 * nearest + np.where(positive, 0, 1)

        names = ("side_left", "side_right", "lid", "bottom", "side_front", "side_back")
        made.add(
            names, Box((width, height, depth), 0.004), at=(0, height / 2, 0), split=split
        )
        if rng.uniform() < 0.6:
            tape = rng.uniform(0.03, 0.06)
            made.add("tape", Box((width + 0.001, 0.06, tape), 0.001), at=(0, height - 0.029, 0))
            made.colours["tape"] = paint(rng, pick(rng, "light", "any", "wood"))
    else:
        wall = 0.006 if style == "flaps" else 0.012
        made.add("bottom", Box((width, wall, depth), 0.002), at=(0, wall / 2, 0))
        for name, sign in (("side_left", 1), ("side_right", -1)):
            made.add(
                name,
                Box((wall, height, depth), 0.002),
                at=(sign * (width - wall) / 2, height / 2, 0),
            )
        for name, sign in (("side_front", 1), ("side_back", -1)):
            made.add(
                name,
                Box((width, height, wall), 0.002),
                at=(0, height / 2, sign * (depth - wall) / 2),
            )
        if style == "flaps":
            for sign in (-1, 1):
                flap, angle = min(width, depth) * 0.42, np.radians(rng.uniform(15, 75))
                c, s = np.cos(angle) * flap / 2, np.sin(angle) * flap / 2
                made.add(
                    "lid",
                    Box((flap, wall * 0.7, depth * 0.98), 0.001),
                    at=(sign * (width / 2 + c), height + s - 0.002, 0),
                    rotation=turn("z", sign * np.degrees(angle)),
                )
                angle = np.radians(rng.uniform(15, 75))
                c, s = np.cos(angle) * flap / 2, np.sin(angle) * flap / 2
                made.add(
                    "lid",
                    Box((width * 0.98, wall * 0.7, flap), 0.001),
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


def backpack(
    rng: np.random.Generator,
    left: Array | None = None,
    right: Array | None = None,
) -> Assembly:
    """Body centred at the origin in the wearer's directions: the wearer stands at +z, facing +z.

    Frames: back (centre of the face against the wearer, +z into the wearer), strap_left (+x side)
    and strap_right (middle of the strap; grips), strap_left_top, strap_left_bottom, ..._right_...
    (where straps leave the bag, +y up, +z to the wearer), grab (top loop).

    Args:
        rng: source of all choices.
        left: centre line [K, 3] of the strap on the +x side in this frame; none means as it hangs.
        right: the same for the other strap.
    """
    made = Assembly(edge=0.026)
    width, height = rng.uniform(0.26, 0.35), rng.uniform(0.38, 0.52)
    depth = rng.uniform(0.12, 0.20)
    rounding = rng.uniform(0.03, 0.055)
    made.add("body", Box((width, height, depth), rounding))
    panel = Box((width * 0.72, height * 0.8, 0.024), 0.009)
    made.add("back", panel, at=(0, -0.01, depth / 2 - 0.004))
    back = depth / 2 + 0.008
    style = pick(rng, "school", "hiking", "plain")
    pocket_depth = rng.uniform(0.035, 0.07)
    pocket_height = height * rng.uniform(0.36, 0.55)
    made.add(
        "pocket",
        Box((width * 0.8, pocket_height, pocket_depth * 2), min(0.03, rounding)),
        at=(0, -height * 0.46 + pocket_height / 2, -depth / 2),
    )
    if style == "hiking":
        roll = np.array([(-width * 0.42, 0, 0), (width * 0.42, 0, 0)])
        made.add("roll", Tube(roll, 0.055, sides=14), at=(0, height / 2 + 0.035, -0.01))
        made.colours["roll"] = paint(rng)
    elif style == "school":
        for sign in (-1, 1):
            side = np.array([(0, -height * 0.36, 0), (0, -height * 0.12, 0)])
            made.add("pocket", Tube(side, 0.035, sides=12), at=(sign * width / 2, 0, 0))
    w, top = width / 2 - 0.004, height / 2 - 0.003
    seam = np.array(
        [
            (-w, height * 0.1, 0),
            (-w, top - rounding, 0),
            (-w + 0.3 * rounding, top - 0.3 * rounding, 0),
            (-w + rounding, top, 0),
            (w - rounding, top, 0),
            (w - 0.3 * rounding, top - 0.3 * rounding, 0),
            (w, top - rounding, 0),
            (w, height * 0.1, 0),
        ]
    )
    made.add("zip", Tube(seam, 0.007, sides=6), at=(0, 0, -depth * 0.18))
    loop_y = height / 2 + (0.075 if style == "hiking" else 0.02)
    loop_z = depth / 2 - 0.02
    half = 0.055
    loop = np.array(
        [
            (-half, height / 2 - 0.03, loop_z),
            (-half * 0.9, loop_y + 0.01, loop_z),
            (-half * 0.5, loop_y + 0.028, loop_z),
            (half * 0.5, loop_y + 0.028, loop_z),
            (half * 0.9, loop_y + 0.01, loop_z),
            (half, height / 2 - 0.03, loop_z),
        ]
    )
    made.add("grab", Tube(loop, 0.0075), edge=0.015)
    made.frame("grab", (0, loop_y + 0.028, loop_z), (1, 0, 0), (0, 0, 1), 0.0075)
    thick = rng.uniform(0.012, 0.017)
    for name, sign, given in (("left", 1, left), ("right", -1, right)):
        x0, x1 = sign * width * 0.26, sign * width * 0.36
        upper = np.array([x0, height * 0.40, back - 0.012])
        lower = np.array([x1, -height * 0.38, back - 0.012])
        hanging = np.array(
            [
                upper,
                (x0 * 1.04, height * 0.47, back + 0.04),
                (x0 * 1.12, height * 0.44, back + 0.10),
                (x0 * 1.2, height * 0.30, back + 0.135),
                (x1, height * 0.08, back + 0.125),
                (x1 * 1.05, -height * 0.16, back + 0.075),
                lower,
            ]
        )
        line = hanging if given is None else np.asarray(given, float)
        made.add(f"strap_{name}", Tube(line, thick), edge=0.02)
        k = len(line) // 2
        along = line[k + 1 if k + 1 < len(line) else k] - line[k - 1]
        made.frame(f"strap_{name}", line[k], -along, (0, 0, -1), thick)
        made.frame(f"strap_{name}_top", upper, (0, 1, 0), (0, 0, 1))
        made.frame(f"strap_{name}_bottom", lower, (0, 1, 0), (0, 0, 1))
    made.frame("back", (0, -0.01, back), (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "dark"))
    strap = paint(rng, pick(rng, "dark", "any"))
    made.colours |= {
        "body": main,
        "back": paint(rng, "dark"),
        "pocket": paint(rng) if rng.uniform() < 0.6 else main,
        "zip": paint(rng, pick(rng, "dark", "metal")),
        "grab": strap,
        "strap_left": strap,
        "strap_right": strap,
    }
    made.sizes = {
        "width": width,
        "height": height,
        "depth": depth,
        "strap_radius": thick,
    }
    return made

"""Backpack and suitcase."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, cylinder
from ivlm_core.synthesis.objects.tube import Tube

BACKPACK_AFFORDANCES = {
    "wear": ("strap_left", "strap_right", "back"),
    "carry": ("strap_left", "strap_right", "grab"),
    "lift": ("grab",),
    "grasp": ("grab", "strap_left", "strap_right"),
    "open": ("zip",),
    "contain": ("body", "pocket"),
}

SUITCASE_AFFORDANCES = {
    "lift": ("handle", "side_handle"),
    "grasp": ("handle", "side_handle", "pull_handle"),
    "pull": ("pull_handle",),
    "push": ("pull_handle", "shell"),
    "open": ("zip",),
    "contain": ("shell",),
}


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
    made = Assembly(edge=0.023)
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


def suitcase(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, broad sides towards +z (front) and -z.

    Frames: grip (top handle carried at a hanging arm: axis along x, palm at -z), grip_side (handle
    on the +x side, axis along y, palm outside) and grip_pull (bar of the pulled-out handle, palm
    above) where there are such, palm_left and palm_right (narrow sides), top (+y up, +z forward).
    """
    style = pick(rng, "trolley", "trolley", "soft", "vintage")
    made = Assembly(edge=0.027 if style == "vintage" else 0.030)
    if style == "vintage":
        width, height, depth = rng.uniform((0.42, 0.28, 0.13), (0.60, 0.40, 0.19))
    else:
        width, height, depth = rng.uniform((0.34, 0.46, 0.19), (0.48, 0.68, 0.28))
    wheel = 0.0 if style == "vintage" else rng.uniform(0.022, 0.032)
    base = 0.008 if style == "vintage" else wheel * 1.5
    rounding = {"vintage": 0.012, "soft": 0.03}.get(style, rng.uniform(0.03, 0.05))
    middle, top = base + height / 2, base + height
    made.add("shell", Box((width, height, depth), rounding), at=(0, middle, 0))
    if style == "trolley":
        count = int(rng.integers(3, 6))
        for k in range(count):
            x = ((k + 0.5) / count - 0.5) * (width - 2 * rounding)
            size = (width / count * 0.35, height - 1.6 * rounding, depth + 0.010)
            made.add("ridges", Box(size, 0), at=(x, middle, 0), edge=0.028)
        made.colours["ridges"] = paint(rng)
    elif style == "soft":
        tall = height * rng.uniform(0.35, 0.6)
        pocket = Box((width * 0.84, tall, 0.07), 0.02)
        made.add("pocket", pocket, at=(0, base + tall * 0.6, depth / 2))
        made.add(
            "pocket",
            Box((width * 0.84, height * 0.25, 0.05), 0.015),
            at=(0, top - height * 0.2, depth / 2),
        )
        made.colours["pocket"] = paint(rng)
    else:
        for x in (-width * 0.28, width * 0.28):
            made.add(
                "ridges", Box((0.035, height + 0.005, depth + 0.005), 0.003), at=(x, middle, 0)
            )
        made.colours["ridges"] = paint(rng, pick(rng, "wood", "dark"))
    inset = 0.0035
    seam = Box((width + 2 * inset, height + 2 * inset, 0.014), min(rounding, 0.007))
    made.add("zip", seam, at=(0, middle, 0.1 * depth), edge=0.028)
    if style != "vintage":
        x, z = width / 2 - 0.05, depth / 2 - 0.045
        for side in (-1, 1):
            at = (x - 0.012, wheel, side * z)
            tread = Mirrored(cylinder(wheel, 0.024, 0.004), at=at, rotation=Y_TO_X)
            made.add("wheels", tread, edge=0.018)
            stem = Mirrored(Box((0.036, base, 0.036), 0.006), at=(x - 0.012, base * 0.9, side * z))
            made.add("wheels", stem)
        made.colours["wheels"] = paint(rng, "dark")
    thick = rng.uniform(0.009, 0.012)
    half, rise = rng.uniform(0.055, 0.07), rng.uniform(0.045, 0.055)

    def loop(sign: float) -> Array:
        return np.array(
            [
                (-half, -0.015, 0),
                (-half, rise * 0.7, 0),
                (-half * 0.75, rise, 0),
                (half * 0.75, rise, 0),
                (half, rise * 0.7, 0),
                (half, -0.015, 0),
            ]
        ) * np.array([sign, 1, 1])

    handle_z = 0.0 if style == "vintage" else -0.02
    made.add("handle", Tube(loop(1), thick), at=(0, top, handle_z), edge=0.015)
    made.frame("grip", (0, top + rise, handle_z), (1, 0, 0), (0, 0, 1), thick)
    if style != "vintage":
        made.add(
            "side_handle",
            Tube(loop(1), thick),
            at=(width / 2, middle, 0),
            rotation=Y_TO_X,
            edge=0.015,
        )
        made.frame("grip_side", (width / 2 + rise, middle, 0), (0, 1, 0), (-1, 0, 0), thick)
        reach = rng.uniform(0.34, 0.48) if rng.uniform() < 0.7 else rng.uniform(0.02, 0.05)
        bar, x, z = 0.012, width * rng.uniform(0.2, 0.3), -depth / 2 + 0.03
        rods = Tube(np.array([(x, top - 0.03, z), (x, top + reach, z)]), 0.007, sides=6)
        made.add("pull_handle", Mirrored(rods))
        grip = Tube(np.array([(-x - 0.01, 0, 0), (x + 0.01, 0, 0)]), bar)
        made.add("pull_handle", grip, at=(0, top + reach, z), edge=0.016)
        made.frame("grip_pull", (0, top + reach, z), (1, 0, 0), (0, -1, 0), bar)
        made.sizes["pull_height"] = top + reach
        made.colours["pull_handle"] = paint(rng, pick(rng, "metal", "dark"))
    for name, sign in (("left", 1), ("right", -1)):
        at = (sign * (width / 2 + inset), middle, 0.1 * depth)
        made.frame(f"palm_{name}", at, (0, 1, 0), (-sign, 0, 0), 0)
    made.frame("top", (0, top, 0), (0, 1, 0), (0, 0, 1))
    shell = paint(rng, pick(rng, "wood" if style == "vintage" else "any", "any", "dark"))
    if rng.uniform() < 0.6 and style == "trolley":
        made.colours["ridges"] = shell
    made.colours |= {
        "shell": shell,
        "zip": paint(rng, pick(rng, "dark", "metal")),
        "handle": paint(rng, "dark"),
        "side_handle": paint(rng, "dark"),
    }
    made.sizes |= {"width": width, "height": top, "depth": depth}
    return made

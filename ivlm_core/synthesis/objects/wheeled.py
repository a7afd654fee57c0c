"""Trash can and shopping cart: things that contain and are pushed by a handle."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick
from ivlm_core.synthesis.objects.primitives import Box, cylinder, frustum
from ivlm_core.synthesis.objects.tube import Tube

TRASH_CAN_AFFORDANCES = {
    "contain": ("body",),
    "open": ("lid",),
    "push": ("handle",),
    "pull": ("handle",),
    "move": ("handle", "body"),
}
SHOPPING_CART_AFFORDANCES = {
    "push": ("handle",),
    "move": ("handle",),
    "contain": ("basket",),
    "carry": ("basket",),
}


def _bar(made: Assembly, half: float, height: float, z: float, thick: float) -> None:
    """Add a handle along x with a frame for each hand: +y outwards, palm from behind and above."""
    line = np.array([(-half, height, z), (half, height, z)])
    made.add("handle", Tube(line, thick), edge=0.03)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        at = (sign * half * 0.62, height, z)
        made.frame(f"grip_{name}", at, (sign, 0, 0), (0, -0.8, 0.6), thick)
    made.frame("grip", (0, height, z), (1, 0, 0), (0, -0.8, 0.6), thick)


def trash_can(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0; who pushes it stands at -z and looks along +z.

    Frames: edge (on the lid at its +z edge, +y up, +z outwards); of those with wheels grip_left,
    grip_right and grip (on the handle), of the others palm_left and palm_right (on the sides).
    """
    made = Assembly(edge=0.036)
    wheeled = rng.uniform() < 0.6
    if wheeled:
        width, depth = rng.uniform(0.46, 0.56), rng.uniform(0.48, 0.58)
        height = rng.uniform(0.86, 1.0)
        low = 0.05
        tall = height - low
        made.add("body", Box((width, tall, depth), 0.03), at=(0, low + tall / 2, 0))
        made.add("body", Box((width + 0.04, 0.05, depth + 0.04), 0.012), at=(0, height - 0.04, 0))
        radius = rng.uniform(0.09, 0.12)
        wheel = cylinder(radius, 0.05, 0.006)
        at = (width / 2 + 0.028, radius, -depth / 2 + 0.03)
        made.add("wheels", Mirrored(wheel, at=at, rotation=Y_TO_X), edge=0.035)
        made.add("wheels", Mirrored(Box((0.06, low + 0.01, 0.06), 0.006), at=(0.15, 0.03, 0.16)))
        z, y = -depth / 2 - 0.115, height - 0.025
        half = width * 0.40
        _bar(made, half, y, z, 0.016)
        arm = Box((0.028, 0.034, 0.14), 0.008)
        made.add("handle", Mirrored(arm, at=(half - 0.01, y, z + 0.065)), edge=0.03)
        thick = rng.uniform(0.035, 0.06)
        cover = Box((width + 0.05, thick, depth + 0.05), 0.016)
        made.add("lid", cover, at=(0, height + thick / 2 - 0.014, 0.01))
        top = height + thick - 0.014
        edge = depth / 2
    else:
        radius = rng.uniform(0.15, 0.22)
        height = rng.uniform(0.58, 0.80)
        square = rng.uniform() < 0.4
        narrow = 1.0
        if square:
            size = (radius * 1.9, height, radius * 1.9 * rng.uniform(0.7, 1.0))
            made.add("body", Box(size, 0.02), at=(0, height / 2, 0))
            cover = Box((size[0] + 0.02, 0.07, size[2] + 0.02), 0.025)
            made.add("lid", cover, at=(0, height + 0.02, 0))
            width, edge = size[0], size[2] / 2 - 0.03
        else:
            narrow = rng.uniform(0.8, 1.0)
            body = frustum(radius * narrow, radius, height, 0.01)
            made.add("body", body, at=(0, height / 2, 0))
            dome = frustum(radius + 0.012, radius * 0.8, 0.07, 0.008)
            made.add("lid", dome, at=(0, height + 0.02, 0))
            width, edge = 2 * radius, radius * 0.8 - 0.02
        top = height + 0.055
        for name, side in (("left", 1), ("right", -1)):
            x = side * (width / 2 if square else radius * (narrow + 0.6 * (1 - narrow)))
            made.frame(f"palm_{name}", (x, height * 0.6, 0), (0, 1, 0), (-side, 0, 0), 0)
        pedal = Box((0.09, 0.02, 0.06), 0.006)
        made.add("handle", pedal, at=(0, 0.022, radius * 0.9 + 0.02), edge=0.025)
    made.frame("edge", (0, top, edge), (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "dark", "metal"))
    made.colours = {
        "body": main,
        "lid": main if rng.uniform() < 0.4 else paint(rng),
        "handle": paint(rng, "dark"),
        "wheels": paint(rng, "dark"),
    }
    made.sizes = {"height": top, "width": width}
    return made


def shopping_cart(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0; who pushes it stands at -z and looks along +z.

    Frames: grip_left, grip_right and grip (on the handle), front (in the middle of the basket's
    front edge, axis along x, palm above).
    """
    made = Assembly(edge=0.065)
    width, length = rng.uniform(0.46, 0.56), rng.uniform(0.70, 0.90)
    height = rng.uniform(0.96, 1.06)
    top, bottom = height - rng.uniform(0.04, 0.10), rng.uniform(0.42, 0.55)
    back, front = 0.0, length
    wire = rng.uniform(0.005, 0.007)
    slope = 0.10
    w, low = width / 2, width / 2 - 0.05

    def rung(share: float) -> np.ndarray:
        """Corners of the basket at a share of its height, bottom 0 to top 1."""
        y = bottom + share * (top - bottom)
        x = low + share * (w - low)
        z = front - slope * (1 - share)
        drop = 0.06 * share
        return np.array([(x, y, back), (x, y - drop, z), (-x, y - drop, z), (-x, y, back)])

    for share in np.linspace(0, 1, 5):
        thick = wire * (1.6 if share in (0.0, 1.0) else 1.0)
        made.add("basket", Tube(rung(float(share)), thick, sides=5, loop=True))
    corners, floor = rung(1.0), rung(0.0)
    for k in range(1, 7):
        s = k / 7
        low_end = floor[0] + s * (floor[1] - floor[0])
        high_end = corners[0] + s * (corners[1] - corners[0])
        made.add("basket", Mirrored(Tube(np.stack([low_end, high_end]), wire * 0.8, sides=4)))
    for k in range(1, 6):
        ends = [
            c[i] + k / 6 * (c[j] - c[i])
            for c, i, j in ((corners, 1, 2), (floor, 1, 2), (floor, 0, 3), (corners, 0, 3))
        ]
        made.add("basket", Tube(np.array(ends), wire * 0.8, sides=4))
    _bar(made, w + 0.01, height, -0.10, rng.uniform(0.013, 0.018))
    post = np.array([(w - 0.01, height, -0.10), (w - 0.01, top, 0.0), (low, bottom, 0.02)])
    made.add("frame", Mirrored(Tube(post, 0.012)))
    foot = np.array([(low, bottom, 0.02), (low, 0.16, -0.02), (low * 0.9, 0.16, front - 0.05)])
    made.add("frame", Mirrored(Tube(foot, 0.013)))
    made.add("frame", Mirrored(Tube(np.stack([foot[2], floor[1] + [0, 0, -0.15]]), 0.011)))
    for z in (-0.02, front - 0.06):
        across = np.array([(-low, 0.16, z), (low, 0.16, z)])
        made.add("frame", Tube(across, 0.010))
        wheel = cylinder(0.062, 0.03, 0.005)
        made.add("wheels", Mirrored(wheel, at=(low * 0.93, 0.062, z), rotation=Y_TO_X), edge=0.03)
        fork = Box((0.02, 0.10, 0.035), 0.005)
        made.add("wheels", Mirrored(fork, at=(low * 0.93, 0.115, z)), edge=0.03)
    made.add("frame", Box((width - 0.10, 0.012, 0.10), 0.004), at=(0, top - 0.10, 0.06))
    edge = (0, float(corners[1, 1]), float(corners[1, 2]))
    made.frame("front", edge, (1, 0, 0), (0, -1, 0), wire * 1.6)
    metal = paint(rng, pick(rng, "metal", "metal", "dark"))
    made.colours = {
        "basket": metal if rng.uniform() < 0.7 else paint(rng),
        "handle": paint(rng),
        "frame": metal,
        "wheels": paint(rng, "dark"),
    }
    made.sizes = {"height": height}
    return made

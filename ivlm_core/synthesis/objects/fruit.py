"""Banana and apple."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, Colour, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Ellipsoid, Revolution
from ivlm_core.synthesis.objects.tube import Tube

BANANA_AFFORDANCES = {
    "wrapgrasp": ("peel",),
    "grasp": ("peel", "stem"),
    "open": ("stem",),
}
APPLE_AFFORDANCES = {
    "wrapgrasp": ("skin", "blush"),
    "grasp": ("skin", "blush"),
    "lift": ("skin", "blush", "stem"),
}


def _near(rng: np.random.Generator, colour: Colour, spread: float = 18) -> Colour:
    """A colour near a given one."""
    r, g, b = (int(np.clip(channel + rng.normal(0, spread), 5, 250)) for channel in colour)
    return r, g, b


def banana(rng: np.random.Generator) -> Assembly:
    """Bent in the y-z plane, hollow side towards -z, stem at the lower end; some half peeled.

    Frames: grip (the peel, palm at the hollow side), mouth (the upper end, +y out of it).
    """
    made = Assembly(edge=0.008)
    peeled = rng.uniform() < 0.4
    length, thick = rng.uniform(0.135, 0.190), rng.uniform(0.0155, 0.0195)
    bend = np.radians(rng.uniform(55, 105))
    around = length / bend

    def line(shares: Array) -> Array:
        angle = (shares - 0.5) * bend
        return np.stack(
            [np.zeros_like(angle), around * np.sin(angle), around * (np.cos(angle) - 1)], 1
        )

    top = rng.uniform(0.52, 0.66) if peeled else 1.0
    s = np.linspace(0, top, 10)
    thin = np.clip(s / 0.16, 0, 1) ** 0.8
    radius = thick * (0.42 + 0.58 * thin)
    if not peeled:
        radius = radius * (0.36 + 0.64 * np.clip((1 - s) / 0.18, 0, 1) ** 0.7)
    made.add("peel", Tube(line(s), tuple(radius), sides=10))
    low = line(np.array([0.0, 0.02]))
    down = (low[0] - low[1]) / np.linalg.norm(low[0] - low[1])
    stalk = np.stack([low[0], low[0] + down * rng.uniform(0.015, 0.032)])
    made.add("stem", Tube(stalk, (thick * 0.36, thick * 0.30), sides=8))
    if peeled:
        rest = np.linspace(top - 0.04, 1.0, 7)
        flesh = thick * 0.86 * (0.55 + 0.45 * np.clip((1 - rest) / 0.12, 0, 1) ** 0.6)
        made.add("flesh", Tube(line(rest), tuple(flesh), sides=10))
        made.colours["flesh"] = _near(rng, (240, 226, 180), 8)
        rim = line(np.array([top]))[0]
        for k in range(int(rng.integers(3, 5))):
            angle = 2 * np.pi * k / 4 + rng.uniform(-0.3, 0.3)
            out = np.array([np.sin(angle), 0, np.cos(angle)])
            long = length * rng.uniform(0.22, 0.34)
            flap = rim + np.stack(
                [
                    out * thick * 0.75,
                    out * (thick + 0.010) + np.array([0, 0.006, 0]),
                    out * (thick + 0.022) + np.array([0, -long * 0.35, 0]),
                    out * (thick + 0.020) + np.array([0, -long, 0]),
                ]
            )
            made.add("peel_flaps", Tube(flap, (0.006, 0.0065, 0.006, 0.003), sides=6))
    else:
        end = line(np.array([1.0]))[0]
        made.add("tip", Ellipsoid((0.0055, 0.0055, 0.0055)), at=end + (0, 0.003, 0), edge=0.004)
        made.colours["tip"] = (60, 48, 30)
    at = 0.30 if peeled else 0.48
    centre, ahead = line(np.array([at, at + 0.02]))
    along = ahead - centre
    hollow = np.array([0, along[2], -along[1]])
    girth = float(np.interp(at, s, radius))
    made.frame("grip", centre, along, -hollow, girth)
    made.frame("mouth", line(np.array([1.0]))[0] + (0, 0.004, 0), (0, 1, 0), (0, 0, 1))
    kind = pick(rng, "ripe", "ripe", "green", "brown")
    base: Colour = {"ripe": (228, 196, 46), "green": (160, 182, 60), "brown": (176, 136, 56)}[kind]
    peel = _near(rng, base)
    made.colours |= {"peel": peel, "stem": _near(rng, (120, 110, 50))}
    if peeled:
        made.colours["peel_flaps"] = _near(rng, peel, 8)
    made.sizes = {"length": length, "peeled": float(peeled)}
    return made


def apple(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0 about the y axis; frames grip (palm at -z), mouth (upper side towards +z)."""
    made = Assembly(edge=0.009)
    wide = rng.uniform(0.033, 0.044)
    tall = wide * rng.uniform(0.78, 1.02)
    t = np.linspace(0, np.pi, 19)
    shoulder = rng.uniform(0.04, 0.16)
    x = wide * np.sin(t) * (1 - shoulder * np.cos(t)) / (1 + shoulder * 0.2)
    x[[0, -1]] = 0
    x = x * (wide / x.max())
    y = -tall * np.cos(t)
    dimple = np.exp(-((x / (0.38 * wide)) ** 2))
    y = y - np.where(y > 0, 0.42, -0.22) * tall * dimple
    y = y - y.min()
    girth = rng.uniform(0.3, 1.0)
    turned = rng.uniform(0, 2 * np.pi)
    patch = pick(rng, "side", "top", "none")

    def split(vertices: Array) -> np.ndarray:
        if patch == "none":
            return (vertices[:, 1] < 0.12 * tall).astype(int)
        if patch == "top":
            return (vertices[:, 1] > tall * (1.9 - girth)).astype(int)
        angle = np.arctan2(vertices[:, 0], vertices[:, 2]) - turned
        return (np.cos(angle) > 1 - girth).astype(int)

    made.add(("skin", "blush"), Revolution(np.stack([x, y], 1), around=24), split=split)
    top = float(y[-1])
    lean = rng.uniform(-0.004, 0.004, 2)
    high = top + rng.uniform(0.018, 0.028)
    stem = np.array(
        [
            (0, top - 0.004, 0),
            (lean[0] / 2, (top + high) / 2, lean[1] / 2),
            (lean[0], high, lean[1]),
        ]
    )
    made.add("stem", Tube(stem, 0.0016, sides=6), edge=0.006)
    if rng.uniform() < 0.45:
        long = rng.uniform(0.012, 0.020)
        spin = turn("y", float(rng.uniform(0, 360))) @ turn("x", -40)
        at = (np.array([0, high - 0.004, 0])) + spin @ np.array([0, 0, long])
        made.add("leaf", Ellipsoid((long * 0.5, 0.0012, long)), at=at, rotation=spin, edge=0.012)
        made.colours["leaf"] = _near(rng, (70, 130, 50))
    centre = float(y[np.argmax(x)])
    made.frame("grip", (0, centre, 0), (0, 1, 0), (0, 0, 1), wide)
    made.frame("mouth", (0, centre + tall * 0.8, wide * 0.5), (0, 0.9, 0.4), (0, -0.4, 0.9))
    kinds: tuple[Colour, ...] = ((178, 30, 36), (200, 44, 40), (120, 168, 50), (220, 190, 70))
    main = kinds[int(rng.integers(4))]
    other = kinds[int(rng.integers(4))]
    made.colours |= {
        "skin": _near(rng, main),
        "blush": _near(rng, other if patch != "none" else main),
        "stem": _near(rng, (92, 66, 38), 8),
    }
    made.sizes = {"radius": wide, "height": high}
    return made

"""Skateboard and surfboard: boards ridden standing, nose towards +z."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Bent, Plate
from ivlm_core.synthesis.objects.primitives import Box, cylinder
from ivlm_core.synthesis.objects.tube import Tube

SKATEBOARD_AFFORDANCES = {
    "ride": ("deck",),
    "support": ("deck",),
    "carry": ("deck", "underside"),
    "grasp": ("deck", "underside"),
}
SURFBOARD_AFFORDANCES = {
    "ride": ("deck", "stripe"),
    "support": ("deck", "stripe"),
    "lay": ("deck", "stripe"),
    "carry": ("rail",),
    "grasp": ("rail",),
}


def _outline(
    length: float, width: float, nose: float, tail: float, power: float, count: int = 17
) -> tuple[np.ndarray, np.ndarray]:
    """Stations along z [K] and half widths [K] of a board with rounded ends.

    Args:
        length: along z in metres.
        width: greatest width in metres.
        nose: length of the narrowing at +z in metres.
        tail: length of the narrowing at -z in metres.
        power: 2 is elliptical, more is blunter.
        count: number of stations.
    """
    t = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count))
    z = t * length / 2
    into_nose = np.clip((z - (length / 2 - nose)) / nose, 0, 1)
    into_tail = np.clip((-z - (length / 2 - tail)) / tail, 0, 1)
    half = width / 2 * (1 - into_nose**power) ** (1 / power) * (1 - into_tail**power) ** (1 / power)
    half[[0, -1]] = 0.0
    return z, half


def skateboard(rng: np.random.Generator) -> Assembly:
    """Stand with its wheels on y = 0, nose towards +z.

    Frames: deck (on top between the trucks), foot_front and foot_back (on top over the trucks),
    carry (the -x edge, palm outside, axis along the board).
    """
    made = Assembly(edge=0.034)
    style = pick(rng, "street", "street", "long", "cruiser")
    length = {
        "street": rng.uniform(0.74, 0.83),
        "long": rng.uniform(0.90, 1.10),
        "cruiser": rng.uniform(0.56, 0.70),
    }[style]
    width = rng.uniform(0.19, 0.225) + (0.03 if style == "long" else 0.0)
    thick = rng.uniform(0.010, 0.013)
    nose = width * rng.uniform(0.45, 0.8)
    z, half = _outline(length, width, nose, nose * rng.uniform(0.7, 1.0), rng.uniform(2.0, 2.8))
    kick = 0.035 if style == "long" else rng.uniform(0.045, 0.065)
    flat = length / 2 - (0.09 if style == "long" else 0.155)
    stations = [-length / 2, -flat - 0.05, -flat, flat, flat + 0.05, length / 2]
    front = kick * (0.4 if style == "cruiser" else 1.0)
    heights = [kick, kick * 0.22, 0.0, 0.0, front * 0.22, front]
    wheel, track = rng.uniform(0.026, 0.036), width * 0.80
    height = wheel * 2 + rng.uniform(0.030, 0.040)
    board = Bent(Plate(z, -half, half, thick, thick / 2 - 0.001), stations, heights)

    def split(vertices: np.ndarray) -> np.ndarray:
        return (vertices[:, 1] < np.interp(vertices[:, 2], stations, heights)).astype(int)

    made.add(("deck", "underside"), board, at=(0, height, 0), split=split)
    base = flat - 0.055
    for sz in (-1, 1):
        axle = np.array([(-track / 2, wheel, sz * base), (track / 2, wheel, sz * base)])
        made.add("trucks", Tube(axle, 0.008, sides=6), edge=0.03)
        tall = height - wheel
        made.add("trucks", Box((0.05, tall, 0.03), 0.006), at=(0, wheel + tall / 2, sz * base))
        made.add("trucks", Box((0.055, 0.012, 0.08), 0.003), at=(0, height - 0.010, sz * base))
        for sx in (-1, 1):
            made.add(
                "wheels",
                cylinder(wheel, rng.uniform(0.032, 0.044), 0.005),
                at=(sx * track / 2, wheel, sz * base),
                rotation=Y_TO_X,
                edge=0.02,
            )
    top = height + thick / 2
    made.frame("deck", (0, top, 0), (0, 1, 0), (0, 0, 1))
    made.frame("foot_front", (0, top, base), (0, 1, 0), (0, 0, 1))
    made.frame("foot_back", (0, top, -base), (0, 1, 0), (0, 0, 1))
    made.frame("carry", (-width / 2 + thick / 2, height, 0), (0, 0, 1), (1, 0, 0), thick / 2)
    made.colours = {
        "deck": paint(rng, pick(rng, "dark", "dark", "any", "wood")),
        "underside": paint(rng, pick(rng, "any", "wood")),
        "trucks": paint(rng, "metal"),
        "wheels": paint(rng, pick(rng, "any", "light", "dark")),
    }
    made.sizes = {"length": length, "width": width, "deck_height": top}
    return made


def surfboard(rng: np.random.Generator) -> Assembly:
    """Lie flat, middle of the underside at y = 0 (fins below), nose towards +z.

    Frames: deck (where a surfer stands, between the feet), foot_front and foot_back, lie (chest of
    a lying surfer, +z to the nose), carry (the -x rail at the middle, palm outside, axis along the
    board), carry_nose and carry_tail (the same rail nearer the ends).
    """
    made = Assembly(edge=0.050)
    style = pick(rng, "short", "long", "fish", "fun")
    length = {
        "short": rng.uniform(1.70, 1.95),
        "long": rng.uniform(2.40, 2.80),
        "fish": rng.uniform(1.60, 1.80),
        "fun": rng.uniform(2.05, 2.35),
    }[style]
    width, thick = rng.uniform(0.47, 0.57), rng.uniform(0.055, 0.075)
    power = {"short": 1.55, "long": 2.3, "fish": 1.7, "fun": 1.9}[style] + rng.uniform(-0.1, 0.1)
    z, half = _outline(length, width, length * 0.60, length * 0.40, power)
    half = np.maximum(half, np.where(z < -length * 0.47, 0.06 if style != "long" else 0.09, 0.0))
    stations = np.linspace(-length / 2, length / 2, 7)
    rocker = rng.uniform(0.06, 0.13)
    heights = np.where(stations > 0, rocker, rocker * 0.4) * (2 * stations / length) ** 2
    board = Bent(Plate(z, -half, half, thick, thick * 0.42), stations, heights)
    band = rng.uniform(0.02, 0.06) if rng.uniform() < 0.5 else 0.008
    tip = length * rng.uniform(0.15, 0.40)
    across = rng.uniform() < 0.4

    def split(vertices: Array) -> np.ndarray:
        x, along = vertices[:, 0], vertices[:, 2]
        y = vertices[:, 1] - np.interp(along, stations, heights)
        outer = np.abs(x) > np.interp(along, z, half) - 0.035
        marked = np.abs(along - tip) < 0.12 if across else np.abs(x) < band
        return np.where(outer, 3, np.where(y < 0, 1, np.where(marked, 2, 0)))

    names = ("deck", "underside", "stripe", "rail")
    made.add(names, board, at=(0, thick / 2, 0), split=split)
    tail = -length / 2
    fins = [(0.0, 0.16)] if style == "long" else [(-0.11, 0.24), (0.11, 0.24), (0.0, 0.13)]
    fins = fins[:2] if style == "fish" else fins
    for x, ahead in fins:
        tall, root = (0.16, 0.16) if style == "long" else (0.10, 0.11)
        s = np.linspace(0, 1, 6)
        back = root * (-0.5 - 0.35 * s**1.5)
        front = root * (0.5 - 1.2 * s**1.3)
        fin = Plate((s - 0.5) * tall, back, np.maximum(front, back + 0.004), 0.009, 0.004)
        turn_down = np.column_stack([(0, 0, 1), (-1, 0, 0), (0, -1, 0)])
        lift = float(np.interp(tail + ahead, stations, heights))
        at = (x, lift - tall / 2 + 0.012, tail + ahead)
        made.add("fins", fin, at=at, rotation=turn_down, edge=0.03)

    def top(along: float) -> float:
        return thick + float(np.interp(along, stations, heights))

    for name, along in (("deck", -0.16), ("foot_front", 0.10), ("foot_back", -0.42), ("lie", 0.05)):
        made.frame(name, (0, top(along * length / 2), along * length / 2), (0, 1, 0), (0, 0, 1))
    for name, along in (("carry", 0.0), ("carry_nose", 0.35), ("carry_tail", -0.35)):
        at_z = along * length / 2
        edge_x = -float(np.interp(at_z, z, half)) + thick / 2
        at = (edge_x, top(at_z) - thick / 2, at_z)
        made.frame(name, at, (0, 0, 1), (1, 0, 0), thick / 2)
    deck = paint(rng, pick(rng, "light", "light", "any"))
    made.colours = {
        "deck": deck,
        "underside": paint(rng, pick(rng, "light", "any")),
        "stripe": paint(rng),
        "rail": paint(rng) if rng.uniform() < 0.5 else deck,
        "fins": paint(rng, pick(rng, "dark", "any")),
    }
    made.sizes = {"length": length, "width": width, "thickness": thick}
    return made

"""Skateboard and surfboard: boards ridden standing, nose towards +z."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, Y_TO_X, paint, pick
from ivlm_core.synthesis.objects.primitives import Bent, Box, Plate, Tube, cylinder

SKATEBOARD_AFFORDANCES = {
    "ride": ("deck",),
    "support": ("deck",),
    "carry": ("deck", "underside"),
    "grasp": ("deck", "underside"),
}


def _outline(
    length: float, width: float, nose: float, tail: float, power: float, count: int = 23
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

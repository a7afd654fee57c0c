"""Snowboard and skis: what slides on snow, tips towards +z, underside at y = 0."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Bent, Plate
from ivlm_core.synthesis.objects.primitives import Box

SNOWBOARD_AFFORDANCES = {
    "ride": ("deck", "pads"),
    "support": ("deck", "pads"),
    "carry": ("deck", "underside"),
    "grasp": ("deck", "underside"),
}
SKIS_AFFORDANCES = {
    "ride": ("top", "binding"),
    "support": ("top", "binding"),
    "move": ("top",),
}


def _curved(length: float, half: Array, thick: float, tip: float, tail: float) -> Bent:
    """A plate along z with half widths [K] at even stations, its ends bent up (metres)."""
    z = np.linspace(-length / 2, length / 2, len(half))
    board = Plate(z, -half, half, thick, thick / 2 - 0.0005)
    stations = np.array([-0.5, -0.44, -0.39, 0.36, 0.43, 0.5]) * length
    return Bent(board, stations, np.array([tail, tail * 0.35, 0, 0, tip * 0.35, tip]))


def snowboard(rng: np.random.Generator) -> Assembly:
    """Lie flat on y = 0, nose towards +z.

    Frames: deck (between the feet), foot_front and foot_back (on the binding pads), carry (the -x
    edge, palm outside, axis along the board).
    """
    made = Assembly(edge=0.05)
    length, width = rng.uniform(1.38, 1.65), rng.uniform(0.25, 0.30)
    thick = rng.uniform(0.010, 0.014)
    share = np.linspace(-1, 1, 17)
    half = width / 2 * (0.90 + 0.10 * share**2)
    half *= np.sqrt(np.clip(1 - np.clip((np.abs(share) - 0.80) / 0.2, 0, 1) ** 2, 0, 1))
    board = _curved(length, half, thick, rng.uniform(0.05, 0.08), rng.uniform(0.04, 0.07))

    def split(vertices: Array) -> np.ndarray:
        return (vertices[:, 1] < np.interp(vertices[:, 2], board.stations, board.heights)).astype(
            int
        )

    made.add(("deck", "underside"), board, at=(0, thick / 2, 0), split=split)
    stance = rng.uniform(0.23, 0.28)
    pad = rng.uniform(0.012, 0.022)
    for z in (-stance, stance):
        size = (width * 0.86, pad, rng.uniform(0.13, 0.16))
        made.add("pads", Box(size, 0.004), at=(0, thick + pad / 2 - 0.002, z), edge=0.035)
    top = thick + pad - 0.002
    made.frame("deck", (0, thick, 0), (0, 1, 0), (0, 0, 1))
    made.frame("foot_front", (0, top, stance), (0, 1, 0), (0, 0, 1))
    made.frame("foot_back", (0, top, -stance), (0, 1, 0), (0, 0, 1))
    edge = (-float(half[8]) + thick / 2, thick / 2, 0)
    made.frame("carry", edge, (0, 0, 1), (1, 0, 0), thick / 2)
    made.colours = {
        "deck": paint(rng, pick(rng, "any", "any", "dark")),
        "underside": paint(rng, pick(rng, "any", "light")),
        "pads": paint(rng, "dark"),
    }
    made.sizes = {"length": length, "width": width, "deck_height": top}
    return made


def skis(rng: np.random.Generator) -> Assembly:
    """Lie flat on y = 0 beside each other, tips towards +z; the left one is at +x.

    Frames: foot_left and foot_right (on the bindings, +y up, +z forward).
    """
    made = Assembly(edge=0.05)
    length = rng.uniform(1.50, 1.85)
    waist = rng.uniform(0.070, 0.095)
    thick = rng.uniform(0.012, 0.018)
    apart = rng.uniform(0.10, 0.18)
    share = np.linspace(-1, 1, 13)
    half = waist / 2 * (1 + 0.35 * share**2)
    half[[0, -1]] = waist * 0.12
    board = _curved(length, half, thick, rng.uniform(0.08, 0.13), rng.uniform(0.0, 0.02))
    made.add("top", Mirrored(board, at=(apart, thick / 2, 0)))
    tall = rng.uniform(0.025, 0.04)
    at = (apart, thick + tall / 2 - 0.002, -0.02)
    made.add("binding", Mirrored(Box((waist * 0.85, tall, 0.30), 0.006), at=at), edge=0.035)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        place = (sign * apart, thick + tall - 0.002, -0.02)
        made.frame(f"foot_{name}", place, (0, 1, 0), (0, 0, 1))
    made.colours = {
        "top": paint(rng, pick(rng, "any", "any", "light", "dark")),
        "binding": paint(rng, pick(rng, "dark", "any")),
    }
    made.sizes = {"length": length, "deck_height": thick + tall - 0.002}
    return made

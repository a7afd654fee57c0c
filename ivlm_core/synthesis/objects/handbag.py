"""Handbags: carried by the handle, over the forearm, or by a strap over the shoulder."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, cylinder
from ivlm_core.synthesis.objects.tools import BLADE
from ivlm_core.synthesis.objects.tube import Tube

HANDBAG_AFFORDANCES = {
    "carry": ("handle", "strap"),
    "lift": ("handle", "strap"),
    "grasp": ("handle", "strap"),
    "open": ("clasp", "flap", "opening"),
    "contain": ("body", "opening"),
}


def handbag(rng: np.random.Generator, line: Array | None = None) -> Assembly:
    """Stand on y = 0, long side and carrying loop in the y-z plane.

    Frames: grip (top of the loop at a hanging arm, axis along z), loop (the same place, +y up,
    where it hangs over a forearm along x). Those with a strap also have strap_front (+z end) and
    strap_back, where it leaves the bag; `sizes["strap"]` is its radius, 0 without one.

    Args:
        rng: source of all choices.
        line: centre line [K, 3] of the strap in this frame from its front to its back end; none
            means as it hangs.
    """
    made = Assembly(edge=0.020)
    style = pick(rng, "tote", "satchel", "shoulder", "hobo")
    long, height, deep = {
        "tote": rng.uniform((0.28, 0.24, 0.09), (0.38, 0.32, 0.14)),
        "satchel": rng.uniform((0.22, 0.17, 0.08), (0.32, 0.24, 0.13)),
        "shoulder": rng.uniform((0.19, 0.14, 0.06), (0.27, 0.20, 0.09)),
        "hobo": rng.uniform((0.26, 0.18, 0.09), (0.34, 0.25, 0.13)),
    }[style]
    taper = rng.uniform(0.78, 1.0) if style != "tote" else rng.uniform(1.0, 1.2)
    s = np.linspace(0, 1, 7)
    half = long / 2 * (1 + (taper - 1) * s)
    if style == "hobo":
        half = long / 2 * (0.86 + 0.14 * np.sin(np.pi * np.minimum(s * 1.3, 1.0)))
    body = Plate((s - 0.5) * height, -half, half, deep, min(0.028, deep * 0.35))
    made.add("body", body, at=(0, height / 2, 0), rotation=BLADE)
    top_half = float(half[-1])
    flapped = style in ("satchel", "shoulder") and rng.uniform() < 0.7
    if flapped:
        drop = height * rng.uniform(0.35, 0.65)
        size = (deep * 0.5 + 0.006, drop, 2 * top_half * 0.92)
        made.add("flap", Box(size, 0.006), at=(deep * 0.25, height - drop / 2 + 0.005, 0))
        made.add(
            "clasp",
            cylinder(rng.uniform(0.009, 0.015), 0.012, 0.002),
            at=(deep * 0.5 + 0.002, height - drop + 0.025, 0),
            rotation=BLADE @ np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
            edge=0.01,
        )
        made.colours["flap"] = paint(rng)
    else:
        mouth = Box((deep * 0.45, 0.012, 2 * top_half * 0.86), 0.004)
        made.add("opening", mouth, at=(0, height - 0.001, 0))
        made.add("clasp", Box((0.014, 0.014, 0.020), 0.004), at=(0, height + 0.006, 0), edge=0.01)
        made.colours["opening"] = paint(rng, "dark")
    strapped = style in ("shoulder", "hobo")
    made.sizes["strap"] = 0.0
    if strapped:
        radius = rng.uniform(0.0065, 0.0095)
        ends = top_half * 0.86
        rise = rng.uniform(0.20, 0.30)
        angle = np.linspace(0, np.pi, 11)
        arch = np.stack(
            [
                np.zeros(11),
                height - 0.01 + rise * np.sin(angle) ** 0.7,
                ends * np.cos(angle) * (1 - 0.35 * np.sin(angle)),
            ],
            1,
        )
        given = arch if line is None else np.asarray(line, float)
        made.add("strap", Tube(given, radius), edge=0.014)
        made.frame("strap_front", (0, height - 0.01, ends), (0, 1, 0), (0, 0, 1))
        made.frame("strap_back", (0, height - 0.01, -ends), (0, 1, 0), (0, 0, 1))
        top, reach = float(given[len(given) // 2, 1]), radius
        middle = given[len(given) // 2]
        made.sizes["strap"] = radius
        made.colours["strap"] = paint(rng, pick(rng, "dark", "any", "metal"))
    else:
        radius = rng.uniform(0.0075, 0.0105)
        wide = min(top_half * 0.8, rng.uniform(0.06, 0.09))
        rise = rng.uniform(0.125, 0.20)
        shares = np.array([-1, -0.98, -0.8, -0.4, 0.4, 0.8, 0.98, 1])
        heights = np.array([0, 0.45, 0.85, 1, 1, 0.85, 0.45, 0])
        two = style == "tote" or rng.uniform() < 0.5
        top = height + rise
        for sign in (-1, 1) if two else (0,):
            # Two handles meet at the top, where the hand takes both.
            across = sign * np.where(heights > 0.8, radius, deep * 0.36)
            loop = np.stack([across, height - 0.012 + (rise + 0.012) * heights, wide * shares], 1)
            made.add("handle", Tube(loop, radius), edge=0.013)
        reach = 2 * radius if two else radius
        middle = np.array([0, top, 0])
        made.colours["handle"] = paint(rng, pick(rng, "dark", "any"))
    made.frame("grip", middle, (0, 0, 1), (-1, 0, 0), reach)
    made.frame("loop", middle, (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "dark", "wood"))
    if flapped and rng.uniform() < 0.6:
        made.colours["flap"] = main
    made.colours |= {"body": main, "clasp": (200, 170, 90) if rng.uniform() < 0.6 else (190,) * 3}
    made.sizes |= {"height": height, "depth": deep, "loop": top}
    return made

"""Tables and desks: something to lean on, sit on the edge of and put things on."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.furniture import four_legs
from ivlm_core.synthesis.objects.instance import Assembly, paint, pick
from ivlm_core.synthesis.objects.primitives import Box, cylinder
from ivlm_core.synthesis.objects.tube import Tube

TABLE_AFFORDANCES = {
    "support": ("top",),
    "move": ("top", "legs"),
    "sit": ("top",),
}


def table(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, wide along x; who uses it stands at +z.

    Frames: edge (on the top at its +z edge, +y up, +z outwards), seat (on the top where one sits
    on that edge, +y up, +z outwards).
    """
    made = Assembly(edge=0.047)
    height = rng.uniform(0.68, 0.78) if rng.uniform() < 0.75 else rng.uniform(0.85, 0.95)
    width, depth = rng.uniform(0.85, 1.7), rng.uniform(0.55, 0.90)
    thick = rng.uniform(0.022, 0.05)
    style = pick(rng, "legs", "legs", "panels", "round", "trestle")
    below = height - thick
    at = (0, below + thick / 2, 0)
    if style == "round":
        width = depth = rng.uniform(0.75, 1.15)
        made.add("top", cylinder(width / 2, thick, 0.006), at=at)
        made.add("legs", cylinder(rng.uniform(0.03, 0.06), below), at=(0, below / 2, 0))
        foot = np.array([(0, 0.05, 0), (0, 0.022, width * 0.33)])
        made.add("legs", Spokes(Tube(foot, 0.022), int(rng.integers(3, 6))))
    else:
        made.add("top", Box((width, thick, depth), rng.uniform(0.003, 0.010)), at=at)
        inset = rng.uniform(0.0, 0.06)
        half = (width / 2 - inset, depth / 2 - inset)
        if style == "legs":
            round_legs = rng.uniform() < 0.5
            splay = rng.uniform(0, 0.03) if round_legs else 0.0
            radius = rng.uniform(0.018, 0.035)
            four_legs(made, half, below + 0.005, splay, radius, square=not round_legs)
            tall = rng.uniform(0.05, 0.10)
            y = below - tall / 2 + 0.002
            rail = Box((0.02, tall, 2 * half[1] - 0.09), 0.003)
            made.add("frame", Mirrored(rail, at=(half[0] - 0.035, y, 0)))
            for z in (-half[1] + 0.045, half[1] - 0.045):
                made.add("frame", Box((2 * half[0] - 0.09, tall, 0.02), 0.003), at=(0, y, z))
        elif style == "panels":
            panel = Box((0.03, below + 0.005, depth * 0.9), 0.004)
            made.add("legs", Mirrored(panel, at=(half[0] - 0.02, below / 2 + 0.0025, 0)))
            made.add("frame", Box((width * 0.9, 0.30, 0.018), 0.003), at=(0, below - 0.15, -0.1))
        else:
            x = half[0] - 0.12
            post = Box((0.06, below + 0.005, 0.06), 0.005)
            made.add("legs", Mirrored(post, at=(x, below / 2 + 0.0025, 0)))
            foot_bar = Box((0.07, 0.05, depth * 0.85), 0.006)
            made.add("legs", Mirrored(foot_bar, at=(x, 0.025, 0)))
            made.add("frame", Box((2 * x, 0.06, 0.03), 0.004), at=(0, below * 0.4, 0))
    made.frame("edge", (0, height, depth / 2 - 0.012), (0, 1, 0), (0, 0, 1))
    made.frame("seat", (0, height, depth / 2 - 0.14), (0, 1, 0), (0, 0, 1))
    made.colours = {
        "top": paint(rng, pick(rng, "wood", "wood", "light", "any")),
        "legs": paint(rng, pick(rng, "wood", "metal", "dark", "light")),
        "frame": paint(rng, pick(rng, "wood", "metal", "dark")),
    }
    made.sizes = {"height": height, "width": width, "depth": depth}
    return made

"""Headphones with a band over the head."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Solid
from ivlm_core.synthesis.objects.primitives import Box, Torus, cylinder
from ivlm_core.synthesis.objects.tube import Tube

HEADPHONES_AFFORDANCES = {
    "listen": ("pad_left", "pad_right"),
    "wear": ("band", "cushion", "pad_left", "pad_right"),
    "grasp": ("band", "cup_left", "cup_right"),
}


def headphones(rng: np.random.Generator) -> Assembly:
    """Origin midway between the ears, band upwards, nose of the wearer towards +z.

    Frames: ear_left (+x side: on the pad, +z towards the head), ear_right, grip (top of the band,
    axis along x, palm above). `sizes["half_width"]` is from the middle to a pad's surface,
    `sizes["height"]` from the ears to the band's inner top.
    """
    made = Assembly(edge=0.011)
    style = pick(rng, "studio", "studio", "light", "gaming")
    half, height = rng.uniform(0.070, 0.080), rng.uniform(0.125, 0.140)
    cup = {"studio": rng.uniform(0.036, 0.044), "light": rng.uniform(0.024, 0.030)}.get(
        style, rng.uniform(0.040, 0.046)
    )
    deep = rng.uniform(0.016, 0.024)
    pad = rng.uniform(0.008, 0.013)
    thin = rng.uniform(0.0040, 0.0060) + (0.002 if style == "gaming" else 0.0)
    out = half + pad + deep / 2
    angle = np.linspace(0, np.pi, 17)
    arc = np.stack(
        [
            out * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.85,
            0.010 + (height + thin - 0.010) * np.sin(angle) ** 0.72,
            np.zeros(17),
        ],
        1,
    )
    made.add("band", Tube(arc, thin))
    if rng.uniform() < 0.7:
        made.add("cushion", Tube(arc[5:12] - (0, 0.0005, 0), thin * 1.35), edge=0.009)
        made.colours["cushion"] = paint(rng, pick(rng, "dark", "any"))
        thin *= 1.35
    oval = style == "studio" and rng.uniform() < 0.5
    shell: Solid = cylinder(cup, deep, 0.005)
    soft: Solid = cylinder(cup * 0.96, pad + 0.004, pad * 0.4)
    if oval:
        shell = Box((2.15 * cup, deep, 1.6 * cup), deep * 0.35)
        soft = Box((2.1 * cup, pad + 0.004, 1.55 * cup), pad * 0.4)
    ringed = not oval and rng.uniform() < 0.8
    for name, sign in (("left", 1), ("right", -1)):
        made.add(f"cup_{name}", shell, at=(sign * out, 0, 0), rotation=Y_TO_X)
        at = (sign * (half + pad / 2 + 0.002), 0, 0)
        made.add(f"pad_{name}", soft, at=at, rotation=Y_TO_X)
        if ringed:
            at = (sign * (out + deep / 2), 0, 0)
            made.add("ornament", Torus(cup * 0.7, 0.003), at=at, rotation=Y_TO_X, edge=0.012)
        made.frame(f"ear_{name}", (sign * half, 0, 0), (0, 1, 0), (-sign, 0, 0))
    if ringed:
        made.colours["ornament"] = paint(rng)
    if style == "gaming":
        side = float(rng.choice((-1, 1)))
        start = np.array([side * (out + 0.004), -cup * 0.5, cup * 0.4])
        arm = start + np.array([(0, 0, 0), (0, -0.02, 0.05), (-side * 0.03, -0.035, 0.085)])
        made.add("microphone", Tube(arm, (0.003, 0.003, 0.006)))
        made.colours["microphone"] = paint(rng, "dark")
    made.frame("grip", (0, height + thin, 0), (1, 0, 0), (0, -1, 0), thin)
    main = paint(rng, pick(rng, "dark", "any", "any", "light"))
    soft_colour = paint(rng, pick(rng, "dark", "dark", "any"))
    made.colours |= {
        "band": main if rng.uniform() < 0.6 else paint(rng),
        "cup_left": main,
        "cup_right": main,
        "pad_left": soft_colour,
        "pad_right": soft_colour,
    }
    made.sizes = {"half_width": half, "height": height}
    return made

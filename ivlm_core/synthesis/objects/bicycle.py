"""Bicycles."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, Torus, cylinder
from ivlm_core.synthesis.objects.tube import Tube

BICYCLE_AFFORDANCES = {
    "ride": ("saddle", "grips", "pedals"),
    "sit": ("saddle",),
    "push": ("grips", "handlebar", "saddle"),
    "move": ("grips", "saddle"),
    "grasp": ("grips",),
}


def _wheel(made: Assembly, radius: float, tyre: float, z: float) -> None:
    """Add tyre, rim, hub and spokes of a wheel in the plane x = 0."""
    at = (0, radius, z)
    made.add("tyres", Torus(radius - tyre, tyre), at=at, rotation=Y_TO_X, edge=0.034)
    made.add("rims", Torus(radius - 2 * tyre, 0.009, sides=4), at=at, rotation=Y_TO_X, edge=0.06)
    made.add("rims", cylinder(0.020, 0.08), at=at, rotation=Y_TO_X, edge=0.05)
    spoke = np.array([(0, 0, 0.012), (0, 0, radius - 2 * tyre)])
    made.add("rims", Spokes(Tube(spoke, 0.0022, sides=3), 12), at=at, rotation=Y_TO_X, edge=0.11)


def _bar(style: str, half: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Right half (x >= 0) of a handlebar and of its grip, relative to the stem, [K, 3] each."""
    if style == "drop":
        bar = [
            (0, 0, 0),
            (half, 0, 0),
            (half, 0.0, 0.07),
            (half, -0.03, 0.10),
            (half, -0.10, 0.08),
            (half, -0.13, 0.03),
            (half, -0.13, -0.05),
        ]
        return np.array(bar), np.array([(half, 0.004, 0.0), (half, 0.016, 0.10)])
    if style == "cruiser":
        rise = rng.uniform(0.06, 0.12)
        bar = [
            (0, 0, 0),
            (0.08, 0, 0.02),
            (half * 0.75, rise, 0.01),
            (half, rise, -0.06),
            (half + 0.01, rise, -0.17),
        ]
        line = np.array(bar)
        return line, np.stack([line[3] + 0.2 * (line[4] - line[3]), line[4]])
    rise = rng.uniform(0.0, 0.05)
    line = np.array([(0, 0, 0), (0.06, 0, 0), (0.14, rise, -0.005), (half, rise, -0.03)])
    start = line[2] + (1 - 0.125 / (half - 0.14)) * (line[3] - line[2])
    return line, np.stack([start, line[3]])


def bicycle(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, travelling towards +z; the rider's left is +x.

    Frames: saddle, grip_left and grip_right (+y outwards along the grip, or forwards where the
    grip points ahead; palm above and behind), grip_saddle (its nose, for pushing: +y forward, palm
    above), pedal_left and pedal_right (on top, +y up, +z forward), stem (middle of the handlebar).
    """
    made = Assembly(edge=0.06)
    style = pick(rng, "flat", "flat", "drop", "cruiser", "step")
    radius = rng.uniform(0.315, 0.350)
    tyre = {"drop": 0.014, "flat": rng.uniform(0.018, 0.027)}.get(style, 0.020)
    base = rng.uniform(0.98, 1.10)
    crank = np.array([0, rng.uniform(0.265, 0.290), -0.06])
    rear = np.array([0, radius, crank[2] - rng.uniform(0.41, 0.46)])
    front = np.array([0, radius, rear[2] + base])
    saddle_height = rng.uniform(0.82, 0.96)
    lean = np.radians(rng.uniform(15, 20))
    up_seat = np.array([0, np.cos(lean), -np.sin(lean)])
    seat_top = crank + up_seat * (saddle_height - 0.05 - crank[1]) / up_seat[1]
    cluster = crank + up_seat * rng.uniform(0.40, 0.50)
    steer_lean = np.radians(rng.uniform(16, 21))
    up_steer = np.array([0, np.cos(steer_lean), -np.sin(steer_lean)])
    head_low = front + up_steer * (radius + 0.075) - np.array([0, 0, 0.045])
    head_top = head_low + up_steer * rng.uniform(0.12, 0.17)
    stem_base = head_top + up_steer * rng.uniform(0.03, 0.06)
    ahead = {"drop": 0.09, "flat": 0.07}.get(style, 0.03)
    lift = {"drop": 0.0, "flat": 0.03}.get(style, 0.08)
    bar_at = stem_base + np.array([0, lift, ahead])
    pipe = rng.uniform(0.014, 0.020)

    _wheel(made, radius, tyre, float(rear[2]))
    _wheel(made, radius, tyre, float(front[2]))
    made.add("frame", Tube(np.stack([crank, cluster + up_seat * 0.02]), pipe))
    made.add("frame", Tube(np.stack([crank, head_low + up_steer * 0.02]), pipe * 1.15))
    upper_end = head_top - up_steer * 0.025
    if style in ("step", "cruiser"):
        low = crank + up_seat * rng.uniform(0.14, 0.24)
        middle = 0.5 * (low + upper_end) - np.array([0, 0.06, 0])
        made.add("frame", Tube(np.stack([low, middle, upper_end]), pipe))
    else:
        made.add("frame", Tube(np.stack([cluster, upper_end]), pipe))
    made.add("frame", Tube(np.stack([head_low, head_top]), pipe * 1.2))
    for start in (cluster, crank):
        stay = np.stack([start + [0.016, 0, 0], rear + [0.055, 0, 0]])
        made.add("frame", Mirrored(Tube(stay, 0.008, sides=6)))
    crown = head_low - up_steer * 0.01
    fork = np.stack(
        [crown + [0.042, 0, 0], front + up_steer * 0.10 + [0.048, 0, -0.03], front + [0.050, 0, 0]]
    )
    made.add("fork", Mirrored(Tube(fork, (0.013, 0.011, 0.008), sides=6)))
    made.add("fork", Box((0.10, 0.028, 0.034), 0.01), at=crown)
    made.add("post", Tube(np.stack([cluster, seat_top]), 0.012))
    long, wide = rng.uniform(0.25, 0.28), rng.uniform(0.13, 0.20)
    share = np.array([0, 0.06, 0.22, 0.4, 0.58, 0.8, 0.95, 1])
    half = wide / 2 * np.array([0.55, 0.85, 1.0, 0.85, 0.45, 0.27, 0.22, 0.10])
    half = np.maximum(half, 0.022)
    seat_z = seat_top[2] + 0.02
    seat_at = (0, saddle_height - 0.025, seat_z)
    made.add("saddle", Plate((share - 0.5) * long, -half, half, 0.05, 0.018), at=seat_at, edge=0.03)
    made.frame("saddle", (0, saddle_height, seat_z - 0.05), (0, 1, 0), (0, 0, 1))
    nose = (0, saddle_height - 0.025, seat_z + 0.36 * long)
    made.frame("grip_saddle", nose, (0, 0, 1), (0, -1, 0), 0.025)

    made.add("handlebar", Tube(np.stack([head_top - up_steer * 0.02, stem_base]), 0.016))
    made.add("handlebar", Tube(np.stack([stem_base, bar_at]), 0.015))
    half_bar = rng.uniform(0.20, 0.22) if style == "drop" else rng.uniform(0.28, 0.34)
    line, grip = _bar("cruiser" if style == "step" else style, half_bar, rng)
    made.add("handlebar", Mirrored(Tube(line, 0.011)), at=bar_at, edge=0.04)
    thick = 0.017
    made.add("grips", Mirrored(Tube(grip, thick)), at=bar_at, edge=0.022)
    along = grip[1] - grip[0]
    middle = grip.mean(0)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([sign, 1, 1])
        down = np.array([0, -0.85, 0.53])
        made.frame(f"grip_{name}", bar_at + middle * mirror, along * mirror, down, thick)
    made.frame("stem", bar_at, (0, 1, 0), (0, 0, 1))

    angle = rng.uniform(0, 360)
    spin = turn("x", angle)
    made.add("crank", cylinder(0.020, 0.12), at=crank, rotation=Y_TO_X, edge=0.04)
    ring = rng.uniform(0.075, 0.10)
    made.add("crank", Torus(ring, 0.006, sides=6), at=crank - [0.045, 0, 0], rotation=Y_TO_X)
    arm = np.array([(0, 0, 0), (0, 0, ring)])
    made.add(
        "crank", Spokes(Tube(arm, 0.006, sides=4), 5), at=crank - [0.045, 0, 0], rotation=Y_TO_X
    )
    for name, sign in (("left", 1.0), ("right", -1.0)):
        reach = spin @ np.array([0, 0, 0.17 * sign])
        root = crank + [sign * 0.062, 0, 0]
        made.add("crank", Tube(np.stack([root, root + reach]), 0.010, sides=6))
        pedal = root + reach + [sign * 0.062, 0, 0]
        made.add("pedals", Box((0.095, 0.022, 0.085), 0.006), at=pedal, edge=0.03)
        made.frame(f"pedal_{name}", pedal + [0, 0.011, 0], (0, 1, 0), (0, 0, 1))
    if style in ("cruiser", "step") and rng.uniform() < 0.6:
        rack = np.array([0, 2 * radius + 0.05, rear[2] - 0.02])
        made.add("rack", Box((0.13, 0.014, 0.32), 0.005), at=rack)
        strut = np.stack([rear + [0.058, 0, 0], rack + [0.055, 0, -0.10]])
        made.add("rack", Mirrored(Tube(strut, 0.006, sides=6)))
        link = np.stack([rack + [0, 0, 0.14], cluster + up_seat * 0.0])
        made.add("rack", Tube(link, 0.008, sides=6))
        made.colours["rack"] = paint(rng, pick(rng, "dark", "metal"))
    if style in ("cruiser", "step") and rng.uniform() < 0.5:
        at = bar_at + np.array([0, -0.10, 0.15])
        made.add("basket", Box((0.32, 0.20, 0.20), 0.02), at=at)
        made.colours["basket"] = paint(rng, pick(rng, "wood", "dark"))
    main = paint(rng)
    made.colours |= {
        "tyres": paint(rng, "dark"),
        "rims": paint(rng, "metal"),
        "frame": main,
        "fork": main if rng.uniform() < 0.6 else paint(rng, pick(rng, "dark", "metal")),
        "post": paint(rng, "metal"),
        "saddle": paint(rng, pick(rng, "dark", "wood", "any")),
        "handlebar": paint(rng, pick(rng, "dark", "metal")),
        "grips": paint(rng, pick(rng, "dark", "any", "wood")),
        "crank": paint(rng, "metal"),
        "pedals": paint(rng, "dark"),
    }
    made.sizes = {
        "saddle_height": saddle_height,
        "wheel_radius": radius,
        "handlebar_height": float(bar_at[1]),
    }
    return made

"""Motorcycles."""

import numpy as np

from ivlm_core.synthesis.objects.copies import Mirrored, Spokes
from ivlm_core.synthesis.objects.instance import Y_TO_X, Assembly, paint, pick
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, Ellipsoid, Torus, cylinder
from ivlm_core.synthesis.objects.tube import Tube

MOTORCYCLE_AFFORDANCES = {
    "ride": ("saddle", "grips", "pegs"),
    "sit": ("saddle",),
    "push": ("grips", "handlebar", "saddle"),
    "move": ("grips", "saddle"),
    "grasp": ("grips",),
}


def _wheel(made: Assembly, radius: float, tyre: float, z: float) -> None:
    """Add tyre, rim, spokes and disc of a wheel in the plane x = 0."""
    at = (0, radius, z)
    made.add("tyres", Torus(radius - tyre, tyre, 12), at=at, rotation=Y_TO_X, edge=0.04)
    made.add("rims", Torus(radius - 2 * tyre, 0.014, sides=6), at=at, rotation=Y_TO_X, edge=0.07)
    made.add("rims", cylinder(0.05, 0.14), at=at, rotation=Y_TO_X, edge=0.06)
    spoke = np.array([(0, 0, 0.04), (0, 0, radius - 2 * tyre)])
    made.add("rims", Spokes(Tube(spoke, 0.012, sides=5), 6), at=at, rotation=Y_TO_X, edge=0.10)


def motorcycle(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0, travelling towards +z; the rider's left is +x.

    Frames: saddle, grip_left and grip_right (+y outwards along the grip, palm above and behind),
    grip_saddle (the saddle's end, for pushing: +y forward, palm above), pedal_left and pedal_right
    (the pegs, on top, +y up, +z forward), stem (middle of the handlebar).
    """
    made = Assembly(edge=0.06)
    style = pick(rng, "road", "cruiser", "scrambler")
    radius, tyre = rng.uniform(0.28, 0.33), rng.uniform(0.050, 0.065)
    base = rng.uniform(1.30, 1.48)
    rear, front = -base * 0.47, base * 0.53
    saddle = {"road": 0.78, "cruiser": 0.70, "scrambler": 0.82}[style] + rng.uniform(-0.03, 0.02)
    _wheel(made, radius, tyre, rear)
    _wheel(made, radius, tyre, front)
    made.add("engine", Box((0.24, 0.30, 0.36), 0.03), at=(0, 0.40, 0.0))
    made.add("engine", cylinder(0.10, 0.32, 0.02), at=(0, 0.34, -0.08), rotation=Y_TO_X, edge=0.045)
    head = np.array([0, rng.uniform(0.84, 0.90), front - 0.42])
    made.add("frame", Tube(np.array([(0, 0.55, -0.18), (0, saddle - 0.10, -0.15), head]), 0.026))
    made.add("frame", Tube(np.array([head, (0, 0.45, 0.22), (0, 0.28, 0.12)]), 0.022))
    arm = np.array([(0.09, 0.36, -0.14), (0.085, radius, rear)])
    made.add("frame", Mirrored(Tube(arm, 0.020)))
    shock = np.array([(0.10, radius + 0.05, rear + 0.06), (0.09, saddle - 0.10, rear + 0.24)])
    made.add("frame", Mirrored(Tube(shock, 0.020)))
    axle = np.array([0.085, radius, front])
    fork = np.stack([axle, head * [0, 1, 1] + [0.085, 0.02, 0.02]])
    made.add("fork", Mirrored(Tube(fork, (0.026, 0.020))))
    made.add("fork", Box((0.20, 0.03, 0.07), 0.01), at=head + [0, 0.0, 0.015])
    tank = (rng.uniform(0.10, 0.13), rng.uniform(0.09, 0.12), rng.uniform(0.20, 0.25))
    made.add("tank", Ellipsoid(tank), at=(0, saddle + 0.04, 0.14), edge=0.05)
    long, wide = rng.uniform(0.52, 0.66), rng.uniform(0.22, 0.28)
    half = wide / 2 * np.array([0.7, 0.95, 1.0, 1.0, 0.85, 0.65, 0.6])
    share = np.array([0, 0.06, 0.2, 0.5, 0.75, 0.94, 1.0])
    seat_z = 0.02 - long / 2
    seat = Plate((share - 0.5) * long, -half, half, 0.09, 0.035)
    made.add("saddle", seat, at=(0, saddle - 0.045, seat_z), edge=0.045)
    made.frame("saddle", (0, saddle, seat_z + long * 0.16), (0, 1, 0), (0, 0, 1))
    end = (0, saddle - 0.045, seat_z - long * 0.40)
    made.frame("grip_saddle", end, (0, 0, 1), (0, -1, 0), 0.045)
    for z, low in ((rear, saddle - 0.16), (front, None)):
        reach = radius + 0.035
        angles = np.radians(np.linspace(35, 150, 7) if low else np.linspace(50, 140, 7))
        arc = np.stack([0 * angles, radius + reach * np.sin(angles), z + reach * np.cos(angles)], 1)
        made.add("fenders", Tube(arc, 0.032, sides=8), edge=0.05)
    lamp = rng.uniform(0.07, 0.10)
    at = head + [0, 0.04, 0.10]
    made.add("lamp", Ellipsoid((lamp, lamp, lamp)), at=at, edge=0.035)
    pipe = np.array(
        [(0.13, 0.40, 0.16), (0.16, 0.22, 0.10), (0.17, 0.22, -0.2), (0.17, 0.30, rear)]
    )
    made.add("exhaust", Tube(pipe, (0.022, 0.024, 0.034, 0.042), 10), edge=0.05)
    rise = {"road": 0.08, "cruiser": 0.20, "scrambler": 0.14}[style] + rng.uniform(-0.02, 0.03)
    out = rng.uniform(0.33, 0.40)
    back = {"road": -0.06, "cruiser": -0.20, "scrambler": -0.10}[style]
    stem = head + [0, rise, 0.0]
    for x in (-0.05, 0.05):
        made.add("handlebar", Tube(np.stack([head + [x, 0, 0], stem + [x, 0, 0]]), 0.014))
    line = np.array(
        [(0, 0, 0), (0.10, 0, 0), (out - 0.13, 0.05, back * 0.75), (out, 0.04, back * 1.05)]
    )
    made.add("handlebar", Mirrored(Tube(line, 0.012)), at=stem, edge=0.05)
    grip = np.stack([line[2] + 0.08 * (line[3] - line[2]), line[3]])
    thick = 0.018
    made.add("grips", Mirrored(Tube(grip, thick)), at=stem, edge=0.024)
    along, middle = grip[1] - grip[0], grip.mean(0)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        mirror = np.array([sign, 1, 1])
        made.frame(f"grip_{name}", stem + middle * mirror, along * mirror, (0, -0.85, 0.53), thick)
    made.frame("stem", stem, (0, 1, 0), (0, 0, 1))
    peg_z = {"road": -0.10, "cruiser": 0.20, "scrambler": 0.0}[style]
    peg_y = rng.uniform(0.26, 0.32)
    peg = np.array([(0.08, peg_y, peg_z), (0.30, peg_y, peg_z)])
    made.add("pegs", Mirrored(Tube(peg, 0.016)), edge=0.035)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        on = (sign * 0.245, peg_y + 0.016, peg_z)
        made.frame(f"pedal_{name}", on, (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "dark"))
    made.colours = {
        "tyres": paint(rng, "dark"),
        "rims": paint(rng, pick(rng, "metal", "dark")),
        "engine": paint(rng, pick(rng, "metal", "dark")),
        "frame": paint(rng, "dark"),
        "fork": paint(rng, "metal"),
        "tank": main,
        "saddle": paint(rng, pick(rng, "dark", "dark", "wood")),
        "fenders": main if rng.uniform() < 0.6 else paint(rng, "metal"),
        "lamp": paint(rng, "light"),
        "exhaust": paint(rng, "metal"),
        "handlebar": paint(rng, pick(rng, "metal", "dark")),
        "grips": paint(rng, "dark"),
        "pegs": paint(rng, "metal"),
    }
    made.sizes = {"saddle_height": saddle, "wheel_radius": radius}
    return made

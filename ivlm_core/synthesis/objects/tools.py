"""Hammer, knife, umbrella and racket: things with a handle along y.

Where the working side matters (hammer, knife) it is +z and there is one grip per hand: `grip` for
the right one, `grip_left_hand` for the left one; fingers point towards +z in both.
"""

import numpy as np

from ivlm_core.synthesis.objects.copies import Spokes
from ivlm_core.synthesis.objects.instance import Y_TO_Z, Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Plate
from ivlm_core.synthesis.objects.primitives import Box, Revolution, cylinder, frustum
from ivlm_core.synthesis.objects.tube import Tube

HAMMER_AFFORDANCES = {
    "grasp": ("handle", "grip"),
    "hit": ("face",),
    "pull": ("peen",),
    "lift": ("handle", "grip", "head"),
}
KNIFE_AFFORDANCES = {"grasp": ("handle",), "cut": ("edge",), "stab": ("tip",)}
UMBRELLA_AFFORDANCES = {
    "grasp": ("handle",),
    "carry": ("handle", "shaft"),
    "open": ("slider",),
}
RACKET_AFFORDANCES = {
    "grasp": ("handle",),
    "hit": ("strings",),
    "carry": ("handle", "throat", "frame"),
}
BLADE = np.column_stack([(0, 0, 1), (1, 0, 0), (0, 1, 0)])
"""Rotation that stands a plate up: its z along the object's y, its x along the object's z."""


def _handle_profile(length: float, radius: float, swell: float, start: float = 0.0) -> np.ndarray:
    """Profile [K, 2] of a handle along y that swells at its lower end."""
    return np.array(
        [
            (0, start),
            (radius * 0.8, start),
            (radius * swell, start + 0.012),
            (radius * swell, start + length * 0.12),
            (radius, start + length * 0.35),
            (radius * 0.92, start + length * 0.7),
            (radius * 0.85, start + length - 0.003),
            (radius * 0.7, start + length),
            (0, start + length),
        ]
    )


def hammer(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, striking face towards +z.

    Frames: grip for the right hand (fingers point to the striking side), grip_left_hand for the
    left one.
    """
    made = Assembly(edge=0.014)
    style = pick(rng, "claw", "claw", "ball", "mallet", "sledge")
    length = rng.uniform(0.26, 0.36) + (0.08 if style == "sledge" else 0.0)
    radius = rng.uniform(0.013, 0.017)
    swell = rng.uniform(1.0, 1.2)
    profile = _handle_profile(length, radius, swell)
    cover = length * rng.uniform(0.4, 0.52)
    made.add(
        ("handle", "grip"),
        Revolution(profile, stretch=(0.88, 1.08), rows=(cover,)),
        split=lambda vertices: (vertices[:, 1] < cover).astype(int),
    )
    y = length - 0.012
    if style == "mallet":
        size, reach = rng.uniform(0.030, 0.042), rng.uniform(0.10, 0.14)
        made.add("head", cylinder(size, reach - 0.02, 0.003), at=(0, y, 0), rotation=Y_TO_Z)
        for part, side in (("face", 1), ("peen", -1)):
            made.add(
                part,
                cylinder(size * 1.03, 0.012, 0.003),
                at=(0, y, side * (reach / 2 - 0.006)),
                rotation=Y_TO_Z,
            )
    elif style == "sledge":
        size, reach = rng.uniform(0.042, 0.056), rng.uniform(0.11, 0.15)
        made.add("head", Box((size * 0.9, size * 0.9, reach - 0.02), 0.006), at=(0, y, 0))
        for part, side in (("face", 1), ("peen", -1)):
            made.add(part, Box((size, size, 0.014), 0.005), at=(0, y, side * (reach / 2 - 0.007)))
    else:
        size, reach = rng.uniform(0.012, 0.016), rng.uniform(0.045, 0.060)
        made.add("head", Box((size * 1.7, 0.034, 0.036), 0.006), at=(0, y, 0))
        made.add("head", cylinder(size * 0.8, reach), at=(0, y, reach / 2), rotation=Y_TO_Z)
        made.add("face", cylinder(size, 0.018, 0.002), at=(0, y, reach - 0.002), rotation=Y_TO_Z)
        if style == "ball":
            made.add("head", cylinder(size * 0.7, 0.05), at=(0, y, -0.025), rotation=Y_TO_Z)
            ball = np.array([(0, y, -0.046), (0, y, -0.050)])
            made.add("peen", Tube(ball, size * 0.95, sides=12), edge=0.006)
        else:
            back = rng.uniform(0.065, 0.085)
            sag = rng.uniform(0.018, 0.032)
            t = np.linspace(0, 1, 6)
            for side in (-1, 1):
                claw = np.stack(
                    [side * (0.006 + 0.007 * t), y + 0.006 - sag * t**2, -0.012 - back * t], 1
                )
                made.add("peen", Tube(claw, tuple(0.0085 - 0.0055 * t), sides=8), edge=0.012)
    made.add("head", cylinder(radius * 0.8, 0.006), at=(0, length + 0.002, 0))
    _both_grips(made, cover * 0.55, radius * swell * 0.88)
    made.frame(
        "face",
        (0, y, reach / 2 if style in ("mallet", "sledge") else reach + 0.007),
        (0, 1, 0),
        (0, 0, 1),
    )
    metal = paint(rng, pick(rng, "metal", "dark")) if style != "mallet" else paint(rng, "any")
    wood = paint(rng, pick(rng, "wood", "wood", "any"))
    made.colours = {
        "handle": wood,
        "grip": paint(rng, pick(rng, "any", "dark")) if rng.uniform() < 0.6 else wood,
        "head": metal,
        "face": paint(rng, "metal"),
        "peen": metal if rng.uniform() < 0.7 else paint(rng, "metal"),
    }
    made.sizes = {"length": length}
    return made


def _both_grips(made: Assembly, height: float, radius: float) -> None:
    """Add the grips of both hands for a tool whose working side is +z."""
    made.frame("grip", (0, height, 0), (0, 1, 0), (1, 0, 0), radius)
    made.frame("grip_left_hand", (0, height, 0), (0, 1, 0), (-1, 0, 0), radius)


def _blade_sides(style: str, t: Array, width: float) -> tuple[Array, Array]:
    """Spine (low) and edge (high) at shares t of a blade's length, metres."""
    back, front = np.full_like(t, -0.4 * width), np.full_like(t, 0.6 * width)
    if style == "chef":
        return back + 0.15 * width * t**3, -0.25 * width + 0.85 * width * (1 - t**2.2)
    if style == "dagger":
        point = np.clip((1 - t) / 0.45, 0, 1) ** 0.8
        return -0.5 * width * point, 0.5 * width * point
    if style == "cleaver":
        return back, front
    if style == "table":
        round_tip = np.sqrt(np.clip(1 - np.clip((t - 0.9) / 0.1, 0, 1) ** 2, 0, 1))
        return back * round_tip, front * round_tip
    point = np.clip((1 - t) / 0.25, 0, 1)
    return back, back + (front - back) * point


def knife(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, then the blade, its edge towards +z.

    Frames: grip and grip_left_hand (see the module), tip (+y ahead of the point, +z to the edge).
    """
    made = Assembly(edge=0.010)
    style = pick(rng, "chef", "chef", "dagger", "cleaver", "table", "cutter")
    handle = rng.uniform(0.100, 0.130)
    blade, width = {
        "chef": (rng.uniform(0.15, 0.24), rng.uniform(0.038, 0.052)),
        "dagger": (rng.uniform(0.12, 0.18), rng.uniform(0.024, 0.034)),
        "cleaver": (rng.uniform(0.14, 0.18), rng.uniform(0.065, 0.090)),
        "table": (rng.uniform(0.09, 0.12), rng.uniform(0.016, 0.021)),
        "cutter": (rng.uniform(0.05, 0.09), rng.uniform(0.016, 0.020)),
    }[style]
    t = np.linspace(0, 1, 10)
    low, high = _blade_sides(style, t, width)
    stations = (t - 0.5) * blade

    def split(vertices: Array) -> np.ndarray:
        along, across = vertices[:, 2], vertices[:, 0]
        front = np.interp(along, stations, high)
        back = np.interp(along, stations, low)
        sharp = across > front - np.maximum(0.22 * (front - back), 0.0015)
        return np.where(along > 0.38 * blade, 2, np.where(sharp, 1, 0))

    thick = rng.uniform(0.0024, 0.0034)
    made.add(
        ("blade", "edge", "tip"),
        Plate(stations, low, high, thick, 0.001),
        at=(0, handle + blade / 2 - 0.004, 0),
        rotation=BLADE,
        split=split,
    )
    deep = rng.uniform(0.010, 0.013)
    tall = rng.uniform(0.022, 0.030)
    if style in ("table", "cutter"):
        tall *= 0.8
    if rng.uniform() < 0.5:
        shape = np.array([1.0, 1.0, 0.92, 0.92, 1.0, 0.9]) * tall / 2
        bow = np.linspace(-handle / 2, handle / 2, 6)
        made.add(
            "handle",
            Plate(bow, -shape, shape, 2 * deep, deep * 0.8),
            at=(0, handle / 2, 0),
            rotation=BLADE,
        )
    else:
        profile = _handle_profile(handle, tall / 2, 1.0)
        made.add("handle", Revolution(profile, stretch=(2 * deep / tall, 1.0)))
    if style == "dagger" or rng.uniform() < 0.4:
        reach = tall * (2.2 if style == "dagger" else 1.05)
        made.add("guard", Box((0.018, 0.009, reach), 0.003), at=(0, handle - 0.002, 0))
        made.colours["guard"] = paint(rng, "metal")
    _both_grips(made, handle * 0.5, deep)
    made.frame("tip", (0, handle + blade - 0.004, 0), (0, 1, 0), (0, 0, 1))
    steel = paint(rng, "metal")
    r, g, b = (min(250, channel + 30) for channel in steel)
    made.colours |= {
        "blade": steel,
        "edge": (r, g, b),
        "tip": steel,
        "handle": paint(rng, pick(rng, "wood", "dark", "any")),
    }
    made.sizes = {"length": handle + blade}
    return made


def umbrella(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, shaft along y, canopy (open or furled) on top.

    Frames: grip (lower straight part of the handle), grip_shaft (for the second hand, or where
    a furled one is carried).
    `sizes["open"]` is 1 when it is open.
    """
    opened = rng.uniform() < 0.75
    length = rng.uniform(0.78, 0.95)
    made = Assembly(edge=0.045 if opened else 0.03)
    shaft = rng.uniform(0.005, 0.007)
    made.add("shaft", cylinder(shaft, length - 0.12), at=(0, length / 2 + 0.06, 0))
    radius = rng.uniform(0.011, 0.015)
    grip_top = rng.uniform(0.12, 0.17)
    hooked = rng.uniform() < 0.6
    if hooked:
        bend = rng.uniform(0.035, 0.048)
        angles = np.radians(np.linspace(0, -195, 8))
        hook = np.stack([np.zeros(8), bend + bend * np.sin(angles), bend * (np.cos(angles) - 1)], 1)
        line = np.concatenate([[(0, grip_top, 0)], hook])
        made.add("handle", Tube(line, radius), edge=0.018)
        grip_at = (bend + grip_top) / 2 + 0.01
    else:
        profile = _handle_profile(grip_top, radius * 1.1, 1.15)
        made.add("handle", Revolution(profile), edge=0.014)
        radius *= 1.15
        grip_at = grip_top * 0.45
    made.frame("grip", (0, grip_at, 0), (0, 1, 0), (0, 0, 1), radius)
    count = 8
    if opened:
        reach, dome = rng.uniform(0.42, 0.58), rng.uniform(0.14, 0.24)
        arc = np.linspace(0, np.radians(rng.uniform(55, 80)), 8)
        out = np.sin(arc) / np.sin(arc[-1]) * reach
        down = (1 - np.cos(arc)) / (1 - np.cos(arc[-1])) * dome
        outer = np.stack([out, length - down], 1)
        inner = outer - np.array([0, 0.004])
        inner[:, 0] *= 0.996
        inner[0, 0] = 0
        canopy = Revolution(np.concatenate([outer, inner[::-1]]), around=48)
        slider = length - dome - 0.10
        rib = np.stack([np.zeros(8), outer[:, 1] - 0.006, out * 0.99], 1)[::2]
        made.add("ribs", Spokes(Tube(rib, 0.0025, sides=4), count), edge=0.06)
        stay = np.array([(0, slider, 0.006), (0, rib[2, 1] - 0.002, rib[2, 2])])
        made.add("ribs", Spokes(Tube(stay, 0.0022, sides=4), count), edge=0.06)
    else:
        start, end = grip_top + 0.05, length - 0.03
        bulk = rng.uniform(0.026, 0.040)
        tall = end - start
        canopy = Revolution(
            np.array(
                [
                    (0, start),
                    (bulk * 0.8, start + 0.005),
                    (bulk, start + 0.12 * tall),
                    (bulk * 0.85, start + 0.5 * tall),
                    (0.008, end),
                    (0, end),
                ]
            ),
            around=16,
        )
        slider, reach = start - 0.02, bulk
    second = (grip_top + 0.10, shaft) if opened else (start + 0.3 * tall, bulk * 0.93)
    made.frame("grip_shaft", (0, second[0], 0), (0, 1, 0), (0, 0, 1), second[1])
    two_tone = rng.uniform() < 0.5

    def split(vertices: Array) -> np.ndarray:
        angle = np.arctan2(vertices[:, 0], vertices[:, 2]) / (2 * np.pi) * count
        return (np.floor(angle + 1e-6) % 2).astype(int)

    made.add(("canopy", "panel"), canopy, split=split)
    made.add("slider", cylinder(shaft + 0.005, 0.045, 0.002), at=(0, slider, 0), edge=0.02)
    made.add("tip", frustum(0.009, 0.003, 0.06), at=(0, length + 0.012, 0), edge=0.02)
    cloth = paint(rng)
    made.colours = {
        "shaft": paint(rng, "metal"),
        "handle": paint(rng, pick(rng, "wood", "dark", "any")),
        "canopy": cloth,
        "panel": paint(rng, pick(rng, "any", "light")) if two_tone else cloth,
        "ribs": paint(rng, "metal"),
        "slider": paint(rng, "dark"),
        "tip": paint(rng, "metal"),
    }
    made.sizes = {"length": length, "radius": reach, "open": float(opened)}
    return made


def racket(rng: np.random.Generator) -> Assembly:
    """Handle from y = 0 upwards, strings in the x-y plane.

    Frames: grip (palm parallel to the strings), face (centre of the strings, +y up, +z out).
    """
    style = pick(rng, "tennis", "tennis", "badminton", "squash", "paddle")
    made = Assembly(edge=0.020)
    handle, radius = rng.uniform(0.16, 0.20), rng.uniform(0.0145, 0.0170)
    throat = {
        "tennis": rng.uniform(0.11, 0.16),
        "badminton": rng.uniform(0.18, 0.24),
        "squash": rng.uniform(0.16, 0.22),
        "paddle": 0.0,
    }[style]
    wide, tall = {
        "tennis": (rng.uniform(0.115, 0.135), rng.uniform(0.160, 0.180)),
        "badminton": (rng.uniform(0.090, 0.105), rng.uniform(0.120, 0.140)),
        "squash": (rng.uniform(0.090, 0.105), rng.uniform(0.140, 0.165)),
        "paddle": (rng.uniform(0.072, 0.080), rng.uniform(0.076, 0.085)),
    }[style]
    stretch = (wide / tall, 1.0)
    if style == "paddle":
        handle, radius = rng.uniform(0.095, 0.11), 0.0125
        centre = handle + tall - 0.012
        made.add(
            "frame",
            Revolution(cylinder(tall, 0.006, 0.001).profile, stretch=stretch),
            at=(0, centre, 0),
            rotation=Y_TO_Z,
            edge=0.014,
        )
        rubber = Revolution(cylinder(tall * 0.985, 0.011, 0.001).profile, stretch=stretch)
        made.add("strings", rubber, at=(0, centre + 0.001, 0), rotation=Y_TO_Z, edge=0.014)
    else:
        bar = rng.uniform(0.0085, 0.0115) if style == "tennis" else 0.0055
        centre = handle + throat + tall
        angles = np.arange(8) * np.pi / 4
        ring = np.stack([tall + bar * np.cos(angles), bar * np.sin(angles)], 1)
        made.add(
            "frame",
            Revolution(ring, closed=True, stretch=stretch, around=40),
            at=(0, centre, 0),
            rotation=Y_TO_Z,
        )
        net = Revolution(cylinder(tall, 0.003, 0.001).profile, stretch=stretch)
        made.add("strings", net, at=(0, centre, 0), rotation=Y_TO_Z)
        if style == "badminton":
            line = np.array([(0, handle - 0.02, 0), (0, centre - tall, 0)])
            made.add("throat", Tube(line, 0.0045, sides=6))
        else:
            for side in (-1, 1):
                far = np.array([side * wide * 0.62, centre - tall * 0.78, 0])
                near = np.array([side * 0.008, handle - 0.02, 0])
                mid = (near + far) / 2 - np.array([side * 0.010, -0.01, 0])
                made.add("throat", Tube(np.stack([near, mid, far]), bar * 0.9))
    profile = _handle_profile(handle, radius, 1.08)
    flat = 0.9
    made.add("handle", Revolution(profile, stretch=(1.06, flat)), edge=0.014)
    made.frame("grip", (0, handle * 0.45, 0), (0, 1, 0), (0, 0, 1), radius * flat)
    made.frame("face", (0, centre, 0.0055 if style == "paddle" else 0.0015), (0, 1, 0), (0, 0, 1))
    frame_colour = paint(rng)
    made.colours = {
        "handle": paint(rng, pick(rng, "dark", "any", "light")),
        "throat": frame_colour if rng.uniform() < 0.6 else paint(rng),
        "frame": frame_colour,
        "strings": paint(rng, "any" if style == "paddle" else "light"),
    }
    made.sizes = {"length": centre + tall, "handle": handle}
    return made

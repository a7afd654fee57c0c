"""Bottle, mug and phone: things held in one hand whose palm side is free to choose."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Box, Revolution, cylinder
from ivlm_core.synthesis.objects.tube import Tube

BOTTLE_AFFORDANCES = {
    "wrapgrasp": ("body", "label"),
    "grasp": ("body", "label", "neck"),
    "contain": ("body", "label"),
    "open": ("cap",),
    "pour": ("neck", "cap"),
}
MUG_AFFORDANCES = {
    "grasp": ("handle",),
    "wrapgrasp": ("body",),
    "lift": ("handle", "body"),
    "contain": ("inside",),
    "pour": ("rim",),
}
PHONE_AFFORDANCES = {
    "grasp": ("back", "edge"),
    "display": ("screen",),
    "press": ("screen", "button"),
    "listen": ("earpiece", "screen"),
}


def bottle(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0 about the y axis; frames grip (body), grip_neck, mouth (+y out of it)."""
    made = Assembly(edge=0.011)
    style = pick(rng, "water", "wine", "beer", "flask", "squeeze", "jug")
    radius = rng.uniform(0.029, 0.040)
    height = {
        "water": rng.uniform(0.19, 0.26),
        "wine": rng.uniform(0.27, 0.33),
        "beer": rng.uniform(0.20, 0.26),
        "flask": rng.uniform(0.20, 0.29),
        "squeeze": rng.uniform(0.17, 0.23),
        "jug": rng.uniform(0.16, 0.21),
    }[style]
    if style in ("wine", "jug"):
        radius += 0.005
    neck = {"flask": radius * 0.86, "squeeze": 0.019, "jug": 0.020}.get(
        style, rng.uniform(0.012, 0.015)
    )
    shoulder = height * {"wine": 0.66, "beer": 0.58, "flask": 0.88, "squeeze": 0.76}.get(
        style, 0.72
    )
    neck_start = height * {"wine": 0.78, "beer": 0.80, "flask": 0.92, "squeeze": 0.86}.get(
        style, 0.86
    )
    waist = radius * (rng.uniform(0.82, 0.9) if style == "squeeze" else 1.0)
    bevel = 0.005
    profile = np.array(
        [
            (0, 0),
            (radius - bevel, 0),
            (radius, bevel),
            (radius, shoulder * 0.4),
            (waist, shoulder * 0.62),
            (radius, shoulder * 0.84),
            (radius, shoulder),
            (neck + (radius - neck) * 0.85, shoulder + (neck_start - shoulder) * 0.35),
            (neck + (radius - neck) * 0.35, shoulder + (neck_start - shoulder) * 0.72),
            (neck, neck_start),
            (neck, height),
            (0, height),
        ]
    )
    label_low = shoulder * rng.uniform(0.18, 0.35)
    label_high = shoulder * rng.uniform(0.66, 0.95)

    def split(vertices: Array) -> np.ndarray:
        y = vertices[:, 1]
        inside_label = (y > label_low) & (y < label_high)
        return np.where(y > shoulder + 1e-6, 1, np.where(inside_label, 2, 0))

    made.add(
        ("body", "neck", "label"), Revolution(profile, rows=(label_low, label_high)), split=split
    )
    cap_height = rng.uniform(0.012, 0.022) if style != "flask" else rng.uniform(0.025, 0.045)
    cap_radius = neck + (0.003 if style != "flask" else 0.002)
    made.add("cap", cylinder(cap_radius, cap_height, 0.002), at=(0, height + 0.4 * cap_height, 0))
    made.frame("grip", (0, shoulder * 0.52, 0), (0, 1, 0), (0, 0, 1), waist)
    made.frame("grip_neck", (0, (neck_start + height) / 2, 0), (0, 1, 0), (0, 0, 1), neck)
    made.frame("mouth", (0, height + 0.9 * cap_height, 0), (0, 1, 0), (0, 0, 1))
    body = paint(rng, pick(rng, "any", "metal", "light", "dark"))
    made.colours = {
        "body": body,
        "neck": body,
        "label": paint(rng) if rng.uniform() < 0.75 else body,
        "cap": paint(rng, pick(rng, "any", "dark", "light")),
    }
    made.sizes = {"height": height + 0.9 * cap_height, "radius": radius}
    return made


def mug(rng: np.random.Generator) -> Assembly:
    """Stand on y = 0 about the y axis with the handle towards +x.

    Frames: grip (the handle, palm outside of it), grip_body (palm opposite the handle), mouth.
    """
    made = Assembly(edge=0.011)
    top = rng.uniform(0.037, 0.049)
    bottom = top * rng.uniform(0.72, 1.03)
    height = rng.uniform(0.080, 0.125)
    wall, floor = rng.uniform(0.003, 0.005), rng.uniform(0.005, 0.009)
    belly = (top + bottom) / 2 + rng.uniform(-0.002, 0.006)
    profile = np.array(
        [
            (0, 0),
            (bottom - 0.004, 0),
            (bottom, 0.004),
            (belly, height / 2),
            (top, height - 0.0015),
            (top - wall / 2, height),
            (top - wall, height - 0.0015),
            (belly - wall, height / 2),
            (bottom - wall, floor + 0.006),
            (bottom - wall - 0.006, floor),
            (0, floor),
        ]
    )
    middle = belly - wall / 2

    def split(vertices: Array) -> np.ndarray:
        radius, y = np.hypot(vertices[:, 0], vertices[:, 2]), vertices[:, 1]
        edge = np.interp(y, [0, height / 2, height], [bottom - wall / 2, middle, top - wall / 2])
        inner = (radius < edge - 1e-4) & (y > floor - 1e-6)
        return np.where(y > height - 0.006, 1, np.where(inner, 2, 0))

    made.add(
        ("body", "rim", "inside"),
        Revolution(profile, around=24, rows=(height - 0.006,)),
        split=split,
    )
    thick = rng.uniform(0.0045, 0.0065)
    reach = rng.uniform(0.030, 0.040)
    low, high = height * rng.uniform(0.14, 0.26), height * rng.uniform(0.76, 0.90)
    start = middle
    if pick(rng, "round", "square") == "round":
        angles = np.radians(np.linspace(-90, 90, 8))
        x = start + reach * np.cos(angles)
        y = (low + high) / 2 + (high - low) / 2 * np.sin(angles)
    else:
        x = start + reach * np.array([0, 0.8, 0.97, 1, 1, 0.97, 0.8, 0])
        y = low + (high - low) * np.array([0, 0, 0.06, 0.2, 0.8, 0.94, 1, 1])
    handle = np.stack([x, y, np.zeros(8)], 1)
    made.add("handle", Tube(handle, thick), edge=0.009)
    grip = (float(x.max()), (low + high) / 2, 0)
    made.frame("grip", grip, (0, 1, 0), (-1, 0, 0), thick)
    made.frame("grip_body", (0, height / 2, 0), (0, 1, 0), (1, 0, 0), belly)
    made.frame("mouth", (0, height, 0), (0, 1, 0), (0, 0, 1))
    outer = paint(rng, pick(rng, "any", "any", "light", "dark"))
    made.colours = {
        "body": outer,
        "rim": paint(rng) if rng.uniform() < 0.4 else outer,
        "inside": paint(rng, "light") if rng.uniform() < 0.7 else outer,
        "handle": paint(rng) if rng.uniform() < 0.35 else outer,
    }
    made.sizes = {"height": height, "radius": belly}
    return made


def phone(rng: np.random.Generator) -> Assembly:
    """Centred, long side along y, screen towards +z.

    Frames: grip (palm on the back, +z out of the screen), screen and earpiece (on the glass, +z
    out of it: at a call, towards the ear).
    """
    made = Assembly(edge=0.009)
    old = rng.uniform() < 0.25
    width, height = rng.uniform(0.062, 0.080), rng.uniform(0.138, 0.170)
    depth = rng.uniform(0.0072, 0.0100)
    if old:
        width, height, depth = width * 0.72, height * 0.80, rng.uniform(0.013, 0.019)
    radius = min(rng.uniform(0.0025, 0.0045), depth / 2)

    def split(vertices: Array) -> np.ndarray:
        flat = (np.abs(vertices[:, 0]) < width / 2 - radius + 1e-6) & (
            np.abs(vertices[:, 1]) < height / 2 - radius + 1e-6
        )
        return np.where(flat & (vertices[:, 2] < 0), 0, 1)

    made.add(("back", "edge"), Box((width, height, depth), radius), split=split)
    tall = height * (0.42 if old else 0.93)
    centre = height * 0.22 if old else 0.0
    glass = depth / 2 + 0.0004
    made.add("screen", Box((width * 0.92, tall, 0.002), 0.0004), at=(0, centre, glass - 0.001))
    ear = height / 2 - 0.035 * height
    made.add("earpiece", Box((width * 0.3, 0.004, 0.002), 0.0005), at=(0, ear, glass - 0.0006))
    bump = rng.uniform(0.016, 0.030)
    made.add(
        "camera",
        Box((bump, bump * rng.uniform(0.8, 1.6), 0.004), 0.001),
        at=(-width * 0.22, height * 0.36, -depth / 2),
    )
    made.add(
        "button",
        Box((0.003, 0.014, 0.003), 0.001),
        at=(width / 2, height * rng.uniform(0.1, 0.25), 0),
    )
    if old:
        for row in range(4):
            for column in (-1, 0, 1):
                made.add(
                    "button",
                    Box((width * 0.2, height * 0.055, 0.003), 0.0008),
                    at=(column * width * 0.28, -height * (0.08 + 0.1 * row), glass - 0.0008),
                )
    made.frame("grip", (0, -0.06 * height, 0), (0, 1, 0), (0, 0, 1), depth / 2)
    made.frame("screen", (0, centre, glass), (0, 1, 0), (0, 0, 1))
    made.frame("earpiece", (0, ear, glass + 0.0004), (0, 1, 0), (0, 0, 1))
    shell = paint(rng, pick(rng, "any", "dark", "metal", "light"))
    made.colours = {
        "back": shell,
        "edge": paint(rng, "metal") if rng.uniform() < 0.4 else shell,
        "screen": paint(rng, "dark") if rng.uniform() < 0.6 else paint(rng),
        "earpiece": (20, 20, 24),
        "camera": (28, 28, 32),
        "button": paint(rng, "light" if old else "metal"),
    }
    made.sizes = {"width": width, "height": height, "depth": depth}
    return made

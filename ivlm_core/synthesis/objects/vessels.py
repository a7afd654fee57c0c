"""Wine glass, bowl and vase: hollow things of revolution that stand on y = 0 about the y axis."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, Colour, paint, pick
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.primitives import Ellipsoid, Revolution
from ivlm_core.synthesis.objects.tube import Tube

WINE_GLASS_AFFORDANCES = {
    "grasp": ("stem",),
    "wrapgrasp": ("bowl",),
    "lift": ("stem", "bowl"),
    "contain": ("inside",),
    "pour": ("rim",),
}
BOWL_AFFORDANCES = {
    "wrapgrasp": ("body", "band", "foot"),
    "lift": ("body", "band", "foot"),
    "contain": ("inside",),
    "pour": ("rim",),
}
VASE_AFFORDANCES = {
    "wrapgrasp": ("body", "neck"),
    "lift": ("body", "neck"),
    "contain": ("inside",),
}


def _shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker or lighter."""
    r, g, b = (int(np.clip(channel * factor, 5, 250)) for channel in colour)
    return r, g, b


def _hollow(outer: Array, wall: float, floor: float) -> Array:
    """Profile [K, 2] of (radius, height) of a vessel with a given outside, metres.

    Args:
        outer: outside [K, 2] from the middle of the bottom up to the rim.
        wall: thickness of the wall.
        floor: height of the inner bottom.
    """
    radius, height = outer[-1]
    up = outer[outer[:, 1] > floor + 0.003]
    inner = up[:-1][::-1] - np.array([wall, 0])
    lowest = np.interp(floor, outer[1:, 1], outer[1:, 0]) - wall - 0.002
    # Down to the bottom, never narrower than nothing.
    inner = np.concatenate([inner, [(lowest, floor)]])
    inner[:, 0] = np.maximum(inner[:, 0], 0.002)
    rim = np.array(
        [(radius, height - 0.001), (radius - wall / 2, height), (radius - wall, height - 0.001)]
    )
    return np.concatenate([outer[:-1], rim, inner, [(0, floor)]])


def _wall_at(outer: Array, height: float) -> tuple[Array, Array]:
    """Point (x, y) [2] of the outside at a height and the normal [2] into the vessel there."""
    x = float(np.interp(height, outer[1:, 1], outer[1:, 0]))
    above, below = (
        float(np.interp(height + d, outer[1:, 1], outer[1:, 0])) for d in (0.004, -0.004)
    )
    slope = (above - below) / 0.008
    return np.array([x, height]), np.array([-1.0, slope]) / np.hypot(1.0, slope)


def _palms(made: Assembly, outer: Array, height: float) -> None:
    """Add palm_left (+x side) and palm_right on the wall at a height."""
    (x, y), (into, up) = _wall_at(outer, height)
    for name, sign in (("left", 1), ("right", -1)):
        at, normal = (sign * x, y, 0), np.array([sign * into, up, 0])
        made.frame(f"palm_{name}", at, np.array([0, 1.0, 0]) - normal * up, normal, 0)


def wine_glass(rng: np.random.Generator) -> Assembly:
    """Frames grip (the stem), grip_bowl (the cup), mouth (centre of the rim, +y out of it)."""
    made = Assembly(edge=0.0095)
    style = pick(rng, "red", "white", "flute", "goblet", "coupe", "tulip")
    wide, deep, opening, low = {
        "red": (rng.uniform(0.042, 0.050), rng.uniform(0.095, 0.115), 0.76, 0.40),
        "white": (rng.uniform(0.034, 0.040), rng.uniform(0.085, 0.105), 0.82, 0.45),
        "flute": (rng.uniform(0.024, 0.029), rng.uniform(0.120, 0.150), 0.92, 0.55),
        "goblet": (rng.uniform(0.036, 0.042), rng.uniform(0.080, 0.100), 1.00, 0.70),
        "coupe": (rng.uniform(0.044, 0.052), rng.uniform(0.045, 0.060), 1.00, 0.80),
        "tulip": (rng.uniform(0.034, 0.041), rng.uniform(0.090, 0.110), 0.86, 0.35),
    }[style]
    stem = rng.uniform(0.085, 0.115) - (0.02 if style == "goblet" else 0.0)
    thin = rng.uniform(0.0038, 0.0055) + (0.003 if style == "goblet" else 0.0)
    foot = max(wide * rng.uniform(0.80, 0.95), 0.028)
    height = stem + deep
    s = np.linspace(0, 1, 8)
    swell = np.where(s < low, np.sqrt(np.clip(1 - (1 - s / low) ** 2, 0, 1)), 1.0)
    close = 1 - (1 - opening) * np.clip((s - low) / (1 - low), 0, 1) ** 1.5
    cup = np.stack([np.maximum(wide * swell * close, thin), stem + deep * s], 1)
    outer = np.concatenate(
        [
            [(0, 0), (foot, 0), (foot, 0.0025), (foot * 0.4, 0.006), (thin, 0.016)],
            [(thin * 0.85, stem * 0.55)],
            cup,
        ]
    )
    filled = rng.uniform(0.25, 0.6) if rng.uniform() < 0.6 else 0.06
    floor = stem + deep * filled
    neck = stem + deep * 0.05
    profile = _hollow(outer, 0.0022, floor)

    def split(vertices: Array) -> np.ndarray:
        radius, y = np.hypot(vertices[:, 0], vertices[:, 2]), vertices[:, 1]
        edge = np.interp(y, outer[1:, 1], outer[1:, 0]) - 0.0011
        inner = (radius < edge - 1e-4) & (y > floor - 1e-6)
        outside = np.where(y < 0.012, 0, np.where(y < neck, 1, 2))
        return np.where(y > height - 0.005, 3, np.where(inner, 4, outside))

    made.add(
        ("foot", "stem", "bowl", "rim", "inside"),
        Revolution(profile, rows=(0.012, neck, height - 0.005)),
        split=split,
    )
    made.frame("grip", (0, stem * 0.55, 0), (0, 1, 0), (0, 0, 1), thin * 0.85)
    middle = stem + deep * 0.5
    girth = float(np.interp(middle, cup[:, 1], cup[:, 0]))
    made.frame("grip_bowl", (0, middle, 0), (0, 1, 0), (0, 0, 1), girth)
    made.frame("mouth", (0, height, 0), (0, 1, 0), (0, 0, 1))
    glass = paint(rng, pick(rng, "light", "light", "light", "any", "metal"))
    drinks = ((110, 20, 40), (215, 195, 110), (225, 130, 120), (200, 60, 30), (190, 150, 70))
    drink = drinks[int(rng.integers(len(drinks)))]
    made.colours = {
        "foot": _shade(glass, 0.9),
        "stem": paint(rng) if rng.uniform() < 0.2 else glass,
        "bowl": glass,
        "rim": paint(rng, "metal") if rng.uniform() < 0.2 else _shade(glass, 1.05),
        "inside": drink if filled > 0.1 else _shade(glass, 0.85),
    }
    made.sizes = {"height": height, "radius": wide, "stem": stem}
    return made


def bowl(rng: np.random.Generator) -> Assembly:
    """Frames grip (middle of the bottom, +z up into it), palm_left, palm_right, mouth (the rim)."""
    style = pick(rng, "cereal", "salad", "rice", "soup", "mixing")
    wide, share = {
        "cereal": (rng.uniform(0.065, 0.085), rng.uniform(0.75, 0.95)),
        "salad": (rng.uniform(0.100, 0.135), rng.uniform(0.55, 0.80)),
        "rice": (rng.uniform(0.055, 0.070), rng.uniform(0.85, 1.10)),
        "soup": (rng.uniform(0.080, 0.105), rng.uniform(0.45, 0.60)),
        "mixing": (rng.uniform(0.095, 0.125), rng.uniform(0.85, 1.05)),
    }[style]
    made = Assembly(edge=float(np.clip(wide / 6, 0.011, 0.020)))
    height = wide * share
    ring = wide * rng.uniform(0.42, 0.60)
    tall = rng.uniform(0.006, 0.012) if style != "mixing" else 0.003
    power = rng.uniform(1.7, 2.6)
    s = np.linspace(0, 1, 9)
    radius = ring * 1.05 + (wide - ring * 1.05) * (1 - (1 - s) ** power) ** (1 / power)
    wall = rng.uniform(0.0035, 0.0055)
    side = np.stack([radius, tall + (height - tall) * s], 1)
    outer = np.concatenate([[(0, 0), (ring, 0), (ring, tall * 0.8)], side])
    filled = float(rng.uniform(0.3, 0.7) if rng.uniform() < 0.4 else 0.0)
    floor = tall + max(0.004, filled * height)
    profile = _hollow(outer, wall, floor)

    def split(vertices: Array) -> np.ndarray:
        r, y = np.hypot(vertices[:, 0], vertices[:, 2]), vertices[:, 1]
        edge = np.interp(y, outer[1:, 1], outer[1:, 0]) - wall / 2
        inner = (r < edge - 1e-4) & (y > floor - 1e-6)
        return np.where(y > height - 0.005, 2, np.where(inner, 3, np.where(y < tall, 1, 0)))

    made.add(
        ("body", "foot", "rim", "inside"), Revolution(profile, rows=(height - 0.005,)), split=split
    )
    if rng.uniform() < 0.4:
        low, high = sorted(rng.uniform(0.3, 0.95, 2) * height)
        a, b = np.interp((low, high + 0.004), side[:, 1], side[:, 0])
        half = wall / 2
        loop = np.array([(a + 0.001, low), (b + 0.001, high + 0.004), (b - half, high), (a, low)])
        made.add("band", Revolution(loop, closed=True))
        made.colours["band"] = paint(rng)
    made.frame("grip", (0, 0, 0), (0, 0, 1), (0, 1, 0), 0)
    _palms(made, outer, height * 0.55)
    made.frame("mouth", (0, height, 0), (0, 1, 0), (0, 0, 1))
    main = paint(rng, pick(rng, "any", "any", "light", "wood", "metal"))
    made.colours |= {
        "body": main,
        "foot": paint(rng) if rng.uniform() < 0.3 else _shade(main, 0.85),
        "rim": paint(rng) if rng.uniform() < 0.3 else main,
        "inside": paint(rng, pick(rng, "any", "light", "wood")) if filled else _shade(main, 1.1),
    }
    made.sizes = {"height": height, "radius": wide}
    return made


def vase(rng: np.random.Generator) -> Assembly:
    """Some with flowers. Frames grip (where it is slim enough), palm_left, palm_right."""
    made = Assembly(edge=0.018)
    style = pick(rng, "amphora", "cylinder", "gourd", "trumpet", "globe", "urn")
    height = rng.uniform(0.19, 0.36) * (0.8 if style == "globe" else 1.0)
    # Radii as shares of the widest one at equal steps of height, from the foot to the rim.
    shares = {
        "amphora": (0.50, 0.80, 1.00, 0.95, 0.62, 0.36, 0.38, 0.50),
        "cylinder": (0.92, 0.96, 1.00, 1.00, 1.00, 0.98, 0.96, 0.98),
        "gourd": (0.70, 0.95, 1.00, 0.80, 0.50, 0.55, 0.50, 0.40),
        "trumpet": (0.62, 0.48, 0.42, 0.42, 0.48, 0.60, 0.78, 1.00),
        "globe": (0.50, 0.85, 1.00, 1.00, 0.82, 0.48, 0.40, 0.46),
        "urn": (0.55, 0.62, 0.78, 0.92, 1.00, 0.95, 0.72, 0.70),
    }[style]
    wide = height * {"cylinder": 0.2, "trumpet": 0.24, "globe": 0.42}.get(style, 0.28)
    wide = float(np.clip(wide * rng.uniform(0.85, 1.15), 0.035, 0.090))
    radii = wide * np.array(shares) * rng.uniform(0.95, 1.05, 8)
    wall = 0.005
    s = np.linspace(0, 1, 22)
    wave = np.interp(s, np.linspace(0, 1, 8), radii)
    smooth = np.convolve(np.pad(wave, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    smooth = np.maximum(smooth, 0.016)
    outer = np.concatenate([[(0, 0)], np.stack([smooth, height * s], 1)])
    floor = 0.65 * height
    slim = int(np.argmin(smooth[7:-3])) + 7
    neck = height * (s[slim] - 0.05 if slim > 12 else 0.8)

    def split(vertices: Array) -> np.ndarray:
        r, y = np.hypot(vertices[:, 0], vertices[:, 2]), vertices[:, 1]
        edge = np.interp(y, outer[1:, 1], outer[1:, 0]) - wall / 2
        inner = (r < edge - 1e-4) & (y > floor - 1e-6)
        return np.where(y > height - 0.006, 2, np.where(inner, 3, np.where(y > neck, 1, 0)))

    profile = _hollow(outer, wall, floor)
    vessel = Revolution(profile, rows=(neck, height - 0.006))
    made.add(("body", "neck", "rim", "inside"), vessel, split=split)
    if rng.uniform() < 0.3:
        y = height * rng.uniform(0.2, 0.6)
        a, b = np.interp((y, y + 0.03), outer[1:, 1], outer[1:, 0])
        loop = np.array(
            [(a + 0.001, y), (b + 0.001, y + 0.03), (b - 0.003, y + 0.03), (a - 0.003, y)]
        )
        made.add("band", Revolution(loop, closed=True))
        made.colours["band"] = paint(rng)
    if rng.uniform() < 0.45:
        _flowers(made, rng, height, floor, float(smooth[-4:].min()) - wall - 0.004)
    if smooth[slim] < 0.055:
        made.frame("grip", (0, height * s[slim], 0), (0, 1, 0), (0, 0, 1), float(smooth[slim]))
    _palms(made, outer, height * 0.45)
    main = paint(rng, pick(rng, "any", "any", "any", "light", "dark"))
    made.colours |= {
        "body": main,
        "neck": paint(rng) if rng.uniform() < 0.35 else main,
        "rim": paint(rng) if rng.uniform() < 0.3 else main,
        "inside": _shade(main, 0.7),
    }
    made.sizes = {"height": height, "radius": wide}
    return made


def _flowers(
    made: Assembly, rng: np.random.Generator, height: float, floor: float, opening: float
) -> None:
    """Put some flowers into a vase of a height with an inner bottom and a half width of the rim."""
    tall = height * rng.uniform(0.35, 0.7)
    size = rng.uniform(0.016, 0.030)
    for k in range(int(rng.integers(2, 6))):
        angle = 2.4 * k + rng.uniform(0, 0.6)
        out = np.array([np.sin(angle), 0, np.cos(angle)])
        high = height + tall * rng.uniform(0.7, 1.0)
        lean = rng.uniform(0.2, 0.45) * tall
        line = np.stack(
            [
                np.array([0, floor, 0]),
                out * min(opening, 0.012) * 0.7 + np.array([0, height, 0]),
                out * lean + np.array([0, high, 0]),
            ]
        )
        made.add("stems", Tube(line, 0.0028, sides=5), edge=0.03)
        made.add("flowers", Ellipsoid((size, size * 0.7, size)), at=line[-1], edge=0.016)
    made.colours["stems"] = (60, int(rng.uniform(90, 150)), 50)
    made.colours["flowers"] = paint(rng)

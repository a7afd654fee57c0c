"""Hats, caps and helmets."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.meshing import Array
from ivlm_core.synthesis.objects.plate import Bent, Plate
from ivlm_core.synthesis.objects.primitives import Ellipsoid, Revolution

HAT_AFFORDANCES = {
    "wear": ("inside",),
    "grasp": ("brim",),
    "lift": ("brim", "crown"),
}
_FLAT_TOPS = {"top": 1.02, "fedora": 0.80, "bucket": 0.78}
_BRIMS = {
    "top": (0.04, 0.06),
    "fedora": (0.05, 0.07),
    "bucket": (0.045, 0.065),
    "sun": (0.09, 0.15),
}


def _walls(
    rng: np.random.Generator, style: str, mean: float, deep: float, wall: float
) -> tuple[Array, Array]:
    """Inner and outer profile [K, 2] of the crown, from the opening up to the axis, metres."""
    if style in _FLAT_TOPS:
        top = mean * _FLAT_TOPS[style] * rng.uniform(0.93, 1.0)
        crown = np.array(
            [
                (mean, 0),
                (0.6 * mean + 0.4 * top, 0.5 * deep),
                (top, deep - 0.015),
                (top - 0.015, deep),
                (0, deep),
            ]
        )
        outside = crown + np.array([[wall, 0]] * 3 + [[wall, wall], [0, wall]])
        return crown, outside
    angles = np.linspace(0, np.radians(86), 8)
    power = 0.75 if style == "sun" else 0.85
    dome = np.stack([mean * np.cos(angles) ** power, deep * np.sin(angles)], 1)
    inside = np.concatenate([dome, [(0, deep)]])
    return inside, inside * np.array([mean + wall, deep + wall]) / np.array([mean, deep])


def _visor(
    made: Assembly, rng: np.random.Generator, half_x: float, half_z: float
) -> tuple[Array, Array]:
    """Add a cap's visor in front of an opening with these half widths; return tip, direction."""
    long = rng.uniform(0.055, 0.075)
    x = half_x * 0.88 * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 13))
    back = half_z * np.sqrt(1 - (x / half_x) ** 2)
    share = np.abs(x / x[-1])
    far = back[0] + (half_z + long - back[0]) * (1 - share**2.6) ** (1 / 2.6)
    arch = rng.uniform(0.3, 1.6) * x**2
    visor = Bent(Plate(x, back, np.maximum(far, back + 1e-3), 0.004, 0.0015), x, arch)
    tilt = turn("x", rng.uniform(4, 16))
    # The plate's stations run along the object's x, its width along z, its bend downwards.
    flat = np.column_stack([(0, 0, 1), (0, -1, 0), (1, 0, 0)])
    pivot = np.array([0, 0, half_z])
    at = pivot - tilt @ pivot + np.array([0, 0.006, 0])
    made.add("brim", visor, at=at, rotation=tilt @ flat)
    outwards = tilt[:, 2]
    return at + outwards * (half_z + long), outwards


def _band(made: Assembly, loop: list[tuple[float, float]], stretch: tuple[float, float]) -> None:
    """Add a ring with the given section [K, 2] of (radius, height) as the brim."""
    made.add("brim", Revolution(np.array(loop), True, stretch, 32))


def hat(rng: np.random.Generator, inner: tuple[float, float] | None = None) -> Assembly:
    """Opening in the plane y = 0, forehead towards +z, crown upwards.

    Frames: crown (centre of the inner top, +y up, +z forward), rim (centre of the opening, same
    axes), brim (its front edge, axis along x, palm in front).

    Args:
        rng: source of all choices.
        inner: half widths of the opening across (x) and along (z) in metres, to fit a head; none
            draws them.
    """
    made = Assembly(edge=0.017)
    style = pick(rng, "cap", "cap", "fedora", "bucket", "sun", "top", "beanie", "helmet")
    mean, ratio = rng.uniform(0.086, 0.096), rng.uniform(1.12, 1.22)
    if inner is not None:
        mean, ratio = float(np.sqrt(inner[0] * inner[1])), inner[1] / inner[0]
    stretch = (1 / float(np.sqrt(ratio)), float(np.sqrt(ratio)))
    wall = {"helmet": 0.012, "beanie": 0.006}.get(style, 0.0035)
    deep = rng.uniform(0.105, 0.130) + (rng.uniform(0.03, 0.06) if style == "top" else 0.0)
    inside, outside = _walls(rng, style, mean, deep, wall)
    edge, band = mean + wall, rng.uniform(0.02, 0.035)
    front, outwards, reach = np.array([0, 0.005, edge * stretch[1]]), np.array([0, 0, 1.0]), 0.02
    if style in _BRIMS:
        wide = rng.uniform(*_BRIMS[style])
        slopes = {"bucket": (-0.8, -0.6), "sun": (-0.3, 0.05)}
        drop = wide * rng.uniform(*slopes.get(style, (-0.1, 0.25)))
        share = np.array([[0.0], [0.5], [1.0]])
        over = np.array([edge, 0.004]) * (1 - share) + np.array([edge + wide, drop]) * share
        under = over[::-1] - np.array([0, 0.0035])
        profile = np.concatenate([outside[:0:-1], over, under[:-1], inside])
        front = np.array([0, drop - 0.00175, (edge + wide) * stretch[1]])
        outwards = np.array([0, drop - 0.004, wide * stretch[1]])
    else:
        profile = np.concatenate([outside[::-1], inside])

    def split(vertices: Array) -> np.ndarray:
        radius = np.hypot(vertices[:, 0] / stretch[0], vertices[:, 2] / stretch[1])
        y = vertices[:, 1]
        wall_at = np.interp(np.maximum(y, 0), outside[:, 1], outside[:, 0])
        inner_side = (radius < wall_at - 0.6 * wall) & (y < deep + 0.3 * wall)
        brim = ((radius > wall_at + 1e-3) & (y < 0.4 * deep)) | (
            (y < 0.002) & (radius > mean + 0.7 * wall)
        )
        return np.where(inner_side, 1, np.where(brim, 2, np.where(y < band, 3, 0)))

    lower = ("brim", "band") if style in _BRIMS else ("crown", "band")
    lower = ("crown", "crown") if style == "beanie" else lower
    shell = Revolution(profile, False, stretch, 32, (band,))
    made.add(("crown", "inside", *lower), shell, split=split)
    if style == "cap" or (style == "helmet" and rng.uniform() < 0.6):
        half_x, half_z = (mean + 0.4 * wall) * stretch[0], (mean + 0.4 * wall) * stretch[1]
        front, outwards = _visor(made, rng, half_x, half_z)
    elif style == "helmet":
        low, high = edge - 0.006, edge + 0.010
        _band(made, [(low, 0), (high, 0), (high, 0.010), (low, 0.010)], stretch)
        front, reach = np.array([0, 0.005, high * stretch[1]]), 0.008
    elif style == "beanie":
        tall = rng.uniform(0.04, 0.06)
        cuff = [(0.003, 0.002), (0.013, 0.002), (0.012, tall), (0.001, tall)]
        _band(made, [(mean + r, y) for r, y in cuff], stretch)
        front, reach = np.array([0, tall / 2, (mean + 0.0125) * stretch[1]]), 0.006
        if rng.uniform() < 0.5:
            size = rng.uniform(0.02, 0.032)
            made.add("bobble", Ellipsoid((size, size, size)), at=(0, deep + size * 0.8, 0))
            made.colours["bobble"] = paint(rng)
    if style == "cap":
        made.add("crown", Ellipsoid((0.008, 0.005, 0.008)), at=(0, deep + wall, 0), edge=0.006)
    made.frame("crown", (0, deep, 0), (0, 1, 0), (0, 0, 1))
    made.frame("rim", (0, 0, 0), (0, 1, 0), (0, 0, 1))
    outwards = outwards / np.linalg.norm(outwards)
    made.frame("brim", front - reach * outwards, (1, 0, 0), -outwards, reach)
    main = paint(rng, pick(rng, "any", "any", "dark", "light"))
    made.colours |= {
        "crown": main,
        "inside": paint(rng, pick(rng, "dark", "light")),
        "brim": main if rng.uniform() < 0.5 else paint(rng),
        "band": paint(rng) if rng.uniform() < 0.6 else main,
    }
    made.sizes = {
        "inner_radius": mean,
        "inner_half_width": mean * stretch[0],
        "inner_half_length": mean * stretch[1],
        "depth": deep,
    }
    return made

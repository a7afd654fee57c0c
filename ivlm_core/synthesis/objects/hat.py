"""Hats, caps and helmets."""

import numpy as np

from ivlm_core.synthesis.objects.instance import Assembly, paint, pick, turn
from ivlm_core.synthesis.objects.primitives import Array, Bent, Ellipsoid, Plate, Revolution

HAT_AFFORDANCES = {
    "wear": ("inside",),
    "grasp": ("brim",),
    "lift": ("brim", "crown"),
}


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
    stretch = (1 / np.sqrt(ratio), np.sqrt(ratio))
    wall = {"helmet": 0.012, "beanie": 0.006}.get(style, 0.0035)
    deep = rng.uniform(0.105, 0.130) + (rng.uniform(0.03, 0.06) if style == "top" else 0.0)
    if style in ("top", "fedora", "bucket"):
        top = mean * {"top": 1.02, "fedora": 0.80, "bucket": 0.78}[style] * rng.uniform(0.93, 1.0)
        crown = np.array(
            [
                (mean, 0),
                (mean * 0.6 + top * 0.4, deep * 0.5),
                (top, deep - 0.015),
                (top - 0.015, deep),
            ]
        )
    else:
        angles = np.linspace(0, np.radians(86), 8)
        power = 0.85 if style in ("cap", "beanie", "helmet") else 0.75
        crown = np.stack([mean * np.cos(angles) ** power, deep * np.sin(angles)], 1)
    inside = np.concatenate([crown, [(0, deep)]])
    grown = np.array([mean + wall, deep + wall]) / np.array([mean, deep])
    outside = inside * (grown if style not in ("top", "fedora", "bucket") else [1, grown[1]])
    if style in ("top", "fedora", "bucket"):
        outside[:-1, 0] += wall
        outside[:-2, 1] = inside[:-2, 1]
    if style in ("cap", "beanie", "helmet"):
        profile = np.concatenate([outside[::-1], inside])
        edge = mean + wall
    else:
        widths = {"fedora": (0.05, 0.07), "bucket": (0.045, 0.065), "sun": (0.09, 0.15)}
        wide = rng.uniform(*widths.get(style, (0.04, 0.06)))
        slope = {"bucket": -0.7, "sun": rng.uniform(-0.3, 0.05)}.get(style, rng.uniform(-0.1, 0.25))
        edge = mean + wall + wide
        share = np.array([[0.0], [0.5], [1.0]])
        over = (outside[0] + [0, 0.004]) * (1 - share) + np.array([edge, slope * wide]) * share
        under = over[::-1] - np.array([0, 0.0035])
        profile = np.concatenate([outside[:0:-1], over, under[:-1], inside])
    rim = outside[:, 0], outside[:, 1]
    band = rng.uniform(0.02, 0.035)

    def split(vertices: Array) -> np.ndarray:
        radius = np.hypot(vertices[:, 0] / stretch[0], vertices[:, 2] / stretch[1])
        y = vertices[:, 1]
        wall_at = np.interp(np.maximum(y, 0), rim[1], rim[0])
        inner_side = (radius < wall_at - 0.6 * wall) & (y < deep + 0.3 * wall)
        brim = ((radius > wall_at + 1e-3) & (y < 0.4 * deep)) | (
            (y < 0.002) & (radius > mean + 0.7 * wall)
        )
        low = y < band
        return np.where(inner_side, 1, np.where(brim, 2, np.where(low, 3, 0)))

    outwards, reach = np.array([0, 0, 1.0]), 0.02
    if style in ("cap", "helmet"):
        made.add(
            ("crown", "inside", "crown", "band"),
            Revolution(profile, False, stretch, 32, (band,)),
            split=split,
        )
        if style == "cap" or rng.uniform() < 0.6:
            half_x, half_z = (mean + 0.4 * wall) * np.array(stretch)
            long = rng.uniform(0.055, 0.075)
            x = half_x * 0.88 * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 13))
            back = half_z * np.sqrt(1 - (x / half_x) ** 2)
            share = np.abs(x / x[-1])
            far = back[0] + (half_z + long - back[0]) * (1 - share**2.6) ** (1 / 2.6)
            arch = rng.uniform(0.3, 1.6) * x**2
            visor = Bent(Plate(x, back, np.maximum(far, back + 1e-3), 0.004, 0.0015), x, arch)
            tilt = turn("x", rng.uniform(4, 16))
            flat = np.column_stack([(0, 0, 1), (0, -1, 0), (1, 0, 0)])
            pivot = np.array([0, 0, half_z])
            at = pivot - tilt @ pivot + np.array([0, 0.006, 0])
            made.add("brim", visor, at=at, rotation=tilt @ flat)
            outwards = tilt @ np.array([0, 0, 1.0])
            front = at + outwards * (half_z + long)
        else:
            lip = np.array(
                [
                    (edge - 0.006, 0.0),
                    (edge + 0.010, 0.0),
                    (edge + 0.010, 0.010),
                    (edge - 0.006, 0.010),
                ]
            )
            made.add("brim", Revolution(lip, True, stretch, 32))
            front, reach = np.array([0, 0.005, (edge + 0.010) * stretch[1]]), 0.008
        if style == "cap":
            made.add("crown", Ellipsoid((0.008, 0.005, 0.008)), at=(0, deep + wall, 0), edge=0.006)
    elif style == "beanie":
        made.add(
            ("crown", "inside", "crown", "crown"),
            Revolution(profile, False, stretch, 32, (band,)),
            split=split,
        )
        tall = rng.uniform(0.04, 0.06)
        cuff = np.array(
            [
                (mean + 0.003, 0.002),
                (mean + 0.013, 0.002),
                (mean + 0.012, tall),
                (mean + 0.001, tall),
            ]
        )
        made.add("brim", Revolution(cuff, True, stretch, 32))
        if rng.uniform() < 0.5:
            size = rng.uniform(0.02, 0.032)
            made.add("bobble", Ellipsoid((size, size, size)), at=(0, deep + size * 0.8, 0))
            made.colours["bobble"] = paint(rng)
        front, reach = np.array([0, tall / 2, (mean + 0.0125) * stretch[1]]), 0.006
    else:
        made.add(
            ("crown", "inside", "brim", "band"),
            Revolution(profile, False, stretch, 32, (band,)),
            split=split,
        )
        outwards = np.array([0, slope * wide - 0.004, wide * stretch[1]])
        front = np.array([0, slope * wide - 0.00175, edge * stretch[1]])
    made.frame("crown", (0, deep, 0), (0, 1, 0), (0, 0, 1))
    made.frame("rim", (0, 0, 0), (0, 1, 0), (0, 0, 1))
    outwards /= np.linalg.norm(outwards)
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

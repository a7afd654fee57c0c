"""What is behind people: rooms and places outdoors, from textures drawn at random.

Textures are small pictures; rays look their colours up. Nothing here is a photograph: noise at many
scales, materials with seams, openings and frames on walls, shapes out of focus outdoors.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis.rotations import unit

Pixels = NDArray[np.float32]
TILE = 160
"""Side of a texture of a material, pixels."""
_WALL_M, _WALL_PX = (12.0, 4.0), (576, 192)
"""Width and height of a painted wall."""
_FAR = np.float32(1e9)
_FARTHEST_FLOOR = 60.0
_ROW = 512
MATERIALS = ("plain", "checks", "planks", "tiles", "bricks", "spots", "waves", "stripes")


def planes(picture: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Return views of a picture's three colours [H, W]; numpy is slow along rows of three."""
    return picture[..., 0], picture[..., 1], picture[..., 2]


def _rough(picture: Pixels, change: Pixels) -> None:
    """Make a picture [H, W, 3] brighter by a change [H, W], in place."""
    for plane in planes(picture):
        plane += change


def noise(
    rng: np.random.Generator, size: tuple[int, int], first: int = 2, octaves: int = 5
) -> Pixels:
    """Return noise at many scales, float32 [height, width], about 0 with deviation about 1.

    Args:
        rng: source.
        size: height, width.
        first: cells across the coarsest scale.
        octaves: number of scales, each half as large and 0.6 as strong as the one before.
    """
    height, width = size
    total = np.zeros(size, np.float32)
    for k in range(octaves):
        cells = first * 2**k
        grid = rng.standard_normal((max(2, cells * height // width), cells), np.float32)
        total += 0.6**k * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
    return total


def _colour(rng: np.random.Generator, low: float, high: float, spread: float) -> Pixels:
    """A random colour [3] near grey."""
    return np.clip(rng.uniform(low, high) + rng.normal(0, spread, 3), 5, 250).astype(np.float32)


def material(rng: np.random.Generator) -> Pixels:
    """Return a texture that repeats, float32 [TILE, TILE, 3], 0 to 255."""
    first = _colour(rng, 40, 235, 22)
    second = np.clip(first + rng.normal(0, 28, 3), 5, 255).astype(np.float32)
    kind = str(rng.choice(MATERIALS))
    cells = int(rng.integers(2, 9))
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32) / np.float32(TILE) * np.float32(cells)
    cloud = noise(rng, (TILE, TILE), 3)
    if kind == "checks":
        mark = (np.floor(x) + np.floor(y)) % 2
    elif kind in ("planks", "bricks", "tiles"):
        long = 1.0 if kind == "tiles" else (4.0 if kind == "planks" else 2.0)
        row = np.floor(y)
        along = x / long + (0.37 * row if kind != "tiles" else 0.0)
        tones = rng.uniform(0, 0.7, (64,)).astype(np.float32)
        mark = tones[(row * 7 + np.floor(along) * 13).astype(np.int32) % 64]
        seam = np.minimum(np.abs((y % 1) - 0.5), 9.0) > 0.5 - rng.uniform(0.02, 0.06)
        seam |= np.abs((along % 1) - 0.5) > 0.5 - rng.uniform(0.01, 0.03)
        mark = np.where(seam, 1.0, mark)
    elif kind == "spots":
        mark = cloud > 0.6
    elif kind == "waves":
        mark = 0.5 + 0.5 * np.sin(6.28 * x + cloud)
    elif kind == "stripes":
        mark = (x % 1) > rng.uniform(0.3, 0.8)
    else:
        mark = np.zeros_like(x)
    mark = np.clip(mark + rng.uniform(0.03, 0.25) * cloud, 0, 1).astype(np.float32)
    grain = rng.standard_normal((TILE, TILE), np.float32) * np.float32(rng.uniform(1, 7))
    texture = np.empty((TILE, TILE, 3), np.float32)
    for plane, start, step in zip(planes(texture), first, second - first, strict=True):
        np.multiply(mark, step, out=plane)
        plane += start
        plane += grain
    return texture


def _wall(rng: np.random.Generator) -> Pixels:
    """Return a painted wall, float32 [192, 576, 3]: paint or material, door, windows, pictures."""
    width, height = _WALL_PX
    if rng.uniform() < 0.45:
        wall = np.tile(cv2.resize(material(rng), (height, height)), (1, width // height, 1))
    else:
        wall = np.broadcast_to(_colour(rng, 70, 240, 14), (height, width, 3)).copy()
    _rough(wall, noise(rng, (height, width), 3) * np.float32(rng.uniform(1, 7)))
    metre = height / _WALL_M[1]
    for _ in range(int(rng.integers(0, 7))):
        w, h = rng.uniform(0.3, 1.6) * metre, rng.uniform(0.3, 1.3) * metre
        x, y = rng.uniform(0, width - w), rng.uniform(0.25, 0.6) * height
        _framed(rng, wall, (x, y - h / 2, x + w, y + h / 2))
    if rng.uniform() < 0.35:
        x, w, h = (
            rng.uniform(0, width),
            rng.uniform(0.8, 1.1) * metre,
            rng.uniform(1.9, 2.2) * metre,
        )
        _framed(rng, wall, (x, height - h, x + w, height + 9.0))
    if rng.uniform() < 0.5:
        wall[-int(rng.uniform(0.06, 0.16) * metre) :] = _colour(rng, 50, 245, 12)
    return wall


def _framed(rng: np.random.Generator, wall: Pixels, box: tuple[float, float, float, float]) -> None:
    """Paint a window, picture, cupboard or door with a frame into a wall."""
    x0, y0, x1, y1 = (int(v) for v in box)
    cv2.rectangle(wall, (x0, y0), (x1, y1), _colour(rng, 20, 250, 25).tolist(), -1)
    edge = int(rng.integers(1, 4))
    view = wall[max(y0 + edge, 0) : y1 - edge, max(x0 + edge, 0) : x1 - edge]
    if view.size == 0:
        return
    shades = np.stack([_colour(rng, 40, 250, 30), _colour(rng, 40, 250, 30)])[:, None]
    view[:] = cv2.resize(shades, (view.shape[1], view.shape[0]), interpolation=cv2.INTER_LINEAR)
    _rough(view, noise(rng, view.shape[:2], 3, 4) * np.float32(rng.uniform(0, 35)))
    for share in rng.uniform(0.2, 0.8, int(rng.integers(0, 3))):
        x = int(x0 + share * (x1 - x0))
        cv2.line(wall, (x, y0), (x, y1), _colour(rng, 20, 240, 10).tolist(), edge)


def _outdoors(rng: np.random.Generator) -> Pixels:
    """Return a view out of focus, float32 [192, 384, 3]: sky, horizon, trees, houses, lights."""
    height, width = 192, 384
    shades = np.stack([_colour(rng, 60, 250, 25), _colour(rng, 90, 250, 25)])[:, None]
    view = cv2.resize(shades, (width, height), interpolation=cv2.INTER_LINEAR)
    _rough(view, noise(rng, (height, width), 3) * np.float32(rng.uniform(0, 14)))
    horizon = int(rng.uniform(0.42, 0.62) * height)
    ground = _colour(rng, 40, 190, 25)
    view[horizon:] = ground + 12 * noise(rng, (height - horizon, width), 8)[..., None]
    for _ in range(int(rng.integers(3, 22))):
        colour = _colour(rng, 20, 230, 28)
        x, top = int(rng.uniform(0, width)), int(horizon - rng.uniform(0.03, 0.45) * height)
        wide = int(rng.uniform(4, 60))
        if rng.uniform() < 0.5:
            low = horizon + int(rng.uniform(0, 12))
            cv2.rectangle(view, (x, top), (x + wide, low), colour.tolist(), -1)
        else:
            centre = (x, (top + horizon) // 2)
            size = (wide // 2 + 1, max(2, (horizon - top) // 2))
            cv2.ellipse(view, centre, size, 0, 0, 360, colour.tolist(), -1)
    for _ in range(int(rng.integers(0, 8)) if rng.uniform() < 0.3 else 0):
        place = (int(rng.uniform(0, width)), int(rng.uniform(0.1, 0.7) * height))
        cv2.circle(view, place, int(rng.uniform(2, 7)), _colour(rng, 180, 250, 30).tolist(), -1)
    _rough(view, noise(rng, (height, width), 24, 4) * np.float32(rng.uniform(2, 12)))
    return cv2.GaussianBlur(view, (0, 0), float(rng.uniform(0.6, 5.0)))


@dataclass(frozen=True, eq=False)
class Place:
    """Where a person is: a floor, perhaps walls, and what is far away.

    Attributes:
        floor: texture of the floor, None without; metres that it spans.
        wall: painted wall, None without.
        wall_at: distance of the wall behind the person, metres.
        slant: angle of the wall to the picture, radians.
        far: view where there is neither; None where walls hide it.
    """

    floor: Pixels | None
    floor_m: float
    wall: Pixels | None
    wall_at: float
    slant: float
    far: Pixels | None


def draw_place(rng: np.random.Generator) -> Place:
    """Draw a place."""
    kind = rng.uniform()
    inside, floored = kind < 0.6, kind < 0.85
    return Place(
        floor=material(rng) if floored else None,
        floor_m=float(rng.uniform(0.8, 3.5)),
        wall=_wall(rng) if inside else None,
        wall_at=float(rng.uniform(0.8, 4.5)),
        slant=float(rng.normal(0, 0.35)),
        far=None if inside else _outdoors(rng),
    )


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the rays of a picture meet behind everything.

    Attributes:
        colours: float32 [N, 3], without light.
        reach: distance along the ray, float32 [N].
        floor, wall: numbers of the rays that meet the floor, the wall; others go far away.
        wall_normal: float32 [3].
    """

    colours: Pixels
    reach: Pixels
    floor: NDArray[np.intp]
    wall: NDArray[np.intp]
    wall_normal: Pixels


def _look_up(
    texture: Pixels, x: NDArray[np.floating], y: NDArray[np.floating], border: int
) -> Pixels:
    """Colours [N, 3] of a texture at pixel coordinates [N]."""
    # OpenCV takes pictures of coordinates, of 32767 rows or columns at most.
    places = np.zeros((2, -(-len(x) // _ROW) * _ROW), np.float32)
    places[0, : len(x)], places[1, : len(x)] = x, y
    across, down = places.reshape(2, -1, _ROW)
    found = cv2.remap(texture, across, down, cv2.INTER_LINEAR, borderMode=border)
    return found.reshape(-1, 3)[: len(x)]


def backdrop(
    place: Place, directions: Pixels, origin: Pixels, middle: Pixels, floor: np.float32
) -> Backdrop:
    """Return what rays meet behind people and objects.

    Args:
        place: what is there.
        directions: of the rays, [3, N].
        origin: of all rays [3].
        middle: of the person [3].
        floor: height of the floor, metres.
    """
    count = directions.shape[1]
    away = middle - origin
    away[1] = 0.0
    away = unit(away).astype(np.float32)
    aside = np.array([away[2], 0, -away[0]], np.float32)
    t_floor, t_wall = np.full(count, _FAR), np.full(count, _FAR)
    down = directions[1]
    if place.floor is not None:
        falling = down < -1e-4
        t_floor[falling] = (floor - origin[1]) / down[falling]
        t_floor[t_floor > _FARTHEST_FLOOR] = _FAR
    normal = (np.cos(place.slant) * away + np.sin(place.slant) * aside).astype(np.float32)
    if place.wall is not None:
        toward = normal @ directions
        start = np.float32((middle + away * place.wall_at - origin) @ normal)
        met = toward > 1e-3
        t_wall[met] = start / toward[met]
    reach = np.minimum(t_floor, t_wall)
    near = reach < _FAR
    on_floor, on_wall = (np.flatnonzero(near & on) for on in (t_floor <= t_wall, t_wall < t_floor))
    colours = np.full((count, 3), 128, np.float32)
    far = np.flatnonzero(~near)
    if len(far) and place.far is not None:
        d = directions.take(far, axis=1)
        ahead = np.maximum(away @ d, np.float32(1e-3))
        height, width = place.far.shape[:2]
        x = (0.5 + (aside @ d) / ahead / 2.2) * width
        y = (0.5 - d[1] / ahead / 1.4) * height
        colours[far] = _look_up(place.far, x, y, cv2.BORDER_REFLECT)
    if len(on_floor) and place.floor is not None:
        distance, scale = reach[on_floor], np.float32(TILE / place.floor_m)
        x, y = ((directions[k, on_floor] * distance + origin[k]) * scale for k in (0, 2))
        colours[on_floor] = _look_up(place.floor, x, y, cv2.BORDER_WRAP)
    if len(on_wall) and place.wall is not None:
        points = directions.take(on_wall, axis=1)
        points *= reach[on_wall]
        points += (origin - middle)[:, None]
        across = np.array([normal[2], 0, -normal[0]], np.float32)
        scale = np.float32(_WALL_PX[1] / _WALL_M[1])
        x = (across @ points) * scale + _WALL_PX[0] / 2
        y = _WALL_PX[1] - (points[1] + middle[1] - floor) * scale
        colours[on_wall] = _look_up(place.wall, x, y, cv2.BORDER_REFLECT)
    return Backdrop(colours, np.minimum(reach, np.float32(100)), on_floor, on_wall, -normal)

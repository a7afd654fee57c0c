"""Point clouds to views: round splats that fade towards their rim, nearest in front.

The result is that of the published renders (PyTorch3D's point rasteriser with alpha compositing):
a splat's opacity is 1 - (distance / radius)^2, at most ``points_per_pixel`` of them count, what
shines through the last one is black, and only pixels that no splat touches are white.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivlm_core.geometry.camera import Camera


@dataclass(frozen=True)
class PointViews:
    """Views of a point cloud.

    Attributes:
        images: uint8 RGB [J, H, W, 3] on white.
        point_ids: int32 [J, H, W], the nearest point whose splat covers the pixel, -1 for none.
    """

    images: np.ndarray
    point_ids: np.ndarray


def render_points(
    points: np.ndarray,
    colors: np.ndarray,
    cameras: Sequence[Camera],
    radius: float = 0.05,
    points_per_pixel: int = 10,
) -> PointViews:
    """Draw a point cloud.

    Args:
        points: float [P, 3] in the frame of the cameras.
        colors: float [P, 3] in [0, 1].
        cameras: J cameras of one image size.
        radius: of a splat, in halves of the shorter image side (published: 0.05 PIAD, 0.03 LEMON).
        points_per_pixel: splats that are blended.

    Raises:
        ValueError: shapes do not fit, there are no points, or a number is not positive.
    """
    points, colors = np.asarray(points, dtype=np.float64), np.asarray(colors, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points) or colors.shape != points.shape:
        raise ValueError(
            f"render_points needs points and colors of shape [P, 3], got {points.shape} and "
            f"{colors.shape}."
        )
    if radius <= 0 or points_per_pixel < 1:
        raise ValueError(
            f"radius and points_per_pixel must be positive, got {radius} and {points_per_pixel}."
        )
    if len({(camera.height, camera.width) for camera in cameras}) != 1:
        raise ValueError("render_points needs cameras of one (height, width).")
    views = [_render_view(points, colors, camera, radius, points_per_pixel) for camera in cameras]
    images, ids = zip(*views, strict=True)
    return PointViews(np.stack(images), np.stack(ids))


def in_unit_sphere(points: np.ndarray) -> np.ndarray:
    """Return points [P, 3] with their mean in the origin and the farthest at distance one."""
    # In float64: a sum of many far points in float32 misses their middle by more than their size.
    centred = points - points.mean(axis=0, dtype=np.float64)
    return centred / np.linalg.norm(centred, axis=1).max()


def _render_view(
    points: np.ndarray, colors: np.ndarray, camera: Camera, radius: float, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Image uint8 [H, W, 3] and nearest point int32 [H, W] of one view."""
    pixel, point, alpha = _splats(points, camera, radius * min(camera.height, camera.width) / 2)
    starts = np.flatnonzero(np.diff(pixel, prepend=-1))  # splats are sorted by pixel and depth
    covered = pixel[starts]
    rank = np.arange(len(pixel)) - np.repeat(starts, np.diff(starts, append=len(pixel)))
    row = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(pixel)))

    color = np.zeros((len(starts), 3), dtype=np.float32)
    through = np.ones(len(starts), dtype=np.float32)
    for layer in range(count):
        now = rank == layer
        rows = row[now]
        color[rows] += (through[rows] * alpha[now])[:, None] * colors[point[now]]
        through[rows] *= 1 - alpha[now]

    image = np.full((camera.height * camera.width, 3), 255, dtype=np.uint8)
    ids = np.full(camera.height * camera.width, -1, dtype=np.int32)
    image[covered] = (np.clip(color, 0.0, 1.0) * 255).astype(np.uint8)
    ids[covered] = point[starts]
    shape = (camera.height, camera.width)
    return image.reshape(*shape, 3), ids.reshape(shape)


def _splats(
    points: np.ndarray, camera: Camera, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel, point and opacity of every covered pixel of every splat, by pixel, then depth.

    Args:
        points: float [P, 3].
        camera: the camera.
        radius: in pixels.
    """
    centers, depth = camera.project(points)
    order = np.argsort(depth, kind="stable")
    order = order[depth[order] > 0]
    centers = centers[order]
    reach = np.arange(-np.ceil(radius), np.ceil(radius) + 1)
    columns = np.floor(centers[:, 0])[:, None] + reach
    rows = np.floor(centers[:, 1])[:, None] + reach
    x = (columns + 0.5 - centers[:, :1]) / radius
    y = (rows + 0.5 - centers[:, 1:]) / radius
    distance = y[:, :, None] ** 2 + x[:, None, :] ** 2
    inside = distance < 1
    inside &= ((rows >= 0) & (rows < camera.height))[:, :, None]
    inside &= ((columns >= 0) & (columns < camera.width))[:, None, :]
    index, i, j = np.nonzero(inside)  # ordered by point, that is by depth
    pixel = (rows[index, i] * camera.width + columns[index, j]).astype(np.int64)
    by_pixel = np.argsort(pixel, kind="stable")
    opacity = (1 - distance[inside]).astype(np.float32)
    return pixel[by_pixel], order[index[by_pixel]], opacity[by_pixel]

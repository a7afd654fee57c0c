"""Pinhole cameras with OpenCV axes: x right, y down, z forward; pixel centres at +0.5."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        intrinsics: float64 [3, 3], pixels.
        camera_from_world: float64 [4, 4], rigid; maps world points in metres to camera points.
        height: image height, pixels.
        width: image width, pixels.
    """

    intrinsics: np.ndarray
    camera_from_world: np.ndarray
    height: int
    width: int

    def __post_init__(self) -> None:
        """Check shapes and bring the matrices to float64."""
        for name, shape in (("intrinsics", (3, 3)), ("camera_from_world", (4, 4))):
            matrix = np.asarray(getattr(self, name), dtype=np.float64)
            if matrix.shape != shape or not np.isfinite(matrix).all():
                raise ValueError(
                    f"Camera {name} must be a finite matrix of shape {shape}, got {matrix.shape}."
                )
            object.__setattr__(self, name, matrix)
        if self.height <= 0 or self.width <= 0:
            raise ValueError(
                f"Camera size must be positive, got (height, width) = {self.height, self.width}."
            )

    @classmethod
    def from_fov(
        cls, camera_from_world: np.ndarray, fov_deg: float, height: int, width: int
    ) -> "Camera":
        """Make a camera with square pixels whose shorter image side spans ``fov_deg``."""
        focal = 0.5 * min(height, width) / np.tan(np.deg2rad(fov_deg) / 2)
        intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return cls(intrinsics, camera_from_world, height, width)

    @property
    def world_from_camera(self) -> np.ndarray:
        """Inverse of ``camera_from_world``, float64 [4, 4]."""
        rotation, translation = self.camera_from_world[:3, :3], self.camera_from_world[:3, 3]
        inverse = np.eye(4)
        inverse[:3, :3] = rotation.T
        inverse[:3, 3] = -rotation.T @ translation
        return inverse

    @property
    def center(self) -> np.ndarray:
        """Position of the camera in the world, float64 [3], metres."""
        return self.world_from_camera[:3, 3]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] to camera points, float64 [..., 3], metres."""
        return np.asarray(points) @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World points [..., 3] in metres to the image.

        Returns:
            Image points (x, y) in pixels, float64 [..., 2], and depths along the camera's z
            axis in metres, float64 [...]. Points at or behind the camera (depth <= 0) get NaN.
        """
        local = self.to_camera(points)
        depth = local[..., 2]
        safe = np.where(depth > 0, depth, np.nan)
        homogeneous = local @ self.intrinsics.T
        return homogeneous[..., :2] / safe[..., None], depth

    def unproject(self, image_points: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Image points (x, y) [..., 2] at depths [...] to world points, float64 [..., 3]."""
        image_points = np.asarray(image_points, dtype=np.float64)
        ones = np.ones((*image_points.shape[:-1], 1))
        directions = (
            np.concatenate([image_points, ones], axis=-1) @ np.linalg.inv(self.intrinsics).T
        )
        local = directions * np.asarray(depth, dtype=np.float64)[..., None]
        return (local - self.camera_from_world[:3, 3]) @ self.camera_from_world[:3, :3]

    def window(self, points: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns of the pixels that can show anything between world points [N, 3].

        The whole image where a point is not in front of the camera.
        """
        pixels, depth = self.project(points)
        if not (depth > 0).all():
            return slice(0, self.height), slice(0, self.width)
        margin = 1e-3  # of a pixel, for rounding
        low = np.floor(pixels.min(axis=0) - margin).clip(0, (self.width, self.height)).astype(int)
        high = np.ceil(pixels.max(axis=0) + margin).clip(0, (self.width, self.height)).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def pixel_rays(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Rays through pixel centres, all of them or those of a window, in world axes.

        Returns:
            float32 [height, width, 6]: origin and direction. Directions have depth one along the
            camera's z axis, so a ray parameter t is the depth in metres.
        """
        to_world = self.camera_from_world[:3, :3].T @ np.linalg.inv(self.intrinsics)
        x = np.arange(self.width)[None, columns, None] + 0.5
        y = np.arange(self.height)[rows, None, None] + 0.5
        rays = np.empty((y.shape[0], x.shape[1], 6), dtype=np.float32)
        rays[..., :3] = self.center
        rays[..., 3:] = x * to_world[:, 0] + (y * to_world[:, 1] + to_world[:, 2])
        return rays


def look_at(eye: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 1.0, 0.0)) -> np.ndarray:
    """Pose of a camera at ``eye`` that looks at ``target`` with ``up`` upwards in the image.

    Args:
        eye: camera position, [3], metres.
        target: point on the optical axis, [3], metres.
        up: direction that points up in the image, [3].

    Returns:
        ``camera_from_world``, float64 [4, 4].
    """
    eye = np.asarray(eye, dtype=np.float64)
    forward = np.asarray(target, dtype=np.float64) - eye
    right = np.cross(forward, np.asarray(up, dtype=np.float64))
    if np.linalg.norm(forward) < 1e-12 or np.linalg.norm(right) < 1e-9 * np.linalg.norm(forward):
        raise ValueError(
            f"look_at needs eye and target apart and 'up' not along the view direction; got "
            f"eye {eye.tolist()}, target {np.asarray(target)}, up {np.asarray(up)}."
        )
    forward /= np.linalg.norm(forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3] = rotation
    camera_from_world[:3, 3] = -rotation @ eye
    return camera_from_world

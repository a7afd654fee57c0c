"""Cameras whose lens bends straight lines: the models of OpenCV, which ROS calibrations use."""

from dataclasses import dataclass, field

import numpy as np

from ivlm_core.geometry.camera import Camera


@dataclass(frozen=True)
class LensCamera(Camera):
    """A pinhole camera behind a lens.

    Attributes:
        distortion: float64 [4, 5, 8, 12 or 14], OpenCV's coefficients; of a fisheye 4.
        fisheye: OpenCV's fisheye model (Kannala and Brandt 2006) instead of Brown's.
    """

    distortion: np.ndarray = field(default_factory=lambda: np.zeros(4))
    fisheye: bool = False

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Camera.project`, through the lens."""
        import cv2

        local = self.to_camera(points)
        depth = local[..., 2]
        safe = np.where(depth > 0, depth, np.nan)
        plane = local[..., :2] / safe[..., None]
        flat = np.nan_to_num(plane).reshape(-1, 1, 2)
        if self.fisheye:
            bent = cv2.fisheye.distortPoints(flat, np.eye(3), self.distortion)
        else:
            ahead = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
            still = np.zeros(3)
            bent, _ = cv2.projectPoints(ahead, still, still, np.eye(3), self.distortion)
        bent = np.where(np.isfinite(plane), bent.reshape(plane.shape), np.nan)
        return bent @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2], depth

    def pixel_rays(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """As `Camera.pixel_rays`, through the lens."""
        import cv2

        x = np.arange(self.width)[columns] + 0.5
        y = np.arange(self.height)[rows] + 0.5
        pixels = np.stack(np.meshgrid(x, y), axis=-1)
        flat = pixels.reshape(-1, 1, 2)
        straighten = cv2.fisheye.undistortPoints if self.fisheye else cv2.undistortPoints
        plane = straighten(flat, self.intrinsics, self.distortion) if len(flat) else flat
        ahead = np.ones((*pixels.shape[:2], 3))
        ahead[..., :2] = plane.reshape(pixels.shape)
        rays = np.empty((*pixels.shape[:2], 6), dtype=np.float32)
        rays[..., :3] = self.center
        rays[..., 3:] = ahead @ self.camera_from_world[:3, :3]
        return rays

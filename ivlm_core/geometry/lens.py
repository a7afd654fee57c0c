"""Cameras whose lens bends straight lines: the models of OpenCV, which ROS calibrations use."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ivlm_core.geometry.camera import Camera

_ON_SIDE = 65
"""Points on a side of a box that stand for the whole side."""


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
        local = self.to_camera(points)
        depth = local[..., 2]
        safe = np.where(depth > 0, depth, np.nan)
        return self._bend(local[..., :2] / safe[..., None]), depth

    def window(self, points: np.ndarray) -> tuple[slice, slice]:
        """As `Camera.window`: what lies between points may bulge out of the box around them."""
        everything = slice(0, self.height), slice(0, self.width)
        local = self.to_camera(points)
        if not (local[..., 2] > 0).all():
            return everything
        plane = local[..., :2] / local[..., 2:]
        # Farther out than the image shows, a lens model may fold back into it.
        border = _around((0.0, 0.0), (self.width, self.height))
        shown = self._straighten(border)
        if not (np.abs(self._bend(shown) - border) < 1).all():  # it folds within the image
            return everything
        low = np.maximum(plane.min(axis=0), shown.min(axis=0))
        high = np.minimum(plane.max(axis=0), shown.max(axis=0))
        if not (low < high).all():
            return slice(0, 0), slice(0, 0)
        pixels = self._bend(_around(low, high))
        if not np.isfinite(pixels).all():
            return everything
        # A pixel to spare: between two places on the border the picture of it is bent, too.
        start = np.floor(pixels.min(axis=0) - 1).clip(0, (self.width, self.height)).astype(int)
        end = np.ceil(pixels.max(axis=0) + 1).clip(0, (self.width, self.height)).astype(int)
        return slice(start[1], end[1]), slice(start[0], end[0])

    def _bend(self, plane: np.ndarray) -> np.ndarray:
        """Points [..., 2] at depth one to image points; NaN stays NaN."""
        import cv2

        if not plane.size:
            return plane
        flat = np.nan_to_num(plane).reshape(-1, 1, 2)
        if self.fisheye:
            bent = cv2.fisheye.distortPoints(flat, np.eye(3), self.distortion)
        else:
            ahead = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
            still = np.zeros(3)
            bent, _ = cv2.projectPoints(ahead, still, still, np.eye(3), self.distortion)
        bent = np.where(np.isfinite(plane), bent.reshape(plane.shape), np.nan)
        return bent @ self.intrinsics[:2, :2].T + self.intrinsics[:2, 2]

    def _straighten(self, pixels: np.ndarray) -> np.ndarray:
        """Image points [..., 2] to points at depth one: the inverse of `_bend`."""
        import cv2

        if not pixels.size:
            return pixels
        flat = pixels.reshape(-1, 1, 2)
        straighten = cv2.fisheye.undistortPoints if self.fisheye else cv2.undistortPoints
        return straighten(flat, self.intrinsics, self.distortion).reshape(pixels.shape)

    def pixel_rays(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """As `Camera.pixel_rays`, through the lens."""
        x = np.arange(self.width)[columns] + 0.5
        y = np.arange(self.height)[rows] + 0.5
        pixels = np.stack(np.meshgrid(x, y), axis=-1)
        ahead = np.ones((*pixels.shape[:2], 3))
        ahead[..., :2] = self._straighten(pixels)
        rays = np.empty((*pixels.shape[:2], 6), dtype=np.float32)
        rays[..., :3] = self.center
        rays[..., 3:] = ahead @ self.camera_from_world[:3, :3]
        return rays


def _around(low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """Points around a box with corners [2], its corners among them: float64 [4 * _ON_SIDE, 2]."""
    along = np.linspace(0.0, 1.0, _ON_SIDE)
    zero, one = np.zeros(_ON_SIDE), np.ones(_ON_SIDE)
    x, y = np.concatenate([along, along, zero, one]), np.concatenate([zero, one, along, along])
    start, end = np.asarray(low, np.float64), np.asarray(high, np.float64)
    return start + np.stack([x, y], axis=1) * (end - start)

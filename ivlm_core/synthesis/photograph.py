"""What a camera does to a picture: white balance, lens, exposure, blur, noise, compression."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis.background import planes

MOTION_BLUR = 0.08
"""How often the camera moved."""
RECOMPRESSED = 0.3
"""How often a picture went through JPEG."""
RESAMPLED = 0.1
"""How often a picture was smaller at some time."""
_SHOULDER, _BRIGHTEST, _STEPS = 1.1, 1.6, 2048
_REFERENCE = 256.0
"""Side for which blurs are given, pixels."""


def as_photograph(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a drawn picture as a camera would have taken it.

    Args:
        image: float32 RGB [S, S, 3], 0 to 255.
        rng: source.

    Returns:
        uint8 RGB [S, S, 3].
    """
    size = image.shape[0]
    scale = size / _REFERENCE
    balance = np.exp(rng.normal(0, (0.05, 0.015, 0.06))) * rng.uniform(0.72, 1.15)
    image = np.maximum(image, 0)
    for plane, factor in zip(planes(image), balance.astype(np.float32), strict=True):
        plane *= factor
    if rng.uniform() < 0.5:
        fall = _vignette(rng, size)
        for plane in planes(image):
            plane *= fall
    image = _toned(image, rng)
    if rng.uniform() < MOTION_BLUR:
        image = cv2.filter2D(image, -1, _streak(rng, scale))
    elif rng.uniform() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.9)) * max(scale, 0.5))
    if rng.uniform() < RESAMPLED:
        small = max(8, int(size * rng.uniform(0.4, 0.9)))
        shrunk = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR)
    for plane, noise in zip(planes(image), _sensor_noise(rng, size), strict=True):
        plane += noise
    picture = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    if rng.uniform() < RECOMPRESSED:
        quality = (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90)))
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return picture


def _vignette(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Darkening towards the corners, [size, size]."""
    ramp = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    square = ramp**2
    fall = np.float32(rng.uniform(0.1, 0.9)) * (square[:, None] + square)
    return (1 - fall).astype(np.float32)


def _toned(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Response of film or sensor, gamma, contrast and saturation; a few pictures are grey."""
    light = np.linspace(0, _BRIGHTEST, _STEPS)
    # Both give way towards white.
    table = (1 - np.exp(-_SHOULDER * light)) / (1 - np.exp(-1.25 * _SHOULDER))
    table = 255 * np.minimum(table, 1) ** rng.uniform(0.65, 1.15)
    table = (128 + (table - 128) * rng.uniform(0.8, 1.15)).astype(np.float32)
    place = (image * np.float32((_STEPS - 1) / (255 * _BRIGHTEST))).astype(np.int32)
    image = table.take(place, mode="clip")
    saturation = 0.0 if rng.uniform() < 0.02 else rng.uniform(0.6, 1.3)
    mix = np.full((3, 3), (1 - saturation) / 3) + saturation * np.eye(3)
    toned: NDArray[np.float32] = cv2.transform(image, mix)
    return toned


def _streak(rng: np.random.Generator, scale: float) -> NDArray[np.float32]:
    """Kernel of a motion along a line."""
    length = max(3, int(rng.uniform(3, 9) * scale))
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, np.pi), (length - 1) / 2
    step = np.array([np.cos(angle), np.sin(angle)]) * middle
    ends = [tuple(int(round(middle + s * v)) for v in step) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()


def _sensor_noise(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Noise [3, size, size], the same in all colours or else coarser."""
    strength = np.float32(rng.uniform(0.5, 5) if rng.uniform() < 0.9 else rng.uniform(5, 10))
    if rng.uniform() < 0.3:
        coarse = rng.standard_normal((size // 2 + 1, size // 2 + 1, 3), np.float32)
        noise = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR) * strength
        return noise.transpose(2, 0, 1)
    noise = rng.standard_normal((size, size), np.float32) * strength
    return np.broadcast_to(noise, (3, size, size))

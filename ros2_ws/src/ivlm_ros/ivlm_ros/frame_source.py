"""Images, folders and videos as a stream of frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
DEFAULT_RATE_HZ = 5.0
"""Frames per second of sources that have no rate of their own."""

_FRAMES_PER_SECOND = 5  # cv2.CAP_PROP_FPS


@dataclass(frozen=True)
class CameraFrame:
    """One picture of a source."""

    pixels: np.ndarray
    """uint8 [height, width, 3] RGB."""
    label: str | None
    """The object that a file name `label__name.png` gives, else None."""
    name: str


@dataclass(frozen=True)
class FrameSource:
    """A file or folder that has been looked at, but not read.

    Attributes:
        images: image files in order; empty for a video.
        video: the video file, or None.
        rate_hz: frames per second that the source asks for.
    """

    images: tuple[Path, ...]
    video: Path | None
    rate_hz: float

    def frames(self, loop: bool, warn: Callable[[str], None]) -> Iterator[CameraFrame]:
        """Yield frames in order, again and again with `loop`.

        Args:
            loop: begin again after the last frame.
            warn: told about a file that cannot be read; it is left out.

        Raises:
            ValueError: not one frame can be read.
        """
        while True:
            count = 0
            for frame in self._once(warn):
                count += 1
                yield frame
            if not count:
                raise ValueError(f"no frame of {self.video or self.images[0].parent} can be read")
            if not loop:
                return

    def _once(self, warn: Callable[[str], None]) -> Iterator[CameraFrame]:
        if self.video is not None:
            yield from _video_frames(self.video)
        for path in self.images:
            try:
                yield CameraFrame(_read_image(path), label_of(path), path.name)
            except (OSError, UnidentifiedImageError) as error:
                warn(f"{path} left out: {error}")


def open_source(path: Path) -> FrameSource:
    """Look at an image, a folder of images, or a video file.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: neither an image nor a video nor a folder with images.
    """
    if path.is_dir():
        images = tuple(sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES))
        if not images:
            raise ValueError(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)})")
        return FrameSource(images, None, DEFAULT_RATE_HZ)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is neither a file nor a folder; give an existing path")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return FrameSource((path,), None, DEFAULT_RATE_HZ)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return FrameSource((), path, _video_rate(path))
    raise ValueError(
        f"{path} is not an image ({', '.join(IMAGE_SUFFIXES)}) or video "
        f"({', '.join(VIDEO_SUFFIXES)})"
    )


def label_of(path: Path) -> str | None:
    """Return the label of a file named `label__name.png`, with `_` read as a space, or None."""
    label, separator, _ = path.stem.partition("__")
    return label.replace("_", " ") if separator and label else None


@lru_cache(maxsize=64)
def _read_image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _open_video(path: Path) -> Any:
    """Return an open `cv2.VideoCapture`."""
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            f"reading {path} needs OpenCV: pip install opencv-python-headless (apt: python3-opencv)"
        ) from error
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise ValueError(f"{path} cannot be read as a video; is it complete, is its codec known?")
    return capture


def _video_rate(path: Path) -> float:
    capture = _open_video(path)
    rate = float(capture.get(_FRAMES_PER_SECOND))
    capture.release()
    return rate if 0 < rate < 1000 else DEFAULT_RATE_HZ


def _video_frames(path: Path) -> Iterator[CameraFrame]:
    capture = _open_video(path)
    number = 0
    try:
        while True:
            there, bgr = capture.read()
            if not there:
                return
            pixels = np.ascontiguousarray(bgr[..., ::-1])
            yield CameraFrame(pixels, label_of(path), f"{path.name}#{number}")
            number += 1
    finally:
        capture.release()

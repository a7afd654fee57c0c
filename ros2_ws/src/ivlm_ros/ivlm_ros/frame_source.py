"""Images, folders and videos as a stream of frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from ivlm_core.inputs import (
    IMAGE_SUFFIXES,
    LABEL_SEPARATOR,
    VIDEO_SUFFIXES,
    InputError,
    Sample,
    read_images,
)

DEFAULT_RATE_HZ = 5.0
"""Frames per second of sources that have no rate of their own."""

SHIPPED = "demo"
"""Name of the pictures inside the package, instead of a path."""

_FRAMES_PER_SECOND = 5  # cv2.CAP_PROP_FPS


@dataclass(frozen=True)
class CameraFrame:
    """One picture of a source."""

    pixels: np.ndarray
    """uint8 [height, width, 3] RGB."""
    label: str
    """The object that a file name `label__name.png` gives, else empty."""
    name: str


@dataclass(frozen=True)
class FrameSource:
    """Files that have been found, but not read."""

    samples: tuple[Sample, ...]
    rate_hz: float
    """Frames per second that the source asks for."""

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
            for sample, image in read_images(self.samples):
                if isinstance(image, InputError):
                    warn(f"{sample.title} left out: {image}")
                    continue
                count += 1
                yield CameraFrame(image, sample.label, sample.name)
            if not count:
                raise ValueError(f"nothing can be read of {self.samples[0].source.parent}")
            if not loop:
                return


def source_path(source: str) -> Path:
    """Return the path of a source; that of the shipped pictures for `demo`."""
    if source == SHIPPED:
        return Path(str(resources.files("ivlm_core") / "assets" / "demo"))
    return Path(source).expanduser()


def open_source(path: Path) -> FrameSource:
    """Look at an image, a video file, or a folder of them.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: neither an image nor a video nor a folder with some.
    """
    known = IMAGE_SUFFIXES + VIDEO_SUFFIXES
    if not path.exists():
        raise FileNotFoundError(f"{path} is neither a file nor a folder; give an existing path")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in known]
    if not files:
        raise ValueError(f"{path} is or has no image and no video ({', '.join(known)})")
    samples = tuple(Sample(file.name, file, label_of(file)) for file in files)
    videos = [sample.source for sample in samples if sample.is_video]
    return FrameSource(samples, _video_rate(videos[0]) if videos else DEFAULT_RATE_HZ)


def label_of(path: Path) -> str:
    """Return the label of a file named `label__name.png`, with `_` read as a space, or ''."""
    label, separator, _ = path.stem.partition(LABEL_SEPARATOR)
    return label.replace("_", " ").strip() if separator else ""


def _video_rate(path: Path) -> float:
    try:
        import cv2
    except ImportError:
        return DEFAULT_RATE_HZ  # reading the frames will say what is missing
    capture = cv2.VideoCapture(str(path))
    rate = float(capture.get(_FRAMES_PER_SECOND))
    capture.release()
    return rate if 0 < rate < 1000 else DEFAULT_RATE_HZ

"""What a user names on the command line to samples: images, folders, labelled files, videos."""

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ivlm_core.geometry.mesh import MESH_SUFFIXES
from ivlm_core.pixels import WhiteUnknownError, rgb_pixels

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".gif")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")

_OF_MESHES = (*MESH_SUFFIXES, ".mtl", ".bin")
"""What meshes and their materials are kept in."""

_ORIENTATION = 0x0112
"""Of EXIF: how the picture was held."""

LABEL_SEPARATOR = "__"
"""Between label and name in `label__name.jpg`."""


class InputError(ValueError):
    """An input cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Sample:
    """One image to predict on, or one video whose frames are."""

    name: str
    """Unique among the samples of a run, fit for file names."""
    source: Path
    """Image or video file."""
    label: str
    mesh_path: Path | None = None
    """Surface of the object, where the input gives one."""
    frame: int | None = None
    """Index of the frame of a video; None for image files and before the video is read."""

    @property
    def is_video(self) -> bool:
        """Whether the source holds frames."""
        return self.source.suffix.lower() in VIDEO_SUFFIXES

    @property
    def title(self) -> str:
        """How messages call it."""
        return str(self.source) if self.frame is None else f"{self.source} frame {self.frame}"


@dataclass(frozen=True)
class Problem:
    """An input that gives no sample."""

    source: str
    reason: str


def find_samples(
    paths: Iterable[str | Path], label: str | None = None, mesh_path: Path | None = None
) -> tuple[list[Sample], list[Problem]]:
    """Turn paths into samples.

    * An image file is a sample. Without `label` its name must be `label__name.jpg`.
    * A video file is a sample of many frames, labelled likewise.
    * A folder with one image and one mesh is a sample: the mesh is the object's surface.
    * Any other folder: each image and video in it is a sample, and so is each of its sub-folders
      that holds exactly one image and at most one mesh. Without `label` a sub-folder's label is
      that of its image, or else its own name (up to `__`).

    Other files in folders are passed over; a line in the log says how many.

    Args:
        paths: files and folders, in the order of the samples.
        label: label of all samples; None takes it from the names.
        mesh_path: surface for all samples; it goes before what folders hold.

    Returns:
        Samples, their names made unique, and what gave none with the reason.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    named = [Path(path) for path in paths]
    for path in named:
        try:
            _add_path(path, label, samples, problems)
        except (InputError, OSError) as error:
            problems.append(Problem(str(path), str(error)))
    _tell_passed_over(named)
    if mesh_path is not None:
        samples = [replace(sample, mesh_path=mesh_path) for sample in samples]
    return _uniquely_named(samples), problems


def read_images(
    samples: Iterable[Sample], every: int = 1
) -> Iterator[tuple[Sample, np.ndarray | InputError]]:
    """Read images one at a time; a sample that cannot be read gives its error instead.

    Args:
        samples: what to read; a video gives one sample a frame, named `<name>_000012`.
        every: of a video, take the frames 0, every, 2 x every, ...

    Yields:
        The sample with its image, uint8 RGB [height, width, 3], or with the reason it has none.
    """
    for sample in samples:
        if sample.is_video:
            yield from _read_video(sample, every)
            continue
        try:
            yield sample, read_image(sample.source)
        except InputError as error:
            yield sample, error


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file upright, as its EXIF orientation says.

    Transparent parts become white. 16-bit grey is scaled to 8 bits, by the bits that the file tells
    (`ivlm_core.pixels`).

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        InputError: there is no such file, it is no complete image, or its white is not known.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file '{path}'")
    try:
        with warnings.catch_warnings(record=True) as told, Image.open(path) as opened:
            warnings.simplefilter("always")
            pixels = rgb_pixels(opened)
            upright = _ORIENTATION in opened.getexif()
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise InputError(
            f"'{path.name}' has more than {most:.0f} million pixels; shrink it first"
        ) from error
    except WhiteUnknownError as error:
        raise InputError(f"'{path.name}' cannot be used: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        why = str(error)
        if isinstance(error, UnidentifiedImageError):  # its text is the path once more
            why = "it is empty" if path.stat().st_size == 0 else "no image format begins like it"
        raise InputError(
            f"'{path.name}' cannot be read as an image ({why}); it may be damaged or of a "
            "format that is not known"
        ) from error
    if not upright and any(w.category is UserWarning for w in told):
        log.warning(
            "%s has damaged metadata and was taken as it is stored; turn it if it is not upright",
            path,
        )
    return pixels


def count_images(samples: Iterable[Sample], every: int = 1) -> int:
    """How many images `read_images` will give; for videos, what their headers say."""
    total = 0
    for sample in samples:
        frames = _frames_in_header(sample.source) if sample.is_video else 1
        total += -(-frames // every) if sample.is_video else 1
    return total


def _add_path(
    path: Path, label: str | None, samples: list[Sample], problems: list[Problem]
) -> None:
    """Add what one path of the user holds."""
    if not path.exists():
        raise InputError("there is no such file or folder")
    if path.is_file():
        samples.append(_file_sample(path, label))
        return
    images, meshes, folders, _ = _contents(path)
    if len(images) == 1 and len(meshes) == 1:
        samples.append(_folder_sample(path, label))
        return
    if not images and not folders:
        raise InputError("the folder holds no image, no video and no sub-folder")
    if images and meshes:
        raise InputError(
            f"the folder holds {len(images)} images and {len(meshes)} meshes, so it is not clear "
            "which belong together; put each image and its mesh in a folder of their own, or give "
            "one mesh for all with --mesh"
        )
    for child in images:
        _try(lambda child=child: _file_sample(child, label), child, samples, problems)
    for child in folders:
        _try(lambda child=child: _folder_sample(child, label), child, samples, problems)


def _try(make: Any, source: Path, samples: list[Sample], problems: list[Problem]) -> None:
    try:
        samples.append(make())
    except (InputError, OSError) as error:
        problems.append(Problem(str(source), str(error)))


def _contents(folder: Path) -> tuple[list[Path], list[Path], list[Path], list[Path]]:
    """Images and videos, meshes, sub-folders, and files that nothing reads, by name.

    Hidden ones are left out.
    """
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    known = IMAGE_SUFFIXES + VIDEO_SUFFIXES
    # links to what is gone stay in, so that they fail by name
    files = [entry for entry in entries if entry.is_file() or not entry.exists()]
    images = [entry for entry in files if entry.suffix.lower() in known]
    meshes = [entry for entry in files if entry.suffix.lower() in MESH_SUFFIXES]
    others = [entry for entry in files if entry.suffix.lower() not in (*known, *_OF_MESHES)]
    return images, meshes, [entry for entry in entries if entry.is_dir()], others


def _tell_passed_over(paths: Iterable[Path]) -> None:
    """Say how many files lie in folders of samples that nothing reads."""
    others: list[Path] = []
    for folder in paths:
        with suppress(OSError):  # told where the folder was looked for images
            *_, folders, unread = _contents(folder)
            others += unread
            for child in folders:
                others += _contents(child)[-1]
    if others:
        named = ", ".join(file.name for file in others[:3]) + ", ..." * (len(others) > 3)
        log.warning(
            "passed over %d %s in folders (%s), of formats that are not known; read are %s",
            len(others),
            "file" if len(others) == 1 else "files",
            named,
            " ".join(IMAGE_SUFFIXES + VIDEO_SUFFIXES),
        )


def _file_sample(path: Path, label: str | None) -> Sample:
    """A file as the user named it, or found in a folder."""
    if path.suffix.lower() not in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
        raise InputError(
            f"'{path.suffix}' is not an image or video format that is known; expected one of "
            f"{', '.join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}"
        )
    found = label or _label_in(path.stem)
    if not found:
        raise InputError(
            f"no label: give --label, or name the file label{LABEL_SEPARATOR}name{path.suffix}"
        )
    return Sample(path.stem, path, found)


def _folder_sample(folder: Path, label: str | None) -> Sample:
    """A folder that holds one image and at most one mesh."""
    images, meshes, _, _ = _contents(folder)
    if len(images) != 1 or len(meshes) > 1:
        raise InputError(
            f"a folder of one sample holds one image and at most one mesh; this one holds "
            f"{len(images)} images and {len(meshes)} meshes"
        )
    found = label or _label_in(images[0].stem) or folder.resolve().name.split(LABEL_SEPARATOR)[0]
    return Sample(folder.resolve().name, images[0], found, meshes[0] if meshes else None)


def _label_in(stem: str) -> str:
    """The label in `label__name`, or ''; underscores within it stand for spaces."""
    before, separator, _ = stem.partition(LABEL_SEPARATOR)
    return before.replace("_", " ").strip() if separator else ""


def _uniquely_named(samples: list[Sample]) -> list[Sample]:
    """Names with `_2`, `_3`, ... appended where they repeat (letter case set aside)."""
    taken: set[str] = set()
    out = []
    for sample in samples:
        name, count = sample.name, 1
        while name.lower() in taken:
            count += 1
            name = f"{sample.name}_{count}"
        taken.add(name.lower())
        out.append(replace(sample, name=name))
    return out


def _opencv() -> Any:
    """OpenCV, which with FFmpeg says nothing of its own of damaged videos; we tell what fails."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"videos are read with OpenCV, which cannot be imported ({error}); install it with: "
            "pip install opencv-python-headless"
        ) from error
    return cv2


def _capture(cv2: Any, path: Path) -> Any:
    """A video, opened by FFmpeg where it is there: other readers complain on the terminal."""
    ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG if ffmpeg else cv2.CAP_ANY)


def _frames_in_header(path: Path) -> int:
    """Frames a video claims to have; 0 where it cannot be opened."""
    try:
        cv2 = _opencv()
    except InputError:
        return 0
    capture = _capture(cv2, path)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    return max(count, 0)


def _read_video(sample: Sample, every: int) -> Iterator[tuple[Sample, np.ndarray | InputError]]:
    """Frames of one video, in order."""
    try:
        cv2 = _opencv()
    except InputError as error:
        yield sample, error
        return
    if not sample.source.is_file():
        yield sample, InputError(f"there is no file '{sample.source}'")
        return
    capture = _capture(cv2, sample.source)
    index = 0
    try:
        while capture.isOpened() and capture.grab():
            if index % every == 0:
                good, frame = capture.retrieve()
                one = replace(sample, name=f"{sample.name}_{index:06d}", frame=index)
                if good:
                    yield one, np.ascontiguousarray(frame[..., ::-1])
                else:
                    yield one, InputError(f"frame {index} of '{sample.source.name}' is damaged")
            index += 1
        claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    if index == 0:
        yield (
            sample,
            InputError(
                f"'{sample.source.name}' cannot be read as a video, or has no frames; it may be "
                "cut short or of a format that is not known"
            ),
        )
    elif index < claimed - 1:
        log.warning("%s ended after %d of %d frames", sample.source, index, claimed)

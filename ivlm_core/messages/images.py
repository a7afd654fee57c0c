"""Image messages to numpy arrays and back.

Own code instead of `cv_bridge`, which is not on PyPI and breaks with numpy 2 where it is installed.
Row padding (`step`) and byte order are honoured. Nothing here needs a running ROS; the functions
take any object with the fields of `sensor_msgs/Image`.
"""

import array
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from PIL import Image as PilImage

MAX_PIXELS = 64_000_000
"""A compressed picture that unpacks to more is refused: a few kilobytes can unpack to gigabytes."""


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/Image` that are read here."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class ImageFormatError(ValueError):
    """An image message whose encoding is unknown or whose sizes contradict each other."""


@dataclass(frozen=True)
class _Layout:
    channels: int
    dtype: str


_BAYER_PATTERNS = ("rggb", "bggr", "gbrg", "grbg")
_LAYOUTS: dict[str, _Layout] = {
    "rgb8": _Layout(3, "u1"),
    "bgr8": _Layout(3, "u1"),
    "rgba8": _Layout(4, "u1"),
    "bgra8": _Layout(4, "u1"),
    "mono8": _Layout(1, "u1"),
    "8UC1": _Layout(1, "u1"),
    "8UC3": _Layout(3, "u1"),
    "8UC4": _Layout(4, "u1"),
    "rgb16": _Layout(3, "u2"),
    "bgr16": _Layout(3, "u2"),
    "rgba16": _Layout(4, "u2"),
    "bgra16": _Layout(4, "u2"),
    "mono16": _Layout(1, "u2"),
    "16UC1": _Layout(1, "u2"),
    "32FC1": _Layout(1, "f4"),
    "yuv422": _Layout(2, "u1"),
    "uyvy": _Layout(2, "u1"),
    "yuv422_yuy2": _Layout(2, "u1"),
    "yuyv": _Layout(2, "u1"),
    **{f"bayer_{pattern}8": _Layout(1, "u1") for pattern in _BAYER_PATTERNS},
    **{f"bayer_{pattern}16": _Layout(1, "u2") for pattern in _BAYER_PATTERNS},
}
ENCODINGS: tuple[str, ...] = tuple(_LAYOUTS)
"""Encodings that `image_to_array` reads."""

_NOT_A_PICTURE = ("16UC1", "32FC1")

_FILTERS = threading.Lock()
"""Held while warnings are off: that is so for the whole process, and nodes may share one."""


def image_to_array(message: ImageMessage) -> np.ndarray:
    """Return the pixels of an image message as they are.

    Returns:
        [height, width] or, with more than one channel, [height, width, channel]; uint8, uint16 or
        float32 in native byte order. A view of the message's data where no copy is needed, so do
        not write into it.

    Raises:
        ImageFormatError: unknown encoding, or sizes that do not fit the data.
    """
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise ImageFormatError(
            f"image encoding {message.encoding!r} is not known; expected one of "
            f"{', '.join(ENCODINGS)}; convert it in the camera driver or with image_proc"
        )
    height, width, step = int(message.height), int(message.width), int(message.step)
    dtype = np.dtype(layout.dtype).newbyteorder(">" if message.is_bigendian else "<")
    row_bytes = width * layout.channels * dtype.itemsize
    data = np.frombuffer(message.data, dtype=np.uint8)
    if height <= 0 or width <= 0:
        raise ImageFormatError(f"image is {width}x{height} pixels; both sides must be positive")
    if step < row_bytes or data.size < step * (height - 1) + row_bytes:
        raise ImageFormatError(
            f"image of {width}x{height} in {message.encoding} needs rows of at least {row_bytes} "
            f"bytes and {height} of them; got step {step} and {data.size} bytes in all"
        )
    # Not by slicing whole rows: the last one may come without its padding, which can be gigabytes.
    rows = as_strided(data, (height, row_bytes), (step, 1), writeable=False)
    if dtype.itemsize > 1:
        rows = np.ascontiguousarray(rows).view(dtype).astype(dtype.newbyteorder("="), copy=False)
    return rows if layout.channels == 1 else rows.reshape(height, width, layout.channels)


def image_to_rgb(message: ImageMessage) -> np.ndarray:
    """Return an image message as a colour picture.

    Returns:
        uint8 [height, width, 3] RGB, contiguous. Grey and 16-bit pictures are converted; 16-bit
        values keep their upper byte.

    Raises:
        ImageFormatError: as `image_to_array`, or the encoding carries measurements (16UC1, 32FC1)
            that are not a picture.
    """
    encoding = message.encoding
    if encoding in _NOT_A_PICTURE:
        raise ImageFormatError(
            f"image encoding {encoding!r} carries depth or raw measurements, not a picture; "
            f"publish a colour or mono image"
        )
    pixels = image_to_array(message)
    if encoding.startswith("bayer_"):
        pixels = demosaic(pixels, encoding.removeprefix("bayer_").rstrip("0123456789"))
    elif encoding in ("yuv422", "uyvy"):
        pixels = _yuv422_to_rgb(pixels, luma=1)
    elif encoding in ("yuv422_yuy2", "yuyv"):
        pixels = _yuv422_to_rgb(pixels, luma=0)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    elif encoding.startswith("bgr") or encoding in ("8UC3", "8UC4"):  # OpenCV's unnamed are BGR
        pixels = pixels[..., 2::-1]
    return np.ascontiguousarray(pixels[..., :3])


def compressed_to_rgb(message: Any) -> np.ndarray:
    """Return a compressed image message as a colour picture.

    Args:
        message: `sensor_msgs/CompressedImage`, JPEG or PNG.

    Returns:
        uint8 [height, width, 3] RGB. Grey pictures are converted; 16-bit values keep their upper
        byte.

    Raises:
        ImageFormatError: neither, damaged, larger than `MAX_PIXELS`, or of measurements (16UC1 or
            32FC1 before they were compressed) that are not a picture.
    """
    said = str(message.format)
    if "compressedDepth" in said or said.split(";")[0].strip() in _NOT_A_PICTURE:
        raise ImageFormatError(
            f"compressed image of format {said!r} carries depth, not a picture; publish a colour "
            "or mono image"
        )
    try:
        # Pillow warns of size and metadata; what matters of it is refused below, in our words.
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _unpacked(bytes(message.data))
    except ImageFormatError:
        raise
    except Exception as error:  # the decoders raise many unrelated types on damaged data
        raise ImageFormatError(
            f"compressed image of format {said!r} and {len(message.data)} bytes cannot be read as "
            f"JPEG or PNG: {error}"
        ) from error


def _unpacked(data: bytes) -> np.ndarray:
    """Return a JPEG or PNG as uint8 [height, width, 3] RGB."""
    with PilImage.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.width * image.height > MAX_PIXELS:  # before anything is unpacked
            raise ImageFormatError(
                f"compressed image unpacks to {image.width}x{image.height} pixels; expected "
                f"{MAX_PIXELS} or fewer"
            )
        if image.mode.startswith("I"):
            grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        return np.array(image.convert("RGB"))


def picture(message: Any) -> np.ndarray:
    """Return an image message of either kind as uint8 [height, width, 3] RGB.

    Raises:
        ImageFormatError: as `image_to_rgb` or `compressed_to_rgb`.
    """
    return image_to_rgb(message) if hasattr(message, "encoding") else compressed_to_rgb(message)


def fill_image(message: Any, pixels: np.ndarray, encoding: str) -> Any:
    """Write `pixels` into an image message and return it; the header is left alone.

    Args:
        message: a `sensor_msgs/Image`.
        pixels: [height, width] or [height, width, channel], of the encoding's dtype.
        encoding: one of `ENCODINGS`.

    Raises:
        ImageFormatError: unknown encoding, or pixels that do not fit it.
    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise ImageFormatError(
            f"image encoding {encoding!r} is not known; expected one of {', '.join(ENCODINGS)}"
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.ndim not in (2, 3) or channels != layout.channels or pixels.dtype != layout.dtype:
        raise ImageFormatError(
            f"encoding {encoding!r} needs {layout.channels} channel(s) of "
            f"{np.dtype(layout.dtype)}; got an array of shape {pixels.shape}, {pixels.dtype}"
        )
    height, width = pixels.shape[:2]
    message.height, message.width, message.encoding = int(height), int(width), encoding
    message.is_bigendian = 0
    message.step = int(width * layout.channels * pixels.dtype.itemsize)
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(little).tobytes())
    message.data = data
    return message


def demosaic(raw: np.ndarray, pattern: str) -> np.ndarray:
    """Interpolate a Bayer image bilinearly.

    Args:
        raw: [height, width] uint8 or uint16.
        pattern: colours of the first two rows' first two pixels, for instance "rggb".

    Returns:
        [height, width, 3] RGB of the same dtype; measured values are kept as they are.
    """
    if pattern not in _BAYER_PATTERNS:
        raise ImageFormatError(
            f"Bayer pattern {pattern!r} is not known; expected one of {', '.join(_BAYER_PATTERNS)}"
        )
    rgb = np.zeros((*raw.shape, 3), dtype=raw.dtype)
    for channel, colour in enumerate("rgb"):
        mask = np.zeros(raw.shape, dtype=np.float32)
        for position, site in enumerate(pattern):
            if site == colour:
                mask[position // 2 :: 2, position % 2 :: 2] = 1
        weights = np.maximum(_smooth(mask), 1)  # 0 only in images a single pixel wide or high
        mean = np.floor(_smooth(raw * mask) / weights + 0.5)
        rgb[..., channel] = np.where(mask > 0, raw, mean)
    return rgb


def _smooth(values: np.ndarray) -> np.ndarray:
    """Sum 3x3 neighbourhoods with weights 1-2-1 x 1-2-1; outside counts as zero."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]


def _yuv422_to_rgb(pixels: np.ndarray, luma: int) -> np.ndarray:
    """Convert packed 4:2:2 (ITU-R BT.601, studio range); `luma` is the byte that holds Y."""
    if pixels.shape[1] % 2:
        raise ImageFormatError(f"yuv422 images need an even width, got {pixels.shape[1]}")
    y = (pixels[..., luma].astype(np.float32) - 16) * (255 / 219)
    chroma = pixels[..., 1 - luma].astype(np.float32) - 128
    u = np.repeat(chroma[:, 0::2], 2, axis=1)
    v = np.repeat(chroma[:, 1::2], 2, axis=1)
    rgb = np.stack([y + 1.596 * v, y - 0.391 * u - 0.813 * v, y + 2.018 * u], axis=-1)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)

"""Pixels of PIL images as uint8 RGB: upright, on white, 16-bit values by the bits they have."""

import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

log = logging.getLogger(__name__)

_GREY_16 = ("I;16", "I;16B", "I;16L", "I")
_FULL_SCALES = {2**bits - 1: bits for bits in (9, 10, 11, 12, 13, 14, 15)}
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE = 258, 281, 341
"""Of TIFF."""
_DARK = 4096
"""16-bit values that stay below are perhaps those of a camera with 12 bits or fewer."""


class WhiteUnknownError(ValueError):
    """Nothing tells which value of an image is white; the text says what to do."""


def rgb_pixels(image: Image.Image) -> np.ndarray:
    """Return a PIL image upright on white, as uint8 RGB [height, width, 3].

    White is 65535 in 16-bit grey. Where the file tells that its values have fewer bits (PNG chunk
    sBIT; TIFF tags BitsPerSample, MaxSampleValue or SMaxSampleValue, if these are 1023, 4095 or
    the like), it is the largest value of those. Where it does not, values are not guessed at:
    pictures of one camera would change brightness with what they show. All of them below 4096 is
    worth a warning.

    Raises:
        WhiteUnknownError: the values are floating point numbers, which no file tells the white of.
    """
    if image.mode == "F":
        raise WhiteUnknownError(
            "its values are floating point numbers, and nothing tells which is white; scale them "
            "and save 8 or 16 bits"
        )
    told = _bits_told(image)
    deep_colour = image.mode not in _GREY_16 and any(
        ";16" in str(tile[3]) for tile in getattr(image, "tile", ())
    )
    name = Path(str(getattr(image, "filename", ""))).name or "the image"
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _GREY_16:
        grey = np.asarray(image).astype(np.int64)
        white = 65535 if told is None else _white(grey, *told)
        if told is None:
            remedy = ", or tell the bits (PNG chunk sBIT, TIFF tag MaxSampleValue)"
            _warn_of_dark(name, int(grey.max()), remedy)
        scaled = grey.clip(0, white) * (255.0 / white)
        image = Image.fromarray(scaled.round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white_ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white_ground, image)
    pixels = np.asarray(image.convert("RGB"))
    if deep_colour and pixels.any():  # of which Pillow hands out the upper 8 bits
        _warn_of_dark(name, 256 * int(pixels.max()) + 255)
    return pixels


def _bits_told(image: Image.Image) -> tuple[int, bool] | None:
    """Bits that the file tells of grey values, and whether they may stand in the upper ones."""
    if image.mode not in _GREY_16:
        return None
    if image.format == "PNG":
        bits = _png_significant_bits(image)
        return None if bits is None else (bits, True)
    tags = getattr(image, "tag_v2", {})
    (bits,) = tags.get(_BITS_PER_SAMPLE, (16,))[:1]
    if bits < 16:
        return bits, False
    for tag in (_S_MAX_SAMPLE_VALUE, _MAX_SAMPLE_VALUE):
        value = tags.get(tag)
        value = value[0] if isinstance(value, tuple) else value
        if value in _FULL_SCALES:
            return _FULL_SCALES[value], False
    return None


def _png_significant_bits(image: Image.Image) -> int | None:
    """What the chunk sBIT tells, which Pillow passes over; None without one."""
    file = getattr(image, "fp", None)
    if file is None:
        return None
    place, found = file.tell(), None
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"sBIT" and length == 1:
            found = file.read(1)[0]
            break
        file.seek(length + 4, 1)
    file.seek(place)
    return found if found in range(1, 16) else None


def _white(grey: np.ndarray, bits: int, upper: bool) -> int:
    """The value of white; 65535 where the bits are the upper ones, as PNG has it."""
    spare = (1 << 16 - bits) - 1
    lower = grey.max() < 1 << bits and (not upper or bool((grey & spare).any()))
    return (1 << bits) - 1 if lower else 65535


def _warn_of_dark(name: str, highest: int, remedy: str = "") -> None:
    """Say so where 16-bit values are perhaps those of a camera with fewer bits."""
    if 0 < highest < _DARK:
        bits = next(b for b in (8, 10, 12) if highest < 1 << b)
        log.warning(
            "%s has 16 bits a value but none above %d, so it is read as dark; if its camera gives "
            "%d bits, save it times %d%s",
            name,
            highest,
            bits,
            1 << 16 - bits,
            remedy,
        )

"""Image messages against bytes written out by hand."""

import array
import struct
import tracemalloc
import warnings
import zlib
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage

from ivlm_core.messages.images import (
    ENCODINGS,
    MAX_PIXELS,
    ImageFormatError,
    compressed_to_rgb,
    demosaic,
    fill_image,
    image_to_array,
    image_to_rgb,
)


def message(
    encoding: str, height: int, width: int, data: list[int] | bytes, step: int = 0, big: int = 0
) -> SimpleNamespace:
    filled = array.array("B", bytes(data))
    step = step or len(filled) // height
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=big, step=step, data=filled
    )


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("rgb8", [1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]),
        ("bgr8", [1, 2, 3, 4, 5, 6], [[3, 2, 1], [6, 5, 4]]),
        ("8UC3", [1, 2, 3, 4, 5, 6], [[3, 2, 1], [6, 5, 4]]),
        ("rgba8", [1, 2, 3, 9, 4, 5, 6, 9], [[1, 2, 3], [4, 5, 6]]),
        ("bgra8", [1, 2, 3, 9, 4, 5, 6, 9], [[3, 2, 1], [6, 5, 4]]),
        ("8UC4", [1, 2, 3, 9, 4, 5, 6, 9], [[3, 2, 1], [6, 5, 4]]),
        ("rgb16", [0, 1, 0, 2, 0, 3, 9, 4, 9, 5, 9, 6], [[1, 2, 3], [4, 5, 6]]),
        ("bgr16", [0, 1, 0, 2, 0, 3, 9, 4, 9, 5, 9, 6], [[3, 2, 1], [6, 5, 4]]),
        ("rgba16", [0, 1, 0, 2, 0, 3, 0, 9] * 2, [[1, 2, 3], [1, 2, 3]]),
        ("bgra16", [0, 1, 0, 2, 0, 3, 0, 9] * 2, [[3, 2, 1], [3, 2, 1]]),
        ("mono8", [7, 8], [[7, 7, 7], [8, 8, 8]]),
        ("8UC1", [7, 8], [[7, 7, 7], [8, 8, 8]]),
        ("mono16", [0xFF, 0x07, 0x00, 0x08], [[7, 7, 7], [8, 8, 8]]),
        ("yuv422", [128, 235, 128, 16], [[255, 255, 255], [0, 0, 0]]),
        ("uyvy", [128, 235, 128, 16], [[255, 255, 255], [0, 0, 0]]),
        ("yuv422_yuy2", [235, 128, 16, 128], [[255, 255, 255], [0, 0, 0]]),
        ("yuyv", [81, 90, 81, 240], [[254, 0, 0], [254, 0, 0]]),
        ("uyvy", [54, 145, 34, 145], [[0, 255, 1], [0, 255, 1]]),
    ],
)
def test_known_bytes_become_rgb(encoding: str, data: list[int], expected: list) -> None:
    rgb = image_to_rgb(message(encoding, 1, 2, data))
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, [expected])


def test_row_padding_is_skipped() -> None:
    padded = [1, 2, 3, 4, 5, 6, 0xEE, 0xEE, 7, 8, 9, 10, 11, 12, 0xEE, 0xEE]
    expected = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
    np.testing.assert_array_equal(image_to_rgb(message("rgb8", 2, 2, padded)), expected)
    without_last_padding = message("rgb8", 2, 2, padded[:-2], step=8)
    np.testing.assert_array_equal(image_to_rgb(without_last_padding), expected)


def test_padding_that_is_not_there_takes_no_memory() -> None:
    """The step of a single row may claim gigabytes; they are neither read nor made."""
    one_pixel = message("rgb8", 1, 1, [1, 2, 3], step=2**32 - 1)
    tracemalloc.start()
    try:
        assert image_to_rgb(one_pixel).tolist() == [[[1, 2, 3]]]
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("big", [0, 1])
def test_byte_order(big: int) -> None:
    depth = bytes([0x01, 0x02, 0xAA, 0x03, 0x04, 0xAA])  # one byte of padding a row
    pixels = image_to_array(message("16UC1", 2, 1, depth, step=3, big=big))
    assert pixels.dtype == np.uint16 and pixels.dtype.isnative
    np.testing.assert_array_equal(pixels, [[0x0102], [0x0304]] if big else [[0x0201], [0x0403]])
    value = np.array([1.5], ">f4" if big else "<f4").tobytes()
    metres = image_to_array(message("32FC1", 1, 1, value, big=big))
    assert metres.dtype == np.float32 and metres[0, 0] == 1.5
    grey = message("mono16", 1, 1, [0x12, 0x34], big=big)
    assert image_to_rgb(grey)[0, 0, 0] == (0x12 if big else 0x34)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bayer_of_one_colour_is_that_colour(pattern: str, bits: int) -> None:
    colour = {"r": 200, "g": 120, "b": 40}
    sites = np.array(
        [[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]]
    )
    raw = np.tile(sites, (3, 4)).astype("u1" if bits == 8 else "<u2")
    if bits == 16:
        raw = raw << 8
    rgb = image_to_rgb(message(f"bayer_{pattern}{bits}", 6, 8, raw.tobytes()))
    assert rgb.shape == (6, 8, 3)
    np.testing.assert_array_equal(rgb, np.broadcast_to([200, 120, 40], (6, 8, 3)))


def test_bayer_interpolates_between_neighbours() -> None:
    raw = np.zeros((4, 4), np.uint8)
    raw[0, 0], raw[0, 2], raw[2, 0], raw[2, 2] = 10, 30, 50, 70  # red sites of rggb
    red = demosaic(raw, "rggb")[..., 0]
    assert red[0, 1] == 20 and red[1, 0] == 30 and red[1, 1] == 40
    assert red[0, 0] == 10 and red[2, 2] == 70


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (message("jpeg", 1, 1, [0]), "encoding 'jpeg' is not known"),
        (message("rgb8", 1, 0, [0]), "positive"),
        (message("rgb8", 2, 2, [0] * 11, step=6), "11 bytes in all"),
        (message("rgb8", 1, 2, [0] * 6, step=5), "step 5"),
        (message("yuv422", 1, 3, [0] * 6), "even width"),
        (message("16UC1", 1, 1, [0, 0]), "depth or raw measurements"),
        (message("32FC1", 1, 1, [0] * 4), "depth or raw measurements"),
    ],
)
def test_bad_images_are_refused_in_words(bad: SimpleNamespace, said: str) -> None:
    with pytest.raises(ImageFormatError, match=said):
        image_to_rgb(bad)


@pytest.mark.parametrize("encoding", [e for e in ENCODINGS if not e.startswith("8U")])
def test_there_and_back(encoding: str) -> None:
    blank = SimpleNamespace(
        height=2, width=4, encoding=encoding, is_bigendian=0, step=1000, data=bytes(2000)
    )
    layout = image_to_array(blank)
    pixels = np.random.default_rng(0).integers(0, 200, layout.shape).astype(layout.dtype)
    filled = fill_image(SimpleNamespace(), pixels, encoding)
    assert filled.step == pixels[0].nbytes and len(filled.data) == pixels.nbytes
    np.testing.assert_array_equal(image_to_array(filled), pixels)


def test_fill_refuses_what_does_not_fit() -> None:
    with pytest.raises(ImageFormatError, match="needs 3 channel"):
        fill_image(SimpleNamespace(), np.zeros((2, 2), np.uint8), "rgb8")
    with pytest.raises(ImageFormatError, match="uint16"):
        fill_image(SimpleNamespace(), np.zeros((2, 2), np.uint8), "mono16")
    with pytest.raises(ImageFormatError, match="not known"):
        fill_image(SimpleNamespace(), np.zeros((2, 2), np.uint8), "grey")


def compressed(pixels: np.ndarray, kind: str) -> SimpleNamespace:
    out = BytesIO()
    PilImage.fromarray(pixels).save(out, kind)
    return SimpleNamespace(format=kind.lower(), data=array.array("B", out.getvalue()))


def test_compressed_pictures() -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 255, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(compressed_to_rgb(compressed(colour, "PNG")), colour)
    smooth = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    jpeg = compressed_to_rgb(compressed(smooth, "JPEG"))
    assert jpeg.dtype == np.uint8 and np.abs(jpeg.astype(int) - smooth).max() <= 3
    grey = compressed_to_rgb(compressed(colour[..., 0], "PNG"))
    np.testing.assert_array_equal(grey, np.repeat(colour[..., :1], 3, axis=2))
    deep = compressed_to_rgb(compressed(np.array([[0x1234, 0xFF00]], np.uint16), "PNG"))
    np.testing.assert_array_equal(deep[..., 0], [[0x12, 0xFF]])


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG that says how large it would be, without the pixels."""

    def chunk(body: bytes) -> bytes:
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(head) + chunk(b"IDAT" + zlib.compress(b""))


def test_unusable_compressed_pictures_are_refused() -> None:
    good = compressed(np.zeros((8, 8, 3), np.uint8), "JPEG")
    gif = compressed(np.zeros((8, 8), np.uint8), "GIF")
    side = int(MAX_PIXELS**0.5) + 1
    cases = [
        (b"", "jpeg", "0 bytes cannot be read"),
        (bytes(good.data[:100]), "jpeg", "cannot be read as JPEG or PNG"),
        (bytes(gif.data), "gif", "cannot be read as JPEG or PNG"),
        (bytes(good.data), "16UC1; compressedDepth", "carries depth"),
        (bytes(good.data), "16UC1; png compressed ", "carries depth"),  # by the colour plugin
        (png_that_claims(side, side), "png", "or fewer"),
        (png_that_claims(60_000, 60_000), "png", "cannot be read"),  # PIL's own limit
    ]
    for data, said, reason in cases:
        message = SimpleNamespace(format=said, data=array.array("B", data))
        with pytest.raises(ImageFormatError, match=reason):
            compressed_to_rgb(message)


def test_pillow_says_nothing_of_its_own() -> None:
    """Neither of a large picture, which is refused, nor of damaged metadata, which is not read."""
    large = SimpleNamespace(format="png", data=png_that_claims(12_000, 12_000))
    out = BytesIO()
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\0\x01garbage"
    PilImage.new("RGB", (4, 3), (200, 0, 0)).save(out, "JPEG", exif=damaged)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(ImageFormatError, match="or fewer"):
            compressed_to_rgb(large)
        photo = compressed_to_rgb(SimpleNamespace(format="jpeg", data=out.getvalue()))
    assert photo.shape == (3, 4, 3) and photo[0, 0, 0] > 190
    assert said == []


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([e for e in ENCODINGS if e not in ("16UC1", "32FC1")]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 5),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_padding_and_byte_order_change_nothing(
    encoding: str, height: int, width: int, padding: int, big: bool, seed: int
) -> None:
    """Every encoding that shows a picture: the same picture however its rows are laid out."""
    packed, wide, halved = SimpleNamespace(), "16" in encoding, encoding[0] in "uy"
    colours = {"rgb": 3, "bgr": 3, "8UC3": 3, "rgba": 4, "bgra": 4, "8UC4": 4}
    name = encoding if encoding.startswith("8UC") else encoding.rstrip("168")
    channels = colours.get(name, 2 if halved else 1)
    width *= 2 if halved else 1
    rng = np.random.default_rng(seed)
    shape = (height, width, channels)
    pixels = rng.integers(0, 2**16 if wide else 2**8, shape, np.uint16 if wide else np.uint8)
    fill_image(packed, pixels[..., 0] if channels == 1 else pixels, encoding)
    rows = pixels.astype((">" if big else "<") + ("u2" if wide else "u1")).view(np.uint8)
    rows = np.pad(rows.reshape(height, -1), ((0, 0), (0, padding)), constant_values=0xEE)
    spread = message(encoding, height, width, rows.tobytes(), rows.shape[1], int(big))
    np.testing.assert_array_equal(image_to_rgb(spread), image_to_rgb(packed))

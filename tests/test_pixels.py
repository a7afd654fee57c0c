"""Pictures of 10 to 16 bits become 8-bit ones that are neither dark nor guessed at."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivlm_core.inputs import InputError, read_image


def ramp(highest: int, step: int = 1) -> np.ndarray:
    """Grey values up to the highest, uint16 [8, 64]."""
    return np.tile(np.linspace(0, highest // step, 64).astype(np.uint16) * step, (8, 1))


def png(path: Path, grey: np.ndarray, bits: int | None = None) -> Path:
    """A PNG, with the chunk sBIT where bits are given."""
    Image.fromarray(grey).save(path)
    if bits is not None:
        kind = b"sBIT" + bytes([bits])
        chunk = struct.pack(">I", 1) + kind + struct.pack(">I", zlib.crc32(kind))
        data = path.read_bytes()
        path.write_bytes(data[:33] + chunk + data[33:])  # after the header
    return path


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_that_a_png_tells_are_its_range(tmp_path: Path, bits: int) -> None:
    image = read_image(png(tmp_path / "a.png", ramp(2**bits - 1), bits))
    assert image.min() == 0 and image.max() == 255
    dim = read_image(png(tmp_path / "b.png", ramp(2 ** (bits - 1)), bits))
    assert dim.max() == 128  # half of what the camera can give, not stretched to white


def test_a_png_whose_bits_are_the_upper_ones_is_read_as_it_stands(tmp_path: Path) -> None:
    """As the format has it: dark pictures of 12 bits are multiples of 16."""
    bright = read_image(png(tmp_path / "bright.png", ramp(65520, 16), 12))
    dark = read_image(png(tmp_path / "dark.png", ramp(4080, 16), 12))
    assert bright.max() == 255 and dark.max() == 16


@pytest.mark.parametrize(
    ("tags", "brightest"),
    [({281: 4095}, 255), ({281: 1023}, 255), ({281: 3999}, 16), ({281: 65535}, 16), ({}, 16)],
)
def test_the_largest_value_that_a_tiff_tells_is_white_if_it_is_of_whole_bits(
    tmp_path: Path, tags: dict[int, int], brightest: int
) -> None:
    path = tmp_path / "a.tif"
    highest = min(tags.get(281, 4095), 4095)
    Image.fromarray(ramp(highest)).save(path, tiffinfo=tags)
    assert read_image(path).max() == brightest


def test_a_tiff_of_twelve_packed_bits_has_its_full_range(tmp_path: Path) -> None:
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: 1, 279: 6}
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    path = tmp_path / "packed.tif"
    path.write_bytes(head + entries + bytes(4) + bytes([0xFF, 0xFF, 0xFF, 0x80, 0x00, 0x00]))
    assert read_image(path)[0, :, 0].tolist() == [255, 255, 128, 0]


@pytest.mark.parametrize("highest", [255, 1023, 4095, 4096, 65535])
def test_values_that_may_have_fewer_bits_are_warned_of_with_a_remedy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, highest: int
) -> None:
    image = read_image(png(tmp_path / "a.png", ramp(highest)))
    assert image.max() == round(highest / 257)
    if highest > 4095:
        assert not caplog.messages
        return
    bits = {255: 8, 1023: 10, 4095: 12}[highest]
    (told,) = caplog.messages
    assert told.startswith(f"a.png has 16 bits a value but none above {highest}")
    assert f"gives {bits} bits, save it times {2 ** (16 - bits)}" in told and "sBIT" in told


def test_dark_colour_of_sixteen_bits_is_warned_of_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cv2 = pytest.importorskip("cv2")
    colour = np.repeat(ramp(4095)[..., None], 3, axis=2)
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    assert read_image(tmp_path / "colour.png").max() == 15
    assert "none above 4095" in caplog.text and "sBIT" not in caplog.text
    caplog.clear()
    Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / "night.png")  # 8 bits: simply dark
    Image.fromarray(ramp(0)).save(tmp_path / "black.png")
    for name in ("night.png", "black.png"):
        read_image(tmp_path / name)
    assert not caplog.messages


def test_floating_point_values_are_refused_rather_than_read_as_black(tmp_path: Path) -> None:
    """Depth in metres, or grey in 0..1, would be black in 0..255 without a word."""
    path = tmp_path / "depth.tif"
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(path)
    with pytest.raises(InputError, match=r"'depth\.tif' cannot be used: .*floating point.* save 8"):
        read_image(path)

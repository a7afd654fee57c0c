import numpy as np
import pytest

from ivlm_core.datasets.packing import (
    PACKED,
    decode,
    encode,
    pack,
    pack_vertices,
    unpack_vertices,
)


def unpacked(field: str, pixels: np.ndarray) -> np.ndarray:
    packed = pack(field, [encode(field, pixels)])
    return decode(field, packed[f"{field}.bytes"], int(packed[f"{field}.crc32"][0]))


@pytest.mark.parametrize("field", [f for f in PACKED if f != "images"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 64)])
def test_maps_come_back_without_loss(field: str, shape: tuple[int, int]) -> None:
    dtype, _ = PACKED[field]
    values = np.random.default_rng(0).uniform(0, 255, shape).astype(dtype)
    values[0, 0] = 0
    found = unpacked(field, values)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_pictures_lose_little_and_keep_the_order_of_colours() -> None:
    y, x = np.mgrid[:64, :64]
    picture = np.stack([4 * x, 128 + 0 * x, 2 * y], axis=2).astype(np.uint8)
    found = unpacked("images", picture)
    assert np.abs(found.astype(int) - picture).mean() < 3


def test_another_type_or_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="'depth' must be float16 with 2 axes, got float32"):
        encode("depth", np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="'images' must be uint8 with 3 axes"):
        encode("images", np.zeros((4, 4), np.uint8))


def test_bytes_that_are_no_picture_are_refused() -> None:
    for data in (b"", b"not a picture"):
        packed = pack("part_map", [data])
        with pytest.raises(ValueError, match="not an encoded picture"):
            decode("part_map", packed["part_map.bytes"], int(packed["part_map.crc32"][0]))


@pytest.mark.parametrize("lists", [[], [[]], [[3, 9, 65535], [], [0, 1], [7, 2]]])
def test_vertex_lists_come_back(lists: list[list[int]]) -> None:
    arrays = [np.array(numbers, np.int32) for numbers in lists]
    found = unpack_vertices(pack_vertices(arrays))
    assert found.dtype == np.int32
    assert found.tolist() == [k for numbers in lists for k in numbers]


def test_vertices_that_cannot_be_stored_are_refused() -> None:
    for number in (-1, 65536):
        with pytest.raises(ValueError, match="below 65536"):
            pack_vertices([np.array([number])])


def test_damaged_vertex_lists_are_refused() -> None:
    packed = pack_vertices([np.arange(500)]).copy()
    packed[12] ^= 8
    with pytest.raises(ValueError):
        unpack_vertices(packed)

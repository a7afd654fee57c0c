"""Encoded bytes: pictures as WebP, maps without loss as PNG, vertex lists by their differences.

A packed field is three tensors of a shard: `<field>.bytes` uint8, `<field>.offsets` int64
`[image + 1]` and `<field>.crc32` uint32 `[image]`. Vertex lists are one tensor,
`contact_vertices.zlib`; zlib has a checksum of its own.
"""

import zlib
from collections.abc import Sequence
from io import BytesIO

import cv2
import numpy as np

PACKED = {
    "images": (np.uint8, 3),
    "part_map": (np.uint8, 2),
    "object_map": (np.uint8, 2),
    "contact_map": (np.uint8, 2),
    "depth": (np.float16, 2),
}
"""Fields that are stored encoded: their type and how many axes one image has."""

_WEBP = {"quality": 88, "method": 1}  # method 4 saves 3 % more and takes 2.5 times as long
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3)


def encode(field: str, pixels: np.ndarray) -> bytes:
    """Encode one image's pixels of a packed field.

    Args:
        field: one of `PACKED`.
        pixels: uint8 `[height, width, 3]` (RGB) for `images`, else `[height, width]` of its type.
    """
    dtype, axes = PACKED[field]
    if pixels.dtype != dtype or pixels.ndim != axes:
        raise ValueError(
            f"'{field}' must be {np.dtype(dtype)} with {axes} axes, got {pixels.dtype} "
            f"of shape {pixels.shape}"
        )
    if field == "images":
        out = BytesIO()
        from PIL import Image  # here: reading takes none, and commands import this module

        Image.fromarray(pixels).save(out, "WEBP", **_WEBP)
        return out.getvalue()
    # The bits of a float16 that is not negative grow with it, so PNG predicts them well.
    plain = pixels.view(np.uint16) if dtype == np.float16 else pixels
    return cv2.imencode(".png", np.ascontiguousarray(plain), _PNG)[1].tobytes()


def decode(field: str, data: np.ndarray, crc32: int) -> np.ndarray:
    """Decode what `encode` made; the lock of the interpreter is released meanwhile.

    Args:
        field: one of `PACKED`.
        data: uint8 `[n]`, the encoded bytes.
        crc32: their checksum.

    Raises:
        ValueError: the bytes are damaged.
    """
    if zlib.crc32(data.data) != crc32:
        raise ValueError(f"the checksum of {len(data)} bytes is wrong")
    dtype, axes = PACKED[field]
    kind = cv2.IMREAD_COLOR_RGB if field == "images" else cv2.IMREAD_UNCHANGED
    found = cv2.imdecode(data, kind) if len(data) else None
    if found is None or found.ndim != axes:
        raise ValueError(f"{len(data)} bytes are not an encoded picture of {axes} axes")
    return found.view(dtype)


def pack(field: str, rows: Sequence[bytes]) -> dict[str, np.ndarray]:
    """Return the tensors of a packed field from its images' bytes."""
    ends = np.cumsum([0] + [len(row) for row in rows])
    return {
        f"{field}.bytes": np.frombuffer(b"".join(rows), np.uint8),
        f"{field}.offsets": ends.astype(np.int64),
        f"{field}.crc32": np.array([zlib.crc32(row) for row in rows], np.uint32),
    }


def pack_vertices(lists: Sequence[np.ndarray]) -> np.ndarray:
    """Return vertex lists, one after the other, as compressed bytes, uint8 `[n]`.

    Args:
        lists: vertex numbers below 65536; sorted lists take least.
    """
    joined = np.concatenate([np.zeros(0, np.int64), *lists])
    if len(joined) and not 0 <= int(joined.min()) <= int(joined.max()) < 2**16:
        raise ValueError(
            f"vertices {int(joined.min())} to {int(joined.max())} cannot be stored; numbers must "
            "be below 65536"
        )
    steps = np.diff(joined, prepend=0).astype(np.uint16)
    return np.frombuffer(zlib.compress(steps.astype("<u2").tobytes(), 6), np.uint8)


def unpack_vertices(data: np.ndarray) -> np.ndarray:
    """Return what `pack_vertices` packed, int32 `[M]`.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        steps = np.frombuffer(zlib.decompress(data.data), "<u2")
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return np.cumsum(steps, dtype=np.uint16).astype(np.int32)

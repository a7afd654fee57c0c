"""Files that were damaged, cut off, or written by somebody who means harm."""

import re
from typing import NamedTuple

from hypothesis import strategies as st

HOSTILE = (
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1", b"4294967295", b"99999999999999999999"),
    *(
        b"",
        b"/",
        b"//",
        b"1/2/3",
        b"\x00",
        b"\xff\xfe",
        b"0x10",
        b"1e",
        b"--1",
        b"../../etc/passwd",
    ),
)
"""Words in the place of others."""

_WORD = re.compile(rb"[^\s<>\"=,\[\]{}:]+")


class Change(NamedTuple):
    """One change of a file."""

    kind: str
    place: float
    """Share of the file that comes before it."""
    data: bytes


changes = st.lists(
    st.builds(
        Change,
        st.sampled_from(("overwrite", "insert", "delete", "cut", "word", "repeat")),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(HOSTILE)),
    ),
    min_size=1,
    max_size=6,
)


def changed(data: bytes, wanted: list[Change]) -> bytes:
    """Return a file with changes, one after the other."""
    for change in wanted:
        data = _changed(data, change)
    return data


def _changed(data: bytes, change: Change) -> bytes:
    at, new = int(change.place * len(data)), change.data
    if change.kind == "overwrite":
        return data[:at] + new + data[at + len(new) :]
    if change.kind == "insert":
        return data[:at] + new + data[at:]
    if change.kind == "delete":
        return data[:at] + data[at + max(1, len(new)) :]
    if change.kind == "cut":
        return data[:at]
    if change.kind == "repeat":
        return data[:at] + data[at : at + 64] * 8 + data[at + 64 :]
    words = list(_WORD.finditer(data))
    if not words:
        return new
    word = words[int(change.place * len(words))]
    return data[: word.start()] + new + data[word.end() :]

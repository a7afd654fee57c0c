"""Files that are there whole or not at all; what a full disk says, with the file and a remedy."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path to write to that becomes `path` when all went well, and else disappears.

    Raises:
        OSError: the disk is full, say.
    """
    partial = path.with_suffix(f".partial{os.getpid()}")
    try:
        with room_for(path), told_by_system(path):
            yield partial
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Name the file and what to do where the disk is full.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        check_room(error, path)
        raise


@contextmanager
def told_by_system(path: Path) -> Iterator[None]:
    """Raise the error of the operating system that safetensors tells in words only.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        told = os.strerror(code) if number else str(error)
        raise OSError(code, told, str(path)) from error


def check_room(error: OSError, file: Path) -> None:
    """Say what to do where an error is that of a full disk.

    Raises:
        OSError: it is; names the file.
    """
    if error.errno in _FULL:
        raise OSError(
            f"{file} cannot be written ({error.strerror}); make room, or choose a folder on "
            "another disk"
        ) from error

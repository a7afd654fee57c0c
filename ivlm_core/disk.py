"""Files that are there whole or not at all; what a full disk says, with the file and a remedy."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

if TYPE_CHECKING:
    from torch import Tensor

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
    """Raise the error of the operating system that libraries tell in words only.

    Those are safetensors, tokenizers and, without a reason, torch.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        told = str(error).strip()
        if number := re.search(r"os error (\d+)", told):
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        if isinstance(error, SafetensorError):
            raise OSError(errno.EIO, told, str(path)) from error
        if "inline_container" in told:  # of `torch.save`, whatever kept it from writing
            raise OSError(
                f"{path} cannot be written whole ({told.splitlines()[0]}); make room if its disk "
                "is full, or choose a folder on another disk"
            ) from error
        raise


def save_tensors(path: Path, tensors: Mapping[str, "Tensor"]) -> None:
    """Write a safetensors file that all may read.

    Raises:
        OSError: it cannot be written; says what to do if the disk is full.
    """
    from safetensors.torch import save_file  # here: not all that write files need torch

    with new_file(path) as partial:
        save_file({name: value.contiguous().clone() for name, value in tensors.items()}, partial)
        partial.chmod(0o644)  # safetensors writes for the owner only


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

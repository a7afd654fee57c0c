"""Results worth keeping (pixel maps, lift operators, view embeddings): in memory and on disk.

Entries are safetensors files named by the hash of what they were made from, so a changed mesh,
rig or encoder makes a new entry. Writes are atomic; several processes may share a folder.
"""

import hashlib
import json
import logging
import os
import re
import time
import uuid
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

log = logging.getLogger(__name__)

DEFAULT_MAX_BYTES = 4 * 1024**3
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUFFIX = ".safetensors"
_CHECKSUM = "__checksum__"
_STALE_SECONDS = 3600.0


def default_cache_folder() -> Path:
    """``$IVLM_CACHE_DIR`` if set, else ``~/.cache/ivlm``."""
    named = os.environ.get("IVLM_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "ivlm"


def content_key(*parts: object) -> str:
    """Hash of contents, the same in every process: 40 hex digits.

    Args:
        parts: None, bool, int, float, str, bytes, Path, arrays, tensors, and lists, tuples and
            mappings of them (the order of a mapping does not matter).

    Raises:
        TypeError: a part of another type, whose content cannot be told.
    """
    digest = hashlib.sha256()
    _feed(digest.update, parts)
    return digest.hexdigest()[:40]


class ArtifactCache:
    """Named sets of tensors, made once.

    A folder that cannot be written (read-only, full) costs a warning and speed, never a result.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        memory_items: int = 64,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Open a cache; the folder is made when first written.

        Args:
            folder: where entries lie; None for ``default_cache_folder()``.
            memory_items: entries kept in memory, least recently used out first.
            max_bytes: limit of the folder, oldest use out first; 0 keeps nothing on disk.
        """
        if memory_items < 0 or max_bytes < 0:
            raise ValueError(
                f"memory_items and max_bytes must be 0 or more, got {memory_items}, {max_bytes}."
            )
        self.folder = Path(folder).expanduser() if folder is not None else default_cache_folder()
        self.memory_items = memory_items
        self.max_bytes = max_bytes
        self._memory: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._lock = Lock()

    def get_or_make(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The entry of that key, made and stored if it is not there or damaged.

        Args:
            key: letters, digits, ``.``, ``_`` and ``-``; usually from ``content_key``.
            make: makes the entry; called without a lock, so twice at worst.

        Returns:
            The tensors, on the CPU. They are shared: do not change them in place.

        Raises:
            ValueError: the key cannot be a file name.
        """
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"Cache key {key!r} must be 1 to 128 letters, digits, '.', '_' or '-', beginning "
                "with a letter or digit; make it with content_key()."
            )
        with self._lock:
            found = self._memory.get(key)
            if found is not None:
                self._memory.move_to_end(key)
                return dict(found)
        found = self._read(key)
        if found is None:
            found = {
                name: tensor.detach().to("cpu").contiguous() for name, tensor in make().items()
            }
            self._write(key, found)
        with self._lock:
            self._memory[key] = found
            self._memory.move_to_end(key)
            while len(self._memory) > self.memory_items:
                self._memory.popitem(last=False)
        return dict(found)

    def clear(self) -> None:
        """Forget all entries, in memory and on disk."""
        with self._lock:
            self._memory.clear()
        for path in self._files():
            path.unlink(missing_ok=True)

    def size(self) -> tuple[int, int]:
        """Number of entries on disk and their bytes."""
        sizes = [status.st_size for status in map(_status, self._files()) if status is not None]
        return len(sizes), sum(sizes)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _files(self) -> list[Path]:
        """Entries on disk; nothing else that may lie in the folder."""
        return list(self.folder.glob(f"*{_SUFFIX}")) if self.folder.is_dir() else []

    def _read(self, key: str) -> dict[str, Tensor] | None:
        """The entry on disk, or None if there is none that is whole."""
        if self.max_bytes == 0:
            return None
        path = self._path(key)
        try:
            tensors = safetensors.torch.load(path.read_bytes())
            stored = tensors.pop(_CHECKSUM)
            if int(stored) != _checksum(key, tensors):
                raise ValueError("checksum differs")
            with suppress(OSError):  # a folder that can only be read loses the order, no entry
                os.utime(path)  # marks the use, for the order in which entries leave
            return tensors
        except (FileNotFoundError, NotADirectoryError):  # writing tells of a folder that is none
            return None
        except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
            log.warning("Cache entry %s is damaged (%s); it is made again.", path, error)
            return None
        except OSError as error:
            log.warning("Cache entry %s cannot be read (%s); it is made again.", path, error)
            return None

    def _write(self, key: str, tensors: dict[str, Tensor]) -> None:
        """Store an entry atomically, then keep the folder within its limit."""
        if self.max_bytes == 0:
            return
        checksum = torch.tensor(_checksum(key, tensors), dtype=torch.int64)
        temporary = self.folder / f".{key}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(safetensors.torch.save({**tensors, _CHECKSUM: checksum}))
            os.replace(temporary, self._path(key))
            self._evict()
        except OSError as error:
            log.warning(
                "Cannot write to the cache folder %s (%s); results are kept in memory only. Free "
                "space there, or name a writable folder by IVLM_CACHE_DIR or, where it was given, "
                "--cache-dir.",
                self.folder,
                error,
            )
            try:
                temporary.unlink(missing_ok=True)
            except OSError:
                log.debug("Could not remove %s", temporary)

    def _evict(self) -> None:
        """Remove the entries used longest ago until the folder fits, and abandoned writes."""
        for path in self.folder.glob(".*.tmp"):
            status = _status(path)
            if status is not None and time.time() - status.st_mtime > _STALE_SECONDS:
                path.unlink(missing_ok=True)
        entries = [(status, path) for path in self._files() if (status := _status(path))]
        total = sum(status.st_size for status, _ in entries)
        for status, path in sorted(entries, key=lambda entry: entry[0].st_mtime_ns):
            if total <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size


def _status(path: Path) -> os.stat_result | None:
    """File status, or None if another process has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _tensor_bytes(tensor: Tensor) -> Any:
    """The raw bytes of a tensor of any type, uint8 [N]."""
    if not tensor.numel():  # torch gives some of these strides of which it can make no view
        return np.zeros(0, np.uint8)
    data: Any = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return data


def _checksum(key: str, tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 over key, names, types, shapes and bytes."""
    crc = zlib.crc32(key.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        crc = zlib.crc32(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(_tensor_bytes(tensor), crc)
    return crc


def _feed(update: Callable[[Any], None], part: object) -> None:
    """Feed one part to a hash, with its type and length so that different parts never meet."""
    if isinstance(part, Tensor):
        update(f"tensor|{part.dtype}|{tuple(part.shape)}|".encode())
        update(_tensor_bytes(part))
    elif isinstance(part, np.ndarray) and not part.dtype.hasobject:
        update(f"array|{part.dtype.str}|{part.shape}|".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, bytes):
        update(f"bytes|{len(part)}|".encode() + part)
    elif isinstance(part, Mapping):
        update(f"mapping|{len(part)}|".encode())
        for name in sorted(part, key=str):
            _feed(update, name)
            _feed(update, part[name])
    elif isinstance(part, list | tuple):
        update(f"sequence|{len(part)}|".encode())
        for item in part:
            _feed(update, item)
    elif part is None or isinstance(part, bool | int | float | str | Path | np.generic):
        value = part.item() if isinstance(part, np.generic) else part
        text = json.dumps(str(value) if isinstance(value, Path) else value)
        update(
            f"{type(value).__name__ if not isinstance(value, Path) else 'path'}|{text}|".encode()
        )
    else:
        raise TypeError(
            f"content_key cannot tell the content of a {type(part).__name__}; give numbers, text, "
            "bytes, arrays, tensors, or lists and mappings of them."
        )

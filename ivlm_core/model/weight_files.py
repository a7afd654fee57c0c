"""Weights on disk, whole or in shards: what is there, and the tensors one after the other.

Only headers are read at first, so that everything wrong with a folder is known before a single
weight is. Tensors are then handed out from memory maps that are closed and opened again as they
go, because touched pages of an open map count as memory of the process. Nothing here runs code
from a file: `.bin` files are read with `weights_only`.
"""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

SAFETENSORS = "model.safetensors"
TORCH_BIN = "pytorch_model.bin"
_INDEX = ".index.json"

_MEBI = 1 << 20
_AT_ONCE = 48 * _MEBI
"""Files up to this size are read whole: safetensors' maps (0.8) leave an object behind for every
tensor they give, which a node feels that loads its model hundreds of times."""


class CheckpointError(ValueError):
    """A model folder is incomplete, damaged or does not fit its configuration."""


@dataclass(frozen=True)
class Entry:
    """One tensor on disk."""

    file: Path
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        """Size of the tensor as it is stored."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


@dataclass(frozen=True)
class WeightFiles:
    """The weights of a folder; `entries` in the order of the files."""

    folder: Path
    entries: Mapping[str, Entry]

    @classmethod
    def open(cls, folder: Path) -> "WeightFiles":
        """Read the headers of a folder's weights.

        Taken is the first of `model.safetensors.index.json`, `model.safetensors`,
        `pytorch_model.bin.index.json`, `pytorch_model.bin`.

        Raises:
            FileNotFoundError: there are no weights, a shard that the index names is missing, or
                the index of shards that are there.
            CheckpointError: a file is truncated or damaged, holds other things than tensors, or
                contradicts the index.
        """
        for name in (SAFETENSORS, TORCH_BIN):
            index = folder / f"{name}{_INDEX}"
            if index.is_file():
                return cls(folder, _read_sharded(index))
            if (folder / name).is_file():
                return cls(folder, _read_header(folder / name))
        for name in (SAFETENSORS, TORCH_BIN):
            if shards := sorted(folder.glob(f"*-of-*{Path(name).suffix}")):
                raise FileNotFoundError(
                    f"model folder {folder} has {len(shards)} shards ({shards[0].name}, ...) but "
                    f"no {name}{_INDEX}, which says what they hold; copy or download it, too"
                )
        raise FileNotFoundError(
            f"model folder {folder} has no weights; expected {SAFETENSORS} or {TORCH_BIN}, or "
            f"shards with {SAFETENSORS}{_INDEX} or {TORCH_BIN}{_INDEX}"
        )

    @property
    def bytes(self) -> int:
        """Size of all tensors as they are stored."""
        return sum(entry.bytes for entry in self.entries.values())

    def tensors(self, names: Sequence[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """Hand out tensors, file by file; they are only valid until the next one is asked for.

        At most 1/64 of all weights (8 to 256 MiB) is mapped at a time.

        Args:
            names: which; None takes all.

        Raises:
            CheckpointError: a file cannot be read to its end.
        """
        budget = min(max(self.bytes // 64, 8 * _MEBI), 256 * _MEBI)
        wanted = self.entries.keys() if names is None else set(names)
        by_file: dict[Path, list[str]] = {}
        for name, entry in self.entries.items():
            if name in wanted:
                by_file.setdefault(entry.file, []).append(name)
        for file, here in by_file.items():
            for part in _parts(here, lambda name: self.entries[name].bytes, budget):
                yield from _read(file, part)


def _parts(names: list[str], size: Callable[[str], int], budget: int) -> Iterator[list[str]]:
    """Cut a list into runs of at most `budget`; a larger item stands alone."""
    part: list[str] = []
    filled = 0
    for name in names:
        if part and filled + size(name) > budget:
            yield part
            part, filled = [], 0
        part.append(name)
        filled += size(name)
    if part:
        yield part


def _read_sharded(index: Path) -> dict[str, Entry]:
    """Return the entries of all shards, checked against the index."""
    try:
        placed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(placed.values()))
        if not all(isinstance(shard, str) for shard in shards):
            raise TypeError("weight_map must map weights to names of files")
        if not shards:
            raise ValueError("weight_map is empty")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index} is no index of shards ({error!r}); copy or download it again"
        ) from error
    missing = [s for s in shards if not (index.parent / s).is_file()]
    if missing:
        raise FileNotFoundError(
            f"model folder {index.parent} lacks {len(missing)} of {len(shards)} shards: "
            f"{', '.join(missing)}; download them again"
        )
    entries: dict[str, Entry] = {}
    for shard in shards:
        found = _read_header(index.parent / shard)
        expected = {name for name, file in placed.items() if file == shard}
        if found.keys() != expected:
            odd = sorted(found.keys() ^ expected)
            raise CheckpointError(
                f"{index.parent / shard} does not hold what {index.name} says: {len(odd)} tensors "
                f"are only in one of them, first {odd[0]!r}; download both again"
            )
        entries |= found
    return entries


def _read_header(file: Path) -> dict[str, Entry]:
    """Return names, shapes and types of one file's tensors."""
    if file.suffix == ".safetensors":
        with _open_safetensors(file) as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
            return {
                name: Entry(file, tuple(part.get_shape()), _dtype(file, part.get_dtype()))
                for name, part in slices.items()
            }
    return {
        name: Entry(file, tuple(tensor.shape), tensor.dtype)
        for name, tensor in _map_bin(file).items()
    }


def _read(file: Path, names: list[str]) -> Iterator[tuple[str, Tensor]]:
    """Hand out tensors of one opening of a file."""
    if file.suffix == ".safetensors":
        if file.stat().st_size <= _AT_ONCE:
            whole = _load_safetensors(file)
            for name in names:
                yield name, whole[name]
            return
        with _open_safetensors(file) as opened:
            for name in names:
                yield name, opened.get_tensor(name)
        return
    tensors = _map_bin(file)
    for name in names:
        yield name, tensors[name]


def _open_safetensors(file: Path) -> AbstractContextManager:
    try:
        return safe_open(file, framework="pt")
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error


def _load_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise _damaged(file, error) from error


def _map_bin(file: Path) -> dict[str, Tensor]:
    """Map a torch file; only what is touched is read."""
    try:
        state = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} holds more than tensors, or is damaged; it is not opened, since that could "
            "run code from the file; save its state dict alone, or download it again"
        ) from error
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{file} is no dictionary of tensors; expected a state dict")
    return state


def _damaged(file: Path, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0].split(". ")[0]
    if "_use_new_zipfile_serialization" in reason:
        reason = "no file of torch 1.6 or newer"
    return CheckpointError(
        f"{file} cannot be read, it is truncated or damaged ({reason}); copy or download it again"
    )


def _dtype(file: Path, name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise CheckpointError(f"{file}: tensors of type {name} are not supported")
    return _DTYPES[name]


_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

"""Weights of any size to a folder, shard by shard; a folder that is there is complete."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ivlm_core.model.skeleton import stored_dtype
from ivlm_core.model.weight_files import SAFETENSORS

SHARD_BYTES = 2 << 30


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to fill that becomes `out` when all went well, and else disappears.

    Raises:
        FileExistsError: `out` is there and not an empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists already; choose another folder or remove it")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_weights(
    folder: Path,
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write safetensors, in shards with an index where they do not fit one file.

    Args:
        folder: where to.
        tensors: names and values; memory holds one shard of them.
        dtype: of floating-point weights; None keeps each as it is.
        shard_bytes: size of a file beyond which another is begun.
    """
    files: list[tuple[Path, list[str]]] = []
    total = 0
    for number, shard in enumerate(_shards(tensors, dtype, shard_bytes), start=1):
        file = folder / f"part-{number:05d}.safetensors"
        save_file(shard, file, metadata={"format": "pt"})
        file.chmod(0o644)  # safetensors writes for the owner only
        files.append((file, list(shard)))
        total += sum(t.nbytes for t in shard.values())
        shard.clear()
    if len(files) == 1:
        files[0][0].rename(folder / SAFETENSORS)
        return
    placed: dict[str, str] = {}
    for number, (file, names) in enumerate(files, start=1):
        final = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        file.rename(folder / final)
        placed |= dict.fromkeys(names, final)
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    (folder / f"{SAFETENSORS}.index.json").write_text(
        json.dumps(index, indent=2) + "\n", encoding="utf-8"
    )


def _shards(
    tensors: Iterable[tuple[str, Tensor]], dtype: torch.dtype | None, limit: int
) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors:
        value = tensor.to(stored_dtype(name, tensor, dtype), copy=True).contiguous()
        if shard and size + value.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = value
        size += value.nbytes
    yield shard

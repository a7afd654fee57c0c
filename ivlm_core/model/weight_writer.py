"""Weights of any size to a folder, shard by shard; a folder that is there is complete."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ivlm_core.disk import check_room, told_by_system
from ivlm_core.model.skeleton import stored_dtype
from ivlm_core.model.weight_files import SAFETENSORS

SHARD_BYTES = 2 << 30


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to fill that becomes `out` when all went well, and else disappears.

    It stands beside `out`, or inside where that is there already: the folder may be the current
    one, or on another disk than its parent.

    Raises:
        FileExistsError: `out` is there and not an empty folder.
        OSError: the disk is full.
    """
    target = out.resolve()
    there = target.exists()
    if there and (not target.is_dir() or any(target.iterdir())):
        raise FileExistsError(f"{out} exists already; choose another folder or remove it")
    with (
        _folders(target if there else target.parent) as place,
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=place) as made,
    ):
        partial = Path(made, "partial")
        partial.mkdir()  # one of its own, for the permissions that any new folder gets
        try:
            yield partial
        except OSError as error:
            file = out if error.filename is None else out / Path(error.filename).name
            check_room(error, file)
            raise
        if there:
            for file in list(partial.iterdir()):
                file.rename(target / file.name)
        else:
            partial.rename(target)


@contextmanager
def _folders(path: Path) -> Iterator[Path]:
    """Make a folder with its parents; those that were not there go again after an error."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield path
    except BaseException:
        for folder in missing:
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


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

    Raises:
        OSError: a file cannot be written, because the disk is full, say.
    """
    files: list[tuple[Path, list[str]]] = []
    total = 0
    for number, shard in enumerate(_shards(tensors, dtype, shard_bytes), start=1):
        file = folder / f"part-{number:05d}.safetensors"
        _save(file, shard)
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


def _save(file: Path, shard: dict[str, Tensor]) -> None:
    with told_by_system(file):
        save_file(shard, file, metadata={"format": "pt"})
    # safetensors writes for the owner only
    file.chmod(file.parent.stat().st_mode & 0o666)


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

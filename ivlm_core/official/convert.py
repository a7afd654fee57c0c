"""A published checkpoint into a folder of our own format: safetensors, our config, provenance."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ivlm_core import __version__
from ivlm_core.model.checkpoint import CONFIG_FILE, PROVENANCE_FILE
from ivlm_core.model.skeleton import stored_dtype
from ivlm_core.model.weight_files import SAFETENSORS, TORCH_BIN
from ivlm_core.official.load import OfficialCheckpoint
from ivlm_core.official.quirks import ReferenceQuirks

SHARD_BYTES = 2 << 30
LICENCE = (
    "The weights stay under the licences of their origin (InteractVLM, LISA, LLaVA, Llama 2, SAM, "
    "CLIP); converting them changes nothing about that."
)


def convert(
    folder: Path,
    out: Path,
    clip: Path | None = None,
    dtype: torch.dtype | None = None,
    quirks: ReferenceQuirks | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """Write a published checkpoint in our format; memory holds one shard at a time.

    Args:
        folder: the published checkpoint, with its tokenizer files.
        out: folder to make; it appears when it is complete.
        clip: see `OfficialCheckpoint.open`; the tower becomes part of the new folder.
        dtype: of floating-point weights; None keeps each as it is stored.
        quirks: deviations to build in (`shared_mask_decoder`, `demo_conditioning_distance`).
        shard_bytes: size of a file beyond which another is begun.

    Returns:
        `out`.

    Raises:
        FileExistsError: `out` is there and not an empty folder.
        FileNotFoundError, ConfigError, CheckpointError, ValueError: see `load_official`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists already; choose another folder or remove it")
    quirks = quirks or ReferenceQuirks()
    source = OfficialCheckpoint.open(folder, clip, quirks)
    processor = source.processor()
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_weights(partial, source, dtype, shard_bytes)
        source.config.save(partial / CONFIG_FILE)
        processor.tokenizer.save_pretrained(partial)
        text = json.dumps(_provenance(source, dtype, quirks), indent=2)
        (partial / PROVENANCE_FILE).write_text(f"{text}\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_weights(
    folder: Path, source: OfficialCheckpoint, dtype: torch.dtype | None, shard_bytes: int
) -> None:
    """Write all weights, in shards with an index where they do not fit one file."""
    files: list[tuple[Path, list[str]]] = []
    total = 0
    for number, shard in enumerate(_shards(source.tensors(), dtype, shard_bytes), start=1):
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
    tensors: Iterator[tuple[str, Tensor]], dtype: torch.dtype | None, limit: int
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


def _provenance(
    source: OfficialCheckpoint, dtype: torch.dtype | None, quirks: ReferenceQuirks
) -> dict[str, Any]:
    """Where the weights come from and what was done to them."""
    reasons: dict[str, list[str]] = {}
    for name, reason in (source.keys.ignored | source.tower_keys.ignored).items():
        reasons.setdefault(reason, []).append(name)
    return {
        "made_by": f"ivlm convert, ivlm-core {__version__}",
        "source": str(source.folder.resolve()),
        "source_config": vars(source.official),
        "kind": source.official.kind,
        "source_files": _files(source.folder),
        "vision_tower": {
            "name": source.official.mm_vision_tower,
            "folder": str(source.tower_files.folder.resolve()),
            "files": _files(source.tower_files.folder),
        },
        "dtype": "as stored" if dtype is None else str(dtype).removeprefix("torch."),
        "reference_quirks": list(quirks.names),
        "ignored_weights": reasons,
        "licence": LICENCE,
    }


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size of every weight file, and digest of every small one."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.iterdir()):
        if not file.is_file():
            continue
        found[file.name] = {"bytes": file.stat().st_size}
        if not file.name.startswith(("model", TORCH_BIN.removesuffix(".bin"))):
            found[file.name]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found

"""A published checkpoint into a folder of our own format: safetensors, our config, provenance."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from ivlm_core import __version__
from ivlm_core.model.checkpoint import describe
from ivlm_core.model.weight_files import TORCH_BIN
from ivlm_core.model.weight_writer import SHARD_BYTES, new_folder, write_weights
from ivlm_core.official.load import OfficialCheckpoint
from ivlm_core.official.quirks import ReferenceQuirks

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
    quirks = quirks or ReferenceQuirks()
    with new_folder(out) as partial:
        source = OfficialCheckpoint.open(folder, clip, quirks)
        processor = source.processor()
        write_weights(partial, source.tensors(), dtype, shard_bytes)
        told = _provenance(source, dtype, quirks)
        describe(partial, source.config, processor.tokenizer, told)
    return out


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

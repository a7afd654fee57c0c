"""`ivlm convert`: a published checkpoint to a model folder of our own format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, megabytes, say


@dataclass(frozen=True)
class Convert:
    """Write a published InteractVLM checkpoint as safetensors with our configuration.

    The vision tower, which published checkpoints leave out, becomes part of the new folder.
    Exit code: 0 done, 1 the checkpoint is damaged or not supported, 2 wrong usage.
    """

    official: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OFFICIAL")]
    """Folder of the published checkpoint."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to make."""
    clip: Path | None = None
    """Folder of openai/clip-vit-large-patch14; default: what the checkpoint names, in the cache of
    Hugging Face."""
    dtype: Literal["stored", "float32", "bfloat16", "float16"] = "stored"
    """Type of the weights."""
    reference_quirks: tuple[str, ...] = ()
    """Published deviations to build in, by name: shared_mask_decoder, demo_conditioning_distance,
    or both by 'all'."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Convert; return the exit code."""
        import time

        from ivlm_core.model.placement import DTYPES
        from ivlm_core.official.config import is_official_folder
        from ivlm_core.official.convert import convert
        from ivlm_core.official.quirks import CHECKPOINT_QUIRKS, ReferenceQuirks

        if not self.official.is_dir():
            raise UsageError(f"folder {self.official} does not exist")
        try:
            published = is_official_folder(self.official)
        except (ValueError, OSError) as error:
            complain(f"failed: {error}")
            return FAILED
        if not published:
            raise UsageError(
                f"{self.official} is no published checkpoint: its config.json is missing or has "
                "none of the fields token_type, seg_token_idx, train_mask_decoder"
            )
        if self.clip is not None and not self.clip.is_dir():
            raise UsageError(f"--clip {self.clip} does not exist")
        try:
            quirks = ReferenceQuirks.from_names(self.reference_quirks, CHECKPOINT_QUIRKS)
        except ValueError as error:
            raise UsageError(str(error)) from error
        dtype = None if self.dtype == "stored" else DTYPES[self.dtype]
        start = time.perf_counter()
        try:
            folder = convert(self.official, self.out, self.clip, dtype, quirks)
        except FileExistsError as error:
            raise UsageError(str(error)) from error
        except (ValueError, OSError) as error:
            complain(f"failed: {error}")
            return FAILED
        seconds = time.perf_counter() - start
        size = sum(f.stat().st_size for f in folder.iterdir())
        say(f"model in {folder}, {megabytes(size)}, {seconds:.0f} s")
        if self.json:
            emit(
                {
                    "command": "convert",
                    "model": str(folder),
                    "bytes": size,
                    "seconds": round(seconds, 1),
                }
            )
        return OK

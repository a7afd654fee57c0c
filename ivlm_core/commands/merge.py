"""`ivlm merge`: LoRA adapters and sharded training states into a folder that loads anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, megabytes, say


@dataclass(frozen=True)
class Merge:
    """Fold LoRA adapters into the weights they adapt, and join what training kept in shards.

    Shards of FSDP and DeepSpeed are pickled: only merge what you have trained yourself.
    Exit code: 0 done, 1 the weights are damaged or incomplete, 2 wrong usage.
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """A model folder, or the OUT of `ivlm train`: then its last checkpoint."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Folder to make."""
    dtype: Literal["stored", "float32", "bfloat16", "float16"] = "stored"
    """Type of the weights."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Merge; return the exit code."""
        from ivlm_core.model.placement import DTYPES
        from ivlm_core.training.merge import merge

        if not self.source.is_dir():
            raise UsageError(f"folder {self.source} does not exist")
        dtype = None if self.dtype == "stored" else DTYPES[self.dtype]
        try:
            folder = merge(self.source, self.out, dtype)
        except FileExistsError as error:
            raise UsageError(str(error)) from error
        except (ValueError, OSError, ImportError) as error:
            complain(f"failed: {error}")
            return FAILED
        size = sum(f.stat().st_size for f in folder.iterdir())
        say(f"model in {folder}, {megabytes(size)}; try: ivlm predict IMAGE --model {folder}")
        if self.json:
            emit({"command": "merge", "model": str(folder), "bytes": size})
        return OK

"""`ivlm synthesize`: labelled synthetic interactions to a folder."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say
from ivlm_core.commands.out_folder import make_folder
from ivlm_core.synthesis.config import SynthesisConfig


@dataclass(frozen=True)
class Synthesize:
    """Generate images of people using objects, with contact labels from geometry.

    An unfinished folder is continued; the same options give the same data, and more images go on
    from those that are there, where these fill their shards. `sheet.png` in it shows some pictures
    with their labels.
    Exit code: 0 done, 1 a package is missing or a process died, 2 wrong usage.
    """

    config: Annotated[SynthesisConfig, tyro.conf.arg(name="")]
    json: bool = False
    """Print a report as JSON, as the last line."""

    def run(self) -> int:
        """Generate; return the exit code."""
        from ivlm_core.synthesis.processes import WorkerError
        from ivlm_core.synthesis.writer import generate

        make_folder(self.config.out)
        try:
            info = generate(self.config)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        except (ImportError, WorkerError) as error:
            complain(f"failed: {error}")
            return FAILED
        counts = info["counts"]
        say(
            f"{counts['train']} training and {counts['test']} test images in {self.config.out}, "
            f"{info['images_per_s']} images/s; look at {self.config.out / 'sheet.png'}; next: "
            f"ivlm train --data {self.config.out} --out DIR"
        )
        if self.json:
            emit({"command": "synthesize", "out": str(self.config.out), **info})
        return OK

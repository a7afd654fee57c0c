"""`ivlm reproduce`: a model made again from nothing, by what it tells of its making."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say


@dataclass(frozen=True)
class Reproduce:
    """Generate, train and evaluate as a model's provenance tells, and compare the figures.

    Data, runs and report go to OUT; an unfinished try is continued. It takes as long as the model
    took: see its card.
    Exit code: 0 every figure is within its 95 % interval, 1 not so or diverged, 2 the model does
    not tell enough.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for data, runs and report."""
    model: str = "nano"
    """`nano` (shipped) or the folder of a model that was trained here."""
    workers: int = 2
    """Processes that generate pictures."""
    json: bool = False
    """Print the comparison as JSON, as the last line."""

    def run(self) -> int:
        """Make it again; return the exit code."""
        from ivlm_core.model.shipped import model_folder
        from ivlm_core.training.reproduce import reproduce

        try:
            folder = model_folder(self.model)
            if not folder.is_dir():
                raise UsageError(f"--model {self.model}: there is no such folder")
            found = reproduce(folder, self.out, self.workers)
        except NotADirectoryError as error:
            raise UsageError(
                f"--out {self.out} cannot be made: it is a file, or below one"
            ) from error
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        except FloatingPointError as error:
            complain(f"failed: {error}")
            return FAILED
        told = json.dumps(found.to_json(), indent=1)
        (self.out / "reproduction.json").write_text(told + "\n", encoding="utf-8")
        say(found.text())
        say(f"model: {found.model}")
        if self.json:
            emit({"command": "reproduce", **found.to_json()})
        return OK if found.holds else FAILED

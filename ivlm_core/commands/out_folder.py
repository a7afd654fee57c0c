"""`--out`: the folder that results go to."""

from pathlib import Path

from ivlm_core.commands.console import UsageError


def make_folder(folder: Path) -> None:
    """Make the folder where it is missing.

    Raises:
        UsageError: it cannot be made, with the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if folder.is_file():
            raise UsageError(f"--out {folder} cannot be made: it is a file") from error
        raise UsageError(f"--out {folder} cannot be made: {error}") from error

"""`--out`: the folder that results go to."""

from pathlib import Path

from ivlm_core.commands.console import UsageError


def check_folder(folder: Path) -> None:
    """Refuse a file, before anything is read that could then not be written.

    Raises:
        UsageError: it is one.
    """
    if folder.is_file():
        raise UsageError(f"--out {folder} cannot be made: it is a file")


def make_folder(folder: Path) -> None:
    """Make the folder where it is missing.

    Raises:
        UsageError: it cannot be made, with the reason.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be made: {error}") from error

"""`--cache-dir`: where renders and view embeddings are kept."""

from pathlib import Path


def check_option(folder: Path | None) -> None:
    """Refuse what can be no folder; one that cannot be written costs a warning only.

    Raises:
        ValueError: it is a file.
    """
    if folder is not None and folder.is_file():
        raise ValueError(f"--cache-dir {folder} is a file; name a folder, which may be a new one")

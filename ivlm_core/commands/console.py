"""Text for people and JSON for programs on standard output; the exit codes of all commands."""

import json
import sys
from typing import Any

OK = 0
FAILED = 1
"""Something did not work; it was named."""
USAGE = 2
"""What was asked for cannot be done as it was asked."""


class UsageError(ValueError):
    """A command was used wrongly; the text says what to change. Ends with exit code 2."""


def say(text: str = "") -> None:
    """Print a line for people."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def emit(report: dict[str, Any]) -> None:
    """Print a report as one line of JSON."""
    say(json.dumps(report, ensure_ascii=False, allow_nan=False))


def megabytes(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e6:.1f} MB"

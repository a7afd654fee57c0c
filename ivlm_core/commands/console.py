"""Text for people and JSON for programs on standard output; the exit codes of all commands."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

OK = 0
FAILED = 1
"""Something did not work; it was named."""
USAGE = 2
"""What was asked for cannot be done as it was asked."""
PIPE_CLOSED = 141
"""Whoever read the output has gone; what a shell tells of programs that SIGPIPE ended."""


class UsageError(ValueError):
    """A command was used wrongly; the text says what to change. Ends with exit code 2."""


@contextmanager
def ends_with_reader(stream: TextIO) -> Iterator[None]:
    """Around writing to a stream: end quietly where its reader has gone, as of `ivlm ... | head`.

    Raises:
        SystemExit: `PIPE_CLOSED`, in place of BrokenPipeError.
    """
    try:
        yield
    except BrokenPipeError:
        # what is still in the buffer is written at exit, which must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(PIPE_CLOSED) from None


def say(text: str = "") -> None:
    """Print a line for people."""
    with ends_with_reader(sys.stdout):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line on standard error."""
    with ends_with_reader(sys.stderr):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def emit(report: dict[str, Any]) -> None:
    """Print a report as one line of JSON."""
    say(json.dumps(report, ensure_ascii=False, allow_nan=False))


def megabytes(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e6:.1f} MB"

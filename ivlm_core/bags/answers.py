"""Answers as files, one an image, so that a run that was stopped goes on where it was."""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ivlm_core.messages.results import Message

_SETTINGS = "settings.json"


@dataclass(frozen=True)
class Answer:
    """What is sent about one image."""

    messages: list[Message] = field(default_factory=list)
    shown: tuple[str, ...] = ()
    """Namespaces that RViz may show after it."""
    error: str = ""
    """Why there is no answer."""


class AnswerFiles:
    """A folder of answers.

    Args:
        folder: where they are; it is made.
        settings: what the answers depend on.

    Raises:
        ValueError: the folder has answers that depend on something else.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / _SETTINGS
        wanted = json.dumps(settings, sort_keys=True)
        if not file.exists():
            file.write_text(wanted, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != wanted:
            raise ValueError(
                f"{folder} is of a run with other settings: {file.read_text(encoding='utf-8')}; "
                "run with those, or delete the folder"
            )

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.answer"

    def has(self, number: int) -> bool:
        """Return whether there is an answer to an image."""
        return self._file(number).exists()

    def write(self, number: int, answer: Answer) -> None:
        """Keep an answer; the file is whole or not there."""
        sizes = [(message.topic, len(message.data)) for message in answer.messages]
        head = json.dumps({"sizes": sizes, "shown": answer.shown, "error": answer.error}).encode()
        partial = self._file(number).with_suffix(".partial")
        with partial.open("wb") as out:
            out.write(struct.pack("<I", len(head)) + head)
            for message in answer.messages:
                out.write(message.data)
        partial.replace(self._file(number))

    def read(self, number: int) -> Answer:
        """Return an answer."""
        data = memoryview(self._file(number).read_bytes())
        (length,) = struct.unpack_from("<I", data)
        head = json.loads(bytes(data[4 : 4 + length]))
        messages = list(_split(data[4 + length :], head["sizes"]))
        return Answer(messages, tuple(head["shown"]), head["error"])


def _split(data: memoryview, sizes: Sequence[tuple[str, int]]) -> Iterator[Message]:
    start = 0
    for topic, size in sizes:
        yield Message(topic, bytes(data[start : start + size]))
        start += size

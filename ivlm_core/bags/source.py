"""What a bag asks: its images, each with the labels that hold for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys import Stores, get_typestore

from ivlm_core.labels import read_labels

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
LABEL_TYPE = "std_msgs/msg/String"


class BagError(ValueError):
    """A bag that cannot be used; the text names it, what was expected and the remedy."""


class Question(NamedTuple):
    """An image of the bag that is to be answered."""

    number: int
    """Among the messages of the image topic, from 0."""
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Topics:
    """Where images and labels are."""

    images: str
    labels: str = ""
    """Empty: no topic, one label for all."""


class BagSource:
    """A bag that is open; use it in a `with` block.

    Args:
        folder: of the bag (sqlite3 or mcap, with its `metadata.yaml`).

    Raises:
        BagError: there is no bag, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.types = get_typestore(Stores.ROS2_JAZZY)
        if not (folder / "metadata.yaml").is_file():
            raise BagError(f"{folder} is no bag of ROS 2: expected a folder with metadata.yaml")
        try:
            self._reader = Reader(folder)
            self._reader.open()
        except (ReaderError, OSError) as error:
            raise BagError(
                f"{folder} cannot be read as a bag: {error}; `ros2 bag reindex` mends one that was "
                "not closed"
            ) from error

    def __enter__(self) -> "BagSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def connections(self) -> Sequence[Connection]:
        """The topics."""
        return self._reader.connections

    @property
    def storage(self) -> str:
        """`sqlite3` or `mcap`."""
        return "mcap" if any(self.folder.glob("*.mcap*")) else "sqlite3"

    def topics(self, images: str = "", labels: str = "") -> Topics:
        """Find the topics of images and labels.

        Args:
            images: name; empty takes the bag's only topic of images.
            labels: name; empty takes `label` or `/label` if there is one.

        Raises:
            BagError: there is no such topic, or not just one; those there are are named.
        """
        shown = self._named(IMAGE_TYPES)
        if images and images not in shown:
            raise BagError(f"{self.folder} has no images on {images}; it has {_listed(shown)}")
        if not images and len(shown) != 1:
            raise BagError(
                f"{self.folder} has {len(shown)} topics of images: {_listed(shown)}; name one with "
                "--image-topic"
            )
        said = self._named((LABEL_TYPE,))
        if labels and labels not in said:
            raise BagError(f"{self.folder} has no String on {labels}; it has {_listed(said)}")
        found = labels or next((name for name in ("/label", "label") if name in said), "")
        return Topics(images or shown[0], found)

    def _named(self, types: Sequence[str]) -> list[str]:
        return sorted({c.topic for c in self.connections if c.msgtype in types})

    def messages(self, topics: Sequence[str] = ()) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time of recording (nanoseconds) and bytes in order of time.

        Args:
            topics: names; empty takes all.

        Raises:
            BagError: the bag is damaged.
        """
        chosen = [c for c in self.connections if not topics or c.topic in topics]
        try:
            yield from self._reader.messages(connections=chosen) if chosen else ()
        except Exception as error:  # sqlite, mcap, compression: each raises its own
            raise BagError(f"{self.folder} is damaged: {error}") from error

    def read(self, connection: Connection, data: bytes) -> Any:
        """Return a message of a standard type as an object.

        Raises:
            BagError: it is damaged.
        """
        try:
            return self.types.deserialize_cdr(data, connection.msgtype)
        except Exception as error:  # rosbags' own, and those of what it unpacks with
            raise BagError(
                f"a message of {len(data)} bytes on {connection.topic} is damaged: {error}"
            ) from error

    def questions(self, topics: Topics, labels: Sequence[str], rate_hz: float) -> list[Question]:
        """Return the images to be answered; a label holds for the images after it, as in the node.

        Args:
            topics: where images and labels are.
            labels: hold until the first message on the label topic, and after an empty one.
            rate_hz: most images per second of recording; 0 takes all.
        """
        found: list[Question] = []
        given = now = tuple(labels)
        number, next_ns = 0, 0
        names = [name for name in (topics.images, topics.labels) if name]
        for connection, time_ns, data in self.messages(names):
            if connection.topic == topics.labels:
                now = self._labels(connection, data, now) or given
                continue
            if now and time_ns >= next_ns:
                found.append(Question(number, now))
                if rate_hz:
                    next_ns = max(next_ns, time_ns) + int(1e9 / rate_hz)
            number += 1
        return found

    def _labels(
        self, connection: Connection, data: bytes, before: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Return the labels of a message; those before where it cannot be used."""
        try:
            return read_labels(self.read(connection, data).data)
        except ValueError:
            return before


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"

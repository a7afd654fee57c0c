"""Hand-over of camera frames to the inference thread: one place, the newest frame wins."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameSlot(Generic[T]):
    """Holds at most one frame; a newer one replaces it.

    `put` never waits, so a callback returns at once; `take` waits for a frame. While closed, frames
    are refused and whatever waited is dropped.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._frame: T | None = None
        self._open = False
        self._ended = False
        self.received = 0
        """Frames put in while open."""
        self.replaced = 0
        """Frames that a newer one replaced before they were taken."""

    def open(self) -> None:
        """Accept frames from now on."""
        with self._condition:
            self._open = True

    def close(self) -> None:
        """Refuse frames from now on and drop the waiting one."""
        with self._condition:
            self._open = False
            self._frame = None

    def end(self) -> None:
        """Close for good: a waiting `take` returns None."""
        with self._condition:
            self._open = False
            self._frame = None
            self._ended = True
            self._condition.notify_all()

    def put(self, frame: T) -> None:
        """Offer a frame; it replaces one that still waits."""
        with self._condition:
            if not self._open:
                return
            self.received += 1
            self.replaced += self._frame is not None
            self._frame = frame
            self._condition.notify()

    def take(self) -> T | None:
        """Wait for a frame and return it; None once the slot has ended."""
        with self._condition:
            while self._frame is None and not self._ended:
                self._condition.wait()
            frame, self._frame = self._frame, None
            return frame

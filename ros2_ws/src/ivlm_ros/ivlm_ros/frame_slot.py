"""Hand-over of work to the inference thread: the newest camera frame, and requests before it."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FrameSlot(Generic[T]):
    """Holds at most one frame, which a newer one replaces, and requests, of which none is lost.

    `put` and `request` never wait, so a callback returns at once; `take` waits for work. While
    closed, frames are refused and the one that waited is dropped.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._frame: T | None = None
        self._requests: deque[T] = deque()
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
        """Close for good: `take` returns the requests that wait, then None."""
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

    def request(self, work: T) -> bool:
        """Add work that is taken before any frame; False where the slot has ended."""
        with self._condition:
            if not self._ended:
                self._requests.append(work)
                self._condition.notify()
            return not self._ended

    @property
    def waiting(self) -> int:
        """What waits to be taken: requests, and a frame."""
        with self._condition:
            return len(self._requests) + (self._frame is not None)

    def take(self) -> T | None:
        """Wait for work and return it; None once the slot has ended."""
        with self._condition:
            while self._frame is None and not self._requests and not self._ended:
                self._condition.wait()
            if self._requests:
                return self._requests.popleft()
            frame, self._frame = self._frame, None
            return frame

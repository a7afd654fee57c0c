"""Messages of several topics brought together by their stamps. Nothing here needs ROS."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


class Stamped(NamedTuple, Generic[T]):
    """A value that holds at a time in a frame."""

    stamp_ns: int
    frame_id: str
    value: T


class Remembered(Generic[T]):
    """The last values of a topic, and those around a time that is held; used by two threads.

    Args:
        most: how many are kept, and in how many frames at most they are held.
    """

    def __init__(self, most: int) -> None:
        self._kept: deque[Stamped[T]] = deque(maxlen=most)
        self._most = most
        self._held_ns: int | None = None
        self._held: dict[str, Stamped[T]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, stamp_ns: int, frame_id: str, value: T) -> None:
        """Keep a value."""
        with self._lock:
            self._kept.append(Stamped(stamp_ns, frame_id, value))
            self._hold(self._kept[-1])

    def hold(self, stamp_ns: int) -> None:
        """Keep what is nearest to a time, in each frame, however much comes until the next hold."""
        with self._lock:
            self._held_ns, self._held = stamp_ns, {}
            for known in self._kept:
                self._hold(known)

    def _hold(self, new: Stamped[T]) -> None:
        if self._held_ns is None:
            return
        old = self._held.get(new.frame_id)
        if old is None:
            nearer = len(self._held) < self._most
        else:
            nearer = abs(new.stamp_ns - self._held_ns) <= abs(old.stamp_ns - self._held_ns)
        if nearer:
            self._held[new.frame_id] = new

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._held.clear()

    def nearest(
        self, stamp_ns: int, limit_s: float = 0.0, frame_id: str | None = None
    ) -> Stamped[T] | None:
        """Return what is nearest in time, of two equally near the later; None where nothing is.

        Args:
            stamp_ns: the time.
            limit_s: how far away in time it may be, seconds; 0 for any distance.
            frame_id: in which frame; None for any.
        """
        with self._lock:
            all_known = (*self._held.values(), *self._kept)
            known = [k for k in all_known if frame_id in (None, k.frame_id)]
        if not known:
            return None
        best = min(reversed(known), key=lambda k: abs(k.stamp_ns - stamp_ns))
        far = limit_s and abs(best.stamp_ns - stamp_ns) > limit_s * 1e9
        return None if far else best


class Pairing(Generic[A, B]):
    """Brings two topics together whose messages carry equal stamps, in whatever order they come.

    Args:
        most: of each topic, messages that wait for the other; the oldest goes first.
        lost: called for each message of the first topic that went without the other's.
    """

    def __init__(self, most: int, lost: Callable[[], None]) -> None:
        self._most, self._lost = most, lost
        self._first: OrderedDict[int, A] = OrderedDict()
        self._second: OrderedDict[int, B] = OrderedDict()

    def first(self, stamp_ns: int, value: A) -> tuple[A, B] | None:
        """Take a message of the first topic; return the pair if that completes it."""
        if stamp_ns in self._second:
            return value, self._second.pop(stamp_ns)
        for _ in range(_keep(self._first, stamp_ns, value, self._most)):
            self._lost()
        return None

    def second(self, stamp_ns: int, value: B) -> tuple[A, B] | None:
        """Take a message of the second topic; return the pair if that completes it."""
        if stamp_ns in self._first:
            return self._first.pop(stamp_ns), value
        _keep(self._second, stamp_ns, value, self._most)
        return None


def _keep(kept: OrderedDict[int, Any], stamp_ns: int, value: Any, most: int) -> int:
    """Keep a value and return how many others had to go."""
    gone = int(stamp_ns in kept)
    kept[stamp_ns] = value
    kept.move_to_end(stamp_ns)
    while len(kept) > most:
        kept.popitem(last=False)
        gone += 1
    return gone


def nanoseconds(stamp: Any) -> int:
    """Return a `builtin_interfaces/Time` in nanoseconds."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)

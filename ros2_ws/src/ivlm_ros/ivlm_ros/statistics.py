"""What the node has done so far, and how that reads on /diagnostics."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

_WINDOW = 200
_PERCENTILES = (50, 95, 99)
_REMEMBERED_S = 10.0
"""A failure that is over stays a warning for so long: diagnostics are read once a second, and one
bad image among good ones would go unseen."""


@dataclass(frozen=True)
class Health:
    """One line of diagnostics: 0 is fine, 1 a warning, 2 an error, 3 stale."""

    level: int
    message: str
    values: Mapping[str, str]


class NodeStatistics:
    """Counts and recent durations; filled by callbacks and the inference thread.

    Args:
        clock: seconds on a clock that never jumps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, deque[float]] = {}
        self._failure: str | None = None
        self._failed_at = 0.0
        self._recovered = True

    def count(self, event: str) -> None:
        """Count one event, for instance "too old"."""
        with self._lock:
            self._counts[event] += 1

    def done(self, seconds: Mapping[str, float]) -> None:
        """Note a published frame and the seconds its stages took."""
        with self._lock:
            self._counts["published"] += 1
            self._recovered = True
            for stage, value in seconds.items():
                self._seconds.setdefault(stage, deque(maxlen=_WINDOW)).append(value)

    def failed(self, reason: str) -> None:
        """Note a frame that gave no result."""
        with self._lock:
            self._counts["failed"] += 1
            self._failure = reason
            self._failed_at = self._clock()
            self._recovered = False

    def counts(self) -> dict[str, int]:
        """Return all counts."""
        with self._lock:
            return dict(self._counts)

    def pipeline_health(self) -> Health:
        """Return counts, durations of the last frames, and the reason of the last failure.

        An error until an image succeeds again, a warning for some seconds after that.
        """
        with self._lock:
            values = {f"images {event}": str(n) for event, n in sorted(self._counts.items())}
            for stage, seconds in self._seconds.items():
                for share, value in zip(
                    _PERCENTILES, np.percentile(list(seconds), _PERCENTILES), strict=True
                ):
                    values[f"{stage} p{share} ms"] = f"{1000 * value:.1f}"
            ago = self._clock() - self._failed_at
            if not self._recovered:
                return Health(2, f"last image failed: {self._failure}", values)
            if self._failure and ago < _REMEMBERED_S:
                return Health(1, f"an image failed {ago:.0f} s ago: {self._failure}", values)
            return Health(0, "ok", values)


def input_health(
    topic: str, publishers: int, silence_s: float, timeout_s: float, what: str = "image"
) -> Health:
    """Return whether images come in.

    Args:
        topic: resolved name of the image topic.
        publishers: number of publishers there.
        silence_s: seconds since the last image, or since activation.
        timeout_s: silence that is worth a warning, seconds.
        what: comes in, and is the topic's name before it is remapped.
    """
    values = {"topic": topic, "publishers": str(publishers), "silence s": f"{silence_s:.1f}"}
    if silence_s <= timeout_s:
        return Health(0, "ok", values)
    hint = (
        "its publisher sends nothing" if publishers else f"nobody publishes there; remap {what!r}?"
    )
    return Health(1, f"no {what} on {topic} for {silence_s:.0f} s: {hint}", values)

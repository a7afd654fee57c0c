"""What the node has done so far, and how that reads on /diagnostics."""

import math
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
        self._left_out: Counter[str] = Counter()
        self._left_out_since = 0.0

    def begin(self) -> None:
        """Note that images come anew: what was left out before is over."""
        with self._lock:
            self._left_out.clear()

    def count(self, event: str) -> None:
        """Count one event, for instance "too old"."""
        with self._lock:
            self._counts[event] += 1

    def left_out(self, why: str) -> None:
        """Count an image that is not asked about though it should be, for instance "too old"."""
        with self._lock:
            self._counts[why] += 1
            if not self._left_out:
                self._left_out_since = self._clock()
            self._left_out[why] += 1

    def done(self, seconds: Mapping[str, float]) -> None:
        """Note a published frame and the seconds its stages took."""
        with self._lock:
            self._counts["published"] += 1
            self._left_out.clear()
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

    def unanswered(self, patience_s: float) -> str:
        """Return why images are left out for longer than that, none answered; else nothing."""
        with self._lock:
            silence_s = self._clock() - self._left_out_since
            if not self._left_out or silence_s <= patience_s:
                return ""
            why = ", ".join(f"{n} {event}" for event, n in self._left_out.most_common())
        return f"images come, none answered for {silence_s:.0f} s: {why}"

    def pipeline_health(self, patience_s: float = math.inf) -> Health:
        """Return counts, durations of the last frames, and the reason of the last failure.

        An error until an image succeeds again, a warning for some seconds after that, and a warning
        while images are left out for longer than `patience_s`.
        """
        unanswered = self.unanswered(patience_s)
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
            if unanswered:
                return Health(1, unanswered, values)
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

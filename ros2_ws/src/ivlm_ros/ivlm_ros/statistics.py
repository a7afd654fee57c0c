"""What the node has done so far, and how that reads on /diagnostics."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_WINDOW = 200


@dataclass(frozen=True)
class Health:
    """One line of diagnostics: 0 is fine, 1 a warning, 2 an error, 3 stale."""

    level: int
    message: str
    values: Mapping[str, str]


class NodeStatistics:
    """Counts and recent durations; filled by callbacks and the inference thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, deque[float]] = {}
        self._failure: str | None = None

    def count(self, event: str) -> None:
        """Count one event, for instance "too old"."""
        with self._lock:
            self._counts[event] += 1

    def done(self, seconds: Mapping[str, float]) -> None:
        """Note a published frame and the seconds its stages took."""
        with self._lock:
            self._counts["published"] += 1
            self._failure = None
            for stage, value in seconds.items():
                self._seconds.setdefault(stage, deque(maxlen=_WINDOW)).append(value)

    def failed(self, reason: str) -> None:
        """Note a frame that gave no result."""
        with self._lock:
            self._counts["failed"] += 1
            self._failure = reason

    def counts(self) -> dict[str, int]:
        """Return all counts."""
        with self._lock:
            return dict(self._counts)

    def pipeline_health(self) -> Health:
        """Return counts, durations of the last frames, and the reason of a failure that lasts."""
        with self._lock:
            values = {f"images {event}": str(n) for event, n in sorted(self._counts.items())}
            for stage, seconds in self._seconds.items():
                median, high = np.percentile(list(seconds), [50, 95]) * 1000
                values[f"{stage} p50 ms"] = f"{median:.1f}"
                values[f"{stage} p95 ms"] = f"{high:.1f}"
            if self._failure:
                return Health(2, f"last image failed: {self._failure}", values)
            return Health(0, "ok", values)


def input_health(topic: str, publishers: int, silence_s: float, timeout_s: float) -> Health:
    """Return whether images come in.

    Args:
        topic: resolved name of the image topic.
        publishers: number of publishers there.
        silence_s: seconds since the last image, or since activation.
        timeout_s: silence that is worth a warning, seconds.
    """
    values = {"topic": topic, "publishers": str(publishers), "silence s": f"{silence_s:.1f}"}
    if silence_s <= timeout_s:
        return Health(0, "ok", values)
    hint = "its publisher sends nothing" if publishers else "nobody publishes there; remap 'image'?"
    return Health(1, f"no image on {topic} for {silence_s:.0f} s: {hint}", values)

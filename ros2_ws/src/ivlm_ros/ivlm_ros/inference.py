"""The one thread that runs the model: takes the newest frame, hands it on, survives errors."""

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from ivlm_ros.frame_slot import FrameSlot

T = TypeVar("T")

THREAD = "inference"
"""Name of the thread."""


class InferenceThread(Generic[T]):
    """Calls `process` on frames of a slot, one at a time, until the slot ends.

    Args:
        slot: where frames come from.
        process: does the work; whatever it raises concerns that frame only.
        report: called with the short reason and the traceback when `process` raised.
    """

    def __init__(
        self,
        slot: FrameSlot[T],
        process: Callable[[T], None],
        report: Callable[[str, str], None],
    ) -> None:
        self._slot = slot
        self._process = process
        self._report = report
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the slot and wait for the frame in work; False if it took longer than the timeout."""
        self._slot.end()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (frame := self._slot.take()) is not None:
            try:
                self._process(frame)
            except Exception as error:
                self._report(f"{type(error).__name__}: {error}", traceback.format_exc())

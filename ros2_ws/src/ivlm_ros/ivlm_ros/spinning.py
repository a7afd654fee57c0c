"""Spins an executor; an exception of one callback does not end the others."""

import threading
import traceback
from collections.abc import Callable

from rclpy.executors import Executor, ExternalShutdownException, ShutdownException

_PAUSE_S = 0.01
"""After a failure, so that one that comes again and again leaves the processor to others."""


class Fatal(RuntimeError):  # noqa: N818
    """Raised by a callback that wants the program to end."""


def spin(executor: Executor, report: Callable[[str], None]) -> None:
    """Spin until the executor is shut down.

    rclpy lets an exception of a callback out of `spin`, after which spinning can go on.

    Args:
        executor: whose callbacks are called.
        report: told the traceback of every callback that failed.

    Raises:
        Fatal: a callback did.
    """
    pause = threading.Event()
    while True:
        try:
            executor.spin()
            return
        except (ExternalShutdownException, ShutdownException):
            return
        except Fatal:
            raise
        except Exception:
            report(traceback.format_exc())
            pause.wait(_PAUSE_S)

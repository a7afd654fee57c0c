"""Processes that share work on one machine, and end with the one that gives it to them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

Workers = ProcessPoolExecutor
Job = TypeVar("Job")
Result = TypeVar("Result")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "EMBREE_THREADS")


class WorkerError(RuntimeError):
    """A process has died; the text says what to do."""


@contextmanager
def worker_processes(
    count: int, prepare: Callable[[Any], None], settings: Any
) -> Iterator[Workers]:
    """Provide processes of one thread each.

    Args:
        count: of processes.
        prepare: called in each process when it starts.
        settings: handed to `prepare`.

    Raises:
        WorkerError: a process has died.
    """
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _start, (prepare, settings)) as processes:
        try:
            yield processes
        except BrokenProcessPool as error:
            _end(processes)  # the pool would wait for one that was just starting
            raise WorkerError(
                "a worker process died (out of memory? fewer --workers need less); run the same "
                "command again, it goes on where it stopped"
            ) from error
        except BaseException:
            _end(processes)
            raise


def results(
    workers: Workers | None, work: Callable[[Job], Result], jobs: Sequence[Job]
) -> Iterator[Result]:
    """Do jobs in processes, in any order; in this one, where there are none."""
    if workers is None:
        yield from map(work, jobs)
        return
    with uninterrupted():
        futures = [_hand_out(workers, work, job) for job in jobs]
    done = as_completed(futures)
    del futures  # or every result would be kept to the end
    for future in done:
        yield future.result()


def _hand_out(workers: Workers, work: Callable[[Job], Result], job: Job) -> Future[Result]:
    try:
        return workers.submit(work, job)
    except OSError:
        # Before Python 3.12, one that dies while this starts the next closes pipes under its hands.
        workers.submit(os.getpid)  # raises BrokenProcessPool if that is so
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; processes started meanwhile never get it, so that only this one tells.

    The mask is what they inherit. It does not hold back what another thread gets, and in the middle
    of a submission that could leave a lock of the pool closed, so that it waits for ever.

    Raises:
        KeyboardInterrupt: at the end, if it came.
    """
    came: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    # No other thread is interrupted, and in the background of a script nobody is.
    heeded = threading.current_thread() is threading.main_thread() and callable(handler)
    if heeded:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if heeded:
            signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _end(processes: Workers) -> None:
    """End processes in the middle of their jobs."""
    # Python has no public way before 3.14. The pool takes it as broken and drops what waits.
    for process in list((processes._processes or {}).values()):
        process.terminate()


def _start(prepare: Callable[[Any], None], settings: Any) -> None:
    """Begin a process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(settings)


def _end_with_parent() -> None:
    """End this process when the one that gives it jobs has gone, which it could not tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

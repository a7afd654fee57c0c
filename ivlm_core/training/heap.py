"""How glibc's heap treats the large arrays that every step of a training makes and drops."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_ON_HEAP = 32 << 20  # glibc takes no more
_KEPT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the process keep what it frees for what it needs next; does nothing without glibc.

    By default large arrays are handed back to the system, which clears every page of the next
    ones anew: a sixteenth of a step of stage 1 on CPUs.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_MMAP_THRESHOLD, _LARGEST_ON_HEAP)
        tune(_M_TRIM_THRESHOLD, _KEPT)

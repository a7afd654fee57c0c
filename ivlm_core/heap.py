"""How glibc's heap treats what is freed; without glibc nothing here does anything to it."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
_LARGEST_ON_HEAP = 32 << 20  # glibc takes no more
_KEPT = 2**31 - 1


def keep_freed_memory() -> None:
    """Let the process keep what it frees for what it needs next.

    By default large arrays are handed back to the system, which clears every page of the next
    ones anew: a sixteenth of a step of stage 1 on CPUs.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGEST_ON_HEAP)
    _call("mallopt", _M_TRIM_THRESHOLD, _KEPT)


def few_arenas() -> None:
    """Let threads share the heap's arenas, before the first of them starts.

    By default glibc gives new threads arenas of their own, and keeps what is left in those of
    threads that are gone: 0.2 MB for each time that a node's inference thread
    and its helpers start.
    """
    _call("mallopt", _M_ARENA_MAX, 2)


def free_memory() -> None:
    """Hand what a model that is gone has left back to the system and to other users of the GPU.

    glibc keeps the pieces that a model's heap leaves between others: 60 MB after 500 models.
    """
    import torch

    torch.cuda.empty_cache()
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)

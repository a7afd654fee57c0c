"""What a step frees serves the next one."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
import numpy as np
from ivlm_core.heap import keep_freed_memory

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(2 << 20)  # 16 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

anew = faults(4)
keep_freed_memory()
faults(1)
print(anew, faults(4))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other heaps are left as they are")
def test_large_arrays_take_the_place_of_those_before() -> None:
    """In a process of its own: the setting is for good."""
    run = [sys.executable, "-c", _FAULTS]
    anew, kept = map(int, subprocess.run(run, check=True, capture_output=True).stdout.split())
    assert kept < anew / 10

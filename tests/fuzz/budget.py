"""How many cases a fuzz test tries: few by default, thousands with IVLM_FUZZ=full."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

FULL = os.environ.get("IVLM_FUZZ") == "full"
"""The whole campaign; `--hypothesis-show-statistics` tells how many cases each test tried."""

_SLOW_BUT_FINE = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)


def cases(usual: int, full: int) -> Callable[[Any], Any]:
    """Try so many cases; no time limit, because other work may slow the machine.

    The usual ones are the same every time; those of the campaign are new ones every time.
    """
    return settings(
        max_examples=full if FULL else usual,
        deadline=None,
        derandomize=not FULL,
        database=None,
        suppress_health_check=_SLOW_BUT_FINE,
    )

"""Python's collector of reference cycles, for processes that import a lot and live long."""

import gc


def collect_rarely() -> None:
    """Let the collector look for young objects every 100,000 new ones, not every 700.

    Importing torch and transformers makes a million objects that stay; looking through them again
    and again is a fifth of the time to import. Call it before they are imported.
    """
    gc.set_threshold(100_000, 10, 10)

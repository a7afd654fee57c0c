"""`ivlm synthesize`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Synthesize:
    """Stand-in."""

    def run(self) -> int:
        """Run."""
        return 0

"""`ivlm evaluate`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluate:
    """Stand-in."""

    def run(self) -> int:
        """Run."""
        return 0

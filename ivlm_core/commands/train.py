"""`ivlm train`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Train:
    """Stand-in."""

    def run(self) -> int:
        """Run."""
        return 0

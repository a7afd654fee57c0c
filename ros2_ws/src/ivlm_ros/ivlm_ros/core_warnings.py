"""What `ivlm_core` logs, a cache folder that cannot be written say, as the node says things."""

import logging
from collections.abc import Callable

_CORE = logging.getLogger("ivlm_core")


class CoreWarnings(logging.Handler):
    """Hands on warnings and errors until it is closed.

    Args:
        say: told each text, from whatever thread it comes.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        _CORE.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one text; a failure to do so is nobody's business who logged it."""
        try:
            self._say(record.getMessage())
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Hand on no more."""
        _CORE.removeHandler(self)
        super().close()

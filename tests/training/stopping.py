"""Runs that are stopped, as by a kill: what they had saved is all that is left."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ivlm_core.training.run import StageRun


class _StopError(Exception):
    pass


@contextmanager
def stopped_after_saving(stage: str, step: int | None = None) -> Iterator[None]:
    """End what runs inside when a stage has written a checkpoint.

    Args:
        stage: name of the stage.
        step: of the checkpoint; None takes the first.
    """

    def stop(self: StageRun) -> None:
        save(self)
        if self.name == stage and step in (None, self.progress.step):
            raise _StopError

    save = StageRun._save
    with pytest.MonkeyPatch.context() as patch, pytest.raises(_StopError):
        patch.setattr(StageRun, "_save", stop)
        yield

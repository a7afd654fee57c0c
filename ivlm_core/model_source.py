"""Loads a model where it fits: if the GPU is full, in half the precision or on the CPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch

from ivlm_core.model.placement import check_device
from ivlm_core.pipeline import Pipeline

Fallback = Literal["none", "precision", "cpu"]
FALLBACKS: tuple[Fallback, ...] = get_args(Fallback)

_QUOTED = 160
"""Characters of CUDA's text that are said."""


class Place(NamedTuple):
    """Where and in which precision a model runs."""

    device: str | None
    dtype: Literal["float32", "bfloat16"]

    def __str__(self) -> str:
        """For instance `bfloat16 on cuda:0`."""
        return f"{self.dtype} on {check_device(self.device)}"


class ModelSource:
    """One model and the places that it may run at, the best first; it never goes back by itself.

    Args:
        model: as `Pipeline.from_pretrained` takes it.
        device: a torch device; None takes CUDA where there is one.
        cache_dir: as `Pipeline.from_pretrained` takes it.
        fallback: what is done where the GPU's memory is full: nothing, half the precision, or,
            where that is not enough, the CPU.
        say: told of every step down.
    """

    def __init__(
        self,
        model: str | Path,
        device: str | None,
        cache_dir: Path | None,
        fallback: Fallback,
        say: Callable[[str], None],
    ) -> None:
        self._model, self._cache_dir, self._say = model, cache_dir, say
        self._places = [Place(device, "float32")]
        if fallback != "none":
            self._places.append(Place(device, "bfloat16"))
        if fallback == "cpu" and check_device(device).type != "cpu":
            self._places.append(Place("cpu", "float32"))
        self.reduced = ""
        """What was said of the last step down; empty while the model is at its best place."""

    @property
    def place(self) -> Place:
        """Where the model is loaded to."""
        return self._places[0]

    def load(self) -> Pipeline:
        """Load the model at its place or, where memory is full, at the next one.

        Raises:
            MemoryError: there is no further place, with what to do about it.
            ValueError, OSError, ImportError: as `Pipeline.from_pretrained`.
        """
        while True:
            device, dtype = self.place
            try:
                return Pipeline.from_pretrained(self._model, device, self._cache_dir, dtype=dtype)
            except torch.OutOfMemoryError as error:
                reason = str(error)
            # Outside the handler: the error's traceback holds what was loaded so far.
            torch.cuda.empty_cache()
            self.step_down(reason)

    def step_down(self, reason: str) -> None:
        """Choose the next place, and say so.

        Args:
            reason: CUDA's words.

        Raises:
            MemoryError: there is none.
        """
        quoted = reason[:_QUOTED]
        if len(self._places) == 1:
            raise MemoryError(
                f"model {str(self._model)!r} does not fit in {self.place} ({quoted}): free GPU "
                "memory, or allow less precision or the CPU"
            )
        del self._places[0]
        self.reduced = (
            f"GPU memory is full ({quoted}): model {str(self._model)!r} goes on in {self.place}"
        )
        self._say(self.reduced)

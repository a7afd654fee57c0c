"""Loads the model that the parameters name; another one while the present goes on answering."""

import threading
from collections.abc import Callable
from pathlib import Path

from ivlm_core.estimator import Estimator
from ivlm_core.model_source import ModelSource
from ivlm_ros.parameters import NodeParameters

THREAD = "loader"
"""Name of the thread that loads."""


def model_source(parameters: NodeParameters, say: Callable[[str], None]) -> ModelSource:
    """Return the model that the parameters name, not yet loaded.

    Args:
        parameters: of the node.
        say: told where the GPU's memory is full, and what is done about it.

    Raises:
        ValueError: the device does not exist here.
    """
    cache_dir = Path(parameters.cache_dir).expanduser() if parameters.cache_dir else None
    return ModelSource(
        parameters.model,
        parameters.device or None,
        cache_dir,
        parameters.gpu_memory_fallback,
        say,
    )


def mesh_folder(parameters: NodeParameters) -> Path | None:
    """Return the folder of the user's meshes, or None."""
    return Path(parameters.object_mesh_dir).expanduser() if parameters.object_mesh_dir else None


class ModelLoader:
    """One load at a time, in a thread of its own.

    Args:
        make: loads the model that parameters name and makes it answer once; called by that thread.
        loaded: takes the new model; called by that thread.
        failed: told why there is none; the present model stays.
    """

    def __init__(
        self,
        make: Callable[[NodeParameters], Estimator],
        loaded: Callable[[Estimator], None],
        failed: Callable[[str], None],
    ) -> None:
        self._make, self._loaded, self._failed = make, loaded, failed
        self._lock = threading.Lock()
        self._wanted: NodeParameters | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    @property
    def loading(self) -> str:
        """The model that is being loaded; empty for none."""
        with self._lock:
            return self._wanted.model if self._wanted is not None else ""

    def load(self, parameters: NodeParameters) -> None:
        """Begin to load; what is being loaded already is not used."""
        with self._lock:
            if self._stopped:
                return
            self._wanted = parameters
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Use nothing that is being loaded, and wait; false if it took longer than the timeout."""
        with self._lock:
            self._stopped, self._wanted = True, None
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted = self._wanted
                if wanted is None:
                    self._thread = None
                    return
            estimator, error = None, ""
            try:
                estimator = self._make(wanted)
            except Exception as failure:  # of a model folder anything can be wrong
                error = f"{type(failure).__name__}: {failure}"
            with self._lock:
                if self._wanted is not wanted:
                    continue
                self._wanted = None
            if estimator is None:
                self._failed(f"model {wanted.model!r} could not be loaded: {error}")
            else:
                self._loaded(estimator)

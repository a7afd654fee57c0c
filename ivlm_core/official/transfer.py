"""Contact on SMPL or SMPL-H carried over to SMPL-X, by the published matrix."""

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_matrix, issparse

from ivlm_core.geometry.array_pickle import read_array_pickle, to_numpy

MATRIX_FILE = "smpl_to_smplx.pkl"
"""Name of the matrix in the published data folder."""

_KEY = "matrix"


class ContactTransfer:
    """A linear map from vertices of one body topology to those of another.

    Attributes:
        matrix: sparse float32 [target, source]; [10475, 6890] from SMPL to SMPL-X.
    """

    def __init__(self, matrix: Any) -> None:
        """Take a matrix, dense or sparse.

        Raises:
            ValueError: it is no finite matrix.
        """
        dense_or_sparse = matrix if issparse(matrix) else np.asarray(matrix)
        if dense_or_sparse.ndim != 2 or not np.issubdtype(dense_or_sparse.dtype, np.number):
            raise ValueError(
                f"a transfer needs a matrix [target, source], got {dense_or_sparse.shape} of "
                f"{dense_or_sparse.dtype}"
            )
        self.matrix = csr_matrix(dense_or_sparse, dtype=np.float32)
        if not np.isfinite(self.matrix.data).all():
            raise ValueError("the transfer matrix holds values that are not finite")

    @property
    def num_source(self) -> int:
        """Vertices that contact is given on."""
        return int(self.matrix.shape[1])

    @property
    def num_target(self) -> int:
        """Vertices that contact is carried over to."""
        return int(self.matrix.shape[0])

    def __call__(self, contact: np.ndarray) -> np.ndarray:
        """Carry contact over; nothing is thresholded or clipped.

        Args:
            contact: float [source] or [batch, source].

        Returns:
            float32 [target] or [batch, target]. (The published files drop a batch axis of one.)

        Raises:
            ValueError: another number of vertices.
        """
        values = np.asarray(contact, dtype=np.float32)
        if values.ndim not in (1, 2) or values.shape[-1] != self.num_source:
            raise ValueError(
                f"the transfer is from {self.num_source} vertices, got contact of shape "
                f"{values.shape}"
            )
        return np.ascontiguousarray((self.matrix @ values.T).T)


def load_transfer(path: str | Path) -> ContactTransfer:
    """Read the matrix from a file.

    Args:
        path: published `smpl_to_smplx.pkl` (read without running code), or an npz or safetensors
            file with an array `matrix`; a folder that holds the published file will do.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged or holds no matrix.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MATRIX_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no '{path}'; SMPL-X output needs {MATRIX_FILE} of the published data"
        )
    try:
        data = _read(path)
        if _KEY not in data:
            raise ValueError(f"it has no '{_KEY}' but {', '.join(map(str, data)) or 'nothing'}")
        matrix = data[_KEY]
        return ContactTransfer(matrix if issparse(matrix) else to_numpy(matrix))
    except (ValueError, OSError, TypeError, BadZipFile, zlib.error) as error:
        raise ValueError(f"'{path}' cannot be used as a transfer ({error})") from error


def _read(path: Path) -> dict[str, Any]:
    """Named arrays of a file, by its suffix."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    data = read_array_pickle(path)
    if not isinstance(data, dict):
        raise ValueError(f"it holds a {type(data).__name__} instead of named arrays")
    return data

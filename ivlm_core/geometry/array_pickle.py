"""Pickled arrays, as body models are distributed, read without running code."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np


def read_array_pickle(path: Path) -> Any:
    """Read a pickle that holds arrays in plain containers.

    Args:
        path: file of numbers, strings, lists, dicts, numpy, scipy.sparse and chumpy arrays.

    Returns:
        What the file holds; arrays of chumpy become numpy's when `to_numpy` is asked.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or holds anything that is no array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        with path.open("rb") as file:
            return _ArrayUnpickler(file, encoding="latin1").load()
    except Exception as error:  # damaged pickles raise many unrelated types
        raise ValueError(f"'{path.name}' cannot be read as pickled arrays ({error}).") from error


def read_array_file(path: Path) -> dict[str, np.ndarray]:
    """Read an npy or npz file whose arrays may hold strings, lists and dicts.

    Such arrays are pickles inside; they are read as `read_array_pickle` does, without running code.

    Returns:
        Name to array; of an npy file, its stem.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or holds anything that is no array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return {path.stem: _read_array(file)}
        with zipfile.ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): _read_array(io.BytesIO(archive.read(name)))
                for name in archive.namelist()
            }
    except Exception as error:  # damaged files raise many unrelated types
        raise ValueError(f"'{path.name}' cannot be read as arrays ({error}).") from error


def _read_array(file: IO[bytes]) -> np.ndarray:
    start = file.tell()
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    _, _, dtype = read(file)
    if dtype.hasobject:
        return np.asarray(_ArrayUnpickler(file, encoding="latin1").load(), dtype=object)
    file.seek(start)
    return np.lib.format.read_array(file, allow_pickle=False)


def to_numpy(value: Any) -> np.ndarray:
    """Dense array of a plain, sparse or chumpy array."""
    if isinstance(value, _Chumpy):
        value = value.x
    if hasattr(value, "toarray"):
        value = value.toarray()
    return np.asarray(value)


class _Chumpy:
    """Stands in for the array class of the old ``chumpy`` package in pickled models."""

    x: Any = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _ArrayUnpickler(pickle.Unpickler):
    """Reads arrays only, so that a file cannot run code; needs no ``chumpy``."""

    _ALLOWED = {
        ("_codecs", "encode"),
        ("builtins", "object"),
        ("copy_reg", "_reconstructor"),
        ("copyreg", "_reconstructor"),
        ("__builtin__", "object"),
    }

    _BUFFERS = {  # of pickle protocol 5
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
    }

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        if module.startswith("scipy.sparse") and name.endswith(("_matrix", "_array")):
            import scipy.sparse

            return getattr(scipy.sparse, name)
        numpy_modules = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        if module in numpy_modules and name in ("ndarray", "dtype", "_reconstruct", "scalar"):
            return super().find_class(module, name)
        if (module, name) in self._ALLOWED or (module, name) in self._BUFFERS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds '{module}.{name}', which is no array")

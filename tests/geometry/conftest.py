from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ivlm_core.geometry.mesh import Mesh

CUBE_FACES = [
    *([0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4]),
    *([2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]),
]


@pytest.fixture()
def cube() -> Mesh:
    """Unit cube [0, 1]^3, normals outwards; the bits of a vertex number are its x, y and z."""
    vertices = [[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]
    return Mesh(np.array(vertices), np.array(CUBE_FACES), name="cube")


@pytest.fixture()
def write_text(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file into the test's folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write

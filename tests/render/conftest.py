import os
from pathlib import Path

import numpy as np
import pytest

from ivlm_core.geometry.mesh import Mesh


@pytest.fixture(scope="session")
def parity_dir(repository: Path) -> Path:
    """Numbers of the published implementation, where they are at hand."""
    folder = Path(os.environ.get("IVLM_PARITY_DIR", repository.parent / "shared" / "parity"))
    if not folder.is_dir():
        pytest.skip(f"'{folder}' with the published numbers is missing (set IVLM_PARITY_DIR)")
    return folder


@pytest.fixture(scope="session")
def sphere() -> Mesh:
    """Closed sphere of radius 0.5, 162 vertices."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    return Mesh(np.asarray(ball.vertices), np.asarray(ball.faces), name="sphere")

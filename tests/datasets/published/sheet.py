"""A body that is quick to render: a sheet with SMPL's number of vertices."""

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.official.views import SurfaceViews, render_surface

ROWS, COLUMNS = 65, 106  # 6,890 vertices


def sheet() -> Mesh:
    """Return the sheet; vertices go row by row."""
    row, column = np.mgrid[0:ROWS, 0:COLUMNS]
    flat = np.stack([column / 60 - 0.9, row / 60 - 0.5, 0 * row], axis=-1).reshape(-1, 3)
    corner = (row * COLUMNS + column)[:-1, :-1].ravel()
    lower = np.stack([corner, corner + 1, corner + COLUMNS], axis=-1)
    upper = np.stack([corner + 1, corner + COLUMNS + 1, corner + COLUMNS], axis=-1)
    return Mesh(flat.astype(np.float32), np.concatenate([lower, upper]).astype(np.int32))


def sheet_views(size: int) -> SurfaceViews:
    """Return the sheet's views."""
    return render_surface(sheet(), get_rig("human4"), "normal", size)

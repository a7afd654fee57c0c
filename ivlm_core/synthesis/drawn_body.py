"""The body as pictures draw it: the same vertices, fewer triangles where they are small.

Two thirds of the body's triangles are in head, hands and feet; building the ray caster's tree over
all of them would take longer than drawing.
"""

from functools import lru_cache

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ivlm_core.geometry.body import BODY_PARTS, load_body

_KEPT = {"head": 0.2, "hand": 0.35, "foot": 0.22}
"""Share of a part's triangles that is drawn."""


@lru_cache(maxsize=1)
def drawn_faces() -> NDArray[np.int32]:
    """Triangles over the body's vertices, int32 [F, 3]."""
    body = load_body("anny")
    faces, parts = body.mesh.faces, body.part_index
    of_part = parts[faces]
    pieces = []
    for number, name in enumerate(BODY_PARTS):
        mine = faces[of_part[:, 0] == number]
        share = _KEPT.get(name.split()[-1], 1.0)
        if share == 1.0:
            pieces.append(mine)
            continue
        pieces.append(_fewer(body.mesh.vertices, mine, int(share * len(mine))))
        # The seam to the rest is drawn as it is: simplified borders do not meet.
        pieces.append(mine[(parts[mine] != number).any(axis=1)])
    return np.concatenate(pieces).astype(np.int32)


def _fewer(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """Simplify some faces to about `count`, with corners among the vertices they had."""
    used, own = np.unique(faces, return_inverse=True)
    places = vertices[used].astype(float)
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(places), o3d.utility.Vector3iVector(own.reshape(-1, 3))
    )
    small = mesh.simplify_quadric_decimation(count, boundary_weight=30.0)
    _, nearest = cKDTree(places).query(np.asarray(small.vertices))
    corners = used[nearest][np.asarray(small.triangles)]
    a, b, c = corners.T
    return corners[(a != b) & (b != c) & (a != c)]

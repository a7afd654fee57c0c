"""Objects for collision checks: fewer faces than the user's own mesh."""

import numpy as np

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.render.rasterizer import OPEN3D_REMEDY

MOST_FACES = 2000
"""More make planning slow and say nothing more about where a gripper collides."""


def collision_mesh(mesh: Mesh, most_faces: int = MOST_FACES) -> Mesh:
    """Return a mesh of at most about so many faces that lies close to the given one; itself if so.

    Quadric decimation (Garland and Heckbert 1997).

    Raises:
        ImportError: Open3D is missing; the text says what to install.
    """
    if mesh.num_faces <= most_faces:
        return mesh
    try:
        import open3d as o3d
    except (ImportError, OSError) as error:
        raise ImportError(OPEN3D_REMEDY.format(error=error)) from error

    whole = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.astype(float)),
        o3d.utility.Vector3iVector(mesh.faces),
    )
    whole.remove_duplicated_vertices()
    small = whole.simplify_quadric_decimation(most_faces)
    return Mesh(np.asarray(small.vertices), np.asarray(small.triangles), name=mesh.name)

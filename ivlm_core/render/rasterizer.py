"""Mesh and cameras to a pixel map, by ray casting: no OpenGL and no GPU needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh, MeshError

OPEN3D_REMEDY = (
    "Rendering needs Open3D, which could not be imported ({error}). Install the package "
    "'open3d-cpu' (or 'open3d') and the system library libusb-1.0-0: "
    "sudo apt-get install -y libusb-1.0-0"
)


@dataclass(frozen=True)
class PixelMap:
    """What each pixel of each view sees; -1 in every field where nothing is hit.

    Attributes:
        face_ids: int32 [J, H, W].
        vertex_ids: int32 [J, H, W, 3], the corners of that face.
        barycentric: float32 [J, H, W, 3], their weights at the hit point; in [0, 1], sum 1.
        depth: float32 [J, H, W], metres along the camera's z axis.
    """

    face_ids: np.ndarray
    vertex_ids: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray

    @property
    def hit(self) -> np.ndarray:
        """Where a surface is seen, bool [J, H, W]."""
        return self.face_ids >= 0


def rasterize(mesh: Mesh, cameras: Sequence[Camera]) -> PixelMap:
    """Cast one ray through every pixel centre; both sides of a face are seen.

    Args:
        mesh: at least one face.
        cameras: J cameras of one image size.

    Returns:
        The pixel map of the nearest hits.

    Raises:
        MeshError: the mesh has no face.
        ValueError: no cameras, or cameras of different image sizes.
        ImportError: Open3D is missing; the text says what to install.
    """
    if mesh.num_faces == 0:
        raise MeshError(f"Mesh '{mesh.name}' has no faces, so there is nothing to render.")
    if len({(camera.height, camera.width) for camera in cameras}) != 1:
        sizes = sorted({(camera.height, camera.width) for camera in cameras})
        raise ValueError(f"rasterize needs cameras of one (height, width), got {sizes}.")
    try:
        import open3d as o3d  # here: it takes a second to import and cached views need none
    except (ImportError, OSError) as error:
        raise ImportError(OPEN3D_REMEDY.format(error=error)) from error

    scene = o3d.t.geometry.RaycastingScene()
    tensor = o3d.core.Tensor.from_numpy
    scene.add_triangles(tensor(mesh.vertices), tensor(mesh.faces.astype(np.uint32)))
    rays = np.stack([camera.pixel_rays() for camera in cameras])
    answer = scene.cast_rays(tensor(rays))

    face_ids = answer["primitive_ids"].numpy().astype(np.int32)  # uint32 max becomes -1
    hit = face_ids >= 0
    uv = np.clip(answer["primitive_uvs"].numpy(), 0.0, 1.0)
    first = np.clip(1.0 - uv.sum(axis=-1, keepdims=True), 0.0, 1.0)
    barycentric = np.concatenate([first, uv], axis=-1)
    barycentric /= barycentric.sum(axis=-1, keepdims=True)
    barycentric[~hit] = -1.0
    vertex_ids = np.where(hit[..., None], mesh.faces[face_ids], np.int32(-1))
    depth = np.where(hit, answer["t_hit"].numpy(), np.float32(-1.0))
    return PixelMap(face_ids, vertex_ids, barycentric.astype(np.float32), depth)

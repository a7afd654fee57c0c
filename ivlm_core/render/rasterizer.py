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

    shape = (len(cameras), cameras[0].height, cameras[0].width)
    face_ids = np.full(shape, -1, dtype=np.int32)
    vertex_ids = np.full((*shape, 3), -1, dtype=np.int32)
    barycentric = np.full((*shape, 3), -1.0, dtype=np.float32)
    depth = np.full(shape, -1.0, dtype=np.float32)
    for view, camera in enumerate(cameras):
        answer = scene.cast_rays(tensor(camera.pixel_rays()))
        faces = answer["primitive_ids"].numpy()
        hit = faces < mesh.num_faces  # a miss is the largest uint32
        faces = faces[hit].astype(np.int32)
        face_ids[view][hit] = faces
        vertex_ids[view][hit] = mesh.faces[faces]
        depth[view][hit] = answer["t_hit"].numpy()[hit]
        uv = np.clip(answer["primitive_uvs"].numpy()[hit], 0.0, 1.0)
        first = np.clip(1.0 - uv.sum(axis=-1, keepdims=True), 0.0, 1.0)
        weights = np.concatenate([first, uv], axis=-1)
        barycentric[view][hit] = weights / weights.sum(axis=-1, keepdims=True)
    return PixelMap(face_ids, vertex_ids, barycentric, depth)

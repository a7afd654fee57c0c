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


@dataclass(frozen=True)
class PixelHits:
    """The pixels of J views that see a surface, and what they see; small where a map is large.

    Attributes:
        image_shape: (J, H, W).
        pixels: int64 [P], flat indices into it, ascending.
        face_ids: int32 [P].
        vertex_ids: int32 [P, 3].
        barycentric: float32 [P, 3].
        depth: float32 [P], metres.
    """

    image_shape: tuple[int, int, int]
    pixels: np.ndarray
    face_ids: np.ndarray
    vertex_ids: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray

    def to_map(self) -> PixelMap:
        """Return the dense form."""

        def dense(values: np.ndarray) -> np.ndarray:
            filled = np.full((np.prod(self.image_shape), *values.shape[1:]), -1, values.dtype)
            filled[self.pixels] = values
            return filled.reshape(*self.image_shape, *values.shape[1:])

        return PixelMap(
            dense(self.face_ids),
            dense(self.vertex_ids),
            dense(self.barycentric),
            dense(self.depth),
        )


def rasterize(mesh: Mesh, cameras: Sequence[Camera]) -> PixelMap:
    """Cast one ray through every pixel centre; both sides of a face are seen.

    Args and errors are those of `cast_pixels`.

    Returns:
        The pixel map of the nearest hits.
    """
    return cast_pixels(mesh, cameras).to_map()


def cast_pixels(mesh: Mesh, cameras: Sequence[Camera]) -> PixelHits:
    """Cast one ray through every pixel centre; both sides of a face are seen.

    Args:
        mesh: at least one face.
        cameras: J cameras of one image size.

    Returns:
        The nearest hits.

    Raises:
        MeshError: the mesh has no face.
        ValueError: no cameras, or cameras of different image sizes.
        ImportError: Open3D is missing; the text says what to install.
    """
    if mesh.num_faces == 0:
        raise MeshError(f"Mesh '{mesh.name}' has no faces, so there is nothing to render.")
    if len({(camera.height, camera.width) for camera in cameras}) != 1:
        sizes = sorted({(camera.height, camera.width) for camera in cameras})
        raise ValueError(f"Rendering needs cameras of one (height, width), got {sizes}.")
    try:
        import open3d as o3d  # here: it takes a second to import and cached views need none
    except (ImportError, OSError) as error:
        raise ImportError(OPEN3D_REMEDY.format(error=error)) from error

    scene = o3d.t.geometry.RaycastingScene()
    tensor = o3d.core.Tensor.from_numpy
    scene.add_triangles(tensor(mesh.vertices), tensor(mesh.faces.astype(np.uint32)))

    height, width = cameras[0].height, cameras[0].width
    found: list[tuple[np.ndarray, ...]] = []
    for view, camera in enumerate(cameras):
        rows, columns = camera.window(mesh.vertices)
        answer = scene.cast_rays(tensor(camera.pixel_rays(rows, columns)))
        faces = answer["primitive_ids"].numpy()
        row, column = hit = np.nonzero(faces < mesh.num_faces)  # a miss is the largest uint32
        pixels = (view * height + row + rows.start) * width + column + columns.start
        uv = answer["primitive_uvs"].numpy()[hit]
        found.append((pixels, faces[hit].astype(np.int32), uv, answer["t_hit"].numpy()[hit]))
    pixels, faces, uv, depth = (np.concatenate(values) for values in zip(*found, strict=True))
    weights = np.empty((len(pixels), 3), dtype=np.float32)
    weights[:, 1:] = np.clip(uv, 0.0, 1.0)
    weights[:, 0] = np.clip(1.0 - weights[:, 1:].sum(axis=-1), 0.0, 1.0)
    weights /= weights.sum(axis=-1, keepdims=True)
    vertex_ids = mesh.faces[faces].astype(np.int32)
    return PixelHits((len(cameras), height, width), pixels, faces, vertex_ids, weights, depth)

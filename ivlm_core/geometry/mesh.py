"""Triangle meshes: load, check, normalise and back, save. Vertex order is never changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ivlm_core.geometry.mesh_files import read_vertices_and_faces

MIN_POINTS = 32
"""Points from which a cloud says something about a shape."""
_SAME_PLACE = 1e-6
"""Vertices that are so near are one point, as a share of the mesh's size."""
_COARSEST = 1e-3
"""Distance of neighbouring coordinates that still shows a shape, as a share of its size."""
MESH_SUFFIXES = (".obj", ".ply", ".stl", ".off", ".glb", ".gltf", ".dae")


class MeshError(ValueError):
    """A mesh that cannot be used; the text names the fault and the remedy."""


@dataclass(frozen=True)
class MeshNormalisation:
    """How ``normalised = (vertices - center) / scale`` was made.

    Attributes:
        center: float32 [3], metres.
        scale: largest side of the bounding box, metres.
    """

    center: np.ndarray
    scale: float

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Map points [..., 3] in metres to the normalised frame."""
        return ((np.asarray(points) - self.center) / self.scale).astype(np.float32)

    def undo(self, points: np.ndarray) -> np.ndarray:
        """Map points [..., 3] of the normalised frame back to metres."""
        return (np.asarray(points) * self.scale + self.center).astype(np.float32)


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh, or a point cloud: vertices without faces.

    Attributes:
        vertices: float32 [V, 3], metres.
        faces: int32 [F, 3], counter-clockwise seen from outside; F = 0 for a cloud.
        parts: name to int32 vertex indices; parts may be absent, overlap or leave vertices out.
        name: a label for messages; it does not enter ``content_hash``.
    """

    vertices: np.ndarray
    faces: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        """Bring the arrays to their documented types."""
        set_field = object.__setattr__
        set_field(self, "vertices", np.ascontiguousarray(self.vertices, dtype=np.float32))
        faces = np.ascontiguousarray(self.faces, dtype=np.int32)
        set_field(self, "faces", faces if faces.size else faces.reshape(0, 3))  # [] is none, too
        parts = {str(name): np.asarray(ids, dtype=np.int32) for name, ids in self.parts.items()}
        set_field(self, "parts", parts)

    @property
    def num_vertices(self) -> int:
        """Number of vertices V."""
        return len(self.vertices)

    @property
    def num_faces(self) -> int:
        """Number of faces F."""
        return len(self.faces)

    @property
    def is_cloud(self) -> bool:
        """Whether these are points without faces."""
        return self.num_faces == 0

    @cached_property
    def _face_cross(self) -> np.ndarray:
        """Cross product of two sides per face, float64 [F, 3]; twice the area long."""
        a, b, c = self.vertices[self.faces].astype(np.float64).transpose(1, 0, 2)
        return np.cross(b - a, c - a)

    @cached_property
    def face_areas(self) -> np.ndarray:
        """Area per face, float32 [F], square metres."""
        return (0.5 * np.linalg.norm(self._face_cross, axis=1)).astype(np.float32)

    @cached_property
    def face_normals(self) -> np.ndarray:
        """Unit normal per face, float32 [F, 3]; zero for a face without area."""
        return _unit(self._face_cross).astype(np.float32)

    @cached_property
    def vertex_normals(self) -> np.ndarray:
        """Unit normal per vertex, area-weighted over its faces, float32 [V, 3]."""
        return _unit(self._sum_to_vertices(self._face_cross)).astype(np.float32)

    @cached_property
    def vertex_areas(self) -> np.ndarray:
        """A third of the area of the faces around each vertex, float32 [V], square metres."""
        return (self._sum_to_vertices(self.face_areas[:, None])[:, 0] / 3.0).astype(np.float32)

    @cached_property
    def places(self) -> np.ndarray:
        """Number of the point that each vertex stands on, int64 [V].

        Files repeat vertices along the seams of a texture; those have the same number, so that
        the surface hangs together there. Points are numbered from 0 without gaps.
        """
        size = float(np.ptp(self.vertices, axis=0).max()) or 1.0
        grid = np.round(self.vertices.astype(np.float64) / (size * _SAME_PLACE)).astype(np.int64)
        return np.unique(grid, axis=0, return_inverse=True)[1].reshape(-1)

    @cached_property
    def content_hash(self) -> str:
        """Hash of vertices and faces (32 hex digits), equal for equal content."""
        digest = hashlib.sha256()
        for array in (self.vertices, self.faces):
            digest.update(str(array.shape).encode())
            digest.update(array.tobytes())
        return digest.hexdigest()[:32]

    @property
    def bounds(self) -> np.ndarray:
        """Lowest and highest corner of the bounding box, float32 [2, 3], metres."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    def normalised(self) -> "tuple[Mesh, MeshNormalisation]":
        """Centre on the vertex mean and divide by the largest side of the bounding box.

        Vertices that no face uses do not count: they are not seen, and may lie anywhere.

        Returns:
            The mesh with the same faces and parts, and what ``undo`` needs to come back.

        Raises:
            MeshError: the mesh is a single point.
        """
        shown = self.vertices
        if not self.is_cloud:
            used = np.bincount(self.faces.ravel(), minlength=self.num_vertices) > 0
            shown = self.vertices if used.all() else self.vertices[used]
        scale = float(np.ptp(shown.astype(np.float64), axis=0).max())
        if not np.isfinite(scale) or scale <= 0:
            raise MeshError(f"{_named(self)} has no extent, so it cannot be normalised.")
        center = shown.mean(axis=0, dtype=np.float64).astype(np.float32)
        normalisation = MeshNormalisation(center=center, scale=scale)
        return replace(self, vertices=normalisation.apply(self.vertices)), normalisation

    def transformed(self, matrix: np.ndarray) -> "Mesh":
        """Apply a 4x4 transform (column vectors) to all vertices."""
        matrix = np.asarray(matrix, dtype=np.float64)
        return replace(self, vertices=self.vertices @ matrix[:3, :3].T + matrix[:3, 3])

    def _sum_to_vertices(self, per_face: np.ndarray) -> np.ndarray:
        """Add each face's row [F, C] to its three vertices: float64 [V, C]."""
        corners = self.faces.ravel()
        columns = [
            np.bincount(corners, weights=np.repeat(column, 3), minlength=self.num_vertices)
            for column in per_face.T
        ]
        return np.stack(columns, axis=1).astype(np.float64, copy=False)  # ints without faces


def check_mesh(mesh: Mesh, allow_cloud: bool = False) -> Mesh:
    """Return the mesh if it can be used, else raise ``MeshError``.

    Refused: no vertices or faces, coordinates that are not finite, face indices outside the
    vertex range, part indices outside it, a surface without area, one so far from the origin that
    single precision loses its shape. Accepted: non-manifold, non-watertight and partly degenerate
    meshes, vertices that no face uses.
    """
    what = _named(mesh)
    if mesh.vertices.ndim != 2 or mesh.vertices.shape[1] != 3 or mesh.num_vertices == 0:
        raise MeshError(
            f"{what} needs vertices of shape [V, 3] with V > 0, got {mesh.vertices.shape}. "
            "Export the geometry itself, not an empty scene."
        )
    cloud = allow_cloud and mesh.num_faces == 0
    if not cloud and (mesh.faces.ndim != 2 or mesh.faces.shape[1] != 3 or mesh.num_faces == 0):
        raise MeshError(
            f"{what} needs triangles of shape [F, 3] with F > 0, got {mesh.faces.shape}. "
            "A point cloud has no surface: reconstruct or export one first."
        )
    bad = ~np.isfinite(mesh.vertices).all(axis=1)
    if bad.any():
        raise MeshError(
            f"{what} has {int(bad.sum())} vertices with NaN or infinite coordinates "
            f"(first: vertex {int(np.argmax(bad))}). Repair or export the mesh again."
        )
    _check_precision(mesh)
    if cloud:
        return _check_cloud(mesh)
    low, high = int(mesh.faces.min()), int(mesh.faces.max())
    if low < 0 or high >= mesh.num_vertices:
        raise MeshError(
            f"{what} has faces that name vertices {low} to {high}, but there are only "
            f"{mesh.num_vertices} vertices (0 to {mesh.num_vertices - 1}). The file is damaged: "
            "export it again."
        )
    extent = float((mesh.bounds[1] - mesh.bounds[0]).max())
    if extent <= 0 or float(mesh.face_areas.max()) <= 1e-12 * extent * extent:
        raise MeshError(
            f"{what} has no area: all {mesh.num_faces} faces are points or lines. "
            "Export a surface made of real triangles."
        )
    for name, ids in mesh.parts.items():
        if ids.size and (ids.min() < 0 or ids.max() >= mesh.num_vertices):
            raise MeshError(
                f"{what}: part '{name}' names vertices outside 0 to {mesh.num_vertices - 1}. "
                "Parts must index this mesh's vertices."
            )
    return mesh


def _check_precision(mesh: Mesh) -> None:
    """Refuse shapes of which float32 keeps little, as of scans in world coordinates."""
    extent = float((mesh.bounds[1] - mesh.bounds[0]).max())
    far = np.abs(mesh.vertices).max()
    step = float(np.spacing(far))
    if extent > 0 and step > _COARSEST * extent:
        raise MeshError(
            f"{_named(mesh)} lies {far:g} m from the origin and is {extent:g} m large: coordinates "
            f"there are {step:g} m apart, too coarse for its shape. Move it to the origin, by "
            "taking its centre off its vertices, and export it again."
        )


def _check_cloud(mesh: Mesh) -> Mesh:
    """Refuse clouds without extent; their coordinates are finite."""
    if mesh.num_vertices < MIN_POINTS or not np.ptp(mesh.vertices, axis=0).any():
        raise MeshError(
            f"{_named(mesh)} has no faces and only {mesh.num_vertices} points, or all in one "
            f"place; a point cloud needs at least {MIN_POINTS} different ones."
        )
    return mesh


def load_mesh(path: str | Path, allow_cloud: bool = False) -> Mesh:
    """Read a mesh file; scenes are flattened, vertex order and count are the file's own.

    The meshes of a scene follow each other in the file's order, placed as the scene places them.
    An STL file lists three vertices of its own for every face.

    Args:
        path: obj, ply, stl, off, glb, gltf or dae file. Units are taken as metres.
        allow_cloud: take points without faces, too.

    Raises:
        FileNotFoundError: there is no such file.
        MeshError: the file cannot be read as a mesh, or ``check_mesh`` refuses it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No mesh file at '{path}'. Give the path of an existing file.")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise MeshError(
            f"'{path.name}' is not a known mesh format; expected one of {', '.join(MESH_SUFFIXES)}."
        )
    try:
        vertices, faces = read_vertices_and_faces(path)
    except Exception as error:  # the readers raise many unrelated types on damaged files
        raise MeshError(
            f"'{path.name}' cannot be read as a mesh ({type(error).__name__}: {error}). "
            "Check that the file is complete, or export it again."
        ) from error
    return check_mesh(Mesh(vertices, _int_faces(faces), name=path.stem), allow_cloud)


def save_mesh(mesh: Mesh, path: str | Path, vertex_colors: np.ndarray | None = None) -> Path:
    """Write a mesh in the format of the file name's suffix.

    Args:
        mesh: what to write.
        path: target; its folder must exist.
        vertex_colors: uint8 [V, 3] or [V, 4], RGB(A).

    Returns:
        The path written.
    """
    import trimesh

    path = Path(path)
    if vertex_colors is not None and len(vertex_colors) != mesh.num_vertices:
        raise ValueError(
            f"vertex_colors has {len(vertex_colors)} rows but the mesh has {mesh.num_vertices} "
            "vertices; give one colour per vertex."
        )
    if mesh.is_cloud:
        trimesh.PointCloud(mesh.vertices, colors=vertex_colors).export(path)
        return path
    out = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=vertex_colors, process=False)
    out.export(path)
    return path


def _int_faces(faces: np.ndarray) -> np.ndarray:
    """Faces as int32, with indices too large for it kept out of range instead of wrapped."""
    return np.clip(np.asarray(faces, dtype=np.int64), -1, np.iinfo(np.int32).max)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length one; rows of length zero stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _named(mesh: Mesh) -> str:
    """How messages call the mesh."""
    return f"Mesh '{mesh.name}'" if mesh.name else "The mesh"

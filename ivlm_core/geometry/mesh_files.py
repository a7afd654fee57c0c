"""Mesh files to vertices and triangles, exactly as the file lists its vertices.

Trimesh reads most formats. Its readers of OBJ and COLLADA make new vertices at material and
normal seams, which would shift every vertex index, so those two are read here.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray]


def read_vertices_and_faces(path: Path) -> Arrays:
    """Read a mesh file.

    Args:
        path: existing file with one of the suffixes of ``MESH_SUFFIXES``.

    Returns:
        Vertices float64 [V, 3] and faces int64 [F, 3], neither checked.
    """
    return _READERS.get(path.suffix.lower(), _read_with_trimesh)(path)


def _read_with_trimesh(path: Path) -> Arrays:
    """Any other format; the meshes of a scene follow each other in the file's order."""
    import trimesh  # here: it takes 0.3 s to import and the body needs no mesh file

    options = {"fix_texture": False} if path.suffix.lower() == ".ply" else {}
    loaded = trimesh.load(path, process=False, maintain_order=True, **options)
    if not isinstance(loaded, trimesh.Scene):
        empty = np.zeros((0, 3))
        return np.asarray(getattr(loaded, "vertices", empty)), np.asarray(
            getattr(loaded, "faces", empty)
        )
    order = {name: place for place, name in enumerate(loaded.geometry)}
    meshes = [g for g in loaded.dump() if isinstance(g, trimesh.Trimesh)]
    meshes.sort(key=lambda g: (order[g.metadata["name"]], str(g.metadata["node"])))
    return _concatenate([(np.asarray(g.vertices), np.asarray(g.faces)) for g in meshes])


def _read_obj(path: Path) -> Arrays:
    """Wavefront OBJ: positions and faces; polygons are cut into fans."""
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "f":
            numbers = [int(word.split("/", 1)[0]) for word in words[1:]]
            # Positive numbers count from 1, negative ones back from the last vertex so far.
            corners = [n - 1 if n > 0 else len(vertices) + n if n < 0 else -1 for n in numbers]
            faces.extend(
                (corners[0], corners[i], corners[i + 1]) for i in range(1, len(corners) - 1)
            )
    return np.array(vertices).reshape(-1, 3), np.array(faces, dtype=np.int64).reshape(-1, 3)


def _read_dae(path: Path) -> Arrays:
    """COLLADA: every instance of every geometry, placed in the scene."""
    import collada

    scene = collada.Collada(str(path)).scene
    pieces: list[Arrays] = []
    for bound in scene.objects("geometry") if scene else ():
        vertices: dict[str, np.ndarray] = {}
        faces: dict[str, list[np.ndarray]] = {}
        for primitive in bound.primitives():
            triangles = primitive.triangleset() if hasattr(primitive, "triangleset") else primitive
            if getattr(triangles, "vertex_index", None) is None or triangles.vertex is None:
                continue
            if triangles.vertex_index.shape[-1] != 3:
                continue  # lines
            source = str(primitive.original.sources["VERTEX"][0][2])  # shared by its materials
            vertices[source] = triangles.vertex
            faces.setdefault(source, []).append(triangles.vertex_index)
        pieces += [(vertices[source], np.concatenate(faces[source])) for source in vertices]
    return _concatenate(pieces)


def _concatenate(pieces: list[Arrays]) -> Arrays:
    """Stack meshes into one vertex and one face array, in their order."""
    if not pieces:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in pieces[:-1])])
    faces = [piece[1] + offset for piece, offset in zip(pieces, offsets, strict=True)]
    return np.concatenate([vertices for vertices, _ in pieces]), np.concatenate(faces)


_READERS: dict[str, Callable[[Path], Arrays]] = {".obj": _read_obj, ".dae": _read_dae}

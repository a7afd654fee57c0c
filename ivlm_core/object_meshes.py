"""Object meshes by label: what a service gave, the user's folder, then the shipped ones."""

import threading
from collections.abc import Callable
from pathlib import Path

from ivlm_core.geometry.mesh import MESH_SUFFIXES, Mesh, MeshError, load_mesh
from ivlm_core.model.prompts import SCENE_LABEL, clean_label

MAX_GIVEN = 64
"""Surfaces that a service may give, each of which costs memory."""
MAX_FILE_MB = 256
"""A larger mesh file is refused before it is read."""
MAX_FACES = 500_000
"""A finer mesh is refused: every result repeats it, 60 MB of markers alone at this number."""


class ObjectMeshes:
    """Finds the mesh of a label and keeps what it has loaded; used by two threads.

    A file belongs to the label that its name without suffix spells; case does not matter, and `_`
    and `-` count as spaces: `Coffee_Mug.obj` is the mesh of label "coffee mug".

    Args:
        folder: the user's meshes in metres, or None.
        shipped: gives the shipped mesh of a label, or None where there is none.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: two files in it belong to the same label.
    """

    def __init__(self, folder: Path | None, shipped: Callable[[str], Mesh | None]) -> None:
        self._shipped = shipped
        self._given: dict[str, Mesh] = {}
        self._lock = threading.Lock()
        self.use_folder(folder)

    def use_folder(self, folder: Path | None) -> None:
        """Look for files there from now on.

        Raises:
            FileNotFoundError, ValueError: as on construction; nothing has changed then.
        """
        files = files_by_label(folder) if folder is not None else {}
        with self._lock:
            self._files, self._folder = files, folder
            self._loaded: dict[str, Mesh] = {}

    def give(self, label: str, mesh: Mesh) -> None:
        """Take a mesh for a label, before any file.

        Raises:
            ValueError: it can have none, or too many labels have one already.
        """
        key = clean_label(label)
        if key == SCENE_LABEL:
            raise ValueError(f"label {SCENE_LABEL!r} is not an object, so it has no mesh")
        with self._lock:
            if key not in self._given and len(self._given) >= MAX_GIVEN:
                raise ValueError(f"{MAX_GIVEN} objects have been set already; call ~/clear first")
            self._given[key] = mesh

    def file_in_folder(self, name: str) -> Path:
        """Return a file of the user's folder.

        Raises:
            ValueError: there is no folder, or the name leads out of it.
            FileNotFoundError: there is no such file in it.
        """
        if self._folder is None:
            raise ValueError(
                "mesh_file needs a folder that it may be in: set parameter object_mesh_dir, or "
                "send the mesh itself"
            )
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError(f"mesh_file {name!r} leads out of object_mesh_dir {self._folder}")
        if not path.is_file():
            raise FileNotFoundError(f"mesh_file {name!r}: no such file in {self._folder}")
        return path

    def forget_given(self) -> None:
        """Forget what `give` took."""
        with self._lock:
            self._given.clear()

    @property
    def given(self) -> list[str]:
        """Labels that `give` was called for."""
        with self._lock:
            return list(self._given)

    def get(self, label: str) -> Mesh:
        """Return the mesh of a label.

        Raises:
            LookupError: there is none, with what to do about it.
            MeshError: the label's file cannot be used.
        """
        key = clean_label(label)
        with self._lock:
            known = self._given.get(key) or self._loaded.get(key)
            files = self._files
        if known is None:
            known = self._load(key, files)
            with self._lock:
                if self._files is files:
                    self._loaded[key] = known
        return known

    def _load(self, key: str, files: dict[str, Path]) -> Mesh:
        if key == SCENE_LABEL:
            raise LookupError(f"label {SCENE_LABEL!r} is not an object, so it has no mesh")
        path = files.get(key)
        if path is not None:
            return read_mesh_file(path)
        mesh = self._shipped(key)
        if mesh is None:
            place = self._folder or "a folder named by parameter object_mesh_dir"
            raise LookupError(
                f"no mesh for label {key!r}: none is shipped; put {key.replace(' ', '_')}.ply "
                f"(or {', '.join(s for s in MESH_SUFFIXES if s != '.ply')}) into {place}, or call "
                "service ~/set_object"
            )
        return mesh


def read_mesh_file(path: Path) -> Mesh:
    """Read a mesh file that may be hostile.

    Raises:
        MeshError: it cannot be used, or is too large.
        FileNotFoundError: there is no such file.
    """
    megabytes = path.stat().st_size / 1e6
    if megabytes > MAX_FILE_MB:
        raise MeshError(
            f"{path.name} has {megabytes:.0f} MB; expected {MAX_FILE_MB} or less: simplify it"
        )
    return check_size(load_mesh(path))


def check_size(mesh: Mesh) -> Mesh:
    """Return the mesh.

    Raises:
        MeshError: it is too fine to be answered about.
    """
    if max(mesh.num_faces, mesh.num_vertices) > MAX_FACES:
        raise MeshError(
            f"a mesh of {mesh.num_vertices} vertices and {mesh.num_faces} faces; expected "
            f"{MAX_FACES} or fewer of either: simplify it"
        )
    return mesh


def files_by_label(folder: Path) -> dict[str, Path]:
    """Return the mesh files of a folder by the label that their name spells, if it spells one.

    Raises:
        FileNotFoundError: the folder does not exist.
        ValueError: two files belong to the same label.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"object_mesh_dir {str(folder)!r} is not a folder; create it or clear the parameter"
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in MESH_SUFFIXES or not path.is_file():
            continue
        try:
            label = clean_label(path.stem.replace("_", " ").replace("-", " "))
        except ValueError:  # spells no label, so nobody can ask for it
            continue
        if label in files:
            raise ValueError(
                f"{files[label].name} and {path.name} in {folder} both belong to label {label!r}; "
                f"keep one"
            )
        files[label] = path
    return files

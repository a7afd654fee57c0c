"""Object meshes by label: the user's folder first, then the shipped ones."""

from collections.abc import Callable
from pathlib import Path

from ivlm_core.geometry.mesh import MESH_SUFFIXES, Mesh, load_mesh
from ivlm_core.model.prompts import SCENE_LABEL, clean_label


class ObjectMeshes:
    """Finds the mesh of a label and keeps what it has loaded.

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
        self._files = _files_by_label(folder) if folder is not None else {}
        self._folder = folder
        self._shipped = shipped
        self._loaded: dict[str, Mesh] = {}

    def get(self, label: str) -> Mesh:
        """Return the mesh of a label.

        Raises:
            LookupError: there is none, with what to do about it.
            MeshError: the label's file cannot be used.
        """
        key = clean_label(label)
        if key not in self._loaded:
            self._loaded[key] = self._load(key)
        return self._loaded[key]

    def _load(self, key: str) -> Mesh:
        if key == SCENE_LABEL:
            raise LookupError(f"label {SCENE_LABEL!r} is not an object, so it has no mesh")
        path = self._files.get(key)
        if path is not None:
            return load_mesh(path)
        mesh = self._shipped(key)
        if mesh is None:
            place = self._folder or "a folder named by parameter object_mesh_dir"
            raise LookupError(
                f"no mesh for label {key!r}: none is shipped; put {key.replace(' ', '_')}.ply "
                f"(or {', '.join(s for s in MESH_SUFFIXES if s != '.ply')}) into {place}"
            )
        return mesh


def _files_by_label(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"object_mesh_dir {str(folder)!r} is not a folder; create it or clear the parameter"
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in MESH_SUFFIXES:
            continue
        label = clean_label(path.stem.replace("_", " ").replace("-", " "))
        if label in files:
            raise ValueError(
                f"{files[label].name} and {path.name} in {folder} both belong to label {label!r}; "
                f"keep one"
            )
        files[label] = path
    return files

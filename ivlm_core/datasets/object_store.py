"""Meshes, parts and affordances of a dataset's object instances."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ivlm_core.datasets.mirror import mirror_mesh
from ivlm_core.datasets.shard import DatasetError, load_json
from ivlm_core.geometry.mesh import Mesh, check_mesh


@dataclass(frozen=True, eq=False)
class Affordance:
    """What can be done with an object, and where."""

    names: tuple[str, ...]
    parts: tuple[str, ...]
    vertices: np.ndarray
    """int32 `[vertex of the parts]`, sorted."""


def _is_entry(entry: Any) -> bool:
    """Whether an instance's entry of the index can be read."""
    return isinstance(entry, dict) and {"parts", "affordances"} <= entry.keys()


class ObjectStore:
    """The `objects` folder of a dataset; meshes are read when they are asked for, then kept.

    Args:
        folder: holds `index.json` and `<instance>.safetensors`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._meshes: dict[tuple[str, bool], Mesh] = {}
        self._affordances: dict[tuple[str, tuple[str, ...]], Affordance] = {}

    @cached_property
    def index(self) -> dict[str, dict[str, Any]]:
        """Instance name to its category, parts and affordances.

        Raises:
            FileNotFoundError: there is no index.
            DatasetError: it is damaged.
        """
        path = self.folder / "index.json"
        found = load_json(path)
        entries = found.get("instances") if isinstance(found, dict) else None
        if not isinstance(entries, dict) or not all(map(_is_entry, entries.values())):
            raise DatasetError(
                f"'{path}' must list instances with their parts and affordances; generate the "
                "dataset again"
            )
        return entries

    def mesh(self, instance: str, mirrored: bool = False) -> Mesh:
        """Return the mesh of an instance, in its own frame (metres), with named parts.

        Args:
            instance: name of the object.
            mirrored: its mirror image in x, vertices in the same order.

        Raises:
            FileNotFoundError: there is no file for it.
            DatasetError: it is not in the index, or its file is damaged.
        """
        key = (instance, mirrored)
        if key not in self._meshes:
            found = mirror_mesh(self.mesh(instance)) if mirrored else self._load(instance)
            self._meshes[key] = found
        return self._meshes[key]

    def affordance(self, instance: str, named: tuple[str, ...] = ()) -> Affordance:
        """Return what an interaction uses an object for, and where that can be done.

        Args:
            instance: name of the object.
            named: the affordances that the interaction is known to use; none takes the object's
                main one, the first of its table.
        """
        key = (instance, named)
        if key not in self._affordances:
            table: dict[str, Sequence[str]] = self._entry(instance)["affordances"]
            used = tuple(a for a in named if a in table) or tuple(table)[:1]
            parts = tuple(dict.fromkeys(part for a in used for part in table[a]))
            on_parts = [self.mesh(instance).parts.get(p, np.zeros(0, np.int32)) for p in parts]
            vertices = np.unique(np.concatenate([np.zeros(0, np.int32), *on_parts]))
            self._affordances[key] = Affordance(used, parts, vertices)
        return self._affordances[key]

    def _entry(self, instance: str) -> dict[str, Any]:
        if instance not in self.index:
            raise DatasetError(
                f"'{self.folder / 'index.json'}' does not know object '{instance}'; it lists "
                f"{len(self.index)} instances: the folder belongs to another dataset"
            )
        return self.index[instance]

    def _load(self, instance: str) -> Mesh:
        names = list(self._entry(instance)["parts"])
        path = self.folder / f"{instance}.safetensors"
        if not path.is_file():
            raise FileNotFoundError(
                f"object mesh '{path}' is missing; copy the dataset whole or generate it again"
            )
        try:
            arrays = load_file(path)
            part_index = arrays["part_index"]
            parts = {name: np.flatnonzero(part_index == k) for k, name in enumerate(names)}
            mesh = Mesh(arrays["vertices"], arrays["faces"], parts=parts, name=instance)
        except (SafetensorError, KeyError) as error:
            raise DatasetError(
                f"object mesh '{path}' cannot be read ({error}); generate the dataset again"
            ) from error
        return check_mesh(mesh)

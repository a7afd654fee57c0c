"""Anny's skeleton: rest shapes from one batched forward, posing by world rotations, skinning.

A pose holds one world rotation per bone, relative to rest; a bone that is not turned itself turns
with its parent. Everything is in the canonical body frame (metres, +x left, +y up, +z facing).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ivlm_core.disk import new_file
from ivlm_core.synthesis.objects.primitives import Array

_TO_CANONICAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)  # (x, y, z) -> (x, z, -y)
_BATCH = 20

JOINTS: tuple[tuple[str, str], ...] = (
    ("pelvis", "root"),
    ("belly", "spine04"),
    ("chest", "spine02"),
    ("neck", "neck01"),
    ("head", "head"),
    *(
        (f"{side} {name}", f"{bone}.{letter}")
        for name, bone in (
            ("eye", "eye"),
            ("shoulder", "upperarm01"),
            ("elbow", "lowerarm01"),
            ("wrist", "wrist"),
            ("knuckle", "finger3-1"),
            ("fingertip", "finger3-3"),
            ("thumb", "finger1-3"),
            ("hip", "upperleg01"),
            ("knee", "lowerleg01"),
            ("ankle", "foot"),
            ("toe", "toe2-1"),
        )
        for side, letter in (("left", "L"), ("right", "R"))
    ),
)
"""Name of every stored joint and the bone whose head it is."""
JOINT_NAMES: tuple[str, ...] = tuple(name for name, _ in JOINTS)


@dataclass(frozen=True, eq=False)
class Rig:
    """What all bodies share.

    Attributes:
        labels: bone names.
        parents: parent of each bone, -1 for the root.
        weights: skinning weights [V, B], sparse.
        faces: int32 [F, 3].
    """

    labels: tuple[str, ...]
    parents: tuple[int, ...]
    weights: csr_matrix
    faces: NDArray[np.int32]

    @cached_property
    def index(self) -> dict[str, int]:
        """Bone number by name."""
        return {name: k for k, name in enumerate(self.labels)}

    @cached_property
    def below(self) -> tuple[NDArray[np.intp], ...]:
        """Each bone with all bones that hang from it."""
        lists: list[list[int]] = [[k] for k in range(len(self.labels))]
        for k in reversed(range(len(self.labels))):
            if self.parents[k] >= 0:
                lists[self.parents[k]] += lists[k]
        return tuple(np.array(sorted(chain)) for chain in lists)

    @cached_property
    def _of_subsets(self) -> dict[bytes, csr_matrix]:
        return {}

    def weights_of(self, subset: NDArray[np.intp]) -> csr_matrix:
        """Skinning weights [N, B] of some vertices [N]; kept, as few subsets are asked for."""
        key = subset.tobytes()
        if key not in self._of_subsets:
            self._of_subsets[key] = self.weights[subset]
        return self._of_subsets[key]

    @cached_property
    def corners(self) -> NDArray[np.intp]:
        """First, second and third corner of every face [3, F]."""
        return self.faces.T.astype(np.intp)

    @cached_property
    def touching(self) -> csr_matrix:
        """1 where a face touches a vertex, float64 [V, F]: sums over the faces of vertices."""
        corners = self.corners.ravel()
        order = np.argsort(corners, kind="stable")
        ends = np.cumsum(np.bincount(corners, minlength=self.weights.shape[0]))
        shape = (self.weights.shape[0], len(self.faces))
        return csr_matrix(
            (np.ones(len(corners)), order % len(self.faces), np.append(0, ends)), shape=shape
        )

    @cached_property
    def chains(self) -> Array:
        """1 where the second bone is the first or above it, without the root [B, B]."""
        chain = np.zeros((len(self.labels), len(self.labels)))
        for k, below in enumerate(self.below):
            chain[below, k] = self.parents[k] >= 0
        return chain


@dataclass(frozen=True, eq=False)
class Shape:
    """One body at rest: vertices float32 [V, 3], bone heads float64 [B, 3], its name."""

    vertices: NDArray[np.float32]
    heads: Array
    name: str

    @cached_property
    def height(self) -> float:
        """Stature in metres."""
        return float(np.ptp(self.vertices[:, 1]))


class Pose:
    """A posed body.

    Args:
        rig: skeleton.
        shape: rest shape.

    Attributes:
        turns: world rotation of every bone relative to rest, [B, 3, 3].
        root: position of the root bone in the world [3].
    """

    def __init__(self, rig: Rig, shape: Shape) -> None:
        self.rig = rig
        self.shape = shape
        self.turns = np.broadcast_to(np.eye(3), (len(rig.labels), 3, 3)).copy()
        self.root = shape.heads[0].copy()
        self._heads: Array | None = None
        self._above = np.maximum(rig.parents, 0)
        self._steps = (shape.heads - shape.heads[self._above])[:, :, None]

    def rest(self, bone: str) -> Array:
        """Head of a bone at rest [3]."""
        return self.shape.heads[self.rig.index[bone]]

    def turn_of(self, bone: str) -> Array:
        """World rotation of a bone relative to rest [3, 3]."""
        return self.turns[self.rig.index[bone]]

    def rotate(self, bone: str, turn: Array) -> None:
        """Turn a bone and all that hangs from it by a world rotation [3, 3]."""
        below = self.rig.below[self.rig.index[bone]]
        self.turns[below] = turn @ self.turns[below]
        self._heads = None

    def set(self, bone: str, turn: Array) -> None:
        """Give a bone a world rotation relative to rest [3, 3]; what hangs from it follows."""
        self.rotate(bone, turn @ self.turn_of(bone).T)
        # As given: what rounding left over would double with every call.
        self.turns[self.rig.index[bone]] = turn

    def set_ends(self, bones: NDArray[np.intp], turns: Array) -> None:
        """Give bones [K] from which no others hang world rotations relative to rest [K, 3, 3]."""
        self.turns[bones] = turns
        self._heads = None

    def restore(self, turns: Array) -> None:
        """Take back the rotations of all bones [B, 3, 3]."""
        self.turns[:] = turns
        self._heads = None

    def move(self, shift: Array) -> None:
        """Move the whole body by a vector [3]."""
        self.root = self.root + shift
        if self._heads is not None:
            self._heads = self._heads + shift

    @property
    def heads(self) -> Array:
        """Heads of all bones in the world [B, 3]."""
        if self._heads is None:
            steps = np.matmul(self.turns[self._above], self._steps)[:, :, 0]
            self._heads = self.root + self.rig.chains @ steps
        return self._heads

    def head(self, bone: str) -> Array:
        """Head of a bone in the world [3]."""
        return self.heads[self.rig.index[bone]]

    def vertices(self, subset: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Skinned vertices [V, 3] or those of a subset, float32."""
        rest = self.shape.vertices if subset is None else self.shape.vertices[subset]
        weights = self.rig.weights if subset is None else self.rig.weights_of(subset)
        offset = self.heads - np.einsum("bij,bj->bi", self.turns, self.shape.heads)
        bones = np.concatenate([self.turns.reshape(-1, 9), offset], axis=1).astype(np.float32)
        blended = weights @ bones
        posed = np.empty_like(rest)
        for k in range(3):  # numpy is slow along rows of three
            total = np.multiply(blended[:, 3 * k], rest[:, 0], out=posed[:, k])
            total += blended[:, 3 * k + 1] * rest[:, 1]
            total += blended[:, 3 * k + 2] * rest[:, 2]
            total += blended[:, 9 + k]
        return posed

    def joints(self) -> Array:
        """Positions of `JOINT_NAMES` in the world [J, 3]."""
        return self.heads[[self.rig.index[bone] for _, bone in JOINTS]]


@dataclass(frozen=True, eq=False)
class Bodies:
    """A pool of rest shapes and the rig they share.

    Attributes:
        rig: the skeleton.
        vertices: float32 [N, V, 3].
        heads: float64 [N, B, 3].
        names: one per body; those of the test split begin with `test`.
    """

    rig: Rig
    vertices: NDArray[np.float32]
    heads: Array
    names: tuple[str, ...]

    def shape(self, number: int) -> Shape:
        """Return one body."""
        return Shape(self.vertices[number], self.heads[number], self.names[number])

    def of_split(self, split: str) -> list[int]:
        """Numbers of the bodies of a split."""
        return [k for k, name in enumerate(self.names) if name.startswith(split)]

    def save(self, path: Path) -> None:
        """Write to a safetensors file that `load` maps.

        Raises:
            OSError: it cannot be written, because the disk is full, say.
        """
        from safetensors.numpy import save_file

        weights = self.rig.weights
        arrays = {
            "vertices": self.vertices,
            "heads": self.heads,
            "faces": self.rig.faces,
            "parents": np.array(self.rig.parents, np.int32),
            "weight_values": weights.data,
            "weight_columns": weights.indices,
            "weight_rows": weights.indptr,
        }
        text = {"labels": ",".join(self.rig.labels), "names": ",".join(self.names)}
        with new_file(path) as partial:
            save_file(arrays, partial, metadata=text)

    @classmethod
    def load(cls, path: Path) -> "Bodies":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                text = file.metadata() or {}
                arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls._of(text, arrays)
        except (SafetensorError, KeyError, ValueError, IndexError) as error:
            raise ValueError(f"{path} is damaged ({error}); delete it and begin again") from error

    @classmethod
    def _of(cls, text: dict[str, str], arrays: dict[str, NDArray[Any]]) -> "Bodies":
        """Make the bodies of what a file holds."""
        labels = tuple(text["labels"].split(","))
        count = arrays["vertices"].shape[1]
        weights = csr_matrix(
            (arrays["weight_values"], arrays["weight_columns"], arrays["weight_rows"]),
            shape=(count, len(labels)),
        )
        parents = tuple(int(k) for k in arrays["parents"])
        rig = Rig(labels, parents, weights, arrays["faces"])
        return cls(rig, arrays["vertices"], arrays["heads"], tuple(text["names"].split(",")))


def _phenotypes(rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Draw the shapes of bodies: values in 0 to 1 per phenotype, [count] each."""
    return {
        "gender": np.where(
            rng.uniform(size=count) < 0.5,
            rng.uniform(0.0, 0.25, count),
            rng.uniform(0.75, 1.0, count),
        ),
        "age": rng.uniform(0.55, 0.95, count),
        "muscle": rng.uniform(0.25, 0.85, count),
        "weight": rng.uniform(0.2, 0.85, count),
        "height": rng.uniform(0.2, 0.75, count),
        "proportions": rng.uniform(0.25, 0.9, count),
    }


def make_bodies(seed: int, train: int, test: int) -> Bodies:
    """Make the pool of bodies; training and test bodies are drawn apart from each other.

    Args:
        seed: what all bodies follow from.
        train: number of training bodies.
        test: number of test bodies.

    Raises:
        ImportError: the package `anny` is not installed.
    """
    try:
        import anny
        import torch
    except ImportError as error:
        raise ImportError(
            "making synthetic scenes needs the posable body: pip install 'ivlm-core[synth]'"
        ) from error

    model = anny.Anny()
    vertices, heads = [], []
    names: list[str] = []
    for number, (split, count) in enumerate((("train", train), ("test", test))):
        drawn = _phenotypes(np.random.default_rng([seed, 71, number]), count)
        names += [f"{split}-{k}" for k in range(count)]
        for start in range(0, count, _BATCH):
            batch = {
                key: torch.from_numpy(value[start : start + _BATCH].copy())
                for key, value in drawn.items()
            }
            with torch.no_grad():
                rest = model(phenotype_kwargs=batch)
            vertices.append(rest["rest_vertices"].numpy() @ _TO_CANONICAL.T)
            heads.append(rest["rest_bone_heads"].numpy() @ _TO_CANONICAL.T)
    rig = _rig(
        list(model.bone_labels),
        [int(parent) for parent in model.bone_parents],
        model.vertex_bone_indices.numpy(),
        model.vertex_bone_weights.numpy(),
        model.get_triangular_faces().numpy(),
    )
    all_vertices = np.concatenate(vertices).astype(np.float32)
    return Bodies(rig, all_vertices, np.concatenate(heads).astype(float), tuple(names))


def _rig(
    labels: Sequence[str], parents: Sequence[int], indices: Array, weights: Array, faces: Array
) -> Rig:
    """Make the rig from Anny's arrays (bone indices and weights [V, K] per vertex)."""
    count = len(indices)
    rows = np.repeat(np.arange(count), indices.shape[1])
    sparse = csr_matrix(
        (weights.ravel().astype(np.float32), (rows, indices.ravel())), shape=(count, len(labels))
    )
    sparse.sum_duplicates()
    sparse.eliminate_zeros()
    return Rig(tuple(labels), tuple(parents), sparse, faces.astype(np.int32))

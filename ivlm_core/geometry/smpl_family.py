"""SMPL, SMPL+H and SMPL-X bodies from the user's own model files, skinned by ``smplx``.

They are posed as a star, or by the numbers that estimators of bodies give. The star pose is that of
the published InteractVLM views: T pose with both hips turned 30 degrees outwards, mean shape, flat
hands, not moved or rescaled.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ivlm_core.geometry.array_pickle import read_array_pickle, to_numpy
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.geometry.mesh import check_mesh
from ivlm_core.geometry.mirror import mirror_permutation

NUM_JOINTS = {"smpl": 24, "smplh": 52, "smplx": 55}
SMPL_TOPOLOGIES = tuple(NUM_JOINTS)
HIP_ANGLE_DEG = 30.0

_KEYS = ("v_template", "f", "weights", "posedirs", "J_regressor", "kintree_table")
_SHAPE_KEY = "shapedirs"
_LEFT_HIP, _RIGHT_HIP = 1, 2
_BODY_GROUPS = (  # what each of the 22 body joints moves; "trunk" is cut into parts afterwards
    *("hips", "left thigh", "right thigh", "trunk", "left shin", "right shin", "trunk"),
    *("left foot", "right foot", "trunk", "left foot", "right foot", "neck"),
    *("left shoulder", "right shoulder", "head", "left upper arm", "right upper arm"),
    *("left forearm", "right forearm", "left hand", "right hand"),
)
_EXTRA_GROUPS = {
    "smpl": ("left hand", "right hand"),
    "smplh": ("left hand",) * 15 + ("right hand",) * 15,
    "smplx": ("head",) * 3 + ("left hand",) * 15 + ("right hand",) * 15,
}


def load_smpl_family(topology: str, path: Path) -> Body:
    """Read a model file and pose it as a star.

    Args:
        topology: "smpl", "smplh" or "smplx".
        path: npz or pkl file as its authors distribute it.

    Returns:
        The body; vertices in the model's own order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not a model of that topology.
    """
    data = _read_topology(topology, path)
    vertices = _skinned(data, star_pose_rotations(NUM_JOINTS[topology]))
    part_index = _name_parts(data, topology)
    mirror = mirror_permutation(data["v_template"])
    body = Body.from_arrays(vertices, data["f"], part_index, mirror, topology)
    check_mesh(body.mesh)
    return body


class PosableSmpl:
    """A body of the SMPL family that takes any pose and shape.

    Args:
        topology: "smpl", "smplh" or "smplx".
        path: npz or pkl file as its authors distribute it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not a model of that topology.
    """

    def __init__(self, topology: str, path: Path) -> None:
        self.topology, self._name = topology, path.name
        data = _read_topology(topology, path)
        single = (*_KEYS, _SHAPE_KEY)
        self._data = {
            key: values.astype(np.float32) if key in single and values.dtype.kind == "f" else values
            for key, values in data.items()
        }

    def posed(
        self, rotations: np.ndarray, betas: np.ndarray, translation: np.ndarray
    ) -> np.ndarray:
        """Return vertices, float32 [V, 3], metres, in the frame of root rotation and translation.

        Args:
            rotations: float [joint, 3], axis times angle in radians, the model's joints in their
                order, root first; joints left out at the end stay in the T pose. Hands are
                absolute: no mean pose is added.
            betas: float [shape], as many as the file has at most.
            translation: float [3], metres.

        Raises:
            ValueError: more joints or betas than the model has.
        """
        joints = NUM_JOINTS[self.topology]
        rotations = np.asarray(rotations, np.float32)
        if rotations.ndim != 2 or rotations.shape[1] != 3 or len(rotations) > joints:
            raise ValueError(
                f"rotations of shape {rotations.shape}; expected [joint, 3] with {joints} joints "
                f"at most for '{self.topology}'"
            )
        known = self._data[_SHAPE_KEY].shape[2] if _SHAPE_KEY in self._data else 0
        if len(betas) > known:
            raise ValueError(f"{len(betas)} betas; '{self._name}' has {known}")
        turns = np.zeros((joints, 3), np.float32)
        turns[: len(rotations)] = rotations
        matrices = Rotation.from_rotvec(turns).as_matrix().astype(np.float32)
        return _skinned(self._data, matrices, betas) + np.asarray(translation, np.float32)


def _read_topology(topology: str, path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a model file that is of a topology."""
    data = _read_model(path)
    joints = NUM_JOINTS[topology]
    if data["weights"].shape[1] != joints:
        fits = [name for name, count in NUM_JOINTS.items() if count == data["weights"].shape[1]]
        remedy = f"Load it as '{fits[0]}'." if fits else "It is no SMPL, SMPL+H or SMPL-X model."
        raise ValueError(
            f"'{path.name}' has {data['weights'].shape[1]} joints but '{topology}' has {joints}. "
            f"{remedy}"
        )
    return data


def star_pose_rotations(num_joints: int) -> np.ndarray:
    """Rotations of the star pose relative to each joint's parent, float32 [num_joints, 3, 3].

    Joint 0 is the root, 1 and 2 are the hips, which turn outwards about z; the rest stays in the
    T pose.
    """
    rotations = np.tile(np.eye(3, dtype=np.float32), (num_joints, 1, 1))
    for joint, sign in ((_LEFT_HIP, 1.0), (_RIGHT_HIP, -1.0)):
        angle = np.deg2rad(sign * HIP_ANGLE_DEG)
        cosine, sine = np.cos(angle), np.sin(angle)
        rotations[joint, :2, :2] = [[cosine, -sine], [sine, cosine]]
    return rotations


def _skinned(
    data: dict[str, np.ndarray], rotations: np.ndarray, betas: Sequence[float] | np.ndarray = ()
) -> np.ndarray:
    """Posed vertices, float32 [V, 3], from rotations [joint, 3, 3] and betas [shape]."""
    import torch
    from smplx.lbs import lbs

    tensors = {name: torch.from_numpy(data[name]).float() for name in _KEYS if name != "f"}
    parents = torch.from_numpy(data["kintree_table"][0].astype(np.int64))
    parents[0] = -1
    template = tensors["v_template"]
    posedirs = tensors["posedirs"].reshape(-1, tensors["posedirs"].shape[-1]).T
    directions = torch.zeros(*template.shape, 1)  # mean shape: they do not matter
    if len(betas):
        used = np.ascontiguousarray(data[_SHAPE_KEY][..., : len(betas)])
        directions = torch.from_numpy(used).float()
    vertices, _ = lbs(
        torch.tensor([list(betas) or [0.0]], dtype=torch.float32),
        torch.from_numpy(rotations)[None],
        template[None],
        directions,
        posedirs,
        tensors["J_regressor"],
        parents,
        tensors["weights"],
        pose2rot=False,
    )
    return vertices[0].numpy()


def _name_parts(data: dict[str, np.ndarray], topology: str) -> np.ndarray:
    """Exactly one part per vertex, int32 [V]: by the joint group that moves it most."""
    joint_groups = (*_BODY_GROUPS, *_EXTRA_GROUPS[topology])
    groups = sorted(set(joint_groups))
    weights = np.zeros((len(data["weights"]), len(groups)))
    for joint, group in enumerate(joint_groups):
        weights[:, groups.index(group)] += data["weights"][:, joint]
    part = np.array(groups, dtype=object)[weights.argmax(axis=1)]

    _, y, z = data["v_template"].T
    trunk = part == "trunk"
    if trunk.any():
        behind = z < (z[trunk].min() + z[trunk].max()) / 2
        spine2 = (data["J_regressor"][6] @ data["v_template"])[1]
        part[trunk & behind] = "back"
        part[trunk & ~behind & (y < spine2)] = "belly"
        part[trunk & ~behind & (y >= spine2)] = "chest"
    return np.array([BODY_PARTS.index(name) for name in part], dtype=np.int32)


def _read_model(path: Path) -> dict[str, np.ndarray]:
    """The arrays of ``_KEYS`` from a model file, and shape directions where it has them."""
    if not path.is_file():
        raise FileNotFoundError(
            f"No body model file at '{path}'. Give the path of the npz or pkl file itself."
        )
    wanted = (*_KEYS, _SHAPE_KEY)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                data = {key: archive[key] for key in wanted if key in archive.files}
        else:
            loaded = read_array_pickle(path)
            data = {key: to_numpy(loaded[key]) for key in wanted if key in loaded}
    except Exception as error:  # damaged archives and pickles raise many unrelated types
        raise ValueError(
            f"'{path.name}' cannot be read as a body model ({error}). Give the npz or pkl file as "
            "downloaded from the model's website."
        ) from error
    missing = [key for key in _KEYS if key not in data]
    if missing:
        raise ValueError(
            f"'{path.name}' is not an SMPL-family model: it lacks {', '.join(missing)}."
        )
    return data

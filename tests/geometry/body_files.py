"""Tiny model files of the SMPL family, in the format its authors distribute."""

import pickle
from pathlib import Path

import numpy as np

from ivlm_core.geometry.smpl_family import NUM_JOINTS

# Parents of the 22 joints that all three models share, and where those joints stand.
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
PLACES = [
    *([0, 0, 0], [0.1, -0.1, 0], [-0.1, -0.1, 0], [0, 0.1, 0], [0.1, -0.5, 0], [-0.1, -0.5, 0]),
    *([0, 0.2, 0], [0.1, -0.9, 0], [-0.1, -0.9, 0], [0, 0.3, 0], [0.1, -0.95, 0.1]),
    *([-0.1, -0.95, 0.1], [0, 0.5, 0], [0.1, 0.45, 0], [-0.1, 0.45, 0], [0, 0.6, 0]),
    *([0.2, 0.45, 0], [-0.2, 0.45, 0], [0.45, 0.45, 0], [-0.45, 0.45, 0], [0.7, 0.45, 0]),
    *([-0.7, 0.45, 0],),
]


def tiny_model(topology: str) -> dict[str, np.ndarray]:
    """A model of octahedra, one around each joint; the joint's vertices move with it alone."""
    count = NUM_JOINTS[topology]
    parents, places = list(PARENTS), [np.array(place, dtype=float) for place in PLACES]
    extra = {"smpl": [20, 21], "smplh": [20] * 15 + [21] * 15}.get(
        topology, [15] * 3 + [20] * 15 + [21] * 15
    )
    left_right = {20: 1.0, 21: -1.0, 15: 0.0}
    for parent in extra:
        number = parents[22:].count(parent)  # the same on both sides
        parents.append(parent)
        step = 0.01 * (number + 1)
        up = 0.02 * (number % 3 - 1) if parent != 15 else step
        places.append(places[parent] + [left_right[parent] * (0.05 + step), up, 0.0])
    offsets = 0.04 * np.array(
        [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float
    )
    octahedron = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    vertices = np.concatenate([place + offsets for place in places])
    weights = np.repeat(np.eye(count), 6, axis=0)
    rng = np.random.default_rng(0)
    return {
        "v_template": vertices,
        "f": np.concatenate([octahedron + 6 * joint for joint in range(count)]).astype(np.uint32),
        "weights": weights,
        "shapedirs": rng.normal(size=(len(vertices), 3, 20 if topology == "smplx" else 10)),
        "posedirs": 1e-3 * rng.normal(size=(len(vertices), 3, 9 * (count - 1))),
        "J_regressor": weights.T / 6,
        "kintree_table": np.array([[2**32 - 1, *parents[1:]], range(count)]).astype(np.uint32),
        "hands_componentsl": np.eye(45),
        "hands_componentsr": np.eye(45),
        "hands_meanl": rng.normal(size=45),
        "hands_meanr": rng.normal(size=45),
    }


def write_pickle(path: Path, data: dict) -> Path:
    path.write_bytes(pickle.dumps(data, protocol=2))
    return path


def write_npz(path: Path, data: dict) -> Path:
    np.savez(path, **data)
    return path

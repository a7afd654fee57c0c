"""A tiny dataset in the format of the synthetic interactions, written without the generator.

Six or more images of a person as a stick figure who holds a bottle or phone in one hand, or sits on
a chair; who holds what where can be read from the pixels.
"""

import json
from pathlib import Path

import numpy as np
import trimesh
from safetensors.numpy import save_file

from ivlm_core.datasets.packing import PACKED, encode, pack, pack_vertices
from ivlm_core.datasets.shard import FORMAT
from ivlm_core.geometry.body import BODY_PARTS, load_body

SIZE = 32
JOINTS = ("pelvis", "head", "left wrist", "right wrist", "left ankle", "right ankle")
OBJECTS = {
    "bottle": {"parts": ["body", "cap"], "affordances": {"grasp": ["body"], "open": ["cap"]}},
    "phone": {"parts": ["back", "screen"], "affordances": {"grasp": ["back"]}},
    "chair": {"parts": ["legs", "seat"], "affordances": {"sit": ["seat"], "move": ["legs"]}},
}
COLOURS = {"bottle": (220, 40, 40), "phone": (40, 40, 220), "chair": (40, 180, 60)}
# Joint places in the image (x, y): the person faces the camera, so the left hand is at larger x.
PLACES = np.array([[16, 18], [16, 5], [26, 14], [6, 14], [19, 30], [13, 30]], np.float32)


def write_tiny_dataset(
    folder: Path, train: int = 8, test: int = 4, images_per_shard: int = 3, seed: int = 0
) -> Path:
    """Write both splits and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    info = {
        "format": FORMAT,
        "generator_version": 0,
        "config": {},
        "seed": seed,
        "image_size": SIZE,
        "topology": "anny",
        "categories": list(OBJECTS),
        "part_names": list(BODY_PARTS),
        "joint_names": list(JOINTS),
        "templates": ["hold", "sit"],
        "counts": {"train": train, "test": test},
    }
    (folder / "info.json").write_text(json.dumps(info))
    _write_objects(folder / "objects")
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        (folder / split).mkdir()
        for number, start in enumerate(range(0, count, images_per_shard)):
            indices = range(start, min(start + images_per_shard, count))
            _write_shard(folder / split / f"shard-{number:05d}", indices, rng)
    return folder


def object_mesh() -> trimesh.Trimesh:
    """The mesh that stands for every object: a small ball, 42 vertices."""
    return trimesh.creation.icosphere(subdivisions=1, radius=0.1)


def _write_objects(folder: Path) -> None:
    folder.mkdir()
    mesh = object_mesh()
    instances = {}
    for category, entry in OBJECTS.items():
        name = f"{category}-1"
        instances[name] = {"category": category, **entry}
        arrays = {
            "vertices": mesh.vertices.astype(np.float32),
            "faces": mesh.faces.astype(np.int32),
            "part_index": (mesh.vertices[:, 1] > 0).astype(np.uint8),
        }
        save_file(arrays, folder / f"{name}.safetensors")
    (folder / "index.json").write_text(json.dumps({"instances": instances}))


def _write_shard(stem: Path, indices: range, rng: np.random.Generator) -> None:
    images = [_image(index, rng) for index in indices]
    lists: list[np.ndarray] = []
    lines = []
    for _, line, contacts in images:
        for query, vertices in zip(line["queries"], contacts, strict=True):
            query["offset"], query["count"] = sum(map(len, lists)), len(vertices)
            lists.append(vertices)
        lines.append(json.dumps(line))
    tensors: dict[str, np.ndarray] = {}
    for key in images[0][0]:
        column = [pixels[key] for pixels, _, _ in images]
        if key in PACKED:
            tensors |= pack(key, [encode(key, pixels) for pixels in column])
        else:
            tensors[key] = np.stack(column)
    tensors["contact_vertices.zlib"] = pack_vertices(lists)
    save_file(tensors, stem.with_suffix(".safetensors"))
    stem.with_suffix(".jsonl").write_text("\n".join(lines) + "\n")


def _image(index: int, rng: np.random.Generator) -> tuple[dict, dict, list[np.ndarray]]:
    """Return one image's tensors, its index line and the vertex list of each question."""
    body = load_body("anny")
    held = ("bottle", "phone")[index % 2]
    side = ("left", "right")[(index // 2) % 2]
    sits = index % 3 == 0
    image = rng.integers(150, 180, (SIZE, SIZE, 3)).astype(np.uint8)
    part_map, object_map, contact_map = np.zeros((3, SIZE, SIZE), np.uint8)
    spots = {
        "head": PLACES[1],
        "hips": PLACES[0],
        "left hand": PLACES[2],
        "right hand": PLACES[3],
        "left foot": PLACES[4],
        "right foot": PLACES[5],
    }
    for part, (x, y) in spots.items():
        box = np.s_[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2]
        image[box] = (200, 160, 130)
        part_map[box] = BODY_PARTS.index(part) + 1
    contact_map[part_map == BODY_PARTS.index(f"{side} hand") + 1] |= 1
    for foot in ("left foot", "right foot"):
        contact_map[part_map == BODY_PARTS.index(foot) + 1] |= 1 << 7
    x, y = spots[f"{side} hand"].astype(int)
    image[y - 5 : y - 2, x - 2 : x + 2] = COLOURS[held]
    object_map[y - 5 : y - 2, x - 2 : x + 2] = 1
    if sits:
        image[21:26, 12:20] = COLOURS["chair"]
        object_map[21:26, 12:20] = 2
        contact_map[part_map == BODY_PARTS.index("hips") + 1] |= 2

    ball = object_mesh().vertices
    questions = [
        ("human_contact", held, 0, body.mesh.parts[f"{side} hand"], [f"{side} hand"], False),
        ("object_contact", held, 0, np.flatnonzero(ball[:, 0] > 0.03), [], True),
    ]
    objects = [_object(0, held, "hold", side, int((object_map == 1).sum()))]
    if sits:
        objects.append(_object(1, "chair", "sit", "both", int((object_map == 2).sum())))
        hips = body.mesh.parts["hips"]
        questions.append(("human_contact", "chair", 1, hips, ["hips"], True))
        questions.append(
            ("object_contact", "chair", 1, np.flatnonzero(ball[:, 1] > 0.05), [], True)
        )
    feet = np.concatenate([body.mesh.parts["left foot"], body.mesh.parts["right foot"]])
    absent = "phone" if held == "bottle" else "bottle"
    questions += [
        ("human_contact", "scene", -1, feet, ["left foot", "right foot"], True),
        ("human_contact", absent, -1, np.zeros(0, int), [], True),
    ]
    keys = ("task", "label", "slot", "parts", "side_decided_by_label")
    line = {
        "seed": index,
        "index": index,
        "body_id": f"body-{index % 3}",
        "template": "sit" if sits else "hold",
        "objects": objects,
        "queries": [dict(zip(keys, (*q[:3], *q[4:]), strict=True)) for q in questions],
        "dialogue": [
            {
                "kind": "hand",
                "question": f"Which hand touches the {held}?",
                "answer": f"The {side} hand.",
            },
            {"kind": "there", "question": f"Is there a {absent} in the picture?", "answer": "No."},
        ],
    }
    tensors = {
        "images": image,
        "part_map": part_map,
        "object_map": object_map,
        "contact_map": contact_map,
        "depth": np.where(part_map > 0, 2.5, 0)[::2, ::2].astype(np.float16),
        "joints_3d": _joints_3d(),
        "joints_2d": PLACES,
        "joints_visible": np.ones(len(JOINTS), bool),
        "intrinsics": np.array([[40, 0, 16], [0, 40, 16], [0, 0, 1]], np.float32),
        "camera_from_world": np.diag([1, -1, -1, 1]).astype(np.float32)
        + np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2.5], [0, 0, 0, 0]], np.float32),
    }
    return tensors, line, [q[3] for q in questions]


def _object(slot: int, category: str, template: str, side: str, pixels: int) -> dict:
    return {
        "slot": slot,
        "category": category,
        "instance": f"{category}-1",
        "in_contact": True,
        "template": template,
        "side": side,
        "visible_pixels": pixels,
        "penetration_mm": 1.0,
    }


def _joints_3d() -> np.ndarray:
    """The joints at 2.5 m whose images are PLACES under the intrinsics above."""
    depth = 2.5
    return np.column_stack([(PLACES - 16) / 40 * depth, np.full(len(PLACES), depth)]).astype(
        np.float32
    )

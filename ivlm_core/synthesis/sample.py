"""One image of a data set with its line of the index, from (seed, index)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.camera import Camera
from ivlm_core.synthesis.camera import draw_camera
from ivlm_core.synthesis.config import SynthesisConfig
from ivlm_core.synthesis.contact import one_sided, parts_of
from ivlm_core.synthesis.dialogue import dialogue
from ivlm_core.synthesis.objects import CATEGORIES
from ivlm_core.synthesis.pool import ObjectPool
from ivlm_core.synthesis.render import Picture, render
from ivlm_core.synthesis.rig import Bodies
from ivlm_core.synthesis.scene import Scene, make_scene

ABSENT = 0.2
"""How often an object that is not there is asked about."""
_OCCLUDED = 0.12
"""A joint is hidden when something is this much nearer than it, metres."""


@dataclass(frozen=True, eq=False)
class Generated:
    """One image: tensors by name, the vertex lists of its questions, its line of the index."""

    tensors: dict[str, NDArray[Any]]
    contacts: list[NDArray[np.int32]]
    line: dict[str, Any]


def make_sample(
    config: SynthesisConfig, bodies: Bodies, pool: ObjectPool, split: str, index: int
) -> Generated:
    """Make image number `index` of a split; the same numbers give the same image."""
    scene = make_scene(bodies, pool, split, config.seed, index)
    number = 0 if split == "train" else 1
    rng = np.random.default_rng([config.seed, number, index, 10_000])
    touched = [scene.vertices[found.body] for found in scene.contacts if len(found.body)]
    camera = draw_camera(
        rng,
        _in_view(scene),
        np.array([points.mean(0) for points in touched], np.float32).reshape(-1, 3),
        scene.floor,
        config.image_size,
        config.max_azimuth,
        config.fill,
    )
    picture = render(scene, camera, rng)
    tensors = _tensors(scene, camera, picture)
    questions = _questions(scene, rng)
    line = {
        "seed": config.seed,
        "index": index,
        "body_id": scene.person.pose.shape.name,
        "template": scene.template,
        "attempts": scene.attempts,
        "objects": [_object(scene, slot, picture) for slot in range(len(scene.items))],
        "queries": [question for question, _ in questions],
        "dialogue": [asdict(spoken) for spoken in dialogue(scene, picture.object_map, rng)],
    }
    return Generated(tensors, [vertices for _, vertices in questions], line)


def _in_view(scene: Scene) -> NDArray[np.float32]:
    """Points [N, 3] that the picture shall show: the body and what is held or worn."""
    points = [scene.vertices[::23]]
    for item in scene.items:
        vertices = item.vertices()
        if item.in_contact and np.ptp(vertices, axis=0).max() < 0.75:
            points.append(vertices[::11])
    return np.concatenate(points)


def _tensors(scene: Scene, camera: Camera, picture: Picture) -> dict[str, NDArray[Any]]:
    """Pixels, joints and camera."""
    joints = scene.person.pose.joints()
    points, depth = camera.project(joints)
    size = camera.height
    inside = (points >= 0).all(1) & (points < size).all(1) & (depth > 0)
    visible = np.zeros(len(joints), bool)
    column, row = points[inside].astype(int).T
    seen = picture.depth[row, column].astype(float)
    visible[inside] = (picture.part_map[row, column] > 0) & (seen > depth[inside] - _OCCLUDED)
    return {
        "images": picture.image,
        "part_map": picture.part_map,
        "object_map": picture.object_map,
        "contact_map": picture.contact_map,
        "depth": picture.depth[::2, ::2],
        "joints_3d": camera.to_camera(joints).astype(np.float32),
        "joints_2d": points.astype(np.float32),
        "joints_visible": visible,
        "intrinsics": camera.intrinsics.astype(np.float32),
        "camera_from_world": camera.camera_from_world.astype(np.float32),
    }


def _object(scene: Scene, slot: int, picture: Picture) -> dict[str, Any]:
    """One object's entry of the index."""
    item, found = scene.items[slot], scene.contacts[slot]
    return {
        "slot": slot,
        "category": item.category,
        "instance": item.instance.name,
        "in_contact": item.in_contact,
        "template": item.template,
        "side": one_sided(found.body) if item.in_contact else "none",
        "visible_pixels": int((picture.object_map == slot + 1).sum()),
        "penetration_mm": round(1000 * found.depth, 2),
        "affordances": list(item.affordances),
    }


def _questions(
    scene: Scene, rng: np.random.Generator
) -> list[tuple[dict[str, Any], NDArray[np.int32]]]:
    """Questions about a scene with the vertices that answer them."""
    nothing = np.zeros(0, np.int32)
    asked = []
    for slot, (item, found) in enumerate(zip(scene.items, scene.contacts, strict=True)):
        asked.append((_question(item.category, slot, found.body), found.body))
        if item.in_contact:
            parts = item.instance.mesh.parts if item.shipped is None else item.shipped.mesh.parts
            flag = np.zeros(1 + max(int(v.max(initial=0)) for v in parts.values()), bool)
            flag[found.instance] = True
            touched = [name for name, ids in parts.items() if flag[ids].any()]
            question = {
                "task": "object_contact",
                "label": item.category,
                "slot": slot,
                "parts": touched,
                "side_decided_by_label": True,
            }
            asked.append((question, found.instance))
    if len(scene.ground) or not scene.person.seated:
        asked.append((_question("scene", -1, scene.ground), scene.ground))
    asked += [(_question(label, -1, nothing), nothing) for label in scene.left_out]
    if rng.uniform() < (ABSENT if scene.items else 0.6):
        there = {*scene.left_out, *(item.category for item in scene.items)}
        absent = [name for name in CATEGORIES if name not in there]
        label = absent[int(rng.integers(len(absent)))]
        asked.append((_question(label, -1, nothing), nothing))
    return asked


def _question(label: str, slot: int, vertices: NDArray[np.int32]) -> dict[str, Any]:
    """A question about contact of the body."""
    return {
        "task": "human_contact",
        "label": label,
        "slot": slot,
        "parts": list(parts_of(vertices)) if len(vertices) else [],
        "side_decided_by_label": one_sided(vertices) not in ("left", "right"),
    }

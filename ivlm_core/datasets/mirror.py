"""Mirror images: every left becomes a right, in pixels, joints, vertices and words.

A person's mirror image is a person, so this doubles the data. The camera keeps its place in the
mirrored world: x of its frame is negated on both sides of `camera_from_world`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ivlm_core.datasets.sample import ImageRecord, Sample, SceneObject, Side, SpokenLine, Target
from ivlm_core.geometry.body import MIRRORED_PART
from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh

_SIDE_WORD = re.compile(r"(?<![A-Za-z])(?:left|right)(?![A-Za-z])|(?<=[._])[LR]$")
_OTHER = {"left": "right", "right": "left", "L": "R", "R": "L"}
_SIDES: dict[Side, Side] = {"left": "right", "right": "left", "both": "both", "none": "none"}

_PART_IDS = np.array([0, *(i + 1 for i in MIRRORED_PART)], np.uint8)
"""Mirrored value of each value of a part map."""


def mirror_words(text: str) -> str:
    """Exchange left and right in a name or sentence: `left hand`, `strap_left`, `wrist.L`."""
    return _SIDE_WORD.sub(lambda match: _OTHER[match.group()], text)


@lru_cache(maxsize=16)
def mirrored_joints(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return for each joint the index of its mirror image.

    Raises:
        ValueError: a sided joint has no counterpart.
    """
    missing = [name for name in names if mirror_words(name) not in names]
    if missing:
        raise ValueError(
            f"joints {missing} have no mirror image among {list(names)}; a dataset stores the "
            "joints of both sides or neither"
        )
    return tuple(names.index(mirror_words(name)) for name in names)


def mirror_camera(camera: Camera) -> Camera:
    """Return the camera that sees the mirrored world in the mirrored image."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    intrinsics = camera.intrinsics.copy()
    intrinsics[0, 1] *= -1
    intrinsics[0, 2] = camera.width - intrinsics[0, 2]
    return Camera(intrinsics, flip @ camera.camera_from_world @ flip, camera.height, camera.width)


def mirror_mesh(mesh: Mesh) -> Mesh:
    """Negate x, keep the order of vertices, turn the faces and swap the sides in part names."""
    return Mesh(
        mesh.vertices * np.array([-1, 1, 1], np.float32),
        mesh.faces[:, ::-1],
        parts={mirror_words(name): ids for name, ids in mesh.parts.items()},
        name=mesh.name,
    )


def mirror_target(target: Target, body_mirror: np.ndarray) -> Target:
    """Mirror one target; indices of an object's mesh stay, because its mesh is mirrored."""
    on_body = target.task == "human_contact"
    return replace(
        target,
        vertices=body_mirror[target.vertices].astype(np.int32) if on_body else target.vertices,
        object=_mirror_object(target.object) if target.object is not None else None,
        parts=tuple(mirror_words(part) for part in target.parts),
        template=mirror_words(target.template),
    )


def mirror_record(record: ImageRecord, body_mirror: np.ndarray) -> ImageRecord:
    """Return the mirror image of a record; twice gives the record itself.

    Args:
        record: what to mirror.
        body_mirror: int `[vertex]`, `Body.mirror` of the topology of the record's targets.
    """
    swap = list(mirrored_joints(record.joint_names))
    width = record.image.shape[1]
    joints_2d = record.joints_2d[swap].copy()
    joints_2d[:, 0] = width - joints_2d[:, 0]
    return replace(
        record,
        image=_flip(record.image),
        part_map=_PART_IDS[_flip(record.part_map)],
        object_map=_flip(record.object_map),
        contact_map=_flip(record.contact_map),
        depth=_flip(record.depth),
        joints_3d=record.joints_3d[swap] * np.array([-1, 1, 1], np.float32),
        joints_2d=joints_2d,
        joints_visible=record.joints_visible[swap],
        camera=mirror_camera(record.camera),
        objects=tuple(_mirror_object(o) for o in record.objects),
        targets=mirror_targets(record.targets, body_mirror),
        dialogue=mirror_dialogue(record.dialogue),
        mirrored=not record.mirrored,
    )


def mirror_targets(targets: Sequence[Target], body_mirror: np.ndarray) -> tuple[Target, ...]:
    """Mirror several targets."""
    return tuple(mirror_target(t, body_mirror) for t in targets)


def mirror_dialogue(dialogue: Sequence[SpokenLine]) -> tuple[SpokenLine, ...]:
    """Exchange left and right in questions and answers."""
    return tuple(
        replace(line, question=mirror_words(line.question), answer=mirror_words(line.answer))
        for line in dialogue
    )


def mirror_sample(sample: Sample, body_mirror: np.ndarray) -> Sample:
    """Return the mirror image of a sample; twice gives the sample itself."""
    return Sample(
        image=_flip(sample.image),
        target=mirror_target(sample.target, body_mirror),
        mesh=mirror_mesh(sample.mesh) if sample.mesh is not None else None,
        mirrored=not sample.mirrored,
    )


def _mirror_object(item: SceneObject) -> SceneObject:
    return replace(item, side=_SIDES[item.side], template=mirror_words(item.template))


def _flip(pixels: np.ndarray) -> np.ndarray:
    """Flip `[height, width, ...]` left to right."""
    return np.ascontiguousarray(pixels[:, ::-1])

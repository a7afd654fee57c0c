"""What gives a drawn person another outline than the bare body: clothes that stand off, hair.

Only pictures see it: contact, depth of penetration and the mesh of the body are those of the skin.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.synthesis.drawn_body import drawn_faces
from ivlm_core.synthesis.look import (
    HAIR,
    LOWER,
    SHOE,
    UPPER,
    Look,
    body_fields,
    coverage,
    folds,
    hair_height,
)
from ivlm_core.synthesis.scene import Scene

_SHOE_M = 0.003
_ROWS, _COLUMNS = 9, 28
_HEAD = BODY_PARTS.index("head")


@dataclass(frozen=True, eq=False)
class Hair:
    """Hair as a mesh.

    Attributes:
        vertices: float32 [N, 3], in the world. faces: int32 [F, 3].
        places: the vertices relative to the head's middle, in its rest frame, float32 [N, 3].
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    places: NDArray[np.float32]


def dressed(scene: Scene, look: Look) -> NDArray[np.float32]:
    """Vertices of the body with clothes [V, 3], metres; unchanged where anything is touched."""
    fields, group = body_fields()
    cover = coverage(look, fields, group)
    ease = np.zeros(len(group), np.float32)
    for kind, most in ((UPPER, look.ease[0]), (LOWER, look.ease[1]), (SHOE, _SHOE_M)):
        ease[cover == kind] = most
    for found in scene.contacts:
        ease[found.body] = 0.0
    ease[scene.ground] = 0.0
    loose = np.flatnonzero(ease)
    shade, _ = folds(look, fields[3:, loose])
    points = scene.vertices.copy()
    points[loose] += (ease[loose] * (1 + 1.5 * shade))[:, None] * scene.normals[loose]
    return points


def hair(scene: Scene, look: Look) -> Hair | None:
    """Return the hair that stands off the head, None without.

    Where something is worn on the head or held to it, hair lies flat.
    """
    if look.hairline > 1:
        return None
    touched = {part for found in scene.contacts for part in found.parts}
    pieces = []
    if "head" not in touched:
        pieces.append(_cap(scene, look))
    if look.long_hair > 0:
        pieces.append(_curtain(scene, look, np.radians(65.0 if "head" in touched else 105.0)))
    if not pieces:
        return None
    starts = np.cumsum([0] + [len(vertices) for vertices, _, _ in pieces])
    return Hair(
        np.concatenate([vertices for vertices, _, _ in pieces]).astype(np.float32),
        np.concatenate([f + start for (_, f, _), start in zip(pieces, starts, strict=False)]),
        np.concatenate([places for _, _, places in pieces]).astype(np.float32),
    )


@lru_cache(maxsize=1)
def _head_faces() -> NDArray[np.int32]:
    """Triangles of the head alone."""
    _, group = body_fields()
    return drawn_faces()[(group[drawn_faces()] == 3).all(axis=1)]


_Piece = tuple[NDArray[np.floating], NDArray[np.int32], NDArray[np.floating]]


def _cap(scene: Scene, look: Look) -> _Piece:
    """Hair over the skull: its skin, moved out, more so the farther from the hairline."""
    fields, group = body_fields()
    faces = _head_faces()
    inner = np.zeros(len(group), bool)
    head = np.unique(faces)
    cover = coverage(look, fields[:, head], group[head])
    inner[head] = (cover == HAIR) & (fields[4, head] > -0.05)
    used = faces[inner[faces].any(axis=1)]
    vertices, own = np.unique(used, return_inverse=True)
    height = np.clip(hair_height(look, fields[:, vertices]) / 0.05, 0, 1)
    shade, _ = folds(look, fields[3:, vertices])
    lift = look.hair_depth * height * (1 + 0.8 * shade) + np.where(inner[vertices], 0.003, -0.002)
    places = fields[3:, vertices].T
    points = scene.vertices[vertices] + lift[:, None] * scene.normals[vertices]
    return points, own.reshape(-1, 3).astype(np.int32), places


def _curtain(scene: Scene, look: Look, half: float) -> _Piece:
    """Hair that hangs from the back of the head, over `half` radians to both sides."""
    pose = scene.person.pose
    on_head = load_body("anny").part_index == _HEAD
    rest = pose.shape.vertices[on_head]
    middle = (rest.min(0) + rest.max(0)) / 2
    radius = np.ptp(rest, axis=0) / 2 * (0.82, 1.0, 0.78) + 0.4 * look.hair_depth
    angle, drop = np.meshgrid(np.linspace(-half, half, _COLUMNS), np.linspace(0, 1, _ROWS))
    wave = 0.006 * np.sin(angle * 9 + look.phases[0]) * drop
    y = 0.05 - drop * (0.05 + look.long_hair)
    flare = 1 + 0.25 * np.clip(drop * look.long_hair / 0.3, 0, 1)
    places = np.stack(
        [
            np.sin(angle) * (radius[0] * flare + wave),
            y,
            -np.cos(angle) * (radius[2] + wave) - 0.03 * drop,
        ],
        axis=-1,
    ).reshape(-1, 3)
    # Down to the neck hair turns with the head, below it hangs.
    stiff = places.copy()
    stiff[:, 1] = np.maximum(stiff[:, 1], -0.09)
    turn = pose.turn_of("head")
    points = (stiff + middle - pose.rest("head")) @ turn.T + pose.head("head")
    points[:, 1] += places[:, 1] - stiff[:, 1]
    corner = np.arange((_ROWS - 1) * _COLUMNS).reshape(_ROWS - 1, _COLUMNS)[:, :-1].ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + _COLUMNS], axis=1),
            np.stack([corner + 1, corner + _COLUMNS + 1, corner + _COLUMNS], axis=1),
        ]
    )
    return points, faces.astype(np.int32), places

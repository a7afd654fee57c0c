"""Contact labels from geometry: which vertices of body and objects are near each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.objects import ObjectInstance
from ivlm_core.synthesis.objects.meshing import corners_of, inside_box
from ivlm_core.synthesis.objects.primitives import Array

HAND_REACH = 0.008
"""Hands within this distance of an object touch it, metres."""
BROAD_REACH = 0.020
"""Seat, back and feet touch what carries or is worn within this distance."""
OTHER_REACH = 0.010
FLOOR_REACH = 0.020
BROAD = {"chair", "stool", "bench", "bicycle", "skateboard", "surfboard", "backpack", "hat", "ball"}
BROAD |= {"table", "sofa", "bed", "motorcycle", "snowboard", "skis"}
"""Categories that touch more than hands."""
LIMIT = 0.005
"""Deepest penetration in a scene, metres; deeper ones are refused."""
SOFTNESS = {
    "backpack": 0.025,
    "hat": 0.011,
    "chair": 0.011,
    "stool": 0.011,
    "bench": 0.011,
    "bicycle": 0.013,
    "motorcycle": 0.013,
    "table": 0.011,
    "sofa": 0.022,
    "bed": 0.022,
    "headphones": 0.013,
}
"""How far flesh, clothes, straps and pads give way to an object of a category, metres."""
_GIVES = 0.007
_PRESSED = 0.003
"""How deep what gives way stays inside, metres."""
_STEP = 0.001
_BROAD_PARTS = ("hips", "thigh", "back", "foot", "shoulder", "chest", "belly", "head", "shin")


def reaches(category: str) -> NDArray[np.float32]:
    """Distance within which each body vertex [V] touches an object of a category, metres."""
    per_part = []
    for part in BODY_PARTS:
        kind = part.split(" ", 1)[-1] if part.startswith(("left", "right")) else part
        if kind == "hand":
            per_part.append(HAND_REACH)
        elif category in BROAD and kind in _BROAD_PARTS:
            per_part.append(BROAD_REACH if category != "ball" else 0.012)
        else:
            per_part.append(OTHER_REACH)
    return np.array(per_part, np.float32)[load_body("anny").part_index]


_REACHES: dict[str, NDArray[np.float32]] = {}


@dataclass(frozen=True, eq=False)
class Contact:
    """Contact of one object with the body.

    Attributes:
        body: vertices of the body, int32 [K].
        instance: vertices of the stored mesh, int32 [L].
        depth: deepest point of the body inside the object, metres, 0 or more.
        parts: names of the body parts touched.
    """

    body: NDArray[np.int32]
    instance: NDArray[np.int32]
    depth: float
    parts: tuple[str, ...]


def parts_of(vertices: NDArray[np.int32], least: int = 3) -> tuple[str, ...]:
    """Names of the body parts with at least `least` of some vertices, most first."""
    counts = np.bincount(load_body("anny").part_index[vertices], minlength=len(BODY_PARTS))
    order = np.argsort(-counts, kind="stable")
    return tuple(BODY_PARTS[k] for k in order if counts[k] >= least)


def compressed(items: list[Item], body: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the body's vertices [V, 3] with flesh pressed flat where it was inside objects.

    Poses sink a little into what they rest on. Skin goes no deeper than 3 mm where the rest is
    within what flesh gives way (`SOFTNESS`); what is deeper stays too deep, and is refused.
    """
    body = body.copy()
    for item in items:
        left = np.full(len(body), SOFTNESS.get(item.category, _GIVES), np.float32)
        near = item.near(body, 0.0)
        for _ in range(2):  # the second time for corners, whose nearest side changes
            depth = -item.distance(body[near]) if len(near) else np.zeros(0, np.float32)
            inside = depth > _PRESSED + 2e-4
            if not inside.any():
                break
            mine, depth = near[inside], depth[inside]
            points = body[mine]
            steps = [
                item.distance(points + np.eye(3, dtype=np.float32)[k] * np.float32(_STEP)) + depth
                for k in range(3)
            ]
            outwards = np.stack(steps, axis=1)
            outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
            push = np.minimum(depth - _PRESSED, left[mine])
            left[mine] -= push
            body[mine] = points + outwards * push[:, None]
            # The rest has not moved. (Products of a single row round otherwise than those of many.)
            near = mine if len(mine) > 1 else near
    return body


def body_contact(item: Item, body: NDArray[np.float32]) -> tuple[NDArray[np.int32], float]:
    """Vertices of the body [V, 3] in contact with an item, and the deepest penetration (metres)."""
    if item.category not in _REACHES:
        _REACHES[item.category] = reaches(item.category)
    near = item.near(body, 0.03)
    if len(near) == 0:
        return np.zeros(0, np.int32), 0.0
    distance = item.distance(body[near])
    touched = near[distance < _REACHES[item.category][near]]
    return touched.astype(np.int32), max(0.0, -float(distance.min()))


def instance_contact(
    item: Item, body: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Vertices of the item's stored mesh in contact with the body, on the side that faces it.

    Args:
        item: the object.
        body: vertices of the body [V, 3] in the world.
        normals: their unit normals [V, 3].
    """
    near = item.near(body, 0.05)
    if len(near) == 0:
        return np.zeros(0, np.int32)
    vertices = item.vertices()
    points, facing = body[near], normals[near]
    low, high = corners_of(points)
    candidates = np.flatnonzero(inside_box(vertices, low - 0.03, high + 0.03))
    if len(candidates) == 0:
        return np.zeros(0, np.int32)
    reach = _REACHES.setdefault(item.category, reaches(item.category))[near]
    tree = cKDTree(points, compact_nodes=False, balanced_tree=False)
    distance, which = tree.query(vertices[candidates], distance_upper_bound=0.035)
    found = np.isfinite(distance)
    candidates, which = candidates[found], which[found]
    offset = vertices[candidates] - points[which]
    height = np.einsum("ij,ij->i", offset, facing[which])
    aside = np.sqrt(np.maximum((offset**2).sum(1) - height**2, 0))
    own = item.instance.mesh.vertex_normals[candidates] @ item.pose[:3, :3].T
    opposed = np.einsum("ij,ij->i", own, facing[which]) < 0.3
    touched = candidates[(height < reach[which]) & (height > -0.03) & (aside < 0.025) & opposed]
    return _to_stored(item, touched)


def _to_stored(item: Item, touched: NDArray[np.intp]) -> NDArray[np.int32]:
    """Carry contact from a fitted mesh to the stored one, whose straps hang."""
    stored = item.shipped
    if stored is None:
        return touched.astype(np.int32)
    flag = np.zeros(len(item.instance.mesh.vertices), bool)
    flag[touched] = True
    result = np.zeros(len(stored.mesh.vertices), bool)
    for part, vertices in stored.mesh.parts.items():
        fitted = item.instance.mesh.parts[part]
        if len(fitted) == 0 or len(vertices) == 0:
            continue
        straps = part.startswith("strap")
        a = _strap_places(item.instance, fitted) if straps else item.instance.mesh.vertices[fitted]
        b = _strap_places(stored, vertices) if straps else stored.mesh.vertices[vertices]
        _, nearest = cKDTree(a).query(b)
        result[vertices] = flag[fitted[nearest]]
    return np.flatnonzero(result).astype(np.int32)


def _strap_places(instance: ObjectInstance, vertices: NDArray[np.int32]) -> Array:
    """Places of a strap's vertices that do not depend on its shape, [n, 2].

    How far along the strap (0 to 1, by angle about its middle) and on which side of it.
    """
    points = instance.mesh.vertices[vertices].astype(float)
    middle = (points.min(0) + points.max(0)) / 2
    middle[2] = points[:, 2].min() + 0.4 * np.ptp(points[:, 2])
    offset = points - middle
    angle = np.arctan2(offset[:, 1], offset[:, 2])
    radius = np.hypot(offset[:, 1], offset[:, 2])
    bins = np.round((angle + np.pi) / (2 * np.pi) * 24).astype(int)
    mean = np.bincount(bins, radius, 25) / np.maximum(np.bincount(bins, minlength=25), 1)
    inner = np.clip((radius - mean[bins]) / 0.012, -1, 1)
    return np.stack([angle / np.pi, 0.1 * inner], axis=1)


def ground_contact(body: NDArray[np.float32], floor: float) -> NDArray[np.int32]:
    """Vertices of the body [V, 3] on a floor at a height, int32 [K]."""
    return np.flatnonzero(body[:, 1] < floor + FLOOR_REACH).astype(np.int32)


_INNER_RATIO = 0.1


def one_sided(vertices: NDArray[np.int32]) -> str:
    """Side of the limbs that some body vertices belong to: "left", "right", "both" or "none".

    What hangs on one shoulder is on that side, however much of the trunk it touches.
    """
    counts = dict(
        zip(
            BODY_PARTS,
            np.bincount(load_body("anny").part_index[vertices], minlength=len(BODY_PARTS)).tolist(),
            strict=True,
        )
    )
    left = sum(n for part, n in counts.items() if part.startswith("left "))
    right = sum(n for part, n in counts.items() if part.startswith("right "))
    shoulders = counts["left shoulder"], counts["right shoulder"]
    if left + right - sum(shoulders) < 0.1 * len(vertices) and max(shoulders) >= 6:
        left, right = (n if n >= 2 else 0 for n in shoulders)
        return "both" if min(left, right) > 0 else ("left" if left else "right")
    if max(left, right) == 0 or max(left, right) < 0.1 * len(vertices):
        return "none"
    if min(left, right) < _INNER_RATIO * max(left, right):
        return "left" if left > right else "right"
    return "both"


__all__ = [
    "LIMIT",
    "Contact",
    "body_contact",
    "compressed",
    "ground_contact",
    "instance_contact",
]

"""Hands: palm frames, finger bending, and closing fingers until they touch an object.

A palm frame has its origin on the skin of the palm, +y across the palm towards the thumb's side and
+z out of the palm, as the `grip` frames of objects. Its +x points along the fingers of a left hand
and against those of a right hand, so palm frames are rotations on both sides.

Hand space is the rest pose of the body; `Hand.world` takes it to the world.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ivlm_core.synthesis.limbs import LETTER
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.rig import Pose, Shape
from ivlm_core.synthesis.rotations import about, basis, cross, frame, unit

FINGERS = 5
THUMB = 0
_RATIO = np.array([[0.75, 1.0, 1.0]] + [[1.0, 1.1, 0.75]] * 4)
"""How much each joint bends when a finger closes, thumb first [finger, joint]."""
_LIMIT = np.array([1.15, 1.35, 1.35, 1.35, 1.35])
"""Most closing per finger, radians (before `_RATIO`)."""
_START = -0.30
_LEVELS = 12
_TOGETHER = 4
"""Levels that are tried in one step: half of all fingers touch at one of the first four."""

Distance = Callable[[Array], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class HandTopology:
    """Which vertices a hand's bones move; the same for all bodies.

    Attributes:
        side: "left" or "right".
        skin: all vertices of the hand.
        fingers: per finger its (thinned) vertices and their weights [n, 4] on wrist and phalanges.
        palm: vertices of the palm without the fingers.
        phalanges: bones of the fingers, from the thumb's first to the little finger's last [15].
    """

    side: str
    skin: NDArray[np.intp]
    fingers: tuple[tuple[NDArray[np.intp], NDArray[np.float32]], ...]
    palm: NDArray[np.intp]
    phalanges: NDArray[np.intp]


def hand_topology(pose: Pose, side: str) -> HandTopology:
    """Read a hand's vertices from the skinning weights."""
    s, index = LETTER[side], pose.rig.index
    bones = [k for name, k in index.items() if name.endswith(f".{s}") and _of_hand(name)]
    weights = pose.rig.weights
    total = np.asarray(weights[:, bones].sum(axis=1)).ravel()
    skin = np.flatnonzero(total > 0.5)
    fingers = []
    on_fingers = np.zeros(len(total))
    names = [f"finger{finger}-{k}.{s}" for finger in range(1, FINGERS + 1) for k in (1, 2, 3)]
    phalanges = np.array([index[name] for name in names])
    for own_bones in phalanges.reshape(FINGERS, 3):
        share = weights[:, own_bones].toarray()
        on_fingers += share.sum(1)
        used = np.flatnonzero(share.sum(1) > 0.4)
        used = used[:: max(1, len(used) // 110)]
        own = share[used]
        all_weights = np.concatenate([1 - own.sum(1, keepdims=True), own], axis=1)
        fingers.append((used, all_weights.astype(np.float32)))
    palm = skin[on_fingers[skin] < 0.3]
    return HandTopology(side, skin, tuple(fingers), palm, phalanges)


def _of_hand(bone: str) -> bool:
    return bone.startswith(("wrist", "finger", "metacarpal"))


class Hand:
    """One hand of a posed body.

    Args:
        pose: the body; changed by `apply`.
        topology: vertices of the hand.

    Attributes:
        angles: bending of every joint beyond rest [5, 3], radians.
        spread: rotation of the thumb that brings it opposite to the fingers [3, 3].
    """

    def __init__(self, pose: Pose, topology: HandTopology) -> None:
        self.pose = pose
        self.topology = topology
        self.side = topology.side
        self._s = LETTER[topology.side]
        self.angles = np.zeros((FINGERS, 3))
        self.spread = np.eye(3)
        self._axes: dict[int, tuple[Array, Array]] = {}
        self._skinned: dict[int, tuple[NDArray[np.float32], NDArray[np.float32], Array]] = {}

    @property
    def shape(self) -> Shape:
        """Rest shape of the body."""
        return self.pose.shape

    @cached_property
    def directions(self) -> tuple[Array, Array, Array]:
        """Along the fingers, across to the thumb's side, out of the palm; hand space [3]."""
        rest, s = self.pose.rest, self._s
        along = unit(rest(f"finger3-1.{s}") - rest(f"wrist.{s}"))
        across = rest(f"finger2-1.{s}") - rest(f"finger5-1.{s}")
        across = unit(across - along * (along @ across))
        normal = cross(along, across)
        curl = rest(f"finger3-3.{s}") - rest(f"finger3-1.{s}")
        return along, across, normal * np.sign(normal @ curl)

    def palm(self, reach: float = 0.8) -> Array:
        """Palm frame 4x4 in hand space.

        Args:
            reach: place between the wrist (0) and the knuckle of the middle finger (1).
        """
        along, across, normal = self.directions
        rest, s = self.pose.rest, self._s
        wrist = rest(f"wrist.{s}")
        knuckles = 0.5 * (rest(f"finger3-1.{s}") + rest(f"finger4-1.{s}"))
        point = wrist + reach * (knuckles - wrist)
        skin = self.shape.vertices[self.topology.palm].astype(float) - point
        aside = skin - np.outer(skin @ normal, normal)
        near = (aside**2).sum(1) < 0.016**2
        height = float((skin @ normal)[near].max()) if near.any() else 0.012
        return frame(point + normal * height, basis(across, normal))

    @property
    def world(self) -> Array:
        """Hand space to world, 4x4."""
        wrist = f"wrist.{self._s}"
        turn = self.pose.turn_of(wrist)
        return frame(self.pose.head(wrist) - turn @ self.pose.rest(wrist), turn)

    def _axis(self, finger: int) -> tuple[Array, Array]:
        """Cross product matrix [3, 3] of the axis about which a finger's joints bend; its square.

        In hand space.
        """
        if finger not in self._axes:
            x, y, z = self._find_axis(finger)
            k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            self._axes[finger] = k, k @ k
        return self._axes[finger]

    def _find_axis(self, finger: int) -> Array:
        along, across, normal = self.directions
        if finger == THUMB:
            return unit(cross(normal, along - 0.45 * across))
        rest, s = self.pose.rest, self._s
        start = rest(f"finger{finger + 1}-1.{s}")
        return unit(cross(rest(f"finger{finger + 1}-3.{s}") - start, normal))

    def open_thumb(self, out: float) -> None:
        """Bring the thumb opposite to the fingers.

        Args:
            out: 0 keeps it at rest, 1 points it out of the palm.
        """
        along, across, normal = self.directions
        rest, s = self.pose.rest, self._s
        now = unit(rest(f"finger1-3.{s}") - rest(f"finger1-1.{s}"))
        goal = unit(0.45 * along + 0.45 * across + 0.9 * normal)
        goal = unit((1 - out) * now + out * goal)
        axis = cross(now, goal)
        sine = float(np.linalg.norm(axis))
        self.spread = about(axis, float(np.arctan2(sine, now @ goal))) if sine > 1e-9 else np.eye(3)

    def _turns(self, finger: int, angles: Array) -> Array:
        """Rotations [..., 3, 3, 3] of a finger's phalanges for joint angles [..., 3]."""
        k, square = self._axis(finger)
        total = np.cumsum(angles, axis=-1)
        sine, cosine = np.sin(total)[..., None, None], np.cos(total)[..., None, None]
        turns = np.eye(3) + sine * k + (1 - cosine) * square
        return turns @ self.spread if finger == THUMB else turns

    def finger_points(self, finger: int, angles: Array) -> NDArray[np.float32]:
        """Vertices of a finger in hand space for L joint angles [L, 3]: float32 [L, n, 3]."""
        still, moved, base = self._skinning(finger)
        turns = self._turns(finger, angles)
        matrices = np.empty((len(angles), 12, 3), np.float32)
        head = base[0]
        for k in range(3):
            if k:
                head = head + turns[:, k - 1] @ (base[k] - base[k - 1])
            matrices[:, 3 * k : 3 * k + 3] = turns[:, k].transpose(0, 2, 1)
            matrices[:, 9 + k] = head
        points: NDArray[np.float32] = moved @ matrices
        points += still
        return points

    def _skinning(self, finger: int) -> tuple[NDArray[np.float32], NDArray[np.float32], Array]:
        """Skinning of a finger as one product with its phalanges' rotations and places.

        Returns:
            What does not move [n, 3]; factors [n, 12] of three transposed rotations [3, 3] and
            three places [3] stacked; the places at rest [3, 3].
        """
        if finger not in self._skinned:
            vertices, weights = self.topology.fingers[finger]
            rest, s = self.shape.vertices[vertices], self._s
            base = np.stack([self.pose.rest(f"finger{finger + 1}-{k}.{s}") for k in (1, 2, 3)])
            local = weights[:, 1:, None] * (rest[:, None] - base.astype(np.float32))
            factors = np.concatenate([local.reshape(len(rest), 9), weights[:, 1:]], axis=1)
            self._skinned[finger] = weights[:, :1] * rest, factors, base
        return self._skinned[finger]

    def phalanx_of(self, finger: int) -> NDArray[np.intp]:
        """Phalanx (0 to 2) that moves each vertex of `finger_points` most."""
        return self.topology.fingers[finger][1][:, 1:].argmax(1)

    def close(self, distance: Distance, touch: float = 0.0005) -> None:
        """Close the fingers until they touch, phalanx after phalanx.

        Args:
            distance: signed distance of points [N, 3] in hand space.
            touch: distance at which a finger stops, metres.
        """
        angles = np.zeros((FINGERS, 3))
        held = np.zeros(FINGERS, int)
        level = np.full(FINGERS, _START)
        for _ in range(3):
            moving = [f for f in range(FINGERS) if held[f] < 3 and level[f] < _LIMIT[f] - 0.02]
            if not moving:
                break
            grids = {f: np.linspace(level[f], _LIMIT[f], _LEVELS) for f in moving}
            tried = {}
            for f in moving:
                joints = grids[f][:, None] * _RATIO[f]
                joints[:, : held[f]] = angles[f, : held[f]]
                tried[f] = joints
            free = {f: self.phalanx_of(f) >= held[f] for f in moving}
            for f, depth in self._depths(distance, tried, free, touch).items():
                self._stop(f, depth - touch, grids[f], tried[f], angles, held, level)
        self.angles = angles
        self._back_off(distance)

    def _depths(
        self,
        distance: Distance,
        tried: dict[int, Array],
        free: dict[int, NDArray[np.bool_]],
        touch: float,
    ) -> dict[int, NDArray[np.float32]]:
        """Signed distances of fingers that close, as far as they close before they touch.

        Args:
            distance: see `close`.
            tried: joint angles of each finger, one row per level [L, 3].
            free: which of its vertices move [n].
            touch: see `close`.

        Returns:
            For each finger distances of its m free vertices, [l, m], for the first l levels; one
            of them is `touch` or less, or l is L.
        """
        found: dict[int, list[NDArray[np.float32]]] = {f: [] for f in tried}
        closing = list(tried)
        for start in range(0, _LEVELS, _TOGETHER):
            levels = slice(start, start + _TOGETHER)
            points = [self.finger_points(f, tried[f][levels])[:, free[f]] for f in closing]
            values = distance(np.concatenate([p.reshape(-1, 3) for p in points]))
            ends = np.cumsum([p.shape[0] * p.shape[1] for p in points])[:-1]
            for f, p, depth in zip(closing, points, np.split(values, ends), strict=True):
                found[f].append(depth.reshape(p.shape[:2]))
            closing = [f for f in closing if (found[f][-1] - touch).min(initial=1.0) > 0]
            if not closing:
                break
        return {f: np.concatenate(depths) for f, depths in found.items()}

    def _stop(
        self,
        finger: int,
        gap: NDArray[np.float32],
        grid: Array,
        tried: Array,
        angles: Array,
        held: NDArray[np.intp],
        level: Array,
    ) -> None:
        """Stop a finger where its first moving phalanx touches; hold the joints up to there."""
        phalanx = self.phalanx_of(finger)
        least = gap.min(axis=1, initial=np.inf)
        hits = np.flatnonzero(least <= 0)
        if len(hits) == 0:
            angles[finger], level[finger], held[finger] = tried[-1], grid[-1], 3
            return
        k = int(hits[0])
        where = phalanx[phalanx >= held[finger]][int(gap[k].argmin())]
        if k == 0:
            angles[finger] = tried[0]
        else:
            share = float(least[k - 1] / max(least[k - 1] - least[k], 1e-9))
            angles[finger] = tried[k - 1] + share * (tried[k] - tried[k - 1])
            level[finger] = grid[k - 1] + share * (grid[k] - grid[k - 1])
        held[finger] = where + 1

    def _back_off(self, distance: Distance, deepest: float = -0.0025) -> None:
        """Open fingers that still reach too deep, a little at a time."""
        for _ in range(4):
            points = [self.finger_points(f, self.angles[None, f])[0] for f in range(FINGERS)]
            values = distance(np.concatenate(points))
            parts = np.split(values, np.cumsum([len(p) for p in points])[:-1])
            deep = [f for f in range(FINGERS) if parts[f].min() < deepest]
            if not deep:
                return
            for f in deep:
                step = min(0.12, 0.02 + 12 * float(-parts[f].min() + deepest))
                self.angles[f] -= step * np.array([1.0, 0.6, 0.4])

    def relax(self, rng: np.random.Generator, curl: float) -> None:
        """Bend all fingers by about `curl` radians per joint, without an object."""
        self.angles = np.clip(curl * rng.uniform(0.8, 1.2, (FINGERS, 1)), -0.2, 1.4) * _RATIO
        self.open_thumb(float(np.clip(curl, 0.0, 0.8)))
        self.angles[THUMB] *= 0.45

    def apply(self) -> None:
        """Write the fingers into the pose."""
        wrist = self.pose.turn_of(f"wrist.{self._s}")
        turns = np.concatenate([self._turns(f, self.angles[f]) for f in range(FINGERS)])
        self.pose.set_ends(self.topology.phalanges, wrist @ turns)

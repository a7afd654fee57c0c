"""A posed body with the vertex groups and the moves that interactions need."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ivlm_core.geometry.body import BODY_PARTS, load_body
from ivlm_core.synthesis.hand import Hand, HandTopology, hand_topology
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.limbs import (
    LETTER,
    SIDES,
    SIGN,
    arm_length,
    bend_arm,
    bend_leg,
    bend_trunk,
    leg_length,
    raise_shoulder,
    sole_drop,
    turn_hand,
    turn_head,
)
from ivlm_core.synthesis.objects.primitives import Array
from ivlm_core.synthesis.rig import Pose, Rig, Shape
from ivlm_core.synthesis.rotations import (
    about,
    basis,
    cross,
    frame,
    length,
    rigid_inverse,
    unit,
    yaw,
)


class UnsuitableError(Exception):
    """A draw that does not work out (out of reach, too deep, ...); another one is made."""


@lru_cache(maxsize=64)
def part_vertices(*names: str) -> NDArray[np.intp]:
    """Vertices of some body parts; a name without side takes both sides."""
    wanted = [
        k
        for k, part in enumerate(BODY_PARTS)
        if part in names or part[5:].strip() in names or part[6:].strip() in names
    ]
    return np.flatnonzero(np.isin(load_body("anny").part_index, wanted))


_TOPOLOGY: dict[tuple[int, str], HandTopology] = {}


def _topology(pose: Pose, side: str) -> HandTopology:
    key = (id(pose.rig), side)
    if key not in _TOPOLOGY:
        _TOPOLOGY[key] = hand_topology(pose, side)
    return _TOPOLOGY[key]


REGIONS: dict[str, tuple[float, float, float]] = {
    # outwards, up, forwards from the shoulder, in arm lengths
    "hang": (0.20, -0.97, 0.08),
    "hang_out": (0.42, -0.88, 0.06),
    "front_low": (0.02, -0.62, 0.52),
    "front_mid": (-0.12, -0.32, 0.62),
    "front_far": (0.02, -0.22, 0.85),
    "front_high": (0.05, 0.12, 0.72),
    "side_low": (0.55, -0.72, 0.20),
    "side_mid": (0.72, -0.25, 0.35),
    "side_high": (0.55, 0.40, 0.35),
    "cross_body": (-0.52, -0.30, 0.55),
    "cross_high": (-0.45, 0.12, 0.60),
    "overhead": (0.12, 0.85, 0.25),
    "behind": (0.30, -0.80, -0.32),
}
"""Where a hand can be, by name."""


class Person:
    """A body in a scene, standing at the origin at first, facing +z.

    Args:
        rig: skeleton.
        shape: rest shape.
        rng: source of all choices.
    """

    def __init__(self, rig: Rig, shape: Shape, rng: np.random.Generator) -> None:
        self.pose = Pose(rig, shape)
        self.rng = rng
        self.hands = {side: Hand(self.pose, _topology(self.pose, side)) for side in SIDES}
        self.busy: set[str] = set()
        self.seated = False
        self.bed: Item | None = None
        self.legs: dict[str, Any] = {}
        self.floor = 0.0

    # Legs and trunk

    def stand(self, width: float | None = None, crouch: float | None = None) -> None:
        """Stand on both flat feet on the floor at y = 0."""
        rng = self.rng
        half = rng.uniform(0.05, 0.17) if width is None else width
        stagger = rng.uniform(-0.12, 0.12)
        places = {side: np.array([SIGN[side] * half, 0.0, SIGN[side] * stagger]) for side in SIDES}
        bend = rng.uniform(0.972, 0.996) if crouch is None else crouch
        turns = {side: yaw(SIGN[side] * rng.uniform(0.0, 0.4)) for side in SIDES}
        self.feet(places, turns, bend)

    def feet(
        self, places: dict[str, Array], turns: dict[str, Array], bend: float, sway: float = 0.03
    ) -> None:
        """Stand with the soles at given places and the pelvis between and above them.

        Args:
            places: points on the ground under each ankle [3].
            turns: world rotation of each foot [3, 3].
            bend: reach of the longer leg as a share of its length.
            sway: how far the pelvis strays from the middle, metres.
        """
        pose, rng = self.pose, self.rng
        drop, length = sole_drop(pose), leg_length(pose)
        middle = (places["left"] + places["right"]) / 2
        root = np.array([middle[0], 0.0, middle[2]])
        root[[0, 2]] += rng.uniform(-sway, sway, 2)
        heights = []
        for side in SIDES:
            hip = pose.head(f"upperleg01.{LETTER[side]}") - pose.root
            flat = np.linalg.norm((root + hip - places[side])[[0, 2]])
            rise = float(np.sqrt(max(float((bend * length) ** 2 - flat**2), 0.05)))
            heights.append(places[side][1] + drop + rise - hip[1])
        root[1] = min(heights)
        pose.move(root - pose.root)
        for side in SIDES:
            self.foot(side, places[side], turns[side])

    def foot(self, side: str, place: Array, turn: Array, pole: Array | None = None) -> None:
        """Put the sole of one foot at a point [3] with a rotation [3, 3]."""
        ankle = place + turn @ np.array([0.0, sole_drop(self.pose), 0.0])
        if pole is None:
            pole = turn @ np.array([SIGN[side] * 0.12, 0.0, 1.0]) + np.array([0, 0.15, 0])
        got = bend_leg(self.pose, side, ankle, pole, turn)
        if length(got - ankle) > 0.03:
            raise UnsuitableError("foot out of reach")

    def trunk(self, lean: float, twist: float = 0.0, aside: float = 0.0) -> None:
        """Bend the trunk forwards, turn it to the left and bend it to the left (radians)."""
        turn = about((1, 0, 0), lean) @ yaw(twist) @ about((0, 0, 1), -aside)
        root = self.pose.turn_of("root")
        bend_trunk(self.pose, root @ turn @ root.T)

    def look(self, turn: float, nod: float) -> None:
        """Turn the head to the left and down (radians)."""
        chest = self.pose.turn_of("spine01")
        turn_head(self.pose, chest @ yaw(turn) @ about((1, 0, 0), nod) @ chest.T)

    # Arms

    @property
    def chest(self) -> Array:
        """World rotation of the upper trunk [3, 3]."""
        return self.pose.turn_of("spine02")

    def region(self, side: str, name: str, jitter: float = 0.07) -> Array:
        """Draw a point [3] near a named region of one side."""
        return self.place(side, REGIONS[name], jitter)

    def place(self, side: str, where: tuple[float, float, float], jitter: float = 0.07) -> Array:
        """Draw a point [3] near a place as in `REGIONS`, within reach of that arm."""
        outwards, up, forwards = where
        vector = np.array([SIGN[side] * outwards, up, forwards])
        vector = vector + self.rng.normal(0, jitter, 3)
        length = arm_length(self.pose, side)
        reach = float(np.linalg.norm(vector))
        vector *= min(1.0, 0.99 / reach)
        return self.pose.head(f"upperarm01.{LETTER[side]}") + self.chest @ vector * length

    def elbow(self, side: str) -> Array:
        """Draw a direction [3] for the elbow."""
        out, down, back = self.rng.uniform((0.25, 0.5, 0.25), (0.8, 1.0, 0.8))
        return self.chest @ np.array([SIGN[side] * out, -down, -back])

    def natural(
        self,
        side: str,
        point: Array,
        thumb: Array | None = None,
        palm: Array | None = None,
        reach: float = 0.8,
        noise: float = 0.15,
    ) -> Array:
        """Find a palm frame 4x4 at a point with an almost straight wrist; the arm goes there.

        Args:
            side: "left" or "right".
            point: where the palm shall be [3].
            thumb: direction the thumb's side shall point to as well as it can [3].
            palm: or the direction the palm shall face [3].
            reach: see `Hand.palm`.
            noise: bend of the wrist, radians (standard deviation).
        """
        hand, pose, rng = self.hands[side], self.pose, self.rng
        raise_shoulder(pose, side, point)
        pole = self.elbow(side)
        bend = about(rng.normal(size=3), rng.normal(0, noise))
        local = hand.palm(reach)
        wrist = pose.rest(f"wrist.{LETTER[side]}")
        offset = rigid_inverse(local)[:3, :3] @ (wrist - local[:3, 3])
        along_sign = SIGN[side]  # +x of a palm frame along the fingers on the left
        target = point - unit(point - pose.head(f"upperarm01.{LETTER[side]}")) * 0.08
        axes = np.eye(3)
        for _ in range(4):
            got = bend_arm(pose, side, target, pole)
            fingers = bend @ unit(got - pose.head(f"lowerarm01.{LETTER[side]}"))
            x = fingers * along_sign
            if thumb is not None:
                y = unit(thumb - x * (x @ thumb))
                axes = np.stack([x, y, cross(x, y)], axis=1)
            elif palm is not None:
                z = unit(palm - x * (x @ palm))
                axes = np.stack([x, cross(z, x), z], axis=1)
            target = point + axes @ offset
        return frame(point, axes)

    def reach(self, side: str, palm: Array, reach: float = 0.8, pole: Array | None = None) -> None:
        """Bring a hand's palm frame to a world frame 4x4.

        Raises:
            UnsuitableError: the arm is too short or the wrist bends too far.
        """
        hand, s = self.hands[side], LETTER[side]
        world = palm @ rigid_inverse(hand.palm(reach))
        wrist = world[:3, :3] @ self.pose.rest(f"wrist.{s}") + world[:3, 3]
        got = bend_arm(self.pose, side, wrist, self.elbow(side) if pole is None else pole)
        if length(got - wrist) > 0.02:
            raise UnsuitableError("hand out of reach")
        if turn_hand(self.pose, side, world[:3, :3]) > np.radians(80):
            raise UnsuitableError("wrist bent too far")

    def free_arm(self, side: str, region: str, curl: float) -> None:
        """Put an arm somewhere with the hand empty."""
        point = self.region(side, region)
        if region in ("hang", "front_low", "side_low", "behind"):
            inwards = self.chest @ np.array([-SIGN[side], 0.1, self.rng.uniform(-0.6, 0.4)])
            palm = self.natural(side, point, palm=inwards)
        else:
            up = self.chest @ np.array([-SIGN[side] * self.rng.uniform(0, 1), 1.0, 0.0])
            palm = self.natural(side, point, thumb=up)
        self.reach(side, palm, pole=None)
        self.hands[side].relax(self.rng, curl)
        self.hands[side].apply()

    # Touching

    def depth(self, item: Item, subset: NDArray[np.intp]) -> float:
        """Signed distance of the nearest of some vertices to an object, metres."""
        points = self.pose.vertices(subset)
        near = item.near(points)
        if len(near) == 0:
            return 0.1
        return float(item.distance(points[near]).min())


__all__ = ["REGIONS", "Person", "UnsuitableError", "basis", "part_vertices"]

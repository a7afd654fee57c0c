"""One labelled question about one image, and one image with all that is known of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.prompts import SCENE_LABEL, Task

GROUND_BIT = 7
"""Bit of `ImageRecord.contact_map` that stands for the ground."""

Side = Literal["left", "right", "both", "none"]


@dataclass(frozen=True)
class SceneObject:
    """One object of an image."""

    slot: int
    """Number of the object in its image; what `object_map` and `contact_map` count by."""
    category: str
    instance: str
    """Name of the mesh, for instance `bottle-17`."""
    in_contact: bool
    """Whether the person touches it."""
    template: str
    """The interaction it was placed by."""
    side: Side
    """Side of the body (anatomical) that takes part."""
    visible_pixels: int
    penetration_mm: float
    """Deepest point of the body inside the object, millimetres."""
    affordances: tuple[str, ...] = ()
    """What the interaction uses the object for, where it is known."""


@dataclass(frozen=True)
class SpokenLine:
    """A question about an image and its answer, both in words."""

    kind: str
    """What is asked: `action`, `parts`, `hand`, `count`, `there` (is it?) or `touched`."""
    question: str
    answer: str


@dataclass(frozen=True, eq=False)
class Target:
    """What the answer to one question about an image should be."""

    image_index: int
    task: Task
    label: str
    slot: int
    """Slot of the object asked about; -1 for the scene and for objects that are not there."""
    object: SceneObject | None
    """The object asked about, None where `slot` is -1."""
    vertices: np.ndarray
    """int32 `[contact]`, the vertices in contact: of the body for `human_contact`, of the
    instance's mesh for object tasks. Empty where nothing is touched."""
    num_vertices: int
    parts: tuple[str, ...]
    """Names of what is touched: body parts, or parts of the object."""
    affordances: tuple[str, ...]
    """For `object_affordance`: the affordances whose parts the target is."""
    side_decided_by_label: bool
    """Whether the label alone says which side of the body takes part."""
    template: str
    """The object's interaction, or the image's where no object is asked about."""

    @property
    def side(self) -> Side:
        """Side of the body that takes part."""
        return self.object.side if self.object is not None else "none"

    @property
    def instance(self) -> str | None:
        """Name of the object's mesh, None where no object is asked about."""
        return self.object.instance if self.object is not None else None

    @property
    def contact_bit(self) -> int | None:
        """Bit of `ImageRecord.contact_map` asked about; None for an object that is not there."""
        if self.label == SCENE_LABEL:
            return GROUND_BIT
        return self.slot if self.slot >= 0 else None

    @property
    def details(self) -> tuple[str, ...]:
        """What the answer's text names: body parts, or affordances."""
        if self.task == "human_contact":
            return self.parts
        return self.affordances

    @property
    def is_empty(self) -> bool:
        """Whether the answer is that nothing is touched."""
        return len(self.vertices) == 0

    def dense(self) -> np.ndarray:
        """Return the target as float32 `[vertex]`, 1 in contact and 0 elsewhere."""
        values = np.zeros(self.num_vertices, np.float32)
        values[self.vertices] = 1.0
        return values


@dataclass(frozen=True, eq=False)
class Sample:
    """One labelled question about one image."""

    image: np.ndarray
    """uint8 RGB `[height, width, 3]`."""
    target: Target
    mesh: Mesh | None = None
    """Surface of object tasks, in its own frame (metres); None for the body."""
    mirrored: bool = False
    """Whether image, target and mesh are the mirror image of what is on disk."""

    @property
    def task(self) -> Task:
        """The question's task."""
        return self.target.task

    @property
    def label(self) -> str:
        """The object asked about, or `scene`."""
        return self.target.label

    @property
    def vertices(self) -> np.ndarray:
        """int32 `[contact]`, the vertices in contact."""
        return self.target.vertices

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what is touched."""
        return self.target.parts

    @property
    def details(self) -> tuple[str, ...]:
        """What the answer's text names: body parts, or affordances."""
        return self.target.details

    @property
    def instance(self) -> str | None:
        """Name of the object's mesh, None where no object is asked about."""
        return self.target.instance

    @property
    def slot(self) -> int:
        """Slot of the object asked about, -1 for none."""
        return self.target.slot

    @property
    def side_decided_by_label(self) -> bool:
        """Whether the label alone says which side of the body takes part."""
        return self.target.side_decided_by_label


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image with everything that is known of it."""

    index: int
    seed: int
    body_id: str
    template: str
    image: np.ndarray
    """uint8 RGB `[height, width, 3]`."""
    part_map: np.ndarray
    """uint8 `[height, width]`: 0 none, i + 1 the body part `BODY_PARTS[i]`."""
    object_map: np.ndarray
    """uint8 `[height, width]`: 0 none, slot + 1 of the object seen there."""
    contact_map: np.ndarray
    """uint8 bit field `[height, width]` on visible body pixels: bit k touches the object of slot
    k, bit `GROUND_BIT` the ground."""
    depth: np.ndarray
    """float16 `[height / 2, width / 2]`, rounded up: every second pixel's depth along the camera's
    z, metres; 0 where neither body nor object is."""
    joint_names: tuple[str, ...]
    joints_3d: np.ndarray
    """float32 `[joint, 3]`, metres in the camera frame (OpenCV axes)."""
    joints_2d: np.ndarray
    """float32 `[joint, 2]`, pixels (x, y)."""
    joints_visible: np.ndarray
    """bool `[joint]`."""
    camera: Camera
    objects: tuple[SceneObject, ...]
    targets: tuple[Target, ...]
    """The questions asked about the image."""
    dialogue: tuple[SpokenLine, ...] = ()
    """Questions and answers about the interaction in words."""
    mirrored: bool = False
    """Whether this is the mirror image of what is on disk."""

    @cached_property
    def part_pixels(self) -> dict[str, int]:
        """Visible pixels of each body part in view."""
        counts = np.bincount(self.part_map.ravel(), minlength=len(BODY_PARTS) + 1)
        return {name: int(n) for name, n in zip(BODY_PARTS, counts[1:], strict=False) if n}

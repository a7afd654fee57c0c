"""Where the meshes of an image go: where things are, as far as that is known, else side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.grasping.samples import Axis
from ivlm_core.messages.cdr import Pose
from ivlm_core.messages.placement import (
    AT_CAMERA,
    OPTICAL_FROM_MESH,
    Placed,
    display_pose,
    place_vertices,
)
from ivlm_core.pipeline import Prediction
from ivlm_core.visualize.colours import ColourMap

_GAP = 0.3
"""Between two bodies, and between two objects, metres."""


@dataclass(frozen=True)
class Display:
    """Where and how results are shown."""

    body_position: tuple[float, ...] = (-0.8, 0.0, 3.0)
    """Centre of the first body: metres in the image's optical frame (right, down, forward)."""
    object_position: tuple[float, ...] = (0.8, 0.0, 3.0)
    """The same for the first object."""
    approach_axis: Axis = "x"
    """Of the poses of samples; it points into the surface."""
    sample_spacing_m: float = 0.03
    """Least distance between two samples."""
    colour_map: ColourMap = "warm"
    """Of markers and clouds."""


@dataclass(frozen=True)
class PosedBody:
    """The person, from any estimator of bodies."""

    topology: str
    """What the vertices index, as `Prediction.topology`."""
    vertices: np.ndarray
    """float32 `[vertex, 3]`, metres in the image's frame."""


@dataclass(frozen=True)
class Known:
    """What others know about an image: where things are, and what the camera is."""

    object_poses: Mapping[str, Pose] = field(default_factory=dict)
    """By label: the object's mesh in the image's frame."""
    poses_expected: bool = False
    """Poses come in, so that an object without one is the exception."""
    body: PosedBody | None = None
    camera: Camera | None = None
    """Of the image's size, at the origin of its frame."""


NOTHING = Known()


def arrange(
    predictions: Sequence[Prediction],
    display: Display,
    known: Known = NOTHING,
    doubt: Callable[[str], None] = lambda text: None,
) -> list[Placed]:
    """Return each prediction with the pose of its mesh.

    An object whose pose is known is where it is. Else the first body and the first object stand
    where `display` says; further bodies to the left of it, further objects to the right. Contact on
    a person whose body is known is there a second time, on that body.

    Args:
        predictions: of one image.
        display: where things stand that are only shown.
        known: what else is known about the image.
        doubt: told why something of it is not believed; it counts as not known then.
    """
    placed = []
    next_x = {True: display.body_position[0], False: display.object_position[0]}
    for prediction in predictions:
        on_body = prediction.task == "human_contact"
        pose = None if on_body else known.object_poses.get(prediction.label)
        if pose is not None:
            points = place_vertices(prediction.mesh.vertices, pose)
            reason = _out_of_sight(points, known.camera)
            if reason is None:
                placed.append(Placed(prediction, pose, "object"))
                continue
            doubt(f"pose of {prediction.label!r} not used: {reason}")
        _, y, z = display.body_position if on_body else display.object_position
        vertices = prediction.mesh.vertices
        placed.append(Placed(prediction, display_pose(vertices, (next_x[on_body], y, z))))
        step = float(np.ptp(vertices[:, 0])) + _GAP
        next_x[on_body] += -step if on_body else step
    return [*placed, *_on_person(predictions, known, doubt)]


def _on_person(
    predictions: Sequence[Prediction], known: Known, doubt: Callable[[str], None]
) -> list[Placed]:
    body = known.body
    about = [p for p in predictions if p.task == "human_contact"]
    if body is None or not about:
        return []
    ours = about[0]
    reason = _out_of_sight(body.vertices, known.camera)
    if body.topology != ours.topology or len(body.vertices) != ours.mesh.num_vertices:
        reason = (
            f"it has topology {body.topology!r} and {len(body.vertices)} vertices; the model's "
            f"has {ours.topology!r} and {ours.mesh.num_vertices}"
        )
    if reason is not None:
        doubt(f"body not used: {reason}")
        return []
    turned = body.vertices @ OPTICAL_FROM_MESH.T
    mesh = Mesh(turned, ours.mesh.faces, ours.mesh.parts, "posed body")
    if not mesh.face_areas.any():
        doubt("body not used: its faces have no area")
        return []
    return [Placed(replace(p, mesh=mesh), AT_CAMERA, "person") for p in about]


def _out_of_sight(points: np.ndarray, camera: Camera | None) -> str | None:
    """Return why nothing of points [N, 3] in the image's frame can be in the image, or None."""
    if not (points[:, 2] > 0).any():
        return "it is behind the camera"
    if camera is None:
        return None
    pixels, _ = camera.project(points)
    inside = ((pixels >= 0) & (pixels <= (camera.width, camera.height))).all(axis=1)  # NaN is not
    return None if inside.any() else "it is outside the image"


def of_objects(placed: Sequence[Placed]) -> list[Placed]:
    """Return what is known about objects, one a label: affordance where asked, else contact."""
    found: dict[str, Placed] = {}
    for task in ("object_contact", "object_affordance"):
        found |= {item.prediction.label: item for item in placed if item.prediction.task == task}
    return list(found.values())

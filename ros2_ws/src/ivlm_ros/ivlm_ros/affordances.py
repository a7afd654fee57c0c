"""For grasp planners: the best places to grasp at, and scores for a planner's own candidates."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import Point, PoseArray, Quaternion
from geometry_msgs.msg import Pose as PoseMessage
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from ivlm_core.grasping.samples import affordance_samples
from ivlm_core.grasping.score import score_grasps
from ivlm_core.grasping.surface import ScoredPoints, scored_points
from ivlm_core.pipeline import Prediction
from ivlm_msgs.srv import ScoreGrasps
from ivlm_ros.cdr import Pose
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.placement import OPTICAL_FROM_MESH

_MOST = 20
"""Samples of one object."""
_REMEMBERED = 16
"""Objects whose last estimate is kept, the longest unseen out first."""


class Seen(NamedTuple):
    """The last estimate about an object."""

    prediction: Prediction
    pose: Pose
    """Where markers and clouds show the mesh in the image's frame."""
    header: Header


class Affordances:
    """Remembers the last estimate of every object; used by two threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, placed: Sequence[tuple[Prediction, Pose]], header: Header) -> Seen | None:
        """Keep what an image told about an object, and return it; None where it told nothing.

        Affordance counts more than contact where both were asked.
        """
        tasks = ("object_affordance", "object_contact")
        found = {p.task: Seen(p, pose, header) for p, pose in placed if p.task in tasks}
        if not found:
            return None
        seen = next(found[task] for task in tasks if task in found)
        with self._lock:
            self._seen[seen.prediction.label] = seen
            self._seen.move_to_end(seen.prediction.label)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return seen

    def forget(self) -> None:
        """Forget all objects."""
        with self._lock:
            self._seen.clear()

    def score(
        self, request: ScoreGrasps.Request, response: ScoreGrasps.Response
    ) -> ScoreGrasps.Response:
        """Answer `~/score_grasps`; what is wrong with a request is said in the answer."""
        try:
            self._score(request, response)
            response.success = True
        except ValueError as error:
            response.success, response.message = False, str(error)
        return response

    def _score(self, request: ScoreGrasps.Request, response: ScoreGrasps.Response) -> None:
        seen = self._find(request.label)
        response.label, response.task = seen.prediction.label, seen.prediction.task
        response.header = seen.header
        frame = request.grasps.header.frame_id
        if frame not in ("", seen.header.frame_id):
            raise ValueError(
                f"grasps are in frame {frame!r}; expected the image's, {seen.header.frame_id!r}, "
                "or none for the mesh's own: transform them first"
            )
        poses = np.array([_matrix(pose) for pose in request.grasps.poses]).reshape(-1, 4, 4)
        if frame:
            poses = np.linalg.inv(_camera_from_mesh(seen.pose)) @ poses
        size, center = (np.array([v.x, v.y, v.z]) for v in (request.box_size, request.box_center))
        scores = score_grasps(_points(seen.prediction), poses, size, center)
        response.scores = scores.astype(np.float32).tolist()

    def _find(self, label: str) -> Seen:
        with self._lock:
            if not self._seen:
                raise ValueError("no object has been looked at yet: send an image and a label")
            if not label:
                return next(reversed(self._seen.values()))
            if label not in self._seen:
                raise ValueError(
                    f"no estimate about {label!r}; there is one about {', '.join(self._seen)}"
                )
            return self._seen[label]


def sample_poses(seen: Seen, parameters: NodeParameters) -> PoseArray:
    """Return the best places of an object in the image's frame, best first; maybe none."""
    message = PoseArray(header=seen.header)
    try:
        points = _points(seen.prediction)
    except ValueError:  # no face was seen whole
        return message
    samples = affordance_samples(
        points,
        seen.prediction.threshold,
        parameters.sample_spacing_m,
        _MOST,
        parameters.approach_axis,  # type: ignore[arg-type]
    )
    camera_from_mesh = _camera_from_mesh(seen.pose)
    turn, shift = camera_from_mesh[:3, :3], camera_from_mesh[:3, 3]
    if len(samples.scores):
        quaternions = Rotation.from_matrix(turn @ samples.rotations).as_quat()
        places = samples.positions @ turn.T + shift
        message.poses = [
            PoseMessage(
                position=Point(**dict(zip("xyz", map(float, place), strict=True))),
                orientation=Quaternion(**dict(zip("xyzw", map(float, q), strict=True))),
            )
            for place, q in zip(places, quaternions, strict=True)
        ]
    return message


def _points(prediction: Prediction) -> ScoredPoints:
    return scored_points(prediction.mesh, prediction.scores, prediction.seen)


def _camera_from_mesh(pose: Pose) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = OPTICAL_FROM_MESH, pose.position
    return matrix


def _matrix(pose: PoseMessage) -> np.ndarray:
    """Return a pose as a matrix.

    Raises:
        ValueError: numbers that are not finite, or a quaternion that is no rotation.
    """
    p, q = pose.position, pose.orientation
    quaternion, place = np.array([q.x, q.y, q.z, q.w]), np.array([p.x, p.y, p.z])
    length = np.linalg.norm(quaternion)
    if not (np.isfinite(place).all() and np.isfinite(length) and abs(length - 1) < 0.01):
        raise ValueError(
            f"a grasp has position {place.tolist()} and orientation {quaternion.tolist()}; "
            "expected finite numbers and a quaternion of length one"
        )
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(quaternion / length).as_matrix()
    matrix[:3, 3] = place
    return matrix

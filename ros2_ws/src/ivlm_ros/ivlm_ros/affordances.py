"""For grasp planners: scores for a planner's own candidates."""

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from geometry_msgs.msg import Pose as PoseMessage
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from ivlm_core.grasping.score import score_grasps
from ivlm_core.grasping.surface import ScoredPoints, scored_points
from ivlm_core.labels import read_label
from ivlm_core.messages.cdr import Pose
from ivlm_core.messages.placement import camera_from_mesh
from ivlm_core.pipeline import Prediction
from ivlm_msgs.srv import ScoreGrasps

_REMEMBERED = 16
"""Objects whose last estimate is kept, the longest unseen out first."""


class Seen(NamedTuple):
    """The last estimate about an object."""

    prediction: Prediction
    pose: Pose | None
    """Where markers and clouds show the mesh in the image's frame; None where poses come in, but
    none did for this image: what is only shown there must not be grasped there."""
    header: Header


class Affordances:
    """Remembers the last estimate of every object; used by two threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, seen: Sequence[Seen]) -> None:
        """Keep what an image told about objects."""
        with self._lock:
            for one in seen:
                self._seen[one.prediction.label] = one
                self._seen.move_to_end(one.prediction.label)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

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
        poses = _matrices(request.grasps.poses)
        if frame and seen.pose is None:
            raise ValueError(
                f"where {seen.prediction.label!r} is in frame {frame!r} is not known: there was no "
                "pose for the last image; give grasps in the mesh's own frame (no frame_id)"
            )
        if frame and seen.pose is not None:
            poses = np.linalg.inv(camera_from_mesh(seen.pose)) @ poses
        size, center = (np.array([v.x, v.y, v.z]) for v in (request.box_size, request.box_center))
        scores = score_grasps(_points(seen.prediction), poses, size, center)
        response.scores = scores.astype(np.float32).tolist()

    def _find(self, asked: str) -> Seen:
        label = read_label(asked) if asked else ""
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


def _points(prediction: Prediction) -> ScoredPoints:
    return scored_points(prediction.mesh, prediction.scores, prediction.seen)


def _matrices(poses: Sequence[PoseMessage]) -> np.ndarray:
    """Return poses as matrices `[grasp, 4, 4]`.

    Raises:
        ValueError: numbers that are not finite, or a quaternion that is no rotation.
    """
    places = np.array([(p.position.x, p.position.y, p.position.z) for p in poses]).reshape(-1, 3)
    turns = [(q.x, q.y, q.z, q.w) for q in (p.orientation for p in poses)]
    lengths = np.array([math.hypot(*turn) for turn in turns])  # of huge numbers without a warning
    with np.errstate(invalid="ignore"):
        fits = np.isfinite(places).all(axis=1) & (np.abs(lengths - 1) < 0.01)
    if not fits.all():
        first = int(np.argmin(fits))
        raise ValueError(
            f"a grasp has position {places[first].tolist()} and orientation {list(turns[first])}; "
            "expected finite numbers and a quaternion of length one"
        )
    matrices = np.tile(np.eye(4), (len(poses), 1, 1))
    if len(poses):
        matrices[:, :3, :3] = Rotation.from_quat(np.array(turns)).as_matrix()
        matrices[:, :3, 3] = places
    return matrices

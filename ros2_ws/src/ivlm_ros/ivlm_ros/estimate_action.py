"""Action `~/estimate`: one question beside the stream, answered by the inference thread."""

import time
from collections.abc import Callable
from typing import Literal

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest

from ivlm_core.estimator import Estimator, with_threshold
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.labels import read_label
from ivlm_core.messages.cdr import Stamp, encode_contact_mesh
from ivlm_core.messages.images import picture
from ivlm_core.messages.results import contact_mesh_data
from ivlm_core.pipeline import Prediction
from ivlm_msgs.action import Estimate
from ivlm_msgs.msg import ContactMesh
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.services import mesh_of_message

Outcome = Literal["succeed", "abort", "canceled"]
"""How a goal ends, named as the goal handle's methods."""

_KEEP_RESULT_S = 60
"""rclpy keeps a result, meshes and all, for 900 s unless told."""
_COLLECTED_S = 0.5
"""Within this time clients ask for the result of a goal that ended as soon as it was accepted."""


class EstimateAction:
    """The action of one node, which takes one goal at a time while the node is active.

    It lives as long as the node: a client whose goal ended because the node was cleaned up gets
    the result from it.

    Args:
        node: the node that offers it; its executor must run.
        request: hands a goal to the inference thread, which calls `answer`; false where it cannot.
        is_active: whether the node is active.
    """

    def __init__(
        self,
        node: LifecycleNode,
        request: Callable[[ServerGoalHandle], bool],
        is_active: Callable[[], bool],
    ) -> None:
        self._node, self._request, self._is_active = node, request, is_active
        self._goal: ServerGoalHandle | None = None
        self._ended_s = -_COLLECTED_S
        self._server = ActionServer(
            node,
            Estimate,
            "~/estimate",
            execute_callback=lambda goal: Estimate.Result(),  # each goal brings its own
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            result_timeout=_KEEP_RESULT_S,
        )

    def destroy(self) -> None:
        """Take the action down."""
        self._server.destroy()

    @property
    def busy(self) -> bool:
        """Whether a goal waits or is in work."""
        return self._goal is not None

    @property
    def collecting_s(self) -> float:
        """How long the last goal's client may still be about to ask for its result, seconds."""
        return max(0.0, self._ended_s + _COLLECTED_S - time.monotonic())

    def _on_goal(self, _: Estimate.Goal) -> GoalResponse:
        if not self._is_active():
            return self._reject("the node is not active")
        if self._goal is not None:
            return self._reject("another goal is in work; wait for it or cancel it")
        return GoalResponse.ACCEPT

    def _reject(self, reason: str) -> GoalResponse:
        self._node.get_logger().warning(f"estimate refused: {reason}")
        return GoalResponse.REJECT

    def _on_accepted(self, goal: ServerGoalHandle) -> None:
        self._goal = goal
        _tell(goal, "waiting", 0.0)
        if not self._request(goal):
            self._end(goal, "abort", Estimate.Result(message="the node is being cleaned up"))

    def answer(
        self,
        goal: ServerGoalHandle,
        estimator: Estimator,
        newest: Image | CompressedImage | None,
        parameters: NodeParameters,
    ) -> None:
        """Answer a goal; called by the inference thread. Whatever goes wrong is in the result."""
        result = Estimate.Result()
        outcome: Outcome
        try:
            outcome = self._estimate(goal, result, estimator, newest, parameters)
        except Exception as error:
            outcome, result = "abort", Estimate.Result(message=f"{type(error).__name__}: {error}")
        self._end(goal, outcome, result)

    def _estimate(
        self,
        goal: ServerGoalHandle,
        result: Estimate.Result,
        estimator: Estimator,
        newest: Image | CompressedImage | None,
        parameters: NodeParameters,
    ) -> Outcome:
        asked: Estimate.Goal = goal.request
        label = read_label(asked.label)
        message = asked.image if asked.image.height else newest
        if message is None:
            raise ValueError("the goal has no image, and none has come on topic image yet")
        mesh = mesh_of_message(asked.mesh) if asked.mesh.vertices else None
        box = _box(asked.box)
        photo = picture(message)
        tasks = [estimator.pipeline.check_task(t) for t in asked.tasks or parameters.tasks]
        left_out = []
        for done, task in enumerate(tasks):
            _tell(goal, task, done / len(tasks))
            if goal.is_cancel_requested:
                result.message = "cancelled"
                return "canceled"
            if not self._is_active():
                result.message = "the node was deactivated"
                return "abort"
            try:
                found = estimator.estimate_on(photo, label, task, mesh, box)
            except LookupError as error:
                left_out.append(f"{task} left out: {error}")
                continue
            found = with_threshold(found, parameters.threshold or None)
            result.estimates.append(_contact_mesh(found, message))
        result.success, result.message = bool(result.estimates), "; ".join(left_out)
        return "succeed" if result.success else "abort"

    def _end(self, goal: ServerGoalHandle, outcome: Outcome, result: Estimate.Result) -> None:
        """Let the executor, whose thread it is, say how a goal ended."""

        def finish(handle: ServerGoalHandle) -> Estimate.Result:
            getattr(handle, outcome)()
            return result

        self._goal, self._ended_s = None, time.monotonic()
        goal.execute(finish)


def _contact_mesh(prediction: Prediction, image: Image | CompressedImage) -> ContactMesh:
    stamp = image.header.stamp
    header = Stamp(stamp.sec, stamp.nanosec, image.header.frame_id)
    return deserialize_message(
        encode_contact_mesh(contact_mesh_data(prediction, header)), ContactMesh
    )


def _box(region: RegionOfInterest) -> PixelBox | None:
    """Return where an object is; None of a region without area."""
    if not region.width or not region.height:
        return None
    left, top = float(region.x_offset), float(region.y_offset)
    return left, top, left + region.width, top + region.height


def _tell(goal: ServerGoalHandle, stage: str, fraction: float) -> None:
    goal.publish_feedback(Estimate.Feedback(stage=stage, fraction=float(fraction)))

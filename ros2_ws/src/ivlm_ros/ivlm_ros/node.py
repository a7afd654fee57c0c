"""Managed node: camera images and object labels in, contact and affordance on meshes out.

Topics in: `image` (sensor_msgs/Image) or `image/compressed`; `label` (std_msgs/String), one or
several that hold for the images after them. Optional: `detections` (vision_msgs), `camera_info`,
`object_pose` (PoseStamped), `body` (ivlm_msgs/PosedBody). Topics out, per task of `tasks`:
`~/<task>` (ivlm_msgs/ContactMesh) and `~/<task>_cloud` (PointCloud2), a message a label; for all
together `~/markers` (MarkerArray); and, made only while somebody subscribes, `~/overlay` and
`~/attention` (Image), `~/affordance_samples` (PoseArray), `~/labelled_affordance_samples`
(ivlm_msgs/AffordanceSamples), `~/human_contact_posed_cloud` (PointCloud2). Every result carries
the header of its image; `~/markers` is published last. `~/status` (ivlm_msgs/Status) and
`/diagnostics` tell how it goes.

Services: `~/score_grasps` ranks a planner's grasp candidates, `~/set_object` gives the surface of a
label, `~/clear` forgets, `~/reload` loads the model again. Action `~/estimate` asks one question.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time as TimeMessage
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import SetParametersResult
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from ivlm_core.detections import object_boxes, regions
from ivlm_core.estimator import Estimator
from ivlm_core.heap import free_memory
from ivlm_core.labels import read_labels
from ivlm_core.messages.images import picture
from ivlm_core.object_meshes import ObjectMeshes, files_by_label
from ivlm_core.pipeline import Pipeline
from ivlm_msgs.msg import Status
from ivlm_ros import inference, model_loader, parameters, qos
from ivlm_ros.core_warnings import CoreWarnings
from ivlm_ros.estimate_action import EstimateAction
from ivlm_ros.frame_slot import FrameSlot
from ivlm_ros.inference import InferenceThread
from ivlm_ros.intake import Frame, Intake
from ivlm_ros.lifecycle_guard import logged_transition, refuse_illegal_transitions
from ivlm_ros.matching import nanoseconds
from ivlm_ros.model_loader import ModelLoader, mesh_folder, model_source
from ivlm_ros.outputs import Outputs
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.places import Places, check_installed
from ivlm_ros.processes import memory_mb
from ivlm_ros.services import Services
from ivlm_ros.spinning import Fatal
from ivlm_ros.statistics import Health, NodeStatistics
from ivlm_ros.status import StatusTopic

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE

_CANNOT_LOAD = (ValueError, OSError, ImportError, MemoryError)
THREAD_TIMEOUT_S = 30.0
"""How long a thread may take to end."""
_AT_THE_END_S = 2.0
"""The same once the program ends and nobody waits for what the thread does."""
WORKERS = (inference.THREAD, model_loader.THREAD)
"""Names of threads that may still be at work then."""

_LOADING = (State.TRANSITION_STATE_CONFIGURING, State.TRANSITION_STATE_ACTIVATING)

Work = Frame | ServerGoalHandle
"""What the inference thread does: an image of the stream, or a goal of the action."""


class IvlmNode(LifecycleNode):
    """The node. Configuring loads the model; activating subscribes.

    Args:
        name: of the node.
        stopping: set by whoever ends the program: no model is loaded any more.
        kwargs: as `LifecycleNode` takes them.
    """

    def __init__(
        self, name: str = "ivlm_node", stopping: threading.Event | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self._stopping = stopping or threading.Event()
        refuse_illegal_transitions(self)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._settings = NodeParameters()
        self._estimator: Estimator | None = None
        self._meshes: ObjectMeshes | None = None
        self._outputs: Outputs | None = None
        self._offered: Services | None = None
        self._loader: ModelLoader | None = None
        self._worker: InferenceThread[Work] | None = None
        self._slot: FrameSlot[Work] = FrameSlot()
        self._intake: Intake | None = None
        self._places: Places | None = None
        self._publish_lock = threading.Lock()
        self._active = False
        self._action = EstimateAction(
            self, lambda goal: self._slot.request(goal), lambda: self._active
        )
        self._statistics = NodeStatistics()
        self._load_failure = ""
        self._diagnostics_pub = self.create_publisher(
            DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS
        )
        self._status = StatusTopic(self, self._look)
        self._core_warnings = CoreWarnings(self._warn)
        # On a steady clock: with use_sim_time and no /clock, other timers never fire.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._every_second, clock=steady)
        if self.get_parameter("autostart").value:
            self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)

    # --- lifecycle ---

    @logged_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and make the publishers; FAILURE when a parameter or file is wrong."""
        try:
            self._settings = p = parameters.read(self)
            check_installed(p)
            self._meshes = ObjectMeshes(mesh_folder(p), Pipeline.default_object_mesh)
            self._send_diagnostics("loading the model")
            self._estimator = self._load_model(p)
        except _CANNOT_LOAD as error:
            self._cannot("configure", error)
            self._release()
            return _FAILURE
        self._outputs = Outputs(self, p.tasks)
        self._intake = Intake(
            self,
            lambda frame: self._slot.put(frame),
            lambda: self._settings,
            self._statistics,
            self._status.say,
        )
        self._places = Places(self, lambda: self._settings, self._statistics, self._status.say)
        self._start_worker()
        self._loader = ModelLoader(self._load_model, self._use_model, self._report_load_failure)
        self._offered = Services(self, self._meshes, self._clear, self._reload, self._status.say)
        return super().on_configure(state)

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin; load the model first if its memory was given back."""
        if self._worker is None:
            try:
                self._estimator = self._load_model(self._settings)
            except _CANNOT_LOAD as error:
                self._cannot("activate", error)
                return _FAILURE
            self._start_worker()
        result = super().on_activate(state)
        self._slot.open()
        with self._publish_lock:
            self._active = True
        if self._intake is not None and self._places is not None:
            self._places.start()
            self._intake.start()
        return result

    @logged_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, drop waiting frames and clear the markers.

        The model stays loaded unless parameter release_on_deactivate says otherwise.
        """
        self._stop_streaming()
        if self._settings.release_on_deactivate:
            self._stop_worker()
            self._estimator = None
            free_memory()
        return super().on_deactivate(state)

    @logged_transition
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back everything that configuring took."""
        result = super().on_cleanup(state)
        self._release()
        return result

    @logged_transition
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give back, from any state."""
        self._stop_streaming()
        result = super().on_shutdown(state)
        self._release()
        return result

    @logged_transition
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back whatever a failed transition left behind; the node is unconfigured then."""
        self._stop_streaming()
        self._release()
        return _SUCCESS

    def destroy_node(self) -> None:
        """Give back what the constructor took."""
        self._core_warnings.close()
        self._action.destroy()
        super().destroy_node()

    def shut_down(self) -> None:
        """Shut down as a lifecycle manager would, unless that has happened."""
        if self._state_id() != State.PRIMARY_STATE_FINALIZED:
            self.trigger_shutdown()

    @property
    def loading(self) -> bool:
        """Whether a transition is under way, of which loading the model is the long part."""
        return self._state_id() in _LOADING

    @property
    def collecting_s(self) -> float:
        """How long the client of the last goal may still be about to ask for its result."""
        return self._action.collecting_s

    def report_callback(self, trace: str) -> None:
        """Tell of a callback that failed; it is a fault of this program, and the node goes on."""
        self.get_logger().error(f"a callback failed:\n{trace}", throttle_duration_sec=5.0)
        self._status.say(f"a callback failed: {trace.strip().splitlines()[-1]}")

    def _autostart(self) -> None:
        """Configure and activate once; where that fails nobody would mend it, so the node ends."""
        self.destroy_timer(self._autostart_timer)
        if self._stopping.is_set() or self._state_id() != State.PRIMARY_STATE_UNCONFIGURED:
            return  # the program ends, or a lifecycle manager was faster
        if self.trigger_configure() != _SUCCESS or self.trigger_activate() != _SUCCESS:
            if self._stopping.is_set():
                return
            raise Fatal("autostart failed; without autostart the node would wait")

    def _state_id(self) -> int:
        return int(self._state_machine.current_state[0])

    def _stop_streaming(self) -> None:
        for source in (self._intake, self._places):
            if source is not None:
                source.stop()
        self._slot.close()
        with self._publish_lock:  # a frame in work finishes, but publishes nothing from here on
            if self._active and self._outputs is not None:
                self._outputs.clear()
            self._active = False

    def _release(self) -> None:
        self._stop_worker()
        if self._loader is not None:
            self._end(self._loader.stop, "a model still loads")
        self._loader = None
        for part in (self._outputs, self._offered):
            if part is not None:
                part.destroy()
        self._outputs = self._offered = None
        self._intake = self._places = None
        self._estimator = None
        self._meshes = None
        self._load_failure = ""
        self._statistics = NodeStatistics()
        free_memory()

    def _start_worker(self) -> None:
        self._slot = FrameSlot()
        self._worker = InferenceThread(self._slot, self._process, self._report_failure)

    def _stop_worker(self) -> None:
        if self._worker is not None:
            self._end(self._worker.stop, "an image is in work")
        self._worker = None

    def _end(self, stop: Callable[[float], bool], otherwise: str) -> None:
        """Stop a thread; one that the program's end leaves at work is nobody's trouble."""
        leave = self._stopping.is_set() and not self._action.busy
        timeout_s = _AT_THE_END_S if leave else THREAD_TIMEOUT_S
        if not stop(timeout_s) and not leave:
            self.get_logger().error(f"{otherwise} after {timeout_s:.0f} s")

    def _cannot(self, what: str, error: Exception) -> None:
        log = self.get_logger()
        if isinstance(error, InterruptedError):
            log.info(str(error))
        else:
            log.error(f"cannot {what}: {error}")
        self._status.say(f"cannot {what}: {error}")

    # --- parameters ---

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        configured = self._meshes is not None
        reason = parameters.check_change(self, changes, configured)
        wanted = {p.name: p.value for p in changes}
        try:
            read_labels(wanted.get("label", ""))
            if configured and (folder := wanted.get("object_mesh_dir")):
                files_by_label(Path(folder).expanduser())
        except (ValueError, OSError) as error:
            reason = reason or str(error)
        return SetParametersResult(successful=reason is None, reason=reason or "")

    def _apply_parameters(self, changes: list[Parameter]) -> None:
        before, self._settings = self._settings, parameters.read(self)
        if self._meshes is None or self._loader is None:
            return
        if any(change.name == "object_mesh_dir" for change in changes):  # to what it was, too
            self._meshes.use_folder(mesh_folder(self._settings))
        if self._settings.model != before.model:
            self._reload()

    # --- model ---

    def _load_model(self, settings: NodeParameters) -> Estimator:
        """Load a model and let it answer once, so that no image waits for what that takes.

        Raises:
            InterruptedError: the program is being ended.
        """
        assert self._meshes is not None
        self._check_going_on()
        start = time.monotonic()
        labels = self._intake.labels if self._intake is not None else read_labels(settings.label)
        self.get_logger().info(f"loading model {settings.model!r}")
        source = model_source(settings, self._warn)
        pipeline = source.load()
        self._check_going_on()
        for task in settings.tasks:
            pipeline.check_task(task)
        estimator = Estimator(pipeline, self._meshes, self._warn, source)
        estimator.warm_up(labels, settings.tasks)
        self._check_going_on()
        ready = f"model {settings.model!r} ready on {estimator.pipeline.device}"
        seconds, tasks = time.monotonic() - start, ", ".join(settings.tasks)
        self.get_logger().info(f"{ready} in {seconds:.1f} s; tasks: {tasks}")
        self._status.say(ready)
        return estimator

    def _check_going_on(self) -> None:
        if self._stopping.is_set():
            raise InterruptedError("the node is being stopped")

    def _use_model(self, estimator: Estimator) -> None:
        """Answer with this model from the next image on."""
        if self._worker is None:
            return  # memory was given back meanwhile; activating loads the model
        self._estimator = estimator
        self._load_failure = ""
        note = f"model {estimator.pipeline.config.name!r} has taken over"
        self.get_logger().info(note)
        self._status.say(note)
        free_memory()

    def _reload(self) -> str:
        assert self._loader is not None
        if self._worker is None:
            return f"model {self._settings.model!r} is loaded when the node is activated"
        note = f"loading model {self._settings.model!r}; the present one answers until then"
        self.get_logger().info(note)
        self._status.say(note)  # before it can fail
        self._loader.load(self._settings)
        return note

    def _report_load_failure(self, reason: str) -> None:
        self._load_failure = reason
        self.get_logger().error(reason)
        self._status.say(reason)

    def _clear(self) -> None:
        if self._intake is not None and self._meshes is not None and self._outputs is not None:
            with self._publish_lock:  # an image in work was published before this, or never is
                self._intake.forget()
                self._meshes.forget_given()
                self._outputs.clear()

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text)
        self._status.say(text)

    # --- inference thread ---

    def _process(self, work: Work) -> None:
        estimator, settings = self._estimator, self._settings
        assert estimator is not None and self._intake is not None
        if isinstance(work, Frame):
            if work.era == self._intake.era:
                self._answer_image(work, self._intake, estimator, settings)
        else:
            self._action.answer(work, estimator, self._intake.newest, settings)

    def _answer_image(
        self, frame: Frame, intake: Intake, estimator: Estimator, settings: NodeParameters
    ) -> None:
        header, start = frame.message.header, time.monotonic()
        age = self._age_ms(header.stamp)
        limit = settings.discard_msg_older_than_ms
        if age is not None and limit and age > limit:
            self._statistics.left_out("too old")
            return
        if not header.frame_id or header.frame_id.startswith("/"):
            self.get_logger().warning(
                f"the image's frame_id is {header.frame_id!r}; tf takes none that is empty or "
                "begins with a slash, so RViz cannot place the results",
                once=True,
            )
        if (places := self._places) is not None:
            places.hold(header)
        photo = picture(frame.message)
        height, width = photo.shape[:2]
        parts = regions(
            frame.detections,
            frame.labels,
            settings.tasks,
            (width, height),
            settings.detection_margin,
        )
        found = estimator.estimate(
            photo,
            frame.labels,
            settings.tasks,
            settings.threshold or None,
            attention=self._outputs is not None and self._outputs.wanted("attention"),
            regions=parts,
            boxes=object_boxes(frame.detections, frame.labels, (width, height)),
        )
        predicted = time.monotonic()
        with self._publish_lock:
            if not self._active or self._outputs is None or self._places is None:
                return
            if frame.era != intake.era:
                return
            known = self._places.at(header, frame.labels, width, height)
            self._outputs.publish(header, photo, found, settings, known, self._places.doubt)
        stages = {"predict": predicted - start, "publish": time.monotonic() - predicted}
        if (total := self._age_ms(header.stamp)) is not None:
            stages["stamp to publication"] = total / 1000
        self._statistics.done(stages)

    def _age_ms(self, stamp: TimeMessage) -> float | None:
        """Milliseconds since the image's stamp; None without a clock or for a stamp ahead of it."""
        now = self.get_clock().now().nanoseconds
        age = now - nanoseconds(stamp)
        return age / 1e6 if now and age >= 0 else None

    def _report_failure(self, reason: str, trace: str) -> None:
        self._statistics.failed(reason)
        log = self.get_logger()
        log.error(f"image skipped: {reason}", throttle_duration_sec=5.0)
        log.debug(trace)

    # --- diagnostics ---

    def _every_second(self) -> None:
        self._send_diagnostics(str(self._state_machine.current_state[1]))
        self._status.refresh()

    def _look(self) -> Status:
        estimator, loader, meshes = self._estimator, self._loader, self._meshes
        return Status(
            state=str(self._state_machine.current_state[1]),
            model=estimator.pipeline.config.name if estimator else "",
            loading=loader.loading if loader else "",
            tasks=list(self._settings.tasks),
            labels=list(self._intake.labels) if self._intake else [],
            objects=meshes.given if meshes else [],
        )

    def _send_diagnostics(self, state: str) -> None:
        p, estimator = self._settings, self._estimator
        pipeline = estimator.pipeline if estimator else None
        source = estimator.source if estimator else None
        device = str(pipeline.device) if pipeline else "none"
        values = {"state": state, "model": p.model, "tasks": ", ".join(p.tasks), "device": device}
        if self._loader is not None and self._loader.loading:
            values["loading"] = self._loader.loading
        values |= _memory(pipeline)
        reduced = ""
        if source is not None:
            values["precision"], reduced = source.place.dtype, source.reduced
        level = 2 if self._load_failure else 1 if reduced else 0
        said = self._load_failure or reduced or state
        lines = {"model": Health(level if pipeline else 3, said, values)}
        health = self._intake.health() if self._intake is not None else None
        if health is not None:
            if health.level:
                self.get_logger().warning(health.message, throttle_duration_sec=10.0)
            lines["input"] = health
            patience_s = self._settings.input_timeout_s
            done = self._statistics.pipeline_health(patience_s)
            if unanswered := self._statistics.unanswered(patience_s):
                self.get_logger().warning(unanswered, throttle_duration_sec=10.0)
            queue = {
                "images replaced by newer": str(self._slot.replaced),
                "waiting": str(self._slot.waiting),
            }
            found = self._intake.detections_health() if self._intake is not None else None
            lines |= {"detections": found} if found is not None else {}
            lines |= self._places.health() if self._places is not None else {}
            lines["pipeline"] = Health(done.level, done.message, {**done.values, **queue})
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        # Monitors tell nodes of several robots apart by this name only.
        own = self.get_fully_qualified_name().lstrip("/")
        message.status = [
            _status(f"{own}: {name}", device, health) for name, health in lines.items()
        ]
        self._diagnostics_pub.publish(message)


def _status(name: str, hardware: str, health: Health) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=bytes([health.level]),
        name=name,
        message=health.message,
        hardware_id=hardware,
        values=[KeyValue(key=key, value=value) for key, value in health.values.items()],
    )


def _memory(pipeline: Pipeline | None) -> dict[str, str]:
    """Return what process and GPU hold."""
    values = {"memory MB": f"{memory_mb(os.getpid()):.0f}"}
    if pipeline is not None and pipeline.device.type == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info(pipeline.device)
        values["GPU memory MB"] = f"{torch.cuda.memory_allocated(pipeline.device) / 1e6:.0f}"
        values["GPU memory free MB"] = f"{free / 1e6:.0f} of {total / 1e6:.0f}"
    return values

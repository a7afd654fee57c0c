"""Managed node: camera images and an object label in, contact and affordance on meshes out.

Topics in: `image` (sensor_msgs/Image), `label` (std_msgs/String). A label holds for the images that
arrive after it. Topics out, per task of parameter `tasks`: `~/<task>` (ivlm_msgs/ContactMesh) and
`~/<task>_cloud` (PointCloud2); for all together `~/markers` (MarkerArray), `~/overlay` (Image) and
`~/affordance_samples` (PoseArray), the last two made only while somebody subscribes. Every result
carries the header of its image; `~/markers` is published last. Service `~/score_grasps`
(ivlm_msgs/ScoreGrasps) ranks a planner's grasp candidates.
"""

import signal
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rclpy
import rclpy.logging
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from lifecycle_msgs.msg import State
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import Image
from std_msgs.msg import String

from ivlm_core.model.prompts import clean_label
from ivlm_core.pipeline import Pipeline, Prediction, Query
from ivlm_ros import parameters, qos
from ivlm_ros.conversions import image_to_rgb
from ivlm_ros.frame_slot import FrameSlot
from ivlm_ros.image_input import ImageInput
from ivlm_ros.inference import InferenceThread
from ivlm_ros.lifecycle_guard import logged_transition, refuse_illegal_transitions
from ivlm_ros.object_meshes import ObjectMeshes
from ivlm_ros.outputs import Outputs
from ivlm_ros.parameters import NodeParameters
from ivlm_ros.pending import take_pending
from ivlm_ros.statistics import Health, NodeStatistics, input_health

_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE

_THREAD_TIMEOUT_S = 30.0
_WARM_UP_SIZE = (480, 640)


class Frame(NamedTuple):
    """A camera image and the label that holds for it."""

    message: Image
    label: str


class IvlmNode(LifecycleNode):
    """The node. Configuring loads the model; activating subscribes."""

    def __init__(self, name: str = "ivlm_node", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        refuse_illegal_transitions(self)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._settings = NodeParameters()
        self._pipeline: Pipeline | None = None
        self._meshes: ObjectMeshes | None = None
        self._outputs: Outputs | None = None
        self._worker: InferenceThread[Frame] | None = None
        self._slot: FrameSlot[Frame] = FrameSlot()
        self._label_in: Subscription | None = None
        self._image_in: ImageInput | None = None
        self._publish_lock = threading.Lock()
        self._active = False
        self._label = ""
        self._no_mesh_said: set[str] = set()
        self._statistics = NodeStatistics()
        self._last_image_s = 0.0
        self._next_image_s = 0.0
        self._diagnostics_pub = self.create_publisher(
            DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS
        )
        # On a steady clock: with use_sim_time and no /clock, other timers never fire.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._publish_diagnostics, clock=steady)
        if self.get_parameter("autostart").value:
            self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)

    # --- lifecycle ---

    @logged_transition
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and make the publishers; FAILURE when a parameter or file is wrong."""
        log, start = self.get_logger(), time.monotonic()
        try:
            self._settings = parameters.read(self)
            p = self._settings
            log.info(f"loading model {p.model!r}")
            self._send_diagnostics("loading the model")
            cache_dir = Path(p.cache_dir).expanduser() if p.cache_dir else None
            self._pipeline = Pipeline.from_pretrained(p.model, p.device or None, cache_dir)
            for task in p.tasks:
                self._pipeline.check_task(task)
            folder = Path(p.object_mesh_dir).expanduser() if p.object_mesh_dir else None
            self._meshes = ObjectMeshes(folder, self._pipeline.default_object_mesh)
            blank = np.full((*_WARM_UP_SIZE, 3), 127, np.uint8)
            self._predict(blank, self._usable_label(p.label) or "scene")
        except (ValueError, OSError, ImportError) as error:
            log.error(f"cannot configure: {error}")
            self._release()
            return _FAILURE
        self._outputs = Outputs(self, p.tasks)
        self._slot = FrameSlot()
        self._worker = InferenceThread(self._slot, self._process, self._report_failure)
        log.info(
            f"model {p.model!r} ready on {self._pipeline.device} in "
            f"{time.monotonic() - start:.1f} s; tasks: {', '.join(p.tasks)}"
        )
        return super().on_configure(state)

    @logged_transition
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin."""
        result = super().on_activate(state)
        self._last_image_s = time.monotonic()
        self._next_image_s = 0.0
        self._slot.open()
        with self._publish_lock:
            self._active = True
        # The label first: of messages that wait together, the executor takes it before the image.
        self._label_in = self.create_subscription(String, "label", self._on_label, qos.LABEL)
        self._image_in = ImageInput(self, self._on_image, self._settings.image_reliability)
        names = f"{self._label_in.topic_name} and {self._image_in.topic}"
        self.get_logger().info(f"active, listening to {names}")
        return result

    @logged_transition
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, drop waiting frames and clear the markers; the model stays loaded."""
        self._stop_streaming()
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

    def shut_down(self) -> None:
        """Shut down as a lifecycle manager would, unless that has happened."""
        if self._state_id() != State.PRIMARY_STATE_FINALIZED:
            self.trigger_shutdown()

    def _autostart(self) -> None:
        """Configure and activate once; where that fails nobody would mend it, so the node ends."""
        self.destroy_timer(self._autostart_timer)
        if self._state_id() != State.PRIMARY_STATE_UNCONFIGURED:
            return  # a lifecycle manager was faster
        if self.trigger_configure() != _SUCCESS or self.trigger_activate() != _SUCCESS:
            raise RuntimeError("autostart failed; without autostart the node would wait")

    def _state_id(self) -> int:
        return int(self._state_machine.current_state[0])

    def _stop_streaming(self) -> None:
        if self._label_in is not None:
            self.destroy_subscription(self._label_in)
        if self._image_in is not None:
            self._image_in.destroy()
        self._label_in = self._image_in = None
        self._slot.close()
        with self._publish_lock:  # a frame in work finishes, but publishes nothing from here on
            if self._active and self._outputs is not None:
                self._outputs.clear()
            self._active = False

    def _release(self) -> None:
        if self._worker is not None and not self._worker.stop(_THREAD_TIMEOUT_S):
            self.get_logger().error(f"an image is still in work after {_THREAD_TIMEOUT_S:.0f} s")
        self._worker = None
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = None
        self._pipeline = None
        self._meshes = None
        self._label = ""
        self._no_mesh_said.clear()
        self._statistics = NodeStatistics()
        _free_gpu_memory()

    # --- parameters ---

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        reason = parameters.check_change(self, changes, configured=self._pipeline is not None)
        return SetParametersResult(successful=reason is None, reason=reason or "")

    def _apply_parameters(self, _changes: list[Parameter]) -> None:
        self._settings = parameters.read(self)

    # --- input: callbacks store and return ---

    def _on_label(self, message: String) -> None:
        label = self._usable_label(message.data)
        if label or not message.data.strip():
            self._label = label

    def _on_image(self, message: Image) -> None:
        if self._label_in is not None:
            for label_message in take_pending(self._label_in):
                self._on_label(label_message)
        now = time.monotonic()
        self._last_image_s = now
        self._statistics.count("received")
        rate = self._settings.max_rate_hz
        if rate and now < self._next_image_s:
            self._statistics.count("over the rate limit")
            return
        if rate:  # keep the beat of a camera that is a little irregular; begin anew after a pause
            in_beat = now - self._next_image_s < 1 / rate
            self._next_image_s = (self._next_image_s if in_beat else now) + 1 / rate
        label = self._label or self._usable_label(self._settings.label)
        if not label:
            self._statistics.count("without label")
            self.get_logger().warning(
                "images come in but no label is set: publish std_msgs/String on topic 'label' or "
                "set parameter 'label' ('scene' asks for contact with the ground)",
                throttle_duration_sec=10.0,
            )
            return
        self._slot.put(Frame(message, label))

    def _usable_label(self, text: str) -> str:
        """Return a label as questions word it; '' where it cannot be used, with a log line."""
        if not text.strip():
            return ""
        try:
            return clean_label(text)
        except ValueError as error:
            self.get_logger().error(f"label ignored: {error}")
            return ""

    # --- inference thread ---

    def _process(self, frame: Frame) -> None:
        parameters_now, header = self._settings, frame.message.header
        start = time.monotonic()
        age = self._age_ms(frame.message)
        limit = parameters_now.discard_msg_older_than_ms
        if age is not None and limit and age > limit:
            self._statistics.count("too old")
            return
        if not header.frame_id:
            self.get_logger().warning(
                "the image has no frame_id, so RViz cannot place the results", once=True
            )
        photo = image_to_rgb(frame.message)
        predictions = self._predict(photo, frame.label)
        predicted = time.monotonic()
        with self._publish_lock:
            if not self._active or self._outputs is None:
                return
            self._outputs.publish(header, photo, predictions, parameters_now)
        stages = {"predict": predicted - start, "publish": time.monotonic() - predicted}
        if (total := self._age_ms(frame.message)) is not None:
            stages["stamp to publication"] = total / 1000
        self._statistics.done(stages)

    def _predict(self, photo: np.ndarray, label: str) -> list[Prediction]:
        """Ask every task that has a surface for this label."""
        assert self._pipeline is not None and self._meshes is not None
        queries = []
        for task in self._settings.tasks:
            try:
                mesh = None if task == "human_contact" else self._meshes.get(label)
            except LookupError as error:
                if label not in self._no_mesh_said:
                    self._no_mesh_said.add(label)
                    self.get_logger().warning(f"{task} left out: {error.args[0]}")
                continue
            queries.append(Query(photo, label, task, mesh))
        return self._pipeline.predict_batch(queries)

    def _age_ms(self, message: Image) -> float | None:
        """Milliseconds since the image's stamp; None without a clock or for a stamp ahead of it."""
        now = self.get_clock().now()
        if now.nanoseconds == 0:
            return None
        age = (now - Time.from_msg(message.header.stamp, clock_type=now.clock_type)).nanoseconds
        return age / 1e6 if age >= 0 else None

    def _report_failure(self, reason: str, trace: str) -> None:
        self._statistics.failed(reason)
        log = self.get_logger()
        log.error(f"image skipped: {reason}", throttle_duration_sec=5.0)
        log.debug(trace)

    # --- diagnostics ---

    def _publish_diagnostics(self) -> None:
        self._send_diagnostics(str(self._state_machine.current_state[1]))

    def _send_diagnostics(self, state: str) -> None:
        p, pipeline = self._settings, self._pipeline
        device = str(pipeline.device) if pipeline else "none"
        values = {"state": state, "model": p.model, "tasks": ", ".join(p.tasks), "device": device}
        lines = {"model": Health(0 if pipeline else 3, state, values)}
        if self._image_in is not None:
            self._image_in.adapt()
            topic, silence = self._image_in.topic, time.monotonic() - self._last_image_s
            health = input_health(topic, self.count_publishers(topic), silence, p.input_timeout_s)
            if health.level:
                self.get_logger().warning(health.message, throttle_duration_sec=10.0)
            lines["input"] = health
            replaced = {"images replaced by newer": str(self._slot.replaced)}
            done = self._statistics.pipeline_health()
            lines["pipeline"] = Health(done.level, done.message, {**done.values, **replaced})
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            _status(f"{self.get_name()}: {name}", device, health) for name, health in lines.items()
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


def _free_gpu_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Returns 1 when autostart fails, 2 when a parameter cannot be accepted.
    """
    # Signals are waited for here instead of interrupting rclpy, so that the node can still clear
    # its markers. They are blocked before any thread starts, because threads inherit that.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = IvlmNode()
    except (InvalidParameterValueException, InvalidParameterTypeException) as error:
        rclpy.logging.get_logger("ivlm_node").fatal(str(error))
        rclpy.try_shutdown()
        return 2
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    failed = threading.Event()

    def spin() -> None:
        try:
            executor.spin()
        except Exception as error:
            node.get_logger().fatal(f"stopped: {type(error).__name__}: {error}")
            failed.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    thread = threading.Thread(target=spin, name="executor", daemon=True)
    thread.start()
    signal.sigwait(signals)
    executor.shutdown(timeout_sec=0.0)
    thread.join(_THREAD_TIMEOUT_S)
    node.shut_down()
    node.destroy_node()
    rclpy.try_shutdown()
    return int(failed.is_set())


if __name__ == "__main__":
    raise SystemExit(main())

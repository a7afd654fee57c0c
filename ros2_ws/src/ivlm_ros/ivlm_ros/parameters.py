"""The node's parameters: each declared once, here, with type, default, range and description.

The node declares its ROS parameters from `NodeParameters`, checks changes with it and reads it once
a frame; the README's table, the example `config/ivlm_node.yaml` and the tests come from it as well.
"""

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

from ivlm_core.grasping.samples import Axis
from ivlm_core.messages.arrangement import Display
from ivlm_core.model_source import FALLBACKS
from ivlm_core.pipeline import TASKS
from ivlm_core.visualize.colours import COLOUR_MAPS

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.parameter import Parameter

TRANSPORTS = ("raw", "compressed")

RELIABILITIES = ("auto", "best_effort", "reliable")

AXES = get_args(Axis)

POSE_SOURCES = ("topic", "tf", "parameter")

_FARTHEST = 1000.0
"""Of places in parameters, metres; what is farther off is a mistake."""
_CHOICES = {
    "image_transport": TRANSPORTS,
    "image_reliability": RELIABILITIES,
    "approach_axis": AXES,
    "object_pose_source": POSE_SOURCES,
    "colour_map": COLOUR_MAPS,
    "gpu_memory_fallback": FALLBACKS,
}


def _are_near(numbers: Sequence[float]) -> bool:
    return all(abs(number) <= _FARTHEST for number in numbers)  # NaN is not


class ParameterError(ValueError):
    """A parameter with a value the node cannot work with; the text names it and what is allowed."""


def _parameter(
    default: Any,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    live: bool = False,
    fixed: bool = False,
) -> Any:
    """Describe one parameter.

    Args:
        default: value when nothing is set; its type is the parameter's type.
        description: what it does, with units.
        bounds: lowest and highest allowed number.
        live: can be changed while the node runs, from the next frame on; otherwise it is read when
            the node is configured.
        fixed: can only be set at start.
    """
    metadata = {"description": description, "bounds": bounds, "live": live, "fixed": fixed}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NodeParameters:
    """Values of all parameters of `ivlm_node`."""

    autostart: bool = _parameter(
        False, "configure and activate without being asked by a lifecycle manager", fixed=True
    )
    model: str = _parameter(
        "nano",
        "the shipped model 'nano', or a model folder; while running, another is loaded beside the "
        "one that answers and then takes its place",
        live=True,
    )
    device: str = _parameter("", "torch device such as cpu or cuda:0; empty: a GPU if there is one")
    gpu_memory_fallback: str = _parameter(
        "precision",
        f"what is done when the GPU's memory is full, of {', '.join(FALLBACKS)}; precision: the "
        "model is loaded again in bfloat16; cpu: and, where that is not enough, on the CPU; "
        "~/reload goes back",
    )
    release_on_deactivate: bool = _parameter(
        False,
        "give the model's memory back when deactivated; activating then takes as long as loading",
        live=True,
    )
    cache_dir: str = _parameter(
        "", "folder for renders and view embeddings; empty: $IVLM_CACHE_DIR or ~/.cache/ivlm"
    )
    tasks: tuple[str, ...] = _parameter(
        ("human_contact", "object_affordance"), f"what is estimated, of {', '.join(TASKS)}"
    )
    object_mesh_dir: str = _parameter(
        "",
        "folder with object meshes in metres, found by label = file name without suffix "
        "(obj ply stl off glb dae); empty, or label not there: the shipped parametric meshes; set "
        "it again after the files have changed",
        live=True,
    )
    label: str = _parameter(
        "",
        "object asked about until a message arrives on topic label, or several separated by "
        "commas; 'scene' means the ground; empty: wait for that message",
        live=True,
    )
    threshold: float = _parameter(
        0.0,
        "score from which a vertex counts as in contact; 0: the model's own",
        bounds=(0.0, 1.0),
        live=True,
    )
    image_transport: str = _parameter(
        "raw",
        f"what images come as, of {', '.join(TRANSPORTS)}; compressed: JPEG or PNG on the topic "
        "image/compressed",
    )
    image_reliability: str = _parameter(
        "auto",
        f"how images are received, of {', '.join(RELIABILITIES)}; auto: reliable where all "
        "publishers are",
    )
    max_rate_hz: float = _parameter(
        0.0,
        "most images per second that are processed; 0: no limit",
        bounds=(0.0, 1000.0),
        live=True,
    )
    discard_msg_older_than_ms: float = _parameter(
        0.0,
        "images whose stamp is older than this are dropped, milliseconds; 0: none",
        bounds=(0.0, 1e9),
        live=True,
    )
    image_rectified: bool = _parameter(
        False,
        "images are rectified: of camera_info, p describes them, not k and d",
        live=True,
    )
    use_detections: bool = _parameter(
        False,
        "ask about the boxes of topic detections (vision_msgs); images wait for the detections "
        "with their stamp",
    )
    detection_margin: float = _parameter(
        0.2,
        "added to a box on every side, as a share of the box's side",
        bounds=(0.0, 5.0),
        live=True,
    )
    object_pose_source: str = _parameter(
        "topic",
        f"what tells where objects are, of {', '.join(POSE_SOURCES)}: topic object_pose, tf frames "
        "object_frame, or parameter object_pose",
    )
    object_pose: tuple[float, ...] = _parameter(
        (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
        "with source parameter: position in metres and quaternion x y z w of the object's mesh in "
        "the image's frame",
        live=True,
    )
    object_frame: str = _parameter(
        "{label}",
        "with source tf: frame of an object's mesh; {label} is its label with _ for spaces",
        live=True,
    )
    body_timeout_s: float = _parameter(
        0.2,
        "how far the stamps of an image and of the person's body on topic body may be apart, "
        "seconds; 0: any distance",
        bounds=(0.0, 1e6),
        live=True,
    )
    object_pose_timeout_s: float = _parameter(
        0.5,
        "how far the stamps of an image and of its pose on topic object_pose may be apart, "
        "seconds; 0: any distance, for objects that do not move",
        bounds=(0.0, 1e6),
        live=True,
    )
    input_timeout_s: float = _parameter(
        5.0, "warn when active and no image came for so long, seconds", bounds=(0.1, 1e6), live=True
    )
    approach_axis: str = _parameter(
        Display.approach_axis,
        f"axis of the poses of ~/affordance_samples that points into the surface, of "
        f"{', '.join(AXES)}: x as in REP 103 and RViz, z for Franka's hand and most grasp "
        "generators",
        live=True,
    )
    sample_spacing_m: float = _parameter(
        Display.sample_spacing_m,
        "least distance between two of these poses, metres",
        bounds=(0.0, 10.0),
        live=True,
    )
    colour_map: str = _parameter(
        Display.colour_map, f"colours of markers and clouds, of {', '.join(COLOUR_MAPS)}", live=True
    )
    body_position: tuple[float, ...] = _parameter(
        Display.body_position,
        "where markers and clouds show the body: centre, metres in the image's optical frame "
        "(right, down, forward)",
        live=True,
    )
    object_position: tuple[float, ...] = _parameter(
        Display.object_position, "the same for the object", live=True
    )

    @property
    def display(self) -> Display:
        """Where and how results are shown."""
        return Display(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Display)})

    def __post_init__(self) -> None:
        unknown = [task for task in self.tasks if task not in TASKS]
        if unknown or not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise ParameterError(
                f"parameter tasks must name one or more of {', '.join(TASKS)}, each once; "
                f"got {list(self.tasks)}"
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ParameterError(
                    f"parameter {name} must be one of {', '.join(allowed)}, "
                    f"got {getattr(self, name)!r}"
                )
        for name in ("body_position", "object_position"):
            value = getattr(self, name)
            if len(value) != 3 or not _are_near(value):
                raise ParameterError(
                    f"parameter {name} must be three numbers, of at most {_FARTHEST:g} m, got "
                    f"{list(value)}"
                )
        turn = sum(number**2 for number in self.object_pose[3:]) ** 0.5
        near = _are_near(self.object_pose[:3])
        if len(self.object_pose) != 7 or not near or not abs(turn - 1) < 0.01:  # NaN is not
            raise ParameterError(
                f"parameter object_pose must be a position, of at most {_FARTHEST:g} m, and a "
                f"quaternion of length one, 7 numbers, got {list(self.object_pose)}"
            )
        for spec in dataclasses.fields(self):
            bounds = spec.metadata["bounds"]
            value = getattr(self, spec.name)
            if bounds and not bounds[0] <= value <= bounds[1]:
                raise ParameterError(
                    f"parameter {spec.name} must be in [{bounds[0]}, {bounds[1]}], got {value}"
                )


def object_frame(template: str, label: str) -> str:
    """Return the tf frame of an object."""
    return template.replace("{label}", label.replace(" ", "_"))


def declare(node: "Node") -> None:
    """Declare every parameter on a node, with descriptors that ROS itself enforces."""
    from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor

    for spec in dataclasses.fields(NodeParameters):
        descriptor = ParameterDescriptor(
            description=spec.metadata["description"], read_only=spec.metadata["fixed"]
        )
        if spec.metadata["bounds"]:
            low, high = spec.metadata["bounds"]
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        node.declare_parameter(spec.name, _ros_value(spec.default), descriptor)


def read(node: "Node") -> NodeParameters:
    """Return the node's present values.

    Raises:
        ParameterError: values that contradict each other or are not allowed.
    """
    names = [f.name for f in dataclasses.fields(NodeParameters)]
    return _from_values({name: node.get_parameter(name).value for name in names})


def check_change(node: "Node", changes: "list[Parameter]", configured: bool) -> str | None:
    """Return why changes cannot be accepted, or None.

    Args:
        node: the node before the change.
        changes: parameters about to be set; names that are not ours are left to others.
        configured: whether the node has read its start-up parameters already.
    """
    specs = {f.name: f for f in dataclasses.fields(NodeParameters)}
    ours = {p.name: p.value for p in changes if p.name in specs}
    late = [n for n in ours if configured and not specs[n].metadata["live"]]
    if late:
        return f"{', '.join(late)} is read at configure; deactivate and clean up the node first"
    try:
        _from_values({name: node.get_parameter(name).value for name in specs} | ours)
    except ParameterError as error:
        return str(error)
    return None


def markdown_table() -> str:
    """Return the parameters as the table of the README."""
    lines = ["| parameter | type | default | changes | meaning |", "|---|---|---|---|---|"]
    for spec in dataclasses.fields(NodeParameters):
        default, (when, meaning) = _ros_value(spec.default), _words(spec)
        shown = f"`{default}`" if default not in ("", ()) else "empty"
        lines.append(f"| `{spec.name}` | {_type_name(default)} | {shown} | {when} | {meaning} |")
    return "\n".join(lines)


def example_yaml() -> str:
    """Return a parameter file with every parameter at its default, to copy and change."""
    lines = [
        "# Every parameter of ivlm_node at its default. Copy it, keep what you change, and give it",
        "# as params_file:=FILE to ivlm.launch.py or --ros-args --params-file FILE to the node.",
        "# Numbers with a point are doubles and need it.",
        "/**:",
        "  ros__parameters:",
    ]
    for spec in dataclasses.fields(NodeParameters):
        when, meaning = _words(spec)
        text = f"{meaning}; changes {when}"
        lines += textwrap.wrap(text, 96, initial_indent="    # ", subsequent_indent="    # ")
        lines.append(f"    {spec.name}: {json.dumps(_ros_value(spec.default))}")
    return "\n".join(lines) + "\n"


def _words(spec: "dataclasses.Field[Any]") -> tuple[str, str]:
    """Return when a parameter changes, and what it means."""
    when = "at start" if spec.metadata["fixed"] else "at configure"
    meaning = spec.metadata["description"]
    if spec.metadata["bounds"]:
        low, high = spec.metadata["bounds"]
        meaning += f" (range {low:g} to {high:g})"
    return "any time" if spec.metadata["live"] else when, meaning


def _ros_value(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_values(values: dict[str, Any]) -> NodeParameters:
    plain: dict[str, Any] = {}
    for name, value in values.items():
        plain[name] = value if isinstance(value, str | bool | float) else tuple(value)
    return NodeParameters(**plain)


def _type_name(value: Any) -> str:
    if isinstance(value, list):
        return f"{_type_name(value[0])}[]"
    return {bool: "bool", str: "string", float: "double"}[type(value)]

"""Start the node: `ros2 launch ivlm_ros ivlm.launch.py label:=cup image:=/camera/color/image_raw`.

An argument left empty leaves the parameter to `params_file`, and without one to the node's default.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PARAMETERS = (
    "model",
    "device",
    "label",
    "object_mesh_dir",
    "image_transport",
    "object_pose_source",
)
"""Texts among the node's parameters that are arguments here."""

SWITCHES = ("autostart", "use_sim_time", "use_detections")
"""Those that are true or false; what is in neither goes through `params_file`."""

SHOWN = (
    "markers",
    "affordance_samples",
    "overlay",
    "attention",
    "human_contact_posed_cloud",
    "human_contact_cloud",
    "object_affordance_cloud",
)
"""Topics of the node that `ivlm.rviz` shows."""


def given(context: LaunchContext, names: tuple[str, ...], kind: type) -> list[dict]:
    """Return the arguments that are not empty as parameters, each in a dictionary of its own."""
    arguments = {name: LaunchConfiguration(name) for name in names}
    return [
        {name: ParameterValue(argument, value_type=kind)}
        for name, argument in arguments.items()
        if argument.perform(context)
    ]


def start_node(context: LaunchContext) -> list[LifecycleNode]:
    """Make the node's action: a default of this file, then `params_file`, then the arguments."""
    file = LaunchConfiguration("params_file").perform(context)
    values = given(context, PARAMETERS, str) + given(context, SWITCHES, bool)
    node = LifecycleNode(
        package="ivlm_ros",
        executable="ivlm_node",
        name="ivlm_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[{"autostart": True}, *([file] if file else []), *values],
        remappings=[
            ("image", LaunchConfiguration("image")),
            ("camera_info", LaunchConfiguration("camera_info")),
            ("label", LaunchConfiguration("label_topic")),
            ("detections", LaunchConfiguration("detections")),
            ("object_pose", LaunchConfiguration("object_pose_topic")),
            ("body", LaunchConfiguration("body")),
        ],
        ros_arguments=["--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=LaunchConfiguration("respawn"),
        respawn_delay=2.0,
    )
    return [node]


def start_rviz(context: LaunchContext) -> list[Node]:
    """Make RViz's action; the topics of its view follow the node into its namespace."""
    view = PathJoinSubstitution([FindPackageShare("ivlm_ros"), "rviz", "ivlm.rviz"])
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", view, "-f", LaunchConfiguration("fixed_frame")],
        parameters=given(context, ("use_sim_time",), bool),
        remappings=[(f"/ivlm_node/{topic}", f"ivlm_node/{topic}") for topic in SHOWN],
    )
    return [rviz]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, start the node, and RViz if wanted."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "image", default_value="image", description="topic of the camera images"
            ),
            DeclareLaunchArgument(
                "camera_info",
                default_value="camera_info",
                description="topic of the camera's calibration; optional",
            ),
            DeclareLaunchArgument(
                "detections",
                default_value="detections",
                description="topic of boxes found in the images; needs use_detections:=true",
            ),
            DeclareLaunchArgument(
                "object_pose_topic",
                default_value="object_pose",
                description="topic of the object's pose; optional",
            ),
            DeclareLaunchArgument(
                "body",
                default_value="body",
                description="topic of the person's posed body; optional",
            ),
            DeclareLaunchArgument(
                "use_detections",
                default_value="",
                choices=["", "true", "false"],
                description="ask about the boxes of topic detections",
            ),
            DeclareLaunchArgument(
                "object_pose_source",
                default_value="",
                choices=["", "topic", "tf", "parameter"],
                description="what tells where objects are; empty: the node's default",
            ),
            DeclareLaunchArgument(
                "label_topic", default_value="label", description="topic of the labels"
            ),
            DeclareLaunchArgument(
                "label", default_value="", description="object asked about until a label arrives"
            ),
            DeclareLaunchArgument(
                "model", default_value="", description="'nano' (shipped) or a model folder"
            ),
            DeclareLaunchArgument(
                "device", default_value="", description="torch device; empty: a GPU if there is one"
            ),
            DeclareLaunchArgument(
                "object_mesh_dir", default_value="", description="folder with meshes named by label"
            ),
            DeclareLaunchArgument(
                "image_transport",
                default_value="",
                choices=["", "raw", "compressed"],
                description="what images come as; compressed: on the topic image/compressed",
            ),
            DeclareLaunchArgument(
                "params_file", default_value="", description="YAML file with further parameters"
            ),
            DeclareLaunchArgument(
                "namespace", default_value="", description="namespace of the node and its topics"
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                choices=["", "true", "false"],
                description="activate by itself, which is the default here; false: wait for a "
                "lifecycle manager",
            ),
            DeclareLaunchArgument(
                "respawn",
                default_value="false",
                choices=["true", "false"],
                description="start the node again when it ends by itself",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="",
                choices=["", "true", "false"],
                description="take the time from /clock",
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="least severe log lines shown",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="start RViz as well",
            ),
            DeclareLaunchArgument(
                "fixed_frame",
                default_value="map",
                description="RViz's fixed frame: any with z up that tf connects to the camera",
            ),
            OpaqueFunction(function=start_node),
            OpaqueFunction(function=start_rviz, condition=IfCondition(LaunchConfiguration("rviz"))),
        ]
    )

"""Pictures as a camera, the node, and RViz: `ros2 launch ivlm_ros demo.launch.py`.

With your own: `source:=/path/to/photos`, an image, a video, or a folder of them. A file named
`bottle__1.jpg` brings its label; `label:=bottle` sets one for all.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

CAMERA_FRAME = "camera_optical_frame"


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; start replay, camera frame, node and RViz."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "source",
                default_value="demo",
                description="image, video, or folder of them; 'demo': the shipped pictures",
            ),
            DeclareLaunchArgument("rate_hz", default_value="1.0", description="images per second"),
            DeclareLaunchArgument(
                "label", default_value="", description="object asked about; empty: from file names"
            ),
            DeclareLaunchArgument(
                "model", default_value="", description="'nano' (shipped) or a model folder"
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="true",
                choices=["true", "false"],
                description="start RViz as well",
            ),
            Node(
                package="ivlm_ros",
                executable="image_replay",
                name="image_replay",
                parameters=[
                    {
                        "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                        "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                        "label": ParameterValue(LaunchConfiguration("label"), value_type=str),
                        "frame_id": CAMERA_FRAME,
                        "wait_for_subscribers": 1,
                    }
                ],
                output="screen",
            ),
            # A camera that looks along the x axis of map, so that people stand upright in RViz.
            Node(
                package="tf2_ros",
                executable="static_transform_publisher",
                name="camera_frame",
                arguments=[
                    "--z",
                    "1.0",
                    "--qx",
                    "-0.5",
                    "--qy",
                    "0.5",
                    "--qz",
                    "-0.5",
                    "--qw",
                    "0.5",
                    "--frame-id",
                    "map",
                    "--child-frame-id",
                    CAMERA_FRAME,
                ],
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    PathJoinSubstitution([ThisLaunchFileDir(), "ivlm.launch.py"])
                ),
                launch_arguments={
                    "label": LaunchConfiguration("label"),
                    "model": LaunchConfiguration("model"),
                    "rviz": LaunchConfiguration("rviz"),
                    "fixed_frame": "map",
                }.items(),
            ),
        ]
    )

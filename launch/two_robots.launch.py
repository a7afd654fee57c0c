"""Two robots, a camera each: `ros2 launch ivlm_ros two_robots.launch.py label:=bottle`.

An example to copy: every node has the robot's namespace, so the first robot's images come from
`/robot1/camera/image_raw` and its results are on `/robot1/ivlm_node/...`. Several cameras of one
robot go the same way, with a namespace each.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir

ROBOTS = ("robot1", "robot2")


def robot(name: str) -> IncludeLaunchDescription:
    """Return one robot's node; topic names without a leading slash are its own."""
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([ThisLaunchFileDir(), "ivlm.launch.py"])
        ),
        launch_arguments={
            "namespace": name,
            "image": LaunchConfiguration("image"),
            "camera_info": LaunchConfiguration("camera_info"),
            "label": LaunchConfiguration("label"),
            "model": LaunchConfiguration("model"),
            "device": LaunchConfiguration("device"),
            "respawn": "true",
        }.items(),
    )


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start a node a robot."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "image",
                default_value="camera/image_raw",
                description="topic of the camera images below each robot's namespace",
            ),
            DeclareLaunchArgument(
                "camera_info",
                default_value="camera/camera_info",
                description="topic of the calibration below each robot's namespace",
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
            *(robot(name) for name in ROBOTS),
        ]
    )

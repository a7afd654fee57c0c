#!/bin/bash
# Runs a command with ROS 2, the workspace and the Python environment set up.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /ivlm/ros2_ws/install/setup.bash
exec "$@"

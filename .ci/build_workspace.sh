#!/usr/bin/env bash
# Builds ros2_ws with colcon against the ROS 2 wheels in .venv. What it builds with is recorded, and
# what was built with another Python, or in another place, is removed first.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${IVLM_VENV:-$root/.venv}
# shellcheck source=../ros2_ws/env.sh
source "$root/ros2_ws/env.sh"
cd "$root/ros2_ws"

built_with=$(python -c 'import numpy, sys; print(sys.prefix, sys.version, numpy.__version__)')
if [ -e build ] && [ "$(cat build/.built_with 2>/dev/null)" != "$built_with" ]; then
  echo "ros2_ws was built with another environment: building it anew"
  rm -rf build install log
fi
mkdir -p build install
printf '%s\n' "$built_with" >build/.built_with

# colcon warns about a prefix without this file, which the wheels do not bring.
touch "$venv/local_setup.sh"
# Only the wheels are to be found, not an earlier build of this workspace.
AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" \
  python -m colcon build --event-handlers console_cohesion- console_direct- "$@" \
  --cmake-args -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$venv/bin/python"

# Environment for ROS 2 from the wheels in .venv, plus the workspace built in ros2_ws/install.
#
#   source ros2_ws/env.sh          (bash or zsh, from anywhere; after `make ws`)
#   python -m ivlm_ros             then works, as does `import rclpy, ivlm_msgs, ivlm_ros`
#
# `ivlm_ros` is imported from its source folder, so an edit needs no new build; messages, launch files
# and RViz files come from ros2_ws/install (`make ws` renews them).
#
# Not for machines with an apt ROS 2: there, source /opt/ros/jazzy/setup.bash and
# ros2_ws/install/setup.bash. The two must not be mixed in one process, so everything under /opt/ros
# is left out of the paths set here.

_ivlm_ws="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)"
_ivlm_venv="${IVLM_VENV:-$(dirname "$_ivlm_ws")/.venv}"

if [ ! -x "$_ivlm_venv/bin/python" ]; then
  echo "ros2_ws/env.sh: no environment in $_ivlm_venv; run 'make env' first" >&2
  unset _ivlm_ws _ivlm_venv
  return 1 2>/dev/null || exit 1
fi

# The given colon-separated list without the apt ROS, without this file's own entries, and without doubles.
_ivlm_kept() {
  printf '%s' "$1" | tr ':' '\n' | awk -v ws="$_ivlm_ws/" -v venv="$_ivlm_venv" '
    length($0) && index($0, "/opt/ros/") != 1 && index($0, ws) != 1 && $0 != venv \
      && index($0, venv "/") != 1 && !seen[$0]++ { printf ":%s", $0 }'
}

# The folders of libraries that came inside the ROS wheels, each with a colon before it.
_ivlm_wheel_libs() {
  find "$_ivlm_venv/$_ivlm_python" -maxdepth 1 -name 'ros_*.libs' -printf ':%p'
}

_ivlm_python="$(echo "$_ivlm_venv"/lib/python3.*/site-packages)"
_ivlm_python="${_ivlm_python#"$_ivlm_venv"/}" # lib/python3.X/site-packages

export PATH="$_ivlm_venv/bin$(_ivlm_kept "$PATH")"
export AMENT_PREFIX_PATH="$_ivlm_ws/install/ivlm_ros:$_ivlm_ws/install/ivlm_msgs:$_ivlm_venv"
export CMAKE_PREFIX_PATH="$AMENT_PREFIX_PATH"
export PYTHONPATH="$_ivlm_ws/src/ivlm_ros:$_ivlm_ws/install/ivlm_ros/$_ivlm_python:$_ivlm_ws/install/ivlm_msgs/$_ivlm_python$(_ivlm_kept "${PYTHONPATH:-}")"
export LD_LIBRARY_PATH="$_ivlm_ws/install/ivlm_msgs/lib:$_ivlm_venv/lib$(_ivlm_wheel_libs)$(_ivlm_kept "${LD_LIBRARY_PATH:-}")"
# Without this mark the wheels start Python a second time, only to set LD_LIBRARY_PATH as done above.
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1

unset -f _ivlm_kept _ivlm_wheel_libs
unset _ivlm_ws _ivlm_venv _ivlm_python

#!/usr/bin/env bash
# Runs all tests, or those that the arguments name.
#
#   .ci/run_tests.sh PYTHON [PYTEST_ARGS ...]
#
# Tests over DDS wait most of the time, the others compute: run beside each other they take little
# longer than one of them. What the former print comes last, whole.
set -u
python=$1
shift
if [ $# -gt 0 ]; then
  exec "$python" -m pytest "$@"
fi

log=$(mktemp)
"$python" -m pytest -p no:cacheprovider tests/ros >"$log" 2>&1 &
over_dds=$!
trap 'kill "$over_dds" 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

"$python" -m pytest tests --ignore=tests/ros
others=$?
echo "==> tests over DDS"
wait "$over_dds"
ros=$?
cat "$log"
[ "$others" -eq 0 ] && [ "$ros" -eq 0 ]

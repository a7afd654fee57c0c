#!/usr/bin/env bash
# Runs all tests, or those that the arguments name.
#
#   .ci/run_tests.sh PYTHON [PYTEST_ARGS ...]
#
# Tests over DDS wait most of the time, the others compute: run beside each other they take little
# longer than one of them. Those of the shipped model follow the former, so that both halves are
# about as long. What that half prints comes last, whole. Each computes in one thread: two
# that share a core with somebody else wait for each other, spinning, and take ten times as long.
set -u
python=$1
shift
if [ $# -gt 0 ]; then
  exec "$python" -m pytest "$@"
fi

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
first=$(mktemp)
log=$(mktemp)
"$python" -m pytest -p no:cacheprovider tests/ros tests/nano >"$log" 2>&1 &
over_dds=$!
trap 'kill "$over_dds" 2>/dev/null; rm -f "$first" "$log"' EXIT
trap 'exit 130' INT TERM

[ -t 1 ] && export PY_COLORS=1  # through a pipe, too
"$python" -m pytest tests --ignore=tests/ros --ignore=tests/nano | tee "$first"
others=${PIPESTATUS[0]}
echo "==> tests over DDS and of the shipped model"
wait "$over_dds"
ros=$?
cat "$log"
[ "$others" -eq 0 ] && [ "$ros" -eq 0 ] && exit
# What the first half says of it stands far above by now.
echo "==> failed"
grep -ahE '^(.\[[0-9;]*m)*(FAILED|ERROR)' "$first" "$log"
exit 1

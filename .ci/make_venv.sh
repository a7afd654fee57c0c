#!/usr/bin/env bash
# Makes the virtual environment with the system packages that it needs.
# Usage: make_venv.sh FOLDER      An environment that is there already is kept where it is of use:
# made in this place, and with a Python that will do.
set -eu
here=$(dirname "$0")
folder=${1:?usage: make_venv.sh FOLDER}
place=$(pwd)/$folder

if [ "$(cat "$folder/.stamps/place" 2>/dev/null || echo "$place")" = "$place" ] &&
  PYTHON=$folder/bin/python "$here/pick_python.sh" >/dev/null 2>&1; then
  "$here/system_packages.sh" "$folder/bin/python"
  echo "keeping the environment in $folder"
else
  python=$("$here/pick_python.sh")
  "$here/system_packages.sh" "$python"
  echo "using $python"
  "$python" -m venv --clear "$folder" || {
    echo "Making $folder with $python failed (see above). To try another:" >&2
    echo "  make env PYTHON=/path/to/python3.12" >&2
    exit 1
  }
fi
touch "$folder/COLCON_IGNORE"
mkdir -p "$folder/.stamps"
printf '%s\n' "$place" >"$folder/.stamps/place"

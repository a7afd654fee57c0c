#!/usr/bin/env bash
# Prints the Python that the environment is made with: $PYTHON if it is set, else the first of python3,
# python3.12, python3.11, python3.13 that will do. Exit code 1 and what to install where none will.
set -u

will_do='
import platform, sys
ok = (3, 11) <= sys.version_info[:2] <= (3, 13) and platform.python_implementation() == "CPython"
ok = ok and sys.maxsize > 2**32
# Of an active environment its base, so that an environment is never asked to make itself anew.
print(sys._base_executable if ok else "", platform.python_version())
sys.exit(0 if ok else 1)'

tried=""
for name in ${PYTHON:-python3 python3.12 python3.11 python3.13}; do
  if answer=$("$name" -c "$will_do" 2>/dev/null); then
    echo "${answer% *}"
    exit 0
  fi
  tried="$tried $name(${answer:- not found})"
done

{
  echo "No usable Python: this needs CPython 3.11, 3.12 or 3.13 on 64-bit Linux. Tried:$tried"
  echo "Debian 12 and Ubuntu 24.04 have one: sudo apt-get install python3 python3-venv python3-dev"
  echo "To name another:                     make env PYTHON=/path/to/python3.12"
} >&2
exit 1

#!/usr/bin/env python3
"""Mend the CMake exports of the ROS 2 wheels in a virtual environment.

The wheels' ``share/*/cmake/*.cmake`` files name two include folders of the machine that built
them (a manylinux interpreter, ``/opt/python/cp311-cp311/...``): that of Python and that of numpy.
CMake refuses targets whose include folders do not exist, so packages that depend on the messages
cannot be built. This rewrites the two to the running interpreter's own folders.

Run with the environment's interpreter after each installation of the wheels; a second run changes
nothing. Exit code 0: all is well; 1: something is missing, and the message says what to do.
"""

import os
import re
import sys
import sysconfig
import tempfile
from pathlib import Path

_BUILD_PYTHON = r"/[^;\"'\s$]*/cp3\d+-cp3\d+t?"
_PYTHON_INCLUDE = re.compile(_BUILD_PYTHON + r"/include/python3\.\d+t?(?=[;\"'\s/]|$)")
_NUMPY_INCLUDE = re.compile(
    _BUILD_PYTHON + r"/lib/python3\.\d+t?/site-packages/numpy/_?core/include(?=[;\"'\s/]|$)"
)
_LEFT_OVER = re.compile(_BUILD_PYTHON + r"/[^;\"'\s]*")


def mend_text(text: str, python_include: str, numpy_include: str) -> str:
    """Return the CMake text with the build machine's include folders replaced by the given ones."""
    text = _NUMPY_INCLUDE.sub(lambda _: numpy_include, text)
    return _PYTHON_INCLUDE.sub(lambda _: python_include, text)


def left_over_paths(text: str) -> list[str]:
    """Return the build machine's paths that the text still names."""
    return _LEFT_OVER.findall(text)


def mend_prefix(prefix: Path, python_include: str, numpy_include: str) -> tuple[int, list[str]]:
    """Mend every exported CMake file below ``prefix/share``.

    Args:
        prefix: Root of the environment that the wheels were installed into.
        python_include: Folder that holds ``Python.h``.
        numpy_include: Folder that holds ``numpy/arrayobject.h``.

    Returns:
        How many files were changed, and a line ``file: path`` for each foreign path that remains.
    """
    changed = 0
    remaining = []
    for path in sorted((prefix / "share").glob("*/cmake/**/*.cmake")):
        text = path.read_text(encoding="utf-8")
        mended = mend_text(text, python_include, numpy_include)
        if mended != text:
            _write_atomically(path, mended)
            changed += 1
        remaining += [f"{path}: {foreign}" for foreign in left_over_paths(mended)]
    return changed, remaining


def _write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step and keep its mode; also breaks hard links into a wheel cache."""
    mode = path.stat().st_mode & 0o777
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False
    ) as handle:
        handle.write(text)
    os.chmod(handle.name, mode)
    os.replace(handle.name, path)


def main() -> int:
    """Mend the environment of the running interpreter; return the exit code."""
    prefix = Path(sys.prefix)
    if not (prefix / "share" / "rclpy").is_dir():
        print(
            f"No ROS 2 wheels in {prefix}. Install them with: {sys.executable} -m pip install "
            "-c constraints.txt '.[ros]'",
            file=sys.stderr,
        )
        return 1
    import numpy

    python_include = sysconfig.get_path("include")
    numpy_include = numpy.get_include()
    if not Path(python_include, "Python.h").is_file():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"{python_include}/Python.h is missing, so the message package cannot be compiled. "
            f"Install the headers, on Debian or Ubuntu: sudo apt-get install python{version}-dev",
            file=sys.stderr,
        )
        return 1
    changed, remaining = mend_prefix(prefix, python_include, numpy_include)
    print(f"mended {changed} CMake exports of the ROS wheels in {prefix}")
    if remaining:
        print(
            "These paths of the wheels' build machine are of a kind this script does not know; "
            "extend .ci/mend_cmake_exports.py:\n  " + "\n  ".join(remaining),
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Choosing a Python and installing system packages, on made-up machines."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LIBRARIES = [
    "libusb-1.0.so.0",
    "libGL.so.1",
    "libEGL.so.1",
    "libX11.so.6",
    "libudev.so.1",
    "libidn2.so.0",
    "libgomp.so.1",
]
COMMANDS = ("gcc", "g++", "cmake", "make")
GOOD_PYTHON = "echo python3.12; exit 0"


class Machine:
    """A folder of stub commands that is the whole PATH of a script."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder
        self.log = folder.parent / "log"
        self.repository = repository
        for name in ("bash", "env", "true", "dirname"):
            (folder / name).symlink_to(shutil.which(name))

    def command(self, name: str, script: str = "exit 0") -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def libraries(self, names: list[str]) -> None:
        lines = "".join(f"\t{name} (libc6,x86-64) => /lib/{name}\n" for name in names)
        self.command("ldconfig", f"printf '%s' '{lines}'")

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        # The scripts add the places of ldconfig and id to PATH; a function would not be inherited.
        text = (self.repository / ".ci" / script).read_text()
        copy = self.folder.parent / script
        copy.write_text(text.replace(':/usr/sbin:/sbin"', '"'))
        copy.chmod(0o755)
        return subprocess.run(
            ["/bin/bash", str(copy), *arguments],
            env={"PATH": str(self.folder), "LOG": str(self.log), **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    made = Machine(folder, repository)
    made.libraries(LIBRARIES)
    for name in COMMANDS:
        made.command(name)
    made.command("python", GOOD_PYTHON)
    made.command("id", "echo 1000")
    made.command("sudo", "exit 1")
    made.command("apt-get", 'echo "apt-get $*" >> "$LOG"')
    return made


def test_nothing_is_asked_for_where_all_is_there(machine: Machine) -> None:
    done = machine.run("system_packages.sh", "python")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not machine.log.exists()


def test_without_root_the_missing_packages_are_named_exactly(machine: Machine) -> None:
    machine.libraries([name for name in LIBRARIES if "usb" not in name and "GL" not in name])
    (machine.folder / "cmake").unlink()
    done = machine.run("system_packages.sh", "python")
    assert done.returncode == 1
    assert (
        "sudo apt-get update && sudo apt-get install --no-install-recommends "
        "libusb-1.0-0 libgl1 libegl1 cmake\n" in done.stderr
    )
    assert not machine.log.exists()


def as_root(machine: Machine) -> None:
    machine.command("id", "echo 0")


def with_sudo(machine: Machine) -> None:
    machine.command("sudo", 'echo "sudo" >> "$LOG"; [ "$1" = -n ] || exit 1; shift; exec "$@"')


@pytest.mark.parametrize("power", [as_root, with_sudo])
def test_with_root_lists_are_fetched_and_only_the_missing_installed(
    machine: Machine, power: Callable[[Machine], None]
) -> None:
    power(machine)
    machine.libraries(LIBRARIES[1:])
    done = machine.run("system_packages.sh", "python")
    assert done.returncode == 0, done.stderr
    calls = [line for line in machine.log.read_text().splitlines() if line != "sudo"]
    assert len(calls) == 2
    assert calls[0].endswith(" update")
    assert calls[1].endswith(" install -y --no-install-recommends libusb-1.0-0")


def test_failed_installation_names_the_packages(machine: Machine) -> None:
    as_root(machine)
    machine.libraries([])
    machine.command("apt-get", "exit 100")
    done = machine.run("system_packages.sh", "python")
    assert done.returncode == 1
    assert "apt-get install failed" in done.stderr
    assert "libusb-1.0-0 libgl1" in done.stderr


def test_python_without_headers_and_venv_needs_its_packages(machine: Machine) -> None:
    machine.command("python", 'case "$2" in *print*) echo python3.12;; *) exit 1;; esac')
    done = machine.run("system_packages.sh", "python")
    assert done.returncode == 1
    assert "--no-install-recommends python3.12-venv python3.12-dev\n" in done.stderr


def test_another_system_without_apt_is_told_the_names(machine: Machine) -> None:
    machine.libraries([])
    (machine.folder / "apt-get").unlink()
    done = machine.run("system_packages.sh", "python")
    assert done.returncode == 1
    assert "no apt-get" in done.stderr
    assert "libusb-1.0-0" in done.stderr


def test_first_python_that_will_do_is_picked(machine: Machine) -> None:
    machine.command("python3", "echo ' 3.10.12'; exit 1")
    (machine.folder / "python3.12").symlink_to(sys.executable)
    done = machine.run("pick_python.sh", LD_LIBRARY_PATH=os.environ.get("LD_LIBRARY_PATH", ""))
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).name.startswith("python")


def test_no_usable_python_is_an_error_that_says_what_to_install(machine: Machine) -> None:
    machine.command("python3", "echo ' 3.10.12'; exit 1")
    done = machine.run("pick_python.sh")
    assert done.returncode == 1
    assert "3.11, 3.12 or 3.13" in done.stderr
    assert "python3( 3.10.12)" in done.stderr
    assert "sudo apt-get install python3 python3-venv python3-dev" in done.stderr


def test_named_python_is_the_only_one_tried(machine: Machine) -> None:
    (machine.folder / "python3").symlink_to(sys.executable)
    done = machine.run("pick_python.sh", PYTHON="/nowhere/python")
    assert done.returncode == 1
    assert "/nowhere/python( not found)" in done.stderr

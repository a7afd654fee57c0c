"""The script that sets the environment for ROS 2 from the wheels."""

import os
import subprocess
from pathlib import Path

import pytest

VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = tmp_path / "venv"
    for name in (
        "bin",
        "lib/python3.12/site-packages/ros_rcl.libs",
        "lib/python3.12/site-packages/b.libs",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "python").write_text("#!/bin/sh\n")
    (folder / "bin" / "python").chmod(0o755)
    return folder


def sourced(repository: Path, venv: Path, times: int = 1, **variables: str) -> dict[str, list[str]]:
    """Source the script in a bash with the given variables; return its path-like variables."""
    script = f"source {repository / 'ros2_ws' / 'env.sh'}; " * times
    done = subprocess.run(
        ["bash", "-uec", script + "/usr/bin/env -0"],
        env={"PATH": os.defpath, "IVLM_VENV": str(venv), **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    lines = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    return {name: lines[name].split(":") for name in VARIABLES}


def test_wheels_and_workspace_are_found_and_the_source_comes_first(
    repository: Path, venv: Path
) -> None:
    workspace = repository / "ros2_ws"
    paths = sourced(repository, venv)
    assert paths["PATH"][0] == f"{venv}/bin"
    assert paths["AMENT_PREFIX_PATH"][-1] == str(venv)
    assert paths["PYTHONPATH"] == [
        f"{workspace}/src/ivlm_ros",
        f"{workspace}/install/ivlm_ros/lib/python3.12/site-packages",
        f"{workspace}/install/ivlm_msgs/lib/python3.12/site-packages",
    ]
    assert paths["LD_LIBRARY_PATH"] == [
        f"{workspace}/install/ivlm_msgs/lib",
        f"{venv}/lib",
        f"{venv}/lib/python3.12/site-packages/ros_rcl.libs",
    ]


def test_an_apt_ros_is_left_out_and_other_entries_are_kept(repository: Path, venv: Path) -> None:
    paths = sourced(
        repository,
        venv,
        PATH=f"/opt/ros/jazzy/bin:{os.defpath}",
        PYTHONPATH="/opt/ros/jazzy/lib/python3.12/site-packages:/mine",
        LD_LIBRARY_PATH="/opt/ros/jazzy/lib:/usr/local/cuda/lib64",
        AMENT_PREFIX_PATH="/opt/ros/jazzy",
        CMAKE_PREFIX_PATH="/opt/ros/jazzy",
    )
    assert not [entry for entries in paths.values() for entry in entries if "/opt/ros" in entry]
    assert paths["PYTHONPATH"][-1] == "/mine"
    assert paths["LD_LIBRARY_PATH"][-1] == "/usr/local/cuda/lib64"


def test_sourcing_twice_changes_nothing(repository: Path, venv: Path) -> None:
    assert sourced(repository, venv, times=2) == sourced(repository, venv)


def test_without_an_environment_the_message_names_the_command(
    repository: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["bash", "-c", f"source {repository / 'ros2_ws' / 'env.sh'}; echo status $?"],
        env={"PATH": os.defpath, "IVLM_VENV": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "status 1\n"
    assert "run 'make env' first" in done.stderr

"""The Makefile's steps: their order, their stamps, and what a failed step says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TARGETS = ("help", "demo", "test", "lint", "format", "env", "ws", "clean")

# Stands for the environment's Python: writes down how it was called, does nothing.
PYTHON = '#!/bin/bash\necho "python $*" >> calls\n[ ! -e fail ] || exit 1\n'


@pytest.fixture
def clone(tmp_path: Path, repository: Path) -> Path:
    """A clone whose steps only write down that they were called."""
    shutil.copy(repository / "Makefile", tmp_path)
    for name in (".ci", "ros2_ws/src/ivlm_msgs/msg", "launch", "rviz"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "ros2_ws/src/ivlm_msgs/msg/A.msg"):
        (tmp_path / name).touch()
    (tmp_path / "ros2_ws" / "env.sh").touch()
    scripts = {
        "make_venv.sh": (
            "echo make_venv >> calls; mkdir -p .venv/bin .venv/.stamps; cp python .venv/bin/; "
            'echo "$PWD/.venv" > .venv/.stamps/place'
        ),
        "pick_python.sh": "",
        "system_packages.sh": "",
        "mend_cmake_exports.py": "",
        "build_workspace.sh": "echo build >> calls; mkdir -p ros2_ws/install",
    }
    for name, text in scripts.items():
        (tmp_path / ".ci" / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / ".ci" / name).chmod(0o755)
    shutil.copy(repository / ".ci" / "run_tests.sh", tmp_path / ".ci")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    for path in tmp_path.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def calls(folder: Path) -> list[str]:
    """Return what was called since the last time, by its first words."""
    path = folder / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [re.sub(r"^python (-m )?(\S+).*", r"\2", line) for line in lines]


ALL_STEPS = ["make_venv", "pip", ".ci/mend_cmake_exports.py", "build"]


def test_help_lists_every_target_and_is_what_make_alone_does(repository: Path) -> None:
    listed = make(repository, "help")
    assert listed.returncode == 0
    assert re.findall(r"^  ([a-z]+)  ", listed.stdout, re.MULTILINE) == list(TARGETS)
    assert make(repository).stdout == listed.stdout


def test_steps_run_in_order_and_only_once(clone: Path) -> None:
    first = make(clone, "ws")
    assert first.returncode == 0, first.stderr
    assert calls(clone) == ALL_STEPS
    assert [line for line in first.stdout.splitlines() if line.startswith("==>")]
    assert make(clone, "ws").returncode == 0
    assert calls(clone) == []


@pytest.mark.parametrize(
    ("changed", "repeated"),
    [
        ("ros2_ws/src/ivlm_msgs/msg/A.msg", ["build"]),
        ("constraints.txt", ALL_STEPS[1:]),
        ("pyproject.toml", ALL_STEPS[1:]),
        (".ci/mend_cmake_exports.py", ALL_STEPS[2:]),
    ],
)
def test_a_change_repeats_only_the_steps_that_depend_on_it(
    clone: Path, changed: str, repeated: list[str]
) -> None:
    make(clone, "ws")
    calls(clone)
    os.utime(clone / changed, (4_000_000_000, 4_000_000_000))
    make(clone, "ws")
    assert calls(clone) == repeated


def test_demo_passes_its_arguments_on(clone: Path) -> None:
    assert make(clone, "demo", "ARGS=--view --out x").returncode == 0
    assert (clone / "calls").read_text().splitlines()[-1] == (
        "python -m ivlm_ros.demo --view --out x"
    )


def test_tests_come_after_style_types_and_workspace(clone: Path) -> None:
    for name in ("ruff", "mypy"):
        tool = clone / ".venv" / "bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(f'#!/bin/bash\necho "{name} $1" >> calls\n')
        tool.chmod(0o755)
    assert make(clone, "test", "PYTEST_ARGS=-x").returncode == 0
    assert calls(clone) == [
        *ALL_STEPS[:3],
        "ruff check",
        "ruff format",
        "mypy ",
        "build",
        "pytest",
    ]


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("tests/ros", 1), ("--ignore", 1)])
def test_tests_over_dds_run_beside_the_others_and_either_fails_all(
    tmp_path: Path, repository: Path, failing: str, code: int
) -> None:
    python = tmp_path / "python"
    fails = 'case "$*" in *--ignore*) echo "FAILED tests/x.py"; exit 1;; esac'
    if failing == "tests/ros":
        fails = '[[ "$*" != *" tests/ros "* ]] || { echo "FAILED tests/x.py"; exit 1; }'
    if not failing:
        fails = ""
    python.write_text(f'#!/bin/bash\necho "ran $*"; echo "$*" >> calls\n{fails}\nexit 0\n')
    python.chmod(0o755)
    script = repository / ".ci" / "run_tests.sh"
    run = subprocess.run(
        [script, python], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == code
    ran = [line for line in run.stdout.splitlines() if line.startswith("ran")]
    assert ran == [
        "ran -m pytest tests --ignore=tests/ros --ignore=tests/nano",
        "ran -m pytest -p no:cacheprovider tests/ros tests/nano",
    ]
    told = ["==> failed", "FAILED tests/x.py"]
    assert (run.stdout.splitlines()[-2:] == told) == bool(code), "it stands last, too"
    (tmp_path / "calls").unlink()
    subprocess.run([script, python, "tests/geometry", "-x"], cwd=tmp_path, timeout=60, check=False)
    assert (tmp_path / "calls").read_text() == "-m pytest tests/geometry -x\n"


def test_unformatted_code_fails_with_the_remedy(clone: Path) -> None:
    ruff = clone / ".venv" / "bin" / "ruff"
    ruff.parent.mkdir(parents=True)
    ruff.write_text("#!/bin/bash\n[ $1 = check ]\n")
    ruff.chmod(0o755)
    failed = make(clone, "lint")
    assert failed.returncode != 0
    assert "make format" in failed.stderr


def test_a_moved_clone_makes_its_environment_anew(clone: Path, tmp_path: Path) -> None:
    make(clone, "ws")
    calls(clone)
    (clone / ".venv" / ".stamps" / "place").write_text("/elsewhere/.venv\n")
    make(clone, "ws")
    assert calls(clone) == ALL_STEPS


def test_removing_the_environment_removes_its_stamps(clone: Path) -> None:
    make(clone, "ws")
    calls(clone)
    shutil.rmtree(clone / ".venv")
    make(clone, "ws")
    assert calls(clone) == ALL_STEPS


def test_a_failed_installation_says_what_to_do_and_is_tried_again(clone: Path) -> None:
    (clone / "fail").touch()
    failed = make(clone, "ws")
    assert failed.returncode != 0
    assert "run make again" in failed.stderr
    assert calls(clone) == ALL_STEPS[:2]
    (clone / "fail").unlink()
    assert make(clone, "ws").returncode == 0
    assert calls(clone) == ALL_STEPS[1:]


def test_a_failed_build_names_the_log(clone: Path) -> None:
    (clone / ".ci" / "build_workspace.sh").write_text("#!/bin/bash\nexit 1\n")
    failed = make(clone, "ws")
    assert failed.returncode != 0
    assert "ros2_ws/log/latest_build" in failed.stderr
    assert not (clone / "ros2_ws" / "install" / ".stamp").exists()


def test_a_sourced_ros_does_not_reach_the_steps(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PYTHONPATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH")
    for name in names:
        monkeypatch.setenv(name, "/opt/ros/jazzy")
    (clone / ".ci" / "build_workspace.sh").write_text(
        "#!/bin/bash\nenv > calls\nmkdir -p ros2_ws/install\n"
    )
    assert make(clone, "ws").returncode == 0
    assert "/opt/ros" not in (clone / "calls").read_text()


def test_clean_removes_what_was_made(clone: Path) -> None:
    before = {path for path in clone.rglob("*") if path.is_file()}
    make(clone, "ws")
    (clone / "calls").unlink()
    assert make(clone, "clean").returncode == 0
    assert {path for path in clone.rglob("*") if path.is_file()} == before


def test_continuous_integration_runs_make_test(clone: Path, repository: Path) -> None:
    run = clone / ".ci" / "run"
    shutil.copy(repository / ".ci" / "run", run)
    (clone / "Makefile").write_text("test:\n\t@echo tested\n")
    done = subprocess.run([run], cwd="/", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "tested\n")

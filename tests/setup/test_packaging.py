"""The package's description: what it needs, and that it says the same everywhere."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ivlm_core

ROS_PACKAGES = ("ivlm_msgs", "ivlm_ros")
# Modules of ROS packages that have another name than their package.
ROS_MODULES = {"cv_bridge": "cv_bridge", "tf2_ros": "tf2_ros_py"}


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pinned for name, pinned in pairs}


def requirements(project: dict[str, Any], *extras: str) -> list[Requirement]:
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def manifest(repository: Path, package: str) -> ElementTree.Element:
    return ElementTree.parse(repository / "ros2_ws" / "src" / package / "package.xml").getroot()


def test_extras_are_the_documented_ones(project: dict[str, Any]) -> None:
    assert set(project["optional-dependencies"]) == {"train", "quant", "synth", "bag", "ros", "dev"}
    assert project["requires-python"] == ">=3.11,<3.14"
    assert project["scripts"] == {"ivlm": "ivlm_core.cli:main"}


def test_the_package_alone_needs_no_ros(project: dict[str, Any]) -> None:
    names = [requirement.name for requirement in requirements(project)]
    assert not [name for name in names if name.startswith(("ros-", "colcon", "empy"))]


def test_torch_is_open_in_the_package_and_pinned_in_the_constraints(
    project: dict[str, Any], pins: dict[str, str]
) -> None:
    (torch,) = [r for r in requirements(project) if r.name == "torch"]
    assert {specifier.operator for specifier in torch.specifier} == {">="}
    assert pins["torch"] == "2.13.0"


def test_constraints_pin_what_is_asked_for_within_its_range(
    project: dict[str, Any], pins: dict[str, str]
) -> None:
    for requirement in requirements(project, "train", "synth", "bag", "ros", "dev"):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"constraints.txt has no pin for {requirement.name}"
        assert requirement.specifier.contains(pinned), requirement.name


def test_version_is_the_same_everywhere(repository: Path, project: dict[str, Any]) -> None:
    assert "version" in project["dynamic"]
    for package in ROS_PACKAGES:
        assert manifest(repository, package).findtext("version") == ivlm_core.__version__
    setup = (repository / "ros2_ws" / "src" / "ivlm_ros" / "setup.py").read_text()
    assert f'version="{ivlm_core.__version__}"' in setup


@pytest.mark.parametrize("package", ROS_PACKAGES)
def test_package_manifests_are_complete(repository: Path, package: str) -> None:
    root = manifest(repository, package)
    assert root.get("format") == "3"
    assert root.findtext("name") == package
    assert root.findtext("license") == "Apache-2.0"
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", root.find("maintainer").get("email"))
    keys = [element.text for element in root if element.tag.endswith("depend")]
    assert len(keys) == len(set(keys))


def test_message_dependencies_agree_between_cmake_and_manifest(repository: Path) -> None:
    folder = repository / "ros2_ws" / "src" / "ivlm_msgs"
    cmake = (folder / "CMakeLists.txt").read_text()
    depends = {element.text for element in manifest(repository, "ivlm_msgs").iter("depend")}
    assert set(re.search(r"DEPENDENCIES ([\w ]+)", cmake).group(1).split()) == depends
    used = {"action_msgs"}  # of every action, without being named in it
    kinds = ("msg", "srv", "action")
    for path in sorted(path for kind in kinds for path in folder.glob(f"{kind}/*.{kind}")):
        assert f'"{path.parent.name}/{path.name}"' in cmake
        used |= set(re.findall(r"^(\w+)/\w+", path.read_text(), re.MULTILINE))
    assert used == depends


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a file imports when it is loaded."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_ros_packages_that_are_imported_have_their_rosdep_key(repository: Path) -> None:
    sources = list((repository / "ros2_ws" / "src" / "ivlm_ros" / "ivlm_ros").rglob("*.py"))
    sources += list((repository / "launch").glob("*.py"))
    imported = set().union(*map(imported_packages, sources))
    ros = {
        name
        for name in imported
        if name.endswith(("_msgs", "_srvs", "_interfaces"))
        or name.startswith(("rcl", "launch", "ament"))
    }
    keys = {element.text for element in manifest(repository, "ivlm_ros").iter("exec_depend")}
    assert {ROS_MODULES.get(name, name) for name in ros} <= keys


def test_core_has_no_ros_import(repository: Path) -> None:
    forbidden = {"rclpy", "ivlm_ros", "ivlm_msgs", "sensor_msgs", "std_msgs", "visualization_msgs"}
    for path in (repository / "ivlm_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            found = {name.split(".")[0] for name in names} & forbidden
            assert not found, f"{path}: {found}"


def test_core_imports_where_ros_and_the_optional_packages_are_absent() -> None:
    script = (
        "import sys\n"
        "for name in ('rclpy', 'ivlm_msgs', 'anny', 'tensorboard', 'cv2', 'skimage',"
        " 'pytest'):\n"
        "    sys.modules[name] = None\n"
        "import ivlm_core, ivlm_core.pipeline, ivlm_core.cli\n"
        "print(ivlm_core.__version__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ivlm_core.__version__


def test_every_source_folder_is_a_package_so_that_it_is_installed(repository: Path) -> None:
    for path in (repository / "ivlm_core").rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), f"{path.parent} has no __init__.py"


def test_top_level_holds_only_what_belongs_there(repository: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD"], cwd=repository, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    visible = {name for name in listed.stdout.split() if not name.startswith(".")}
    assert visible <= {
        "ros2_ws", "ivlm_core", "launch", "rviz", "docker", "tests", "pyproject.toml", "README.md",
        "Makefile", "constraints.txt", "LICENSE",
    }  # fmt: skip


def test_compose_and_pre_commit_files_are_valid(repository: Path) -> None:
    compose = yaml.safe_load((repository / "docker" / "compose.yaml").read_text())
    dockerfile = (repository / "docker" / "Dockerfile").read_text()
    arguments = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    for service in compose["services"].values():
        build = service.get("build", {})
        assert set(build.get("args", {})) <= arguments
        if "dockerfile" in build:
            context = (repository / "docker" / build["context"]).resolve()
            assert (context / build["dockerfile"]).is_file()
    hooks = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text())
    assert [hook["id"] for repo in hooks["repos"] for hook in repo["hooks"]]


def test_copied_files_of_the_image_exist(repository: Path) -> None:
    dockerfile = (repository / "docker" / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        for source in [word for word in line.split() if not word.startswith("--")][:-1]:
            assert (repository / source).exists(), f"docker/Dockerfile copies {source}"

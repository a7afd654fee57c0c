"""Parameters: one declaration, enforced by ROS, explained when refused."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from rclpy.exceptions import InvalidParameterTypeException  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from ivlm_ros import parameters  # noqa: E402
from ivlm_ros.parameters import (  # noqa: E402
    NodeParameters,
    ParameterError,
    example_yaml,
    markdown_table,
)


@pytest.fixture
def make_node(ros: None) -> Iterator[Callable[..., Node]]:
    nodes = []

    def make(**values: Any) -> Node:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = Node("parameters_test", parameter_overrides=overrides)
        nodes.append(node)
        parameters.declare(node)
        return node

    yield make
    for node in nodes:
        node.destroy_node()


def test_defaults_come_back(make_node: Callable[..., Node]) -> None:
    assert parameters.read(make_node()) == NodeParameters()


def test_values_come_back(make_node: Callable[..., Node]) -> None:
    node = make_node(tasks=["object_contact"], label="cup", body_position=[1.0, 2.0, 3.0])
    read = parameters.read(node)
    assert read.tasks == ("object_contact",)
    assert read.label == "cup"
    assert read.body_position == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tasks": ("dance",)}, "human_contact, object_contact, object_affordance"),
        ({"tasks": ()}, "one or more"),
        ({"tasks": ("human_contact", "human_contact")}, "each once"),
        ({"image_reliability": "perhaps"}, "auto, best_effort, reliable"),
        ({"body_position": (1.0,)}, "three numbers"),
        ({"body_position": (float("nan"), 0.0, 3.0)}, "body_position .* at most 1000 m"),
        ({"object_position": (float("inf"), 0.0, 3.0)}, "object_position .* at most 1000 m"),
        ({"object_position": (1e300, 0.0, 3.0)}, "object_position .* at most 1000 m"),
        ({"object_pose": (float("nan"), 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)}, "object_pose .* 1000 m"),
        ({"max_rate_hz": -1.0}, r"max_rate_hz must be in \[0.0, 1000.0\]"),
        ({"input_timeout_s": 0.0}, "input_timeout_s"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        NodeParameters(**values)


def test_ros_enforces_types_and_ranges(make_node: Callable[..., Node]) -> None:
    with pytest.raises(InvalidParameterTypeException, match="max_rate_hz"):
        make_node(max_rate_hz="fast")
    node = make_node()
    (result,) = node.set_parameters([Parameter("max_rate_hz", value=5000.0)])
    assert not result.successful and "max_rate_hz" in result.reason
    (result,) = node.set_parameters([Parameter("autostart", value=True)])
    assert not result.successful


def test_changes_are_judged_by_when_they_are_read(make_node: Callable[..., Node]) -> None:
    node = make_node()
    label, model = Parameter("label", value="cup"), Parameter("cache_dir", value="big")
    assert parameters.check_change(node, [label], configured=True) is None
    assert parameters.check_change(node, [model], configured=False) is None
    assert "clean up the node first" in parameters.check_change(node, [model], configured=True)
    bad = Parameter("body_position", value=[1.0])
    assert "three numbers" in parameters.check_change(node, [bad], configured=True)
    foreign = Parameter("use_sim_time", value=True)
    assert parameters.check_change(node, [foreign], configured=True) is None


def test_every_parameter_is_described() -> None:
    table = markdown_table()
    for spec in dataclasses.fields(NodeParameters):
        assert spec.metadata["description"]
        assert f"| `{spec.name}` |" in table
    assert "| `max_rate_hz` | double | `0.0` | any time |" in table


def test_the_documented_table_is_the_declared_one(repository: Path) -> None:
    page = (repository / "ros2_ws" / "src" / "ivlm_ros" / "README.md").read_text()
    between = page.split("<!-- parameters -->\n")[1].split("<!-- /parameters -->")[0]
    assert between.strip() == markdown_table(), "write markdown_table() into the page"


def test_the_example_file_is_the_declared_one_and_ros_reads_it(ros: None, repository: Path) -> None:
    path = repository / "ros2_ws" / "src" / "ivlm_ros" / "config" / "ivlm_node.yaml"
    assert path.read_text() == example_yaml(), "write example_yaml() into the file"
    assert max(map(len, path.read_text().splitlines())) <= 100
    node = Node("parameters_test", cli_args=["--ros-args", "--params-file", str(path)])
    try:
        parameters.declare(node)
        assert parameters.read(node) == NodeParameters()
    finally:
        node.destroy_node()

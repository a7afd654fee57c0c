"""Launch files and RViz view against the interface they talk about, without running either."""

import ast
import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

pytest.importorskip("ivlm_ros", reason="ivlm_ros is not on the path; source ros2_ws/env.sh")

from ivlm_core.pipeline import TASKS  # noqa: E402
from ivlm_ros.parameters import NodeParameters  # noqa: E402

LAUNCH_FILES = ("ivlm.launch.py", "demo.launch.py", "two_robots.launch.py")
REPLAY_PARAMETERS = {
    "source",
    "rate_hz",
    "label",
    "frame_id",
    "loop",
    "hold",
    "wait_for_subscribers",
}


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """All calls of a function or class by its plain name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]


def constant(node: ast.AST) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def keywords(call: ast.Call) -> dict[str, Any]:
    return {k.arg: k.value for k in call.keywords if k.arg}


@pytest.fixture(scope="module")
def trees(repository: Path) -> dict[str, ast.Module]:
    return {n: ast.parse((repository / "launch" / n).read_text()) for n in LAUNCH_FILES}


@pytest.fixture(scope="module")
def rviz(repository: Path) -> dict[str, Any]:
    return yaml.safe_load((repository / "rviz" / "ivlm.rviz").read_text())


def declared(tree: ast.Module) -> dict[str, dict[str, Any]]:
    return {
        constant(c.args[0]): keywords(c) for c in calls(tree, "DeclareLaunchArgument") if c.args
    }


def assigned(tree: ast.Module, name: str) -> Any:
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{name} is not assigned")


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_arguments_are_declared_described_and_used(trees: dict[str, ast.Module], name: str) -> None:
    tree = trees[name]
    arguments = declared(tree)
    used = {constant(c.args[0]) for c in calls(tree, "LaunchConfiguration")} - {None}
    if name == "ivlm.launch.py":  # those named by a loop variable
        used |= set(assigned(tree, "PARAMETERS")) | set(assigned(tree, "SWITCHES"))
    assert used == set(arguments)
    for argument, options in arguments.items():
        assert constant(options["description"]), argument
        default = constant(options["default_value"])
        assert isinstance(default, str), argument
        if "choices" in options:
            assert default in ast.literal_eval(options["choices"])


def test_arguments_passed_on_are_parameters_of_the_node(trees: dict[str, ast.Module]) -> None:
    known = {f.name: f for f in dataclasses.fields(NodeParameters)}
    for group, kind in (("PARAMETERS", str), ("SWITCHES", bool)):
        for name in assigned(trees["ivlm.launch.py"], group):
            if name != "use_sim_time":  # every node has it
                assert isinstance(known[name].default, kind)
            assert constant(declared(trees["ivlm.launch.py"])[name]["default_value"]) == ""


def test_an_argument_goes_before_the_file_and_the_file_before_this_files_default(
    trees: dict[str, ast.Module],
) -> None:
    (node,) = calls(trees["ivlm.launch.py"], "LifecycleNode")
    default, file, values = keywords(node)["parameters"].elts
    assert ast.literal_eval(default) == {"autostart": True}
    assert ast.unparse(file) == "*([file] if file else [])"
    assert ast.unparse(values) == "*values"


def test_rviz_follows_the_node_into_its_namespace(
    trees: dict[str, ast.Module], rviz: dict[str, Any], ros: None
) -> None:
    """Every topic of the view is remapped as the launch file says, by ROS itself."""
    from rclpy.node import Node
    from std_msgs.msg import Empty

    (action,) = [
        call
        for call in calls(trees["ivlm.launch.py"], "Node")
        if constant(keywords(call)["package"]) == "rviz2"
    ]
    remappings = keywords(action)["remappings"]
    expression = compile(ast.Expression(remappings), "remappings", "eval")
    pairs = eval(expression, {"SHOWN": assigned(trees["ivlm.launch.py"], "SHOWN")})
    options = ["--ros-args", *(part for a, b in pairs for part in ("-r", f"{a}:={b}"))]
    for namespace in ("", "robot1"):
        node = Node("rviz2", namespace=namespace, cli_args=options)
        for display in rviz["Visualization Manager"]["Displays"]:
            if "Topic" in display:
                name = display["Topic"]["Value"]
                subscription = node.create_subscription(Empty, name, print, 1)
                expected = f"/{namespace}{name}" if namespace else name
                assert subscription.topic_name == expected
        node.destroy_node()


def test_topics_that_are_remapped_are_those_the_node_reads(trees: dict[str, ast.Module]) -> None:
    """As frozen in test_streaming, and `detections`, which vision_msgs brings."""
    (node,) = calls(trees["ivlm.launch.py"], "LifecycleNode")
    pairs = keywords(node)["remappings"].elts
    assert {constant(pair.elts[0]) for pair in pairs} == {
        "body",
        "camera_info",
        "detections",
        "image",
        "label",
        "object_pose",
    }


def test_every_topic_that_may_be_used_is_documented(repository: Path) -> None:
    """The policy is tested against the running node, the page against the policy."""
    package = repository / "ros2_ws" / "src" / "ivlm_ros"
    policy = ElementTree.parse(package / "security" / "ivlm_node.policy.xml").getroot()
    page = (package / "README.md").read_text()
    names = {topic.text or "" for topic in policy.iter("topic")}
    by_ros = {"/clock", "/parameter_events", "/rosout", "/tf", "/tf_static", "~/transition_event"}
    of_tasks = {f"~/{task}_cloud" for task in TASKS}
    for name in sorted(names - by_ros - of_tasks):
        assert f"`{name}`" in page, name
    assert "`~/<task>_cloud`" in page


def test_executables_exist(trees: dict[str, ast.Module], repository: Path) -> None:
    setup = (repository / "ros2_ws" / "src" / "ivlm_ros" / "setup.py").read_text()
    ours = set(re.findall(r'"(\w+) = ivlm_ros\.\w+:main"', setup))
    theirs = {("rviz2", "rviz2"), ("tf2_ros", "static_transform_publisher")}
    for tree in trees.values():
        for call in calls(tree, "Node") + calls(tree, "LifecycleNode"):
            options = {k: constant(v) for k, v in keywords(call).items()}
            pair = (options["package"], options["executable"])
            assert pair in theirs or (pair[0] == "ivlm_ros" and pair[1] in ours), pair
    (node,) = calls(trees["ivlm.launch.py"], "LifecycleNode")
    assert {"name", "namespace"} <= set(keywords(node))  # both are mandatory


@pytest.mark.parametrize("name", ["demo.launch.py", "two_robots.launch.py"])
def test_what_is_handed_on_is_declared(trees: dict[str, ast.Module], name: str) -> None:
    (include,) = calls(trees[name], "IncludeLaunchDescription")
    handed = keywords(include)["launch_arguments"].func.value
    assert {constant(k) for k in handed.keys} <= set(declared(trees["ivlm.launch.py"]))


def test_demo_replays_with_the_programs_parameters(trees: dict[str, ast.Module]) -> None:
    (replay,) = [
        c
        for c in calls(trees["demo.launch.py"], "Node")
        if constant(keywords(c)["executable"]) == "image_replay"
    ]
    parameters = keywords(replay)["parameters"].elts[0]
    assert {constant(k) for k in parameters.keys} <= REPLAY_PARAMETERS


def test_replay_parameters_are_those_of_the_program(repository: Path) -> None:
    path = repository / "ros2_ws" / "src" / "ivlm_ros" / "ivlm_ros" / "image_replay.py"
    names = {
        constant(node.args[0])
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_declare"
    }
    assert names == REPLAY_PARAMETERS


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_real_launch_accepts_the_files(repository: Path, name: str) -> None:
    pytest.importorskip("launch_ros", reason="launch_ros is not on PyPI; runs with an apt ROS")
    spec = importlib.util.spec_from_file_location("launch_file", repository / "launch" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.generate_launch_description().entities


def test_rviz_shows_topics_that_exist_with_policies_that_connect(rviz: dict[str, Any]) -> None:
    pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")
    from ivlm_ros import qos

    published = {
        "/ivlm_node/markers": ("MarkerArray", qos.LATCHED),
        "/ivlm_node/affordance_samples": ("PoseArray", qos.RESULT),
        "/ivlm_node/attention": ("Image", qos.RESULT),
        "/ivlm_node/overlay": ("Image", qos.RESULT),
        "/ivlm_node/human_contact_posed_cloud": ("PointCloud2", qos.RESULT),
        "/ivlm_node/human_contact_cloud": ("PointCloud2", qos.RESULT),
        "/ivlm_node/object_affordance_cloud": ("PointCloud2", qos.RESULT),
    }
    shown = {}
    for display in rviz["Visualization Manager"]["Displays"]:
        assert isinstance(display["Enabled"], bool) and display["Value"] == display["Enabled"]
        if "Topic" in display:
            kind, profile = published[display["Topic"]["Value"]]
            assert display["Class"] == f"rviz_default_plugins/{kind}"
            shown[display["Topic"]["Value"]] = display["Topic"]
            durability = display["Topic"]["Durability Policy"].replace(" ", "_").upper()
            assert durability == profile.durability.name  # or a late RViz misses what is latched
            assert display["Topic"]["Reliability Policy"] == "Reliable"
            assert display["Topic"]["History Policy"] == "Keep Last"
    assert set(shown) == set(published)


def test_rviz_reads_our_clouds_and_never_guesses_ranges(rviz: dict[str, Any]) -> None:
    for display in rviz["Visualization Manager"]["Displays"]:
        if display["Class"].endswith("/PointCloud2"):
            assert display["Color Transformer"] == "RGB8"
            assert display["Channel Name"] == "score"
            assert (display["Min Intensity"], display["Max Intensity"]) == (0, 1)
            assert display["Decay Time"] == 0


def test_rviz_frame_is_the_one_the_launch_files_give(
    rviz: dict[str, Any], trees: dict[str, ast.Module]
) -> None:
    frame = rviz["Visualization Manager"]["Global Options"]["Fixed Frame"]
    arguments = declared(trees["ivlm.launch.py"])
    assert frame == constant(arguments["fixed_frame"]["default_value"])
    assert "'--frame-id', 'map'" in ast.unparse(trees["demo.launch.py"])

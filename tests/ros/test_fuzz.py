"""Every message that the node reads, with any content: an answer or a clear refusal, never a crash.

The node's own callbacks are called, so that thousands of messages take seconds; what reaches them
over DDS has passed rclpy, which drops bytes that are no message.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import Point, PoseStamped, Vector3  # noqa: E402
from geometry_msgs.msg import Pose as PoseMessage  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest  # noqa: E402
from shape_msgs.msg import Mesh as MeshMessage  # noqa: E402
from shape_msgs.msg import MeshTriangle  # noqa: E402
from std_msgs.msg import Header, String  # noqa: E402

from ivlm_core.geometry.mesh import Mesh, MeshError, check_mesh  # noqa: E402
from ivlm_core.messages.images import ENCODINGS, ImageFormatError  # noqa: E402
from ivlm_msgs.action import Estimate  # noqa: E402
from ivlm_msgs.msg import PosedBody  # noqa: E402
from ivlm_msgs.srv import ScoreGrasps, SetObject  # noqa: E402
from ivlm_ros.detection_input import read_detections  # noqa: E402
from ivlm_ros.intake import Frame  # noqa: E402
from ivlm_ros.node import IvlmNode  # noqa: E402
from ivlm_ros.services import mesh_of_message  # noqa: E402
from tests.fuzz.budget import cases  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

texts = st.text(max_size=40)
numbers = st.one_of(st.floats(width=64), st.floats(-2, 2), st.sampled_from((0.0, 1.0, -1.0)))
bytes_ = st.integers(0, 255)
large = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))
headers = st.builds(
    lambda sec, nanosec, frame: _stamped(Header(frame_id=frame), sec, nanosec),
    st.integers(-(2**31), 2**31 - 1),
    st.one_of(st.integers(0, 10**9 - 1), st.integers(0, 2**32 - 1)),
    st.one_of(st.just("camera"), texts),
)
points = st.builds(Point, x=numbers, y=numbers, z=numbers)
vectors = st.builds(Vector3, x=numbers, y=numbers, z=numbers)


def _stamped(header: Header, sec: int, nanosec: int) -> Header:
    header.stamp.sec, header.stamp.nanosec = sec, nanosec
    return header


def _pose(numbers: list[float]) -> PoseMessage:
    pose = PoseMessage()
    pose.position.x, pose.position.y, pose.position.z = numbers[:3]
    q = pose.orientation
    q.x, q.y, q.z, q.w = numbers[3:]
    return pose


poses = st.one_of(
    st.lists(numbers, min_size=7, max_size=7).map(_pose),
    st.tuples(*[st.floats(-2, 2)] * 3).map(lambda p: _pose([*p, 0.0, 0.0, 0.0, 1.0])),
)
meshes = st.builds(
    lambda vertices, faces: MeshMessage(
        vertices=vertices,
        triangles=[MeshTriangle(vertex_indices=np.array(f, np.uint32)) for f in faces],
    ),
    st.lists(points, max_size=8),
    st.lists(st.lists(large, min_size=3, max_size=3), max_size=8),
)
images = st.builds(
    Image,
    header=headers,
    height=large,
    width=large,
    encoding=st.one_of(st.sampled_from(ENCODINGS), texts),
    is_bigendian=bytes_,
    step=st.one_of(st.integers(0, 80), large),
    data=st.binary(max_size=600),
)
good_images = st.builds(
    lambda header, height, width, spare, fill: Image(
        header=header,
        height=height,
        width=width,
        encoding="rgb8",
        step=3 * width + spare,
        data=bytes([fill]) * ((3 * width + spare) * height),
    ),
    headers,
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 5),
    bytes_,
)


@pytest.fixture(scope="module")
def node(
    make_listener: Callable[..., Any],
    tiny_model: Path,
    photo: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[IvlmNode]:
    """An active node that has answered once; after all cases it answers again."""
    values = {
        "model": str(tiny_model),
        "device": "cpu",
        "label": "bottle",
        "object_mesh_dir": str(tmp_path_factory.mktemp("meshes")),
    }
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = IvlmNode("fuzzed", parameter_overrides=overrides)
    rig = Rig(make_listener, node)
    rig.send(photo)
    counts = node._statistics.counts
    rig.listener.until(lambda: counts().get("published"), "a first answer, counted")
    yield node
    before = len(rig.got("human_contact"))
    rig.call(_trigger(), "clear")
    rig.send(photo)
    rig.listener.until(lambda: len(rig.got("human_contact")) > before, "an answer after all that")
    node.shut_down()
    rig.listener.close()
    node.destroy_node()


def _trigger() -> type:
    from std_srvs.srv import Trigger

    return Trigger


@cases(60, 1500)
@given(st.one_of(images, images, images, good_images))
def test_images(node: IvlmNode, message: Image) -> None:
    before = node._statistics.counts().get("published", 0)
    try:
        node._process(Frame(message, ("bottle",)))
    except ValueError as error:  # ImageFormatError, or too few pixels to read
        assert "image" in str(error)
        return
    assert node._statistics.counts()["published"] == before + 1


@cases(60, 500)
@given(st.builds(CompressedImage, header=headers, format=texts, data=st.binary(max_size=300)))
def test_compressed_images(node: IvlmNode, message: CompressedImage) -> None:
    with pytest.raises(ImageFormatError):
        node._process(Frame(message, ("bottle",)))


@cases(100, 1000)
@given(st.text(max_size=120))
def test_labels(node: IvlmNode, text: str) -> None:
    node._intake._on_label(String(data=text))
    assert node._intake.labels and node._status._note


@cases(100, 700)
@given(st.builds(PoseStamped, header=headers, pose=poses), headers)
def test_object_poses(node: IvlmNode, message: PoseStamped, image: Header) -> None:
    known = node._places
    known.object_poses._on_pose(message)
    for pose in known.object_poses.at(image, ("bottle",)).values():
        assert np.isfinite([*pose.position, *pose.orientation]).all()
    known.health()


@cases(100, 700)
@given(
    st.builds(
        CameraInfo,
        header=headers,
        height=large,
        width=large,
        distortion_model=st.one_of(st.sampled_from(("plumb_bob", "equidistant", "")), texts),
        d=st.lists(numbers, max_size=14),
        k=st.lists(numbers, min_size=9, max_size=9),
        r=st.lists(numbers, min_size=9, max_size=9),
        p=st.lists(numbers, min_size=12, max_size=12),
        binning_x=large,
        binning_y=large,
    ),
    headers,
)
def test_camera_infos(node: IvlmNode, message: CameraInfo, image: Header) -> None:
    node._places.camera_info._on_info(message)
    camera = node._places.camera_info.at(image, 640, 480)
    assert camera is None or np.isfinite(camera.intrinsics).all()
    node._places.health()


@cases(60, 500)
@given(
    st.builds(
        PosedBody,
        header=headers,
        topology=st.one_of(st.sampled_from(("anny", "smpl")), texts),
        vertices=st.lists(st.floats(width=32), max_size=30),
    ),
    headers,
)
def test_bodies(node: IvlmNode, message: PosedBody, image: Header) -> None:
    node._places.bodies._on_body(message)
    node._places.bodies.at(image)
    node._places.health()


def detection(numbers: list[float], hypotheses: list[tuple[str, float]]) -> SimpleNamespace:
    x, y, theta, wide, high = numbers
    center = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=theta)
    results = [
        SimpleNamespace(hypothesis=SimpleNamespace(class_id=name, score=score))
        for name, score in hypotheses
    ]
    box = SimpleNamespace(center=center, size_x=wide, size_y=high)
    return SimpleNamespace(bbox=box, results=results)


@cases(60, 500)
@given(
    st.lists(
        st.builds(
            detection,
            st.lists(numbers, min_size=5, max_size=5),
            st.lists(st.tuples(texts, numbers), max_size=3),
        ),
        max_size=5,
    )
)
def test_detections(found: list[SimpleNamespace]) -> None:
    for one in read_detections(SimpleNamespace(detections=found)):
        left, top, right, bottom = one.box
        assert np.isfinite(one.box).all() and left < right and top < bottom


@cases(100, 1000)
@given(meshes)
def test_meshes(message: MeshMessage) -> None:
    try:
        mesh = mesh_of_message(message)
    except MeshError as error:
        assert str(error)
        return
    assert isinstance(check_mesh(mesh), Mesh)


@cases(60, 500)
@given(st.builds(SetObject.Request, label=texts, mesh_file=texts, mesh=meshes))
def test_set_object_requests(node: IvlmNode, request: SetObject.Request) -> None:
    answer = node._offered._on_set_object(request, SetObject.Response())
    assert answer.message
    if answer.success:
        node._meshes.forget_given()


@cases(60, 700)
@given(
    st.lists(poses, max_size=4),
    st.sampled_from(("", "camera", "map")),
    st.one_of(vectors, st.just(Vector3(x=0.1, y=0.1, z=0.1))),
    vectors,
    st.sampled_from(("", "bottle", "cup")),
)
def test_score_grasps_requests(
    node: IvlmNode,
    candidates: list[PoseMessage],
    frame: str,
    size: Vector3,
    center: Vector3,
    label: str,
) -> None:
    request = ScoreGrasps.Request(label=label, box_size=size, box_center=center)
    request.grasps.header.frame_id, request.grasps.poses = frame, candidates
    answer = node._outputs._affordances.score(request, ScoreGrasps.Response())
    if answer.success:
        assert len(answer.scores) == len(candidates)
        assert all(0 <= score <= 1 for score in answer.scores)
    else:
        assert answer.message and not answer.scores


@cases(40, 500)
@given(
    st.builds(
        Estimate.Goal,
        label=st.one_of(st.just("bottle"), texts),
        tasks=st.lists(st.one_of(st.just("human_contact"), texts), max_size=3),
        image=st.one_of(images, good_images),
        box=st.one_of(
            st.just(RegionOfInterest()),
            st.builds(RegionOfInterest, x_offset=large, y_offset=large, height=large, width=large),
        ),
        mesh=st.one_of(st.just(MeshMessage()), meshes),
    )
)
def test_goals(node: IvlmNode, goal: Estimate.Goal) -> None:
    handle = SimpleNamespace(
        request=goal, is_cancel_requested=False, publish_feedback=lambda feedback: None
    )
    result = Estimate.Result()
    try:
        outcome = node._action._estimate(handle, result, node._estimator, None, node._settings)
    except ValueError as error:
        assert str(error)
        return
    assert outcome == ("succeed" if result.success else "abort")
    assert result.estimates or result.message

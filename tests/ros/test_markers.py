"""What RViz is given, against the rules it draws by."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import Pose as PoseMessage  # noqa: E402
from geometry_msgs.msg import PoseArray  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from sensor_msgs.msg import Image, PointCloud2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker, MarkerArray  # noqa: E402

from ivlm_core.messages.arrangement import Display, arrange  # noqa: E402
from ivlm_core.messages.cdr import (
    Pose,
    Stamp,
    decode_marker_array,
    encode_marker_array,
    encode_point_cloud,
)  # noqa: E402
from ivlm_core.messages.clouds import POINT, contact_cloud  # noqa: E402
from ivlm_core.messages.images import fill_image  # noqa: E402
from ivlm_core.messages.markers import MarkerMaker, MarkerScene, shaded_colours  # noqa: E402
from ivlm_core.messages.placement import (  # noqa: E402
    OPTICAL_FROM_MESH,
    Placed,
    display_pose,
    place_vertices,
)
from ivlm_core.visualize.colours import score_colours  # noqa: E402
from ivlm_ros.rviz_problems import rviz_problems  # noqa: E402

HEADER = Stamp(12, 34, "camera")


@pytest.fixture(scope="module")
def array(prediction: Any, object_prediction: Any) -> MarkerArray:
    maker, markers = MarkerMaker(), []
    for item in arrange([prediction, object_prediction], Display()):
        markers += [maker.mesh_marker(item, HEADER), maker.caption(item, HEADER)]
    return deserialize_message(encode_marker_array(markers), MarkerArray)


def rotated(quaternion: tuple[float, ...], points: np.ndarray) -> np.ndarray:
    *axis, w = quaternion
    t = 2 * np.cross(axis, points)
    return points + w * t + np.cross(axis, t)


def test_rviz_has_no_complaint(array: MarkerArray) -> None:
    assert rviz_problems(array) == []
    assert [m.ns for m in array.markers] == [
        "bottle/human_contact",
        "bottle/human_contact_caption",
        "bottle/object_affordance",
        "bottle/object_affordance_caption",
    ]
    assert all(m.header.frame_id == "camera" and m.header.stamp.sec == 12 for m in array.markers)
    assert array.markers[1].text.startswith("human contact: bottle\n")


def test_triangles_are_the_mesh(array: MarkerArray, prediction: Any) -> None:
    marker, mesh = array.markers[0], prediction.mesh
    points = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 3, 3)
    np.testing.assert_allclose(points, mesh.vertices[mesh.faces], atol=1e-7)
    colours = np.array([(c.r, c.g, c.b, c.a) for c in marker.colors])
    expected = shaded_colours(prediction)[mesh.faces].reshape(-1, 4)
    np.testing.assert_allclose(colours, expected, atol=1e-6)


def test_shading_keeps_hue_and_shows_form(prediction: Any) -> None:
    """Colour is the score's times a factor within 0.35 and 1, brighter on the lit side."""
    mesh = prediction.mesh
    plain = score_colours(prediction.scores, prediction.known) / 255
    shaded = shaded_colours(prediction)[:, :3]
    factor = shaded[:, 0] / plain[:, 0]
    assert factor.min() >= 0.34 and factor.max() <= 1.01
    np.testing.assert_allclose(shaded, plain * factor[:, None], atol=0.01)
    up = mesh.vertex_normals[:, 1]
    assert factor[up > 0.8].mean() > factor[up < -0.8].mean() + 0.2


def test_body_stands_upright_and_faces_the_camera(prediction: Any) -> None:
    """Optical frame: head above feet means smaller y; the body's front has smaller z."""
    vertices = prediction.mesh.vertices
    pose = display_pose(vertices, (-0.6, 0.1, 3.0))
    placed = place_vertices(vertices, pose)
    assert np.isclose(np.linalg.det(OPTICAL_FROM_MESH), 1)
    np.testing.assert_allclose(
        placed, rotated(pose.orientation, vertices) + pose.position, atol=1e-5
    )
    np.testing.assert_allclose((placed.min(0) + placed.max(0)) / 2, (-0.6, 0.1, 3), atol=1e-5)
    assert placed[vertices[:, 1].argmax(), 1] < placed[vertices[:, 1].argmin(), 1]
    assert placed[vertices[:, 2].argmax(), 2] < placed[vertices[:, 2].argmin(), 2]
    left = prediction.mesh.parts["left hand"]
    right = prediction.mesh.parts["right hand"]
    assert placed[left, 0].mean() > placed[right, 0].mean()  # as in a photo of a facing person


def test_two_objects_stand_side_by_side(object_prediction: Any) -> None:
    pair = [object_prediction, object_prediction]
    first, second = arrange(pair, Display())
    width = float(np.ptp(object_prediction.mesh.vertices[:, 0]))
    assert second.pose.position[0] - first.pose.position[0] > width


def cloud_message(prediction: Any) -> PointCloud2:
    cloud = contact_cloud(prediction, prediction.mesh.vertices, HEADER)
    return deserialize_message(encode_point_cloud(cloud), PointCloud2)


def test_cloud_rows_are_vertices(prediction: Any) -> None:
    points = prediction.mesh.vertices
    cloud = cloud_message(prediction)
    assert (cloud.header.frame_id, cloud.header.stamp.sec) == ("camera", 12)
    assert (cloud.height, cloud.width, cloud.is_dense) == (1, len(points), True)
    assert rviz_problems(cloud) == []
    assert [f.name for f in cloud.fields] == ["x", "y", "z", "rgb", "score"]
    rows = np.frombuffer(cloud.data, POINT)
    np.testing.assert_array_equal(np.stack([rows["x"], rows["y"], rows["z"]], 1), points)
    np.testing.assert_array_equal(rows["score"], prediction.scores)
    colours = score_colours(prediction.scores, prediction.known)
    np.testing.assert_array_equal(rows["rgb"] >> 16, colours[:, 0])
    np.testing.assert_array_equal(rows["rgb"] & 255, colours[:, 2])


def test_a_scene_removes_what_is_gone(prediction: Any, object_prediction: Any) -> None:
    def read(data: bytes | None) -> list[tuple[str, int]]:
        assert data is not None
        message = deserialize_message(data, MarkerArray)
        assert rviz_problems(message) == []
        return [(m.ns, m.action) for m in message.markers if not m.ns.endswith("_caption")]

    scene = MarkerScene()
    assert scene.clear() is None, "nothing is shown"
    both = arrange([prediction, object_prediction], Display())
    add = [("bottle/human_contact", Marker.ADD), ("bottle/object_affordance", Marker.ADD)]
    assert read(scene.show(both, HEADER)) == add
    gone = [add[0], ("bottle/object_affordance", Marker.DELETE)]
    assert read(scene.show(both[:1], HEADER)) == gone
    assert read(scene.show(both[:1], HEADER)) == gone, "again: a viewer may have missed it"
    assert read(scene.clear()) == [("", Marker.DELETEALL)]
    assert scene.clear() is None
    assert read(scene.show(both[1:], HEADER)) == [add[1], ("bottle/human_contact", Marker.DELETE)]


def test_a_viewer_that_misses_messages_shows_nothing_that_is_gone(prediction: Any) -> None:
    """As RViz, whose depth is 1: while it draws, only the newest message waits."""
    scene, labels = MarkerScene(), ["bottle", *(f"label {i}" for i in range(45)), "bottle"]
    seen, shown = [], set()
    for label in labels:
        placed = arrange([replace(prediction, label=label)], Display())
        seen.append(decode_marker_array(scene.show(placed, HEADER)))
    for message in seen[::6]:
        shown |= {marker.ns for marker in message if marker.action == Marker.ADD}
        shown -= {marker.ns for marker in message if marker.action == Marker.DELETE}
        names = {marker.ns for marker in message if marker.action == Marker.ADD}
        assert shown == names and len(names) == 2
    assert len(seen[-1]) < 80, "what went long ago is not removed for ever"


def _spoil(**fields: Any) -> Any:
    def change(marker: Marker) -> None:
        for path, value in fields.items():
            target = marker
            *parents, name = path.split("__")
            for parent in parents:
                target = getattr(target, parent)
            setattr(target, name, value)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_spoil(header__frame_id=""), "frame_id"),
        (_spoil(header__frame_id="/camera"), "slash"),
        (_spoil(ns=""), "empty namespace"),
        (_spoil(action=1), "action 1"),
        (_spoil(type=12), "type 12"),
        (_spoil(scale__x=0.0), "scale has a zero"),
        (_spoil(scale__x=float("nan")), "not finite"),
        (_spoil(color__a=0.0), "color.a"),
        (_spoil(pose__orientation__w=0.5), "quaternion"),
        (_spoil(frame_locked=False), "transform ages out"),
        (_spoil(lifetime__nanosec=5), "lifetime"),
        (_spoil(points=[]), "0 points are not triangles"),
        (lambda m: m.points.pop(), "are not triangles"),
        (lambda m: m.colors.pop(), "colours for"),
        (lambda m: setattr(m.points[0], "x", float("inf")), "points that are not finite"),
        (lambda m: setattr(m.colors[0], "r", 2.0), "outside [0, 1]"),
        (lambda m: setattr(m.colors[0], "a", 0.5), "translucent"),
        (lambda m: m.points.__setitem__(1, m.points[0]), "no area"),
    ],
)
def test_the_checklist_finds_faults(object_prediction: Any, change: Any, said: str) -> None:
    marker = MarkerMaker().mesh_marker(Placed(object_prediction, Pose()), HEADER)
    message = deserialize_message(encode_marker_array([marker]), MarkerArray).markers[0]
    assert rviz_problems(message) == []
    change(message)
    assert any(said in problem for problem in rviz_problems(message))


def test_the_checklist_finds_doubles(array: MarkerArray) -> None:
    twice = MarkerArray(markers=[array.markers[1], copy.copy(array.markers[1])])
    assert any("twice" in problem for problem in rviz_problems(twice))


def test_the_checklist_reads_clouds_and_images(prediction: Any) -> None:
    cloud = cloud_message(prediction)
    cloud.width += 1
    assert any("do not make" in problem for problem in rviz_problems(cloud))
    cloud.fields = cloud.fields[1:]
    assert any("field x is missing" in problem for problem in rviz_problems(cloud))
    image = fill_image(Image(), np.zeros((2, 2), np.float32), "32FC1")
    assert any("garbage" in problem for problem in rviz_problems(image))
    poses = PoseArray(header=Header(frame_id="camera"), poses=[PoseMessage()])
    assert rviz_problems(poses) == []
    poses.poses[0].orientation.w = 0.5
    assert rviz_problems(poses) == ["poses: a quaternion is not of length one"]
    poses.poses[0].position.x = float("nan")
    assert rviz_problems(poses) == ["poses: not all numbers are finite"]
    with pytest.raises(TypeError, match="Header"):
        rviz_problems(Header())

"""Boxes of a detector, matched to images; with real messages where vision_msgs is installed."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

from ivlm_core.detections import Detection, regions  # noqa: E402
from ivlm_ros import detection_input, intake, qos  # noqa: E402
from ivlm_ros.detection_input import read_detections  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402

MakeRig = Callable[..., Rig]


def bbox(x: float, y: float, wide: float, high: float, theta: float = 0.0) -> Any:
    position = SimpleNamespace(x=x, y=y)
    center = SimpleNamespace(position=position, theta=theta)
    return SimpleNamespace(center=center, size_x=wide, size_y=high)


def detection(box: Any, /, **scores: float) -> Any:
    """A detection with scores by label, `_` for a space."""
    results = [
        SimpleNamespace(hypothesis=SimpleNamespace(class_id=name.replace("_", " "), score=score))
        for name, score in scores.items()
    ]
    return SimpleNamespace(results=results, bbox=box)


def test_the_likeliest_label_and_the_upright_box() -> None:
    message = SimpleNamespace(
        detections=[
            detection(bbox(50, 40, 20, 10), bowl=0.2, Coffee_Mug=0.7),
            detection(bbox(50, 40, 20, 10, np.pi / 2), chair=0.5),
        ]
    )
    mug, chair = read_detections(message)
    assert mug == Detection("coffee mug", 0.7, (40, 35, 60, 45))
    assert chair.label == "chair"
    np.testing.assert_allclose(chair.box, (45, 30, 55, 50))


@pytest.mark.parametrize(
    "odd",
    [
        detection(bbox(50, 40, 20, 10)),
        detection(bbox(50, 40, 0, 10), mug=1.0),
        detection(bbox(float("nan"), 40, 20, 10), mug=1.0),
        detection(bbox(50, 40, float("inf"), 10), mug=1.0),
        detection(bbox(-1.7e308, 40, 1.7e308, 10), mug=1.0),
        detection(bbox(50, 40, 20, 10), **{"<img>": 1.0}),
        detection(bbox(50, 40, 20, 10), **{"x" * 999: 1.0}),
    ],
)
def test_what_cannot_be_used_is_left_out(odd: Any) -> None:
    good = detection(bbox(50, 40, 20, 10), mug=0.7)
    (found,) = read_detections(SimpleNamespace(detections=[odd, good]))
    assert found.label == "mug"
    assert len(read_detections(SimpleNamespace(detections=[good] * 999))) == 200


wild = st.floats()
boxes = st.builds(bbox, wild, wild, wild, wild, wild)
results = st.dictionaries(st.text(max_size=70), wild, max_size=3)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(boxes, results), max_size=4), st.integers(1, 700), st.integers(1, 700))
def test_whatever_comes_gives_parts_of_the_image(found: list[Any], width: int, height: int) -> None:
    message = SimpleNamespace(detections=[detection(box, **scores) for box, scores in found])
    read = read_detections(message)
    labels = [d.label for d in read] or ["mug"]
    for part in regions(read, labels, ["object_contact"], (width, height), 0.2).values():
        assert 0 <= part.left < part.right <= width and 0 <= part.top < part.bottom <= height


def test_without_vision_msgs_that_is_told(
    make_node: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(detection_input, "Detection2DArray", None)
    node = make_node(use_detections=True)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "apt install ros-jazzy-vision-msgs" in "".join(capfd.readouterr())


class Detector:
    """Tells a node what was found, as a subscription would.

    Stands in for the subscription, because a message type that is not installed has none;
    `test_over_dds` has the real one.
    """

    topic = "/detections"

    def __init__(self, node: Any, callback: Callable[..., None]) -> None:
        self.found = callback

    def destroy(self) -> None:
        pass


@pytest.fixture
def detecting(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    monkeypatch.setattr(detection_input, "Detection2DArray", object)
    monkeypatch.setattr(intake, "DetectionInput", Detector)
    return lambda **values: make_rig(use_detections=True, **values)


def send(rig: Rig, photo: np.ndarray, *found: Detection) -> Any:
    """Send an image, then what was found in it."""
    message = rig.image(photo)
    before = rig.node._statistics.counts().get("received", 0)
    rig.images.publish(message)
    rig.counted("received", before + 1)
    stamp = message.header.stamp
    rig.node._intake._detections_in.found(stamp.sec * 10**9 + stamp.nanosec, found)
    return message.header


def spied(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Parts of images that are asked about, as they come."""
    asked: list[Any] = []
    predict = rig.node._estimator.pipeline.predict_batch

    def spy(queries: Any, *rest: Any) -> Any:
        asked.append({(q.label, q.task): q.image.shape[:2] for q in queries})
        return predict(queries, *rest)

    monkeypatch.setattr(rig.node._estimator.pipeline, "predict_batch", spy)
    return asked


def test_what_was_detected_is_asked_about_in_its_box(
    detecting: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = detecting(label="", detection_margin=0.0)
    asked = spied(rig, monkeypatch)
    mug = Detection("mug", 0.5, (20.0, 10.0, 70.0, 50.0))
    chair = Detection("chair", 0.9, (60.0, 30.0, 120.0, 80.0))
    person = Detection("person", 0.8, (50.0, 0.0, 90.0, 80.0))
    header = send(rig, photo, mug, chair, person)
    rig.listener.until(lambda: len(rig.got("human_contact")) == 2, "two answers")
    assert [m.label for m in rig.got("human_contact")] == ["chair", "mug"], "surest first"
    assert all(m.header == header for m in rig.got("human_contact"))
    assert asked == [
        {
            ("chair", "human_contact"): (80, 70),
            ("chair", "object_affordance"): (50, 60),
            ("mug", "human_contact"): (80, 70),
            ("mug", "object_affordance"): (40, 50),
        }
    ]


def test_a_model_that_reads_boxes_is_told_where_the_object_is(
    detecting: MakeRig, photo: np.ndarray, told_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pixels of the part that it is shown; a box that cannot be costs no answer."""
    rig = detecting(model=str(told_model), label="", detection_margin=0.0)
    asked: list[Any] = []
    predict = rig.node._estimator.pipeline.predict_batch

    def spy(queries: Any, *rest: Any) -> Any:
        asked.append({q.label: q.box for q in queries if q.task == "human_contact"})
        return predict(queries, *rest)

    monkeypatch.setattr(rig.node._estimator.pipeline, "predict_batch", spy)
    person = Detection("person", 0.8, (50.0, 0.0, 90.0, 80.0))
    mug = Detection("mug", 0.5, (20.0, 10.0, 70.0, 50.0))
    outside = Detection("chair", 0.9, (300.0, 10.0, 370.0, 50.0))
    send(rig, photo, mug, outside, person)
    rig.listener.until(lambda: len(rig.got("human_contact")) == 2, "two answers")
    send(rig, photo, mug)
    rig.listener.until(lambda: len(rig.got("human_contact")) == 3, "an answer without a person")
    assert asked == [{"chair": None, "mug": (0, 10, 50, 50)}, {"mug": mug.box}]


def test_a_label_chooses_among_what_was_detected(
    detecting: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = detecting(label="bottle", tasks=["object_affordance"], detection_margin=0.0)
    asked = spied(rig, monkeypatch)
    box = (20.0, 10.0, 70.0, 50.0)
    send(rig, photo, Detection("chair", 0.9, box), Detection("bottle", 0.2, box))
    rig.listener.until(lambda: rig.got("object_affordance"), "an answer")
    send(rig, photo, Detection("chair", 0.9, box))
    rig.listener.until(lambda: len(rig.got("object_affordance")) == 2, "an answer without box")
    assert [list(a.items()) for a in asked] == [
        [(("bottle", "object_affordance"), (40, 50))],
        [(("bottle", "object_affordance"), (80, 120))],
    ]


def test_images_without_detections_are_counted_and_nothing_found_asks_nothing(
    detecting: MakeRig, photo: np.ndarray
) -> None:
    rig = detecting(label="")
    for _ in range(11):
        before = rig.node._statistics.counts().get("received", 0)
        rig.send(photo)
        rig.counted("received", before + 1)
    rig.counted("without detections")
    send(rig, photo)
    rig.counted("without label")
    assert rig.got("human_contact") == []
    send(rig, photo, Detection("bottle", 0.4, (20.0, 10.0, 70.0, 50.0)))
    rig.listener.until(lambda: rig.got("human_contact"), "an answer")


def test_a_silent_detector_is_told(detecting: MakeRig, photo: np.ndarray) -> None:
    rig = detecting(input_timeout_s=0.1)

    def told() -> bool:
        statuses = [s for m in rig.listener.messages["/diagnostics"] for s in m.status]
        text = "no detections on /detections"
        return any(s.name.endswith(": detections") and text in s.message for s in statuses)

    rig.listener.until(told, "a warning about missing detections")


def test_over_dds(make_rig: MakeRig, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not on PyPI")
    rig = make_rig(use_detections=True, label="", tasks=["object_affordance"], detection_margin=0.0)
    asked = spied(rig, monkeypatch)
    publisher = rig.listener.node.create_publisher(vision.Detection2DArray, "detections", qos.LABEL)
    rig.listener.until(publisher.get_subscription_count, "the node to subscribe")
    image = rig.image(photo)
    found = vision.Detection2D()
    found.bbox.center.position.x, found.bbox.center.position.y = 45.0, 30.0
    found.bbox.size_x, found.bbox.size_y = 50.0, 40.0
    likely = vision.ObjectHypothesisWithPose()
    likely.hypothesis.class_id, likely.hypothesis.score = "chair", 0.9
    found.results = [likely]
    publisher.publish(vision.Detection2DArray(header=image.header, detections=[found]))
    rig.images.publish(image)
    rig.listener.until(lambda: rig.got("object_affordance"), "an answer")
    assert rig.got("object_affordance")[0].label == "chair"
    assert asked == [{("chair", "object_affordance"): (40, 50)}]

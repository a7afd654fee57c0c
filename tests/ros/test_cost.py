"""What the running node does not do: encode again what it has encoded, make what nobody reads."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")

from geometry_msgs.msg import Point  # noqa: E402
from shape_msgs.msg import Mesh as MeshMessage  # noqa: E402
from shape_msgs.msg import MeshTriangle  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from ivlm_core.geometry.mesh import Mesh  # noqa: E402
from ivlm_core.messages import results  # noqa: E402
from ivlm_core.messages.arrangement import Display, arrange  # noqa: E402
from ivlm_core.messages.cdr import Stamp  # noqa: E402
from ivlm_msgs.srv import SetObject  # noqa: E402
from ivlm_ros import qos  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402


class Counted:
    """Images that the two encoders of a node's model have read."""

    def __init__(self, rig: Rig) -> None:
        model = rig.node._estimator.pipeline.model
        self.photos: list[int] = []
        self.views: list[int] = []
        self.handles = [
            module.register_forward_hook(lambda _, inputs, output, n=n: n.append(len(inputs[0])))
            for module, n in ((model.vlm.tower, self.photos), (model.image_encoder, self.views))
        ]


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


@pytest.fixture
def counted(rig: Rig) -> Iterator[Counted]:
    counted = Counted(rig)
    yield counted
    for handle in counted.handles:
        handle.remove()


def answers(rig: Rig, photo: np.ndarray, number: int) -> None:
    """Send an image and wait until that many images have been answered in all."""
    rig.send(photo)
    rig.counted("published", number)


def test_several_labels_share_one_reading_of_the_image(
    rig: Rig, counted: Counted, photo: np.ndarray
) -> None:
    rig.say("bottle, chair, mug, scene")
    answers(rig, photo, 1)
    assert counted.photos == [1], "four labels, seven questions"


def test_the_first_image_pays_for_no_render(rig: Rig, counted: Counted, photo: np.ndarray) -> None:
    answers(rig, photo, 1)
    assert counted.views == []


def test_an_unchanged_mesh_is_not_encoded_again(
    rig: Rig, counted: Counted, photo: np.ndarray, sphere: Mesh
) -> None:
    message = MeshMessage(
        vertices=[Point(x=x, y=y, z=z) for x, y, z in sphere.vertices.astype(float).tolist()],
        triangles=[MeshTriangle(vertex_indices=f) for f in sphere.faces.astype(np.uint32)],
    )
    for number, label in enumerate(("ball", "ball", "globe"), 1):
        assert rig.call(SetObject, "set_object", label=label, mesh=message).success
        rig.say(label)
        answers(rig, photo, number)
        assert sum(counted.views) == 4, "its four views, once"
    rig.call(Trigger, "reload")  # another model, but the same encoder
    rig.listener.until(
        lambda: any("has taken over" in status.note for status in rig.status), "the model anew"
    )
    later = Counted(rig)
    answers(rig, photo, 4)
    assert later.views == []


def test_what_nobody_reads_is_not_made(
    make_rig: Callable[..., Rig], photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers are: they are latched for an RViz that comes later."""
    made: list[str] = []
    for name in ("encode_point_cloud", "encode_image", "sample_poses", "overlays"):
        encode = getattr(results, name)

        def note(*arguments: Any, name: str = name, encode: Any = encode) -> Any:
            made.append(name)
            return encode(*arguments)

        monkeypatch.setattr(results, name, note)
    rig = make_rig()
    rig.listener.listen(f"/{rig.name}/markers", MarkerArray, qos.LATCHED)
    answers(rig, photo, 1)
    rig.listener.until(lambda: rig.listener.messages[f"/{rig.name}/markers"], "markers")
    assert made == []


def test_without_listeners_only_markers_are_left(
    prediction: Any, object_prediction: Any, photo: np.ndarray
) -> None:
    placed = arrange([prediction, object_prediction], Display())
    messages = results.ResultMessages().of_image(
        Stamp(1, 2, "camera"), photo, placed, Display(), wanted=lambda topic: False
    )
    assert [message.topic for message in messages] == ["markers"]

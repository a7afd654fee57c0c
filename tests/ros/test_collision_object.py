"""`~/collision_object` over DDS, where moveit_msgs is installed."""

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not here; source ros2_ws/env.sh")
moveit = pytest.importorskip("moveit_msgs.msg", reason="moveit_msgs is not on PyPI")

from rclpy.parameter import Parameter  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from ivlm_ros import qos  # noqa: E402
from tests.ros.rig import Rig  # noqa: E402


def test_an_object_that_is_there_is_added_and_removed(
    make_rig: Callable[..., Rig], photo: np.ndarray
) -> None:
    rig = make_rig(
        tasks=["object_affordance"],
        threshold=0.001,
        object_pose_source="parameter",
        object_pose=[0.1, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
    )
    topic = f"/{rig.name}/collision_object"
    rig.listener.listen(topic, moveit.CollisionObject, qos.EVENT)
    publisher = rig.node._outputs._publishers["collision_object"]
    rig.listener.until(publisher.get_subscription_count, "the topic to connect")
    got = rig.listener.messages[topic]
    rig.send(photo)
    rig.listener.until(lambda: got, "the object")
    added = got[0]
    assert added.header == rig.got("object_affordance")[0].header
    assert (added.id, added.operation) == ("bottle", moveit.CollisionObject.ADD)
    assert (added.pose.position.x, added.pose.position.z) == (0.1, 1.0)
    (mesh,) = added.meshes
    assert 0 < len(mesh.triangles) <= 2000
    assert len(added.subframe_names) == len(added.subframe_poses) > 0
    behind = Parameter("object_pose", value=[0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0])
    rig.node.set_parameters([behind])
    rig.send(photo)
    rig.listener.until(lambda: len(rig.got("object_affordance")) == 2, "another answer")
    assert rig.call(Trigger, "clear").success
    rig.listener.until(lambda: len(got) == 2, "the removal")
    assert (got[1].id, got[1].operation) == ("bottle", moveit.CollisionObject.REMOVE)

"""A running node, ways to do it wrong, and what it says to each."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, Vector3
from geometry_msgs.msg import Pose as PoseMessage
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from PIL import Image as PilImage
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from shape_msgs.msg import Mesh as MeshMessage
from shape_msgs.msg import MeshTriangle
from std_srvs.srv import Trigger

from ivlm_msgs.action import Estimate
from ivlm_msgs.srv import ScoreGrasps, SetObject
from tests.ros.rig import Rig


class Lab:
    """What a fault may do to a node; every method returns what the node said to it."""

    def __init__(self, rig: Rig, photo: np.ndarray, folder: Path, model: Path) -> None:
        self.rig, self.photo, self.folder, self.model = rig, photo, folder, model

    # --- images ---

    def image(self, **fields: Any) -> str:
        """Send an image with some fields spoiled, until it has failed."""
        message = self.rig.image(self.photo)
        for name, value in fields.items():
            setattr(message, name, value)
        return self._failed(message)

    def pixels(self, pixels: np.ndarray, encoding: str) -> str:
        """Send an image of these bytes."""
        height, width = pixels.shape[:2]
        return self.image(
            height=height,
            width=width,
            encoding=encoding,
            step=pixels.nbytes // height,
            data=pixels.tobytes(),
        )

    def compressed(self, data: bytes, kind: str = "jpeg") -> str:
        """Send a compressed image."""
        message = CompressedImage(format=kind, data=data)
        message.header.frame_id = "camera"
        return self._failed(message)

    def _failed(self, message: Image | CompressedImage) -> str:
        statistics = self.rig.node._statistics
        before = statistics.counts().get("failed", 0)
        self.rig.images.publish(message)
        self.rig.counted("failed", before + 1)
        return statistics.pipeline_health().message

    def picture(self, kind: str, size: tuple[int, int] = (16, 16)) -> bytes:
        """Return a picture as a file."""
        out = BytesIO()
        PilImage.fromarray(np.zeros((*size, 3), np.uint8)).save(out, kind)
        return out.getvalue()

    # --- what else comes in ---

    def label(self, text: str) -> str:
        """Send a label and an image, and return what the status says."""
        return self._note_after(lambda: self.rig.say(text), "label")

    def forget_label(self) -> None:
        """Go back to the label of the parameter, and wait until the status has said so."""
        self.rig.say("")
        self.rig.listener.until(
            lambda: self.rig.status[-1].labels == ["bottle"], "the parameter's label"
        )

    def set_object(self, **fields: Any) -> str:
        """Call ~/set_object, which must refuse."""
        answer = self.rig.call(SetObject, "set_object", **{"label": "cup", **fields})
        assert not answer.success
        return answer.message

    def file(self, name: str, data: bytes) -> str:
        """Put a file into the mesh folder and give it to ~/set_object."""
        (self.folder / name).write_bytes(data)
        return self.set_object(mesh_file=name)

    def parameter(self, name: str, value: Any) -> str:
        """Set a parameter, which must be refused."""
        (result,) = self.rig.node.set_parameters([Parameter(name, value=value)])
        assert not result.successful
        return result.reason

    def other_model(self, path: str) -> str:
        """Ask for another model, which cannot be loaded."""

        def ask(model: str) -> None:
            (result,) = self.rig.node.set_parameters([Parameter("model", value=model)])
            assert result.successful

        note = self._note_after(lambda: ask(path), "could not be loaded")
        self._note_after(lambda: ask(str(self.model)), "has taken over")
        return note

    def grasps(self, frame: str = "", size: float = 0.1, **pose: float) -> str:
        """Call ~/score_grasps, which must refuse."""
        request: dict[str, Any] = {"label": "bottle", "box_size": Vector3(x=size, y=size, z=size)}
        message = ScoreGrasps.Request(**request)
        message.grasps.header.frame_id = frame
        candidate = PoseMessage()
        for name, value in pose.items():
            part, axis = name.split("_")
            setattr(getattr(candidate, part), axis, value)
        message.grasps.poses = [candidate]
        answer = self.rig.listener.call(ScoreGrasps, f"/{self.rig.name}/score_grasps", message)
        assert not answer.success
        return answer.message

    def estimate(self, **fields: Any) -> str:
        """Send a goal, which must be aborted."""
        listener = self.rig.listener
        client = ActionClient(listener.node, Estimate, f"/{self.rig.name}/estimate")
        listener.until(client.server_is_ready, "the action")
        sent = client.send_goal_async(Estimate.Goal(**fields))
        listener.until(sent.done, "the goal's acceptance")
        result = sent.result().get_result_async()
        listener.until(result.done, "the goal's result")
        client.destroy()
        assert not result.result().result.success
        return result.result().result.message

    def transition(self, number: int) -> str:
        """Ask for a transition that the state does not allow."""
        request = ChangeState.Request(transition=Transition(id=number))
        answer = self.rig.listener.call(ChangeState, f"/{self.rig.name}/change_state", request)
        return "refused" if not answer.success else "done"

    def trigger(self, service: str) -> str:
        """Call a service without arguments."""
        return self.rig.call(Trigger, service).message

    def _note_after(self, act: Callable[[], None], word: str) -> str:
        before = len(self.rig.status)
        act()
        new = self.rig.listener.until(
            lambda: [s.note for s in self.rig.status[before:] if word in s.note],
            f"a status with {word!r}",
        )
        return new[-1]

    # --- the next good image ---

    def good(self) -> Any:
        """Return the answer to a good image."""
        rig = self.rig
        before = len(rig.got("human_contact"))
        if rig._parameter("image_transport") == "compressed":
            rig.images.publish(CompressedImage(format="png", data=self.picture("PNG")))
        else:
            rig.send(self.photo)
        rig.listener.until(
            lambda: len(rig.got("human_contact")) > before, "the answer to a good image"
        )
        return rig.got("human_contact")[-1]


def mesh(vertices: list[tuple[float, float, float]], faces: list[list[int]]) -> MeshMessage:
    """Return a mesh message."""
    return MeshMessage(
        vertices=[Point(x=float(x), y=float(y), z=float(z)) for x, y, z in vertices],
        triangles=[MeshTriangle(vertex_indices=np.array(face, np.uint32)) for face in faces],
    )


def damaged_model(model: Path, folder: Path, name: str, data: bytes | None) -> str:
    """Return a copy of a model with one file replaced, or without it."""
    import shutil

    copy = folder / f"model without {name}"
    if not copy.exists():
        shutil.copytree(model, copy)
    if data is None:
        (copy / name).unlink(missing_ok=True)
    else:
        (copy / name).write_bytes(data)
    return str(copy)

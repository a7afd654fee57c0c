"""The services that change a running node: surfaces of objects, forgetting, loading again."""

from collections.abc import Callable

import numpy as np
from rclpy.lifecycle import LifecycleNode
from shape_msgs.msg import Mesh as MeshMessage
from std_srvs.srv import Trigger

from ivlm_core.geometry.mesh import Mesh, check_mesh
from ivlm_core.labels import read_label
from ivlm_core.object_meshes import ObjectMeshes, check_size, read_mesh_file
from ivlm_msgs.srv import SetObject


class Services:
    """`~/set_object`, `~/clear` and `~/reload` of one configured node.

    Args:
        node: the node that offers them.
        meshes: where surfaces go.
        clear: forgets what the node was told and has shown.
        reload: begins to load the model again; the text tells what was begun.
        changed: told in words what a service did.
    """

    def __init__(
        self,
        node: LifecycleNode,
        meshes: ObjectMeshes,
        clear: Callable[[], None],
        reload: Callable[[], str],
        changed: Callable[[str], None],
    ) -> None:
        self._node, self._meshes = node, meshes
        self._clear, self._reload, self._changed = clear, reload, changed
        self._services = [
            node.create_service(SetObject, "~/set_object", self._on_set_object),
            node.create_service(Trigger, "~/clear", self._on_clear),
            node.create_service(Trigger, "~/reload", self._on_reload),
        ]

    def destroy(self) -> None:
        """Take the services down."""
        for service in self._services:
            self._node.destroy_service(service)

    def _on_set_object(
        self, request: SetObject.Request, response: SetObject.Response
    ) -> SetObject.Response:
        try:
            label = read_label(request.label)
            mesh = self._mesh(request)
            self._meshes.give(label, mesh)
        except (ValueError, OSError) as error:
            response.success, response.message = False, str(error)
            self._node.get_logger().warning(f"set_object refused: {error}")
            return response
        response.success, response.message = True, f"surface of {label!r} set"
        response.vertices, response.faces = len(mesh.vertices), len(mesh.faces)
        self._changed(response.message)
        return response

    def _mesh(self, request: SetObject.Request) -> Mesh:
        if bool(request.mesh_file) == bool(request.mesh.vertices):
            raise ValueError("expected either mesh_file or a mesh with vertices")
        if not request.mesh_file:
            return mesh_of_message(request.mesh)
        return read_mesh_file(self._meshes.file_in_folder(request.mesh_file))

    def _on_clear(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._clear()
        response.success, response.message = True, "labels, surfaces and markers cleared"
        self._changed(response.message)
        return response

    def _on_reload(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, self._reload()
        return response


def mesh_of_message(message: MeshMessage) -> Mesh:
    """Return a mesh message as a mesh.

    Raises:
        MeshError: it cannot be used.
    """
    vertices = np.array([(v.x, v.y, v.z) for v in message.vertices], np.float64).reshape(-1, 3)
    faces = np.array([t.vertex_indices for t in message.triangles], np.int64).reshape(-1, 3)
    faces = np.minimum(faces, np.iinfo(np.int32).max)  # what a mesh counts with
    with np.errstate(over="ignore"):  # too large a number is infinite then, and refused
        return check_size(check_mesh(Mesh(vertices, faces)))

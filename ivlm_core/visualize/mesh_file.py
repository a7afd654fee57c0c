"""A prediction as a coloured mesh file for MeshLab, Blender, web viewers and RViz."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ivlm_core.geometry.mesh import Mesh, save_mesh
from ivlm_core.visualize.colours import score_colours
from ivlm_core.visualize.point_mesh import drawable

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_MATT = {
    "name": "score",
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
    "doubleSided": True,
}


def save_coloured_mesh(prediction: "Prediction", path: str | Path) -> Path:
    """Write the mesh with its vertices coloured by score, in the user's vertex order.

    A point cloud stays one, but for .glb, where every point becomes a small octahedron.

    Args:
        prediction: what to write.
        path: target; the suffix says the format (.ply, .glb, .obj, ...), its folder must exist.

    Returns:
        The path written.
    """
    path = Path(path)
    if path.suffix.lower() == ".glb":
        mesh, scores, seen = drawable(prediction.mesh, prediction.scores, prediction.known)
        path.write_bytes(_glb(mesh, score_colours(scores, seen)))
        return path
    colours = score_colours(prediction.scores, prediction.known)
    return save_mesh(prediction.mesh, path, colours)


def _glb(mesh: Mesh, colours: np.ndarray) -> bytes:
    """Binary glTF: its vertex colours are linear, and without a material it would look metallic."""
    import trimesh
    from trimesh.exchange.gltf import export_glb

    value = colours / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    out = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_colors=np.round(linear * 255).astype(np.uint8),
        vertex_normals=mesh.vertex_normals,
        process=False,
    )

    def add_material(tree: dict[str, Any]) -> None:
        tree["materials"] = [_MATT]
        tree["meshes"][0]["primitives"][0]["material"] = 0

    scene = trimesh.Scene(out)
    return bytes(export_glb(scene, include_normals=True, tree_postprocessor=add_material))

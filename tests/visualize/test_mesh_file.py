import json
import struct

import numpy as np
import pytest
import trimesh

from ivlm_core.geometry.mesh import load_mesh
from ivlm_core.visualize import save_coloured_mesh, score_colours


def test_ply_keeps_vertex_order_units_and_colours(body_prediction, tmp_path):
    path = save_coloured_mesh(body_prediction, tmp_path / "out.ply")
    mesh = load_mesh(path)
    assert np.allclose(mesh.vertices, body_prediction.mesh.vertices, atol=1e-6)
    assert (mesh.faces == body_prediction.mesh.faces).all()
    colours = trimesh.load(path, process=False).visual.vertex_colors[:, :3]
    assert (colours == score_colours(body_prediction.scores, body_prediction.known)).all()


def test_glb_keeps_vertex_order_and_is_neither_metallic_nor_dark(body_prediction, tmp_path):
    path = save_coloured_mesh(body_prediction, tmp_path / "out.glb")
    mesh = load_mesh(path)
    assert np.allclose(mesh.vertices, body_prediction.mesh.vertices, atol=1e-6)
    assert (mesh.faces == body_prediction.mesh.faces).all()
    data = path.read_bytes()
    length = struct.unpack("<I", data[12:16])[0]
    tree = json.loads(data[20 : 20 + length])
    primitive = tree["meshes"][0]["primitives"][0]
    assert {"POSITION", "NORMAL", "COLOR_0"} <= set(primitive["attributes"])
    material = tree["materials"][primitive["material"]]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0.0
    linear = _colours(tree, data[28 + length :]) / 255
    shown = score_colours(body_prediction.scores, body_prediction.known) / 255
    assert np.abs(linear ** (1 / 2.2) - shown).max() < 0.05


def _colours(tree, blob):
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    start = tree["bufferViews"][accessor["bufferView"]]["byteOffset"]
    raw = np.frombuffer(blob, np.uint8, count=4 * accessor["count"], offset=start)
    return raw.reshape(-1, 4)[:, :3]


@pytest.mark.parametrize("suffix", [".ply", ".glb"])
def test_meshes_of_few_vertices_are_written(object_prediction, suffix, tmp_path):
    path = save_coloured_mesh(object_prediction, tmp_path / f"box{suffix}")
    assert load_mesh(path).num_vertices == 8

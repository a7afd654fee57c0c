"""Meshes that can be used, but perhaps not as they were meant, are told of with the remedy."""

import numpy as np
import trimesh

from ivlm_core.commands.mesh_notes import mesh_notes
from ivlm_core.geometry.mesh import Mesh


def of(surface: trimesh.Trimesh, scale: float = 1.0) -> Mesh:
    return Mesh(surface.vertices * scale, surface.faces, name="cup")


def test_a_mesh_in_millimetres_is_told_of():
    ball = trimesh.creation.icosphere(3, radius=0.05)
    assert mesh_notes(of(ball)) == []
    (note,) = mesh_notes(of(ball, scale=1000))
    assert note.startswith("mesh 'cup' is 100 m large") and "scale it by 0.001" in note


def test_a_mesh_without_vertices_to_score_is_told_of():
    """As of a CAD model, whose flat faces are as few triangles as will do."""
    (note,) = mesh_notes(of(trimesh.creation.cylinder(0.04, 0.1)))
    assert "longer than 25% of its size" in note and "subdivide it" in note
    box = trimesh.creation.box((0.1, 0.1, 0.1))
    assert mesh_notes(of(box))
    assert mesh_notes(of(box.subdivide().subdivide().subdivide())) == []


def test_a_point_cloud_has_no_triangles_to_be_told_of():
    points = np.random.default_rng(0).random((40, 3))
    assert mesh_notes(Mesh(points, np.zeros((0, 3)), name="scan")) == []

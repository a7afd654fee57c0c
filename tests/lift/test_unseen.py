"""Scores of vertices that no view shows."""

import numpy as np
import trimesh

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.lift.unseen import nearest_seen


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices), np.asarray(shape.faces))


def test_seen_vertices_keep_their_own() -> None:
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=2))
    seen = np.random.default_rng(0).random(ball.num_vertices) < 0.5
    source = nearest_seen(ball, seen)
    assert (source[seen] == np.flatnonzero(seen)).all()
    assert seen[source].all()


def test_the_nearest_is_taken_along_the_surface() -> None:
    """Of two fingers that nearly touch, neither lends the other its contact."""
    strip = [(0, 0), (1, 0), (2, 0), (3, 0), (3, 0.1), (2, 0.1), (1, 0.1), (0, 0.1)]
    vertices = np.array([(x, y, z) for z in (0.0, 5.0) for x, y in strip])
    faces = [
        face for i in range(7) for face in ((i, i + 1, i + 8), (i + 1, i + 9, i + 8))
    ]  # a band that goes out along y = 0 and back along y = 0.1
    seen = np.zeros(16, bool)
    seen[[0, 5, 8, 13]] = True
    source = nearest_seen(Mesh(vertices, np.array(faces)), seen)
    assert source[1] == 0  # 0.1 away from 6, but only around the end of the band
    assert source[6] == 5


def test_a_way_crosses_the_seams_of_a_texture() -> None:
    """A file repeats the vertices of a seam; what is seen on one side is next door to the other."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    ahead = ball.triangles_center[:, 0] > 0
    front, back = (ball.submesh([side], append=True, repair=False) for side in (ahead, ~ahead))
    cut = Mesh(
        np.concatenate([front.vertices, back.vertices]),
        np.concatenate([front.faces, back.faces + len(front.vertices)]),
    )
    seen = np.arange(cut.num_vertices) < len(front.vertices)
    source = nearest_seen(cut, seen)
    assert seen[source].all(), "no vertex of the back is left alone"
    seam = ~seen & np.isin(cut.places, cut.places[seen])
    assert seam.any() and (cut.places[source[seam]] == cut.places[seam]).all()


def test_what_no_way_leads_to_stays_itself() -> None:
    apart = trimesh.util.concatenate(
        [trimesh.creation.box(), trimesh.creation.box().apply_translation((5, 0, 0))]
    )
    seen = np.zeros(16, bool)
    seen[0] = True
    source = nearest_seen(mesh_of(apart), seen)
    assert (source[:8] == 0).all()
    assert (source[8:] == np.arange(8, 16)).all()


def test_clouds_and_hidden_meshes_have_no_neighbours_to_ask() -> None:
    cloud = Mesh(np.random.default_rng(0).random((5, 3)), np.zeros((0, 3), int))
    assert (nearest_seen(cloud, np.array([True, False, False, False, True])) == np.arange(5)).all()
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=1))
    hidden = np.zeros(ball.num_vertices, bool)
    assert (nearest_seen(ball, hidden) == np.arange(ball.num_vertices)).all()

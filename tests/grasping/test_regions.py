"""Graspable patches of a surface as named frames, and the small mesh for collision checks."""

import numpy as np
import pytest
import trimesh

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.grasping.collision import collision_mesh
from ivlm_core.grasping.regions import affordance_regions


@pytest.fixture(scope="module")
def bar() -> Mesh:
    """A bar of 0.4 m along x with named ends."""
    made = trimesh.creation.box(extents=(0.4, 0.1, 0.1)).subdivide().subdivide().subdivide()
    left = np.flatnonzero(made.vertices[:, 0] < -0.05)
    right = np.flatnonzero(made.vertices[:, 0] > 0.05)
    return Mesh(made.vertices, made.faces, {"left end": left, "right end": right})


def two_tops(mesh: Mesh) -> np.ndarray:
    """Scores that are high on top of both ends, higher on the right."""
    x, y, _ = mesh.vertices.T
    top = (y > 0.049) & (np.abs(x) > 0.08)
    return np.where(top, 0.6 + x, 0.1).astype(np.float32)


def test_two_patches_two_frames(bar: Mesh) -> None:
    scores = two_tops(bar)
    right, left = affordance_regions(bar, scores, np.ones(len(scores), bool), 0.3)
    assert (right.name, left.name) == ("right_end", "left_end")
    assert right.position[0] == pytest.approx(0.14, abs=0.03)
    assert left.position[0] == pytest.approx(-0.14, abs=0.03)
    assert right.score > left.score > 0.3
    for region in (left, right):
        assert np.linalg.det(region.rotation) == pytest.approx(1)
        np.testing.assert_allclose(region.rotation[:, 0], (0, -1, 0), atol=1e-3)
        assert (scores[region.vertices] >= 0.3).all()


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_the_approach_axis_points_into_the_surface(bar: Mesh, axis: str) -> None:
    seen = np.ones(bar.num_vertices, bool)
    region = affordance_regions(bar, two_tops(bar), seen, 0.3, approach_axis=axis)[0]
    np.testing.assert_allclose(region.rotation[:, "xyz".index(axis)], (0, -1, 0), atol=1e-3)


def test_unseen_and_low_vertices_make_no_region(bar: Mesh) -> None:
    scores = two_tops(bar)
    seen = bar.vertices[:, 0] < 0
    (left,) = affordance_regions(bar, scores, seen, 0.3)
    assert left.name == "left_end"
    assert affordance_regions(bar, scores, seen & ~seen, 0.3) == []
    assert affordance_regions(bar, scores, seen, 0.9) == []


def test_specks_are_no_region(bar: Mesh) -> None:
    scores = two_tops(bar)
    scores[bar.vertices[:, 1].argmin()] = 1.0
    assert len(affordance_regions(bar, scores, np.ones(len(scores), bool), 0.3)) == 2


def test_repeated_vertices_do_not_tear_a_patch(bar: Mesh) -> None:
    """As STL stores it: three vertices of its own for every triangle."""
    torn = Mesh(bar.vertices[bar.faces.ravel()], np.arange(3 * bar.num_faces).reshape(-1, 3))
    scores = two_tops(torn)
    found = affordance_regions(torn, scores, np.ones(len(scores), bool), 0.3)
    assert [region.name for region in found] == ["region", "region_2"]


def test_at_most_so_many(bar: Mesh) -> None:
    assert len(affordance_regions(bar, two_tops(bar), np.ones(bar.num_vertices, bool), 0.3, 1)) == 1


def test_a_large_mesh_becomes_small_and_stays_close() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    mesh = Mesh(ball.vertices, ball.faces)
    small = collision_mesh(mesh, 500)
    assert 100 < small.num_faces <= 500
    np.testing.assert_allclose(np.linalg.norm(small.vertices, axis=1), 0.5, atol=0.02)
    assert collision_mesh(small, 500) is small


def test_noise_of_many_patches_is_sorted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of specks: none of them may cost a look at all vertices."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    mesh = Mesh(ball.vertices, ball.faces)
    scores = np.random.default_rng(0).random(mesh.num_vertices)
    looks: list[int] = []
    flatnonzero = np.flatnonzero
    monkeypatch.setattr(np, "flatnonzero", lambda a: looks.append(len(a)) or flatnonzero(a))
    affordance_regions(mesh, scores, np.ones(len(scores), bool), 0.8)
    assert len(looks) < 10

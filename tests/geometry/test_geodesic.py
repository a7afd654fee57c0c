"""Distances over surfaces whose distances are known."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.geodesic import SurfaceDistance
from ivlm_core.geometry.mesh import Mesh

SPHERE = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
ON_SPHERE = SurfaceDistance(Mesh(SPHERE.vertices, SPHERE.faces))


@given(st.lists(st.integers(0, len(SPHERE.vertices) - 1), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_on_a_sphere_it_is_the_arc_to_the_nearest(chosen: list[int]) -> None:
    targets = np.zeros(len(SPHERE.vertices), bool)
    targets[chosen] = True
    arcs = 0.5 * np.arccos((SPHERE.vertices @ SPHERE.vertices[chosen].T / 0.25).clip(-1, 1))
    found = ON_SPHERE.to(targets)
    np.testing.assert_allclose(found, arcs.min(axis=1), atol=0.02)
    assert (found[targets] == 0).all()


def test_on_a_plate_it_is_straight() -> None:
    x, y = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 21))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(441)], axis=1)
    corner = np.arange(440 - 20)[np.arange(420) % 21 < 20]
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 21], axis=1),
            np.stack([corner + 1, corner + 22, corner + 21], axis=1),
        ]
    )
    middle = 220
    distance = SurfaceDistance(Mesh(vertices, faces)).to(np.arange(441) == middle)
    straight = np.linalg.norm(vertices - vertices[middle], axis=1)
    np.testing.assert_allclose(distance, straight, atol=0.05)


def test_hands_of_the_body_are_an_arm_span_apart() -> None:
    body = load_body("anny")
    distance = SurfaceDistance(body.mesh)
    x = body.mesh.vertices[:, 0]
    reach = distance.to(np.arange(len(x)) == x.argmax())
    assert x.max() - x.min() < reach[x.argmin()] < 1.6 * (x.max() - x.min())
    assert np.isfinite(reach).all(), "eyeballs are no part of the skin, and have a place"
    assert (reach >= 0).all()


def test_unconnected_parts_are_as_far_as_the_nearest_point() -> None:
    first = trimesh.creation.icosphere(subdivisions=2, radius=1.0)
    second = trimesh.creation.icosphere(subdivisions=1, radius=0.1)
    second.apply_translation([1.5, 0, 0])
    both = trimesh.util.concatenate([first, second])
    count = len(first.vertices)
    distance = SurfaceDistance(Mesh(both.vertices, both.faces))
    near = int(both.vertices[:count, 0].argmax())
    found = distance.to(np.arange(len(both.vertices)) == near)
    assert 0.39 < found[count:].min() <= found[count:].max() <= 0.75


def test_without_targets_nothing_is_near() -> None:
    assert np.isnan(ON_SPHERE.to(np.zeros(len(SPHERE.vertices), bool))).all()
    with pytest.raises(ValueError, match="targets must be"):
        ON_SPHERE.to(np.zeros(3, bool))

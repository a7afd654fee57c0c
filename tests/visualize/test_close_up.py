"""The close-up shows the contact well, however thin, open or hollow the surface is."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.pipeline import Prediction
from ivlm_core.visualize.close_up import best_direction, close_up

TURNS = (np.eye(3)[[0, 1, 2]], np.eye(3)[[1, 2, 0]], np.eye(3)[[2, 0, 1]])


def plate(turn: np.ndarray) -> Mesh:
    """A disc of 1 cm, which lies flat or stands."""
    disc = trimesh.creation.cylinder(0.25, 0.01, sections=48).subdivide_to_size(0.03)
    return Mesh(np.asarray(disc.vertices) @ turn.T, np.asarray(disc.faces), name="plate")


def sheet(turn: np.ndarray) -> Mesh:
    """A square without thickness."""
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-0.3, 0.3, 25)] * 2))
    corner = np.arange(24 * 25).reshape(24, 25)[:, :-1].ravel()
    faces = np.concatenate(
        [corner[:, None] + [0, 1, 26], corner[:, None] + [0, 26, 25]]
    )  # two triangles a square
    return Mesh(np.stack([x, y, 0 * x], axis=1) @ turn.T, faces, name="sheet")


def touched(like: Prediction, mesh: Mesh, place: np.ndarray, radius: float) -> Prediction:
    distance = np.linalg.norm(mesh.vertices - place, axis=1)
    scores = np.exp(-((distance / radius) ** 2)).astype(np.float32)
    return replace(like, mesh=mesh, scores=scores, seen=np.ones(len(scores), dtype=bool))


def share_warm(picture: np.ndarray) -> float:
    picture = picture.astype(int)
    return float(((picture[..., 0] - picture[..., 2]) > 60).mean())


@pytest.mark.parametrize("shape", [plate, sheet])
@pytest.mark.parametrize("turn", TURNS)
def test_contact_at_the_rim_of_a_thin_surface_is_not_seen_edge_on(
    object_prediction: Prediction, shape: type, turn: np.ndarray
) -> None:
    mesh = shape(turn)
    rim = mesh.vertices[np.abs(mesh.vertices).max(axis=1).argmax()]
    assert share_warm(close_up(touched(object_prediction, mesh, rim, 0.12), 120)) > 0.12


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_contact_inside_a_hollow_is_seen_through_its_opening(side: float) -> None:
    tube = trimesh.creation.annulus(0.19, 0.2, 0.3, sections=32).subdivide_to_size(0.08)
    vertices = np.asarray(tube.vertices)[:, [1, 2, 0]]
    bottom = trimesh.creation.cylinder(0.2, 0.01, sections=32).subdivide_to_size(0.08)
    floor = np.asarray(bottom.vertices)[:, [1, 2, 0]] - [0, 0.15 * side, 0]
    faces = np.concatenate([tube.faces, bottom.faces + len(vertices)])[:, ::-1]  # normals inwards
    mesh = Mesh(np.concatenate([vertices, floor]), faces, name="can")
    inside = np.abs(mesh.vertices - [0, -0.145 * side, 0]).max(axis=1) < 0.1
    inside &= side * mesh.vertices[:, 1] > -0.146
    _, elevation = best_direction(mesh, inside.astype(float), mesh.vertices[inside])
    assert side * elevation > 60


def test_small_contact_fills_the_picture_more_than_the_object_would(
    object_prediction: Prediction,
) -> None:
    mesh = sheet(TURNS[0])
    found = touched(object_prediction, mesh, np.zeros(3), 0.05)
    assert share_warm(close_up(found, 120)) > 0.15


def test_the_same_prediction_gives_the_same_picture(object_prediction: Prediction) -> None:
    first, second = (close_up(object_prediction, 64) for _ in range(2))
    assert (first == second).all()

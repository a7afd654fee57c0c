"""A mesh in a photograph: where its vertices project, strong where its score is high."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ivlm_core.geometry.camera import Camera
from ivlm_core.visualize.in_photo import mesh_in_photo

PHOTO = np.full((120, 160, 3), (40, 90, 160), np.uint8)


@pytest.fixture
def camera() -> Camera:
    intrinsics = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
    return Camera(intrinsics, np.eye(4), 120, 160)


@pytest.fixture
def ahead() -> np.ndarray:
    """Half a turn about x, three metres ahead: a mesh that has y up stands upright."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = 3.0
    return pose


def scored(prediction: Any, score: float) -> Any:
    count = prediction.mesh.num_vertices
    return replace(prediction, scores=np.full(count, score, np.float32), seen=np.ones(count, bool))


def test_it_is_drawn_where_it_projects(
    body_prediction: Any, camera: Camera, ahead: np.ndarray
) -> None:
    drawn = mesh_in_photo(PHOTO, scored(body_prediction, 0.9), ahead, camera)
    changed = (drawn != PHOTO).any(axis=-1)
    rows, columns = np.nonzero(changed)
    points = body_prediction.mesh.vertices @ ahead[:3, :3].T + ahead[:3, 3]
    pixels, _ = camera.project(points)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    assert columns.min() == pytest.approx(low[0], abs=2)
    assert columns.max() == pytest.approx(high[0], abs=2)
    assert rows.min() == pytest.approx(max(low[1], 0), abs=2)
    assert rows.max() == pytest.approx(min(high[1], 119), abs=2)


def test_contact_covers_the_photo_and_the_rest_is_seen_through(
    body_prediction: Any, camera: Camera, ahead: np.ndarray
) -> None:
    def covered(prediction: Any) -> np.ndarray:
        drawn = mesh_in_photo(PHOTO, prediction, ahead, camera).astype(int)
        return np.abs(drawn - PHOTO).sum(axis=-1)

    touched, free = covered(scored(body_prediction, 1.0)), covered(scored(body_prediction, 0.0))
    assert ((touched > 0) == (free > 0)).mean() > 0.99
    red = mesh_in_photo(PHOTO, scored(body_prediction, 1.0), ahead, camera)[touched > 0]
    assert (red[:, 0] > red[:, 2]).mean() > 0.9, "little of the blue photo is left"
    unseen = np.zeros(len(body_prediction.scores), bool)
    hidden = replace(scored(body_prediction, 0.0), seen=unseen)
    assert covered(hidden).sum() < touched.sum(), "what was not seen has no score"
    lent = replace(scored(body_prediction, 1.0), seen=unseen)
    assert covered(lent).sum() == touched.sum(), "or that of a neighbour"


def test_behind_the_camera_is_nothing(
    body_prediction: Any, camera: Camera, ahead: np.ndarray
) -> None:
    ahead[2, 3] = -3.0
    drawn = mesh_in_photo(PHOTO, scored(body_prediction, 1.0), ahead, camera)
    np.testing.assert_array_equal(drawn, PHOTO)


def test_a_camera_of_another_size_is_refused(
    body_prediction: Any, camera: Camera, ahead: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"80x60 pixels, its camera 160x120"):
        mesh_in_photo(PHOTO[::2, ::2].copy(), body_prediction, ahead, camera)

"""Points, samples and scores for grasp planners."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ivlm_core.geometry.mesh import Mesh
from ivlm_core.grasping.samples import affordance_samples
from ivlm_core.grasping.score import score_grasps
from ivlm_core.grasping.surface import ScoredPoints, scored_points


def box(x: float = 0.1, y: float = 0.2, z: float = 0.4) -> Mesh:
    made = trimesh.creation.box(extents=(x, y, z))
    return Mesh(np.asarray(made.vertices, np.float32), np.asarray(made.faces, np.int32))


def upwards(mesh: Mesh) -> np.ndarray:
    """Scores that rise with z from 0 to 1."""
    z = mesh.vertices[:, 2]
    return (z - z.min()) / np.ptp(z)


@pytest.fixture(scope="module")
def points() -> ScoredPoints:
    return scored_points(box(), upwards(box()))


def test_points_cover_a_surface_by_area(points: ScoredPoints) -> None:
    """Eight vertices, but every side of the box has its share of points."""
    half = np.array([0.05, 0.1, 0.2])
    on_side = np.abs(np.abs(points.positions) - half) < 1e-6
    assert on_side.any(axis=1).all() and (np.abs(points.positions) <= half + 1e-6).all()
    share = on_side.mean(axis=0) / on_side.mean(axis=0).sum()
    areas = np.array([0.2 * 0.4, 0.1 * 0.4, 0.1 * 0.2])
    np.testing.assert_allclose(share, areas / areas.sum(), atol=0.01)
    expected = (points.positions[:, 2] + 0.2) / 0.4
    np.testing.assert_allclose(points.scores, expected, atol=1e-6)
    outwards = (points.normals * points.positions).sum(axis=1)
    assert (outwards > 0).all()
    np.testing.assert_allclose(np.linalg.norm(points.normals, axis=1), 1)


def test_the_same_points_every_time(points: ScoredPoints) -> None:
    again = scored_points(box(), upwards(box()))
    np.testing.assert_array_equal(again.positions, points.positions)


def test_what_was_not_seen_gets_no_points() -> None:
    mesh = box()
    seen = mesh.vertices[:, 0] > 0  # one side of six is seen whole
    found = scored_points(mesh, upwards(mesh), seen)
    np.testing.assert_allclose(found.positions[:, 0], 0.05, atol=1e-6)
    with pytest.raises(ValueError, match="nowhere to look"):
        scored_points(mesh, upwards(mesh), np.zeros(8, bool))


def test_wrong_arguments_of_points() -> None:
    mesh = box()
    with pytest.raises(ValueError, match=r"scores must be \[8\]"):
        scored_points(mesh, np.ones(3))
    with pytest.raises(ValueError, match=r"seen must be \[8\]"):
        scored_points(mesh, np.ones(8), np.ones(3, bool))
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            scored_points(mesh, np.full(8, bad))
    with pytest.raises(ValueError, match="count"):
        scored_points(mesh, np.ones(8), count=0)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0, 0.95), st.floats(0.0, 0.3), st.integers(1, 40), st.sampled_from(["x", "y", "z"])
)
def test_samples_are_good_apart_and_come_from_outside(
    points: ScoredPoints, threshold: float, spacing: float, most: int, axis: str
) -> None:
    found = affordance_samples(points, threshold, spacing, most, axis)
    assert 1 <= len(found.scores) <= most
    assert (np.diff(found.scores) <= 0).all() and (found.scores >= threshold).all()
    assert found.scores[0] == points.scores.max()
    apart = np.linalg.norm(found.positions[:, None] - found.positions[None], axis=-1)
    assert (apart[~np.eye(len(apart), dtype=bool)] >= spacing - 1e-12).all()
    turned = found.rotations.transpose(0, 2, 1) @ found.rotations
    np.testing.assert_allclose(turned, np.tile(np.eye(3), (len(turned), 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(found.rotations), 1)
    approach = found.rotations[:, :, "xyz".index(axis)]
    assert ((approach * found.positions).sum(axis=1) < 0).all()  # into a box around the origin


def test_nothing_good_gives_no_samples(points: ScoredPoints) -> None:
    found = affordance_samples(points, 1.5, 0.01)
    assert found.positions.shape == (0, 3) and found.rotations.shape == (0, 3, 3)
    with pytest.raises(ValueError, match="spacing"):
        affordance_samples(points, 0.5, -1)
    with pytest.raises(ValueError, match="approach_axis"):
        affordance_samples(points, 0.5, 0, approach_axis="w")  # type: ignore[arg-type]


def at(x: float, y: float, z: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose


def test_a_gripper_at_the_top_scores_higher(points: ScoredPoints) -> None:
    poses = np.stack([at(0, 0, z) for z in (0.19, 0.0, -0.19)] + [at(5, 0, 0)])
    top, middle, bottom, away = score_grasps(points, poses, np.array([0.3, 0.3, 0.04]))
    assert top > 0.95 and middle == pytest.approx(0.5, abs=0.03) and bottom < 0.06 and away == 0


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.tuples(*[st.floats(-1, 1)] * 3))
def test_scores_do_not_depend_on_the_frame(
    points: ScoredPoints, angle: float, shift: tuple[float, float, float]
) -> None:
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    motion = trimesh.transformations.rotation_matrix(angle, axis)
    motion[:3, 3] = shift
    moved = ScoredPoints(
        points.positions @ motion[:3, :3].T + motion[:3, 3],
        points.normals @ motion[:3, :3].T,
        points.scores,
    )
    poses = np.stack([at(0.02, 0, z) for z in (-0.15, 0.013, 0.11)])
    size, center = np.array([0.101, 0.3, 0.0703]), np.array([0.011, 0.0, 0.003])
    before = score_grasps(points, poses, size, center)
    after = score_grasps(moved, motion @ poses, size, center)
    np.testing.assert_allclose(after, before, atol=0.02)  # points on the box's rim may change side


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_score_is_the_median_of_what_is_inside(
    points: ScoredPoints, seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, rng=rng).as_matrix()
    poses[:, :3, 3] = rng.uniform(-0.2, 0.2, (count, 3))
    size, center = rng.uniform(0.02, 0.2, 3), rng.uniform(-0.05, 0.05, 3)
    for pose, score in zip(poses, score_grasps(points, poses, size, center), strict=True):
        local = (points.positions - pose[:3, 3]) @ pose[:3, :3] - center
        inside = (np.abs(local) <= size / 2).all(axis=1)
        told = np.median(points.scores[inside]) / points.scores.max() if inside.any() else 0.0
        assert score == pytest.approx(told, abs=1e-6)


def test_wrong_grasps_are_named(points: ScoredPoints) -> None:
    good, size = at(0, 0, 0)[None], np.ones(3)
    assert score_grasps(points, np.zeros((0, 4, 4)), size).shape == (0,)
    with pytest.raises(ValueError, match=r"poses must be \[grasp, 4, 4\]"):
        score_grasps(points, good[0], size)
    with pytest.raises(ValueError, match="three positive extents"):
        score_grasps(points, good, np.array([1, 1, 0.0]))
    for lost in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite centre"):
            score_grasps(points, good, size, np.array([lost, 0, 0]))
    for wrong in (2.0, -1.0):  # scaled, mirrored
        with pytest.raises(ValueError, match="pose 1 is no rotation"):
            score_grasps(points, np.concatenate([good, good * wrong]), size)
    with pytest.raises(ValueError, match="pose 0 is no rotation"):
        score_grasps(points, np.full((1, 4, 4), np.nan), size)
    with pytest.raises(ValueError, match="pose 0 has no finite position"):
        score_grasps(points, at(0, np.inf, 0)[None], size)


def test_a_surface_without_affordance_scores_nothing() -> None:
    flat = scored_points(box(), np.zeros(8))
    assert score_grasps(flat, at(0, 0, 0)[None], np.ones(3)).tolist() == [0.0]

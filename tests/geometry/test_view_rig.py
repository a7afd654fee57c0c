import numpy as np
import pytest

from ivlm_core.geometry.view_rig import RIGS, View, ViewRig, get_rig


@pytest.mark.parametrize("rig", RIGS.values(), ids=lambda rig: rig.name)
def test_every_view_looks_at_its_shifted_origin_with_y_up(rig):
    for view, camera in zip(rig.views, rig.cameras(200), strict=True):
        origin, depth = camera.project(np.zeros(3))
        focal = camera.intrinsics[0, 0]
        shift = np.array([view.shift_x, view.shift_y]) * focal / view.distance
        np.testing.assert_allclose(origin, 100 - shift, atol=1e-9)
        assert depth == pytest.approx(view.distance)
        straight = abs(view.eye[1]) == pytest.approx(view.distance)
        up = camera.camera_from_world[:3, 2 if straight else 1]  # x to the right, y down
        assert up[1] < 0 and up[0] == pytest.approx(0)


def test_normalised_parameters_of_the_human_rig():
    expected = [
        [0.2, 0.125, 0.875, 0.5, 0.5],
        [0.2, 0.875, 0.875, 0.5, 0.65],
        [0.2, 0.125, 0.375, 0.5, 0.5],
        [0.2, 0.875, 0.375, 0.5, 0.65],
    ]
    parameters = get_rig("human4").normalised_parameters()
    assert parameters.dtype == np.float32
    np.testing.assert_allclose(parameters, expected, atol=1e-7)
    assert get_rig("human4").view_names == ("topfront", "bottomfront", "topback", "bottomback")
    assert len(get_rig("object4")) == 4


def test_unknown_rig_names_the_known_ones():
    with pytest.raises(ValueError, match="human4.*object4_far"):
        get_rig("human5")


def test_a_rig_needs_views_with_unique_names():
    with pytest.raises(ValueError, match="at least one view"):
        ViewRig("empty", ())
    with pytest.raises(ValueError, match="unique"):
        ViewRig("twice", (View("a", 1, 0, 0), View("a", 1, 0, 90)))

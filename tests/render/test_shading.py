import numpy as np
import pytest

from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.render.rasterizer import rasterize
from ivlm_core.render.shading import shade, style_colors


@pytest.fixture(scope="module")
def rendered(sphere):
    cameras = get_rig("object4").cameras(40)
    return sphere, rasterize(sphere, cameras), cameras


@pytest.mark.parametrize("style", ["normal", "position"])
def test_views_are_rgb_on_white_and_the_object_is_not_white(rendered, style):
    mesh, pixel_map, cameras = rendered
    views = shade(mesh, pixel_map, cameras, style)
    assert views.dtype == np.uint8 and views.shape == (4, 40, 40, 3)
    assert (views[~pixel_map.hit] == 255).all()
    assert (views[pixel_map.hit].astype(int).sum(-1) < 765).all()


def test_normal_style_shows_the_axis_it_faces(rendered):
    mesh, pixel_map, cameras = rendered
    views = shade(mesh, pixel_map, cameras, "normal").astype(int)
    frontright, backleft = views[1, 20, 20], views[2, 20, 20]
    assert frontright[1] > 128 and backleft[1] < 128  # seen from above, from below
    assert (frontright[[0, 2]] > 128).all() and backleft[2] < 128 < backleft[0]


def test_position_style_spans_a_tenth_to_nine_tenths(rendered):
    colors = style_colors(rendered[0], "position")
    np.testing.assert_allclose(colors.min(0), 0.1, atol=1e-6)
    np.testing.assert_allclose(colors.max(0), 0.9, atol=1e-6)


def test_lights_and_own_colors_are_used(rendered):
    mesh, pixel_map, cameras = rendered
    grey = np.full((mesh.num_vertices, 3), 0.5)
    lit = shade(mesh, pixel_map, cameras, vertex_colors=grey)
    behind = -3 * np.stack([camera.center for camera in cameras])
    dark = shade(mesh, pixel_map, cameras, vertex_colors=grey, light_positions=behind)
    assert (dark[pixel_map.hit] <= lit[pixel_map.hit]).all()
    assert dark[0, 20, 20].tolist() == [63] * 3  # ambient 0.5 times grey 0.5, truncated


def test_wrong_style_and_camera_count_are_refused(rendered):
    mesh, pixel_map, cameras = rendered
    with pytest.raises(ValueError, match="'normal' or 'position'"):
        shade(mesh, pixel_map, cameras, "depth")
    with pytest.raises(ValueError, match="3 cameras for 4 views"):
        shade(mesh, pixel_map, cameras[:3])

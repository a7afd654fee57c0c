import numpy as np
import pytest

from ivlm_core.visualize.colours import (
    BODY_GREY,
    COLOUR_MAPS,
    UNSEEN_GREY,
    ramp,
    score_colours,
    shaded,
)


def luminance(colours):
    value = colours / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_no_contact_is_neutral_grey_and_contact_is_warm():
    assert tuple(ramp(0.0)) == BODY_GREY
    for colour in ramp(np.linspace(0.25, 1.0, 50)).astype(int):
        assert colour[0] > colour[1] and colour[0] > colour[2]


def test_a_higher_score_is_never_lighter():
    brightness = luminance(ramp(np.linspace(0, 1, 200)))
    assert (np.diff(brightness) <= 2e-3).all()
    assert brightness[0] > 3 * brightness[-1]


def test_unseen_vertices_have_their_own_darker_colour_whatever_their_score():
    colours = score_colours(np.array([0.0, 0.9, 0.9]), np.array([True, True, False]))
    assert colours.dtype == np.uint8 and colours.shape == (3, 3)
    assert tuple(colours[2]) == UNSEEN_GREY
    assert luminance(colours[2]) < luminance(colours[0])
    assert tuple(colours[1]) == tuple(ramp(0.9))


def test_values_outside_the_range_are_clipped_and_nan_is_no_contact():
    assert (ramp([-1.0, 2.0, np.nan]) == ramp([0.0, 1.0, 0.0])).all()


def test_seen_must_have_one_flag_per_vertex():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        score_colours(np.zeros(3), np.ones(2, dtype=bool))


def test_the_table_is_not_changed_by_who_uses_it():
    first = score_colours(np.zeros(4))
    first[:] = 7
    assert tuple(score_colours(np.zeros(1))[0]) == BODY_GREY


def test_shading_is_brightest_towards_the_light():
    colours = np.full((3, 3), 200, dtype=np.uint8)
    normals = np.array([[0, 0, 1], [1, 0, 0], [0, 0, -1]])
    light = shaded(colours, normals, np.array([0, 0, 1]))[:, 0]
    assert light.tolist() == [200, round(200 * 0.675), 70]


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_lightness_goes_one_way_in_every_map(name: str) -> None:
    """So the order of scores also shows in grey print and to colour-blind eyes."""
    light = ramp(np.linspace(0, 1, 50), name) @ np.array([0.2126, 0.7152, 0.0722])
    steps = np.diff(light)
    assert (steps <= 0.5).all() if name == "warm" else (steps >= -0.5).all()
    assert abs(light[-1] - light[0]) > 100
    unseen = score_colours(np.ones(1), np.zeros(1, bool), name)
    assert tuple(unseen[0]) == UNSEEN_GREY

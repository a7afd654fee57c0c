"""Deviations of the published code are chosen by name."""

import pytest

from ivlm_core.official.quirks import CHECKPOINT_QUIRKS, ReferenceQuirks


def test_all_are_off_by_default() -> None:
    assert ReferenceQuirks().names == ()
    assert ReferenceQuirks.from_names("none") == ReferenceQuirks.from_names([]) == ReferenceQuirks()


def test_names_switch_on() -> None:
    some = ReferenceQuirks.from_names("geodesic_swapped, meter_epsilon")
    assert set(some.names) == {"geodesic_swapped", "meter_epsilon"}
    assert ReferenceQuirks.from_names(some.names) == some
    assert ReferenceQuirks.from_names("all").names == ReferenceQuirks.known()
    assert ReferenceQuirks.all() == ReferenceQuirks.from_names(ReferenceQuirks.known())


def test_each_name_of_several_may_hold_commas() -> None:
    some = ReferenceQuirks.from_names(["geodesic_swapped,meter_epsilon", "category_spaces"])
    assert some.names == ("geodesic_swapped", "category_spaces", "meter_epsilon")


def test_what_has_no_effect_where_it_is_asked_for_is_refused() -> None:
    assert ReferenceQuirks.from_names("all", CHECKPOINT_QUIRKS).names == CHECKPOINT_QUIRKS
    with pytest.raises(ValueError, match="meter_epsilon would change nothing here.*shared_mask"):
        ReferenceQuirks.from_names("meter_epsilon,shared_mask_decoder", CHECKPOINT_QUIRKS)


@pytest.mark.parametrize("names", ["meter_epsilon,typo", ["typo"]])
def test_unknown_name_is_refused_with_the_known_ones(names) -> None:
    with pytest.raises(ValueError, match=r"unknown typo.*geodesic_swapped"):
        ReferenceQuirks.from_names(names)

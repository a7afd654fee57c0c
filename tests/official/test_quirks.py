"""Deviations of the published code are chosen by name."""

import pytest

from ivlm_core.official.quirks import ReferenceQuirks


def test_all_are_off_by_default() -> None:
    assert ReferenceQuirks().names == ()
    assert ReferenceQuirks.from_names("none") == ReferenceQuirks.from_names([]) == ReferenceQuirks()


def test_names_switch_on() -> None:
    some = ReferenceQuirks.from_names("geodesic_swapped, meter_epsilon")
    assert set(some.names) == {"geodesic_swapped", "meter_epsilon"}
    assert ReferenceQuirks.from_names(some.names) == some
    assert ReferenceQuirks.from_names("all").names == ReferenceQuirks.known()
    assert ReferenceQuirks.all() == ReferenceQuirks.from_names(ReferenceQuirks.known())


@pytest.mark.parametrize("names", ["meter_epsilon,typo", ["typo"]])
def test_unknown_name_is_refused_with_the_known_ones(names) -> None:
    with pytest.raises(ValueError, match=r"unknown typo.*geodesic_swapped"):
        ReferenceQuirks.from_names(names)

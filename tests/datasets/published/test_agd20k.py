"""AGD20K, on folders written as it is released."""

from pathlib import Path

import pytest

from ivlm_core.datasets.published.agd20k import (
    SEEN_AFFORDANCES,
    UNSEEN_AFFORDANCES,
    read_agd20k,
)
from ivlm_core.datasets.published.files import DatasetError
from tests.datasets.published.agd20k_files import write_sample


def test_every_heat_map_is_an_item(tmp_path: Path) -> None:
    root = tmp_path / "AGD20K"
    heat = write_sample(root, "drink_with", "cup", "cup_000007")
    write_sample(root, "pour", "cup", "cup_000007")
    write_sample(root, "hold", "wine_glass", "wine_glass_1")
    for given in (root, tmp_path):
        first, second, third = read_agd20k(given, "Seen")
        assert (first.kind, first.label, first.affordance) == ("afford2d", "cup", "drink_with")
        assert first.masks == (heat,) and first.image.is_file() and first.image.suffix == ".jpg"
        assert (second.label, second.affordance) == ("wine_glass", "hold")
        assert third.affordance == "pour"
        assert len({first.name, second.name, third.name}) == 3


def test_the_affordances_are_the_published_ones() -> None:
    assert (len(SEEN_AFFORDANCES), len(UNSEEN_AFFORDANCES)) == (36, 25)
    assert set(UNSEEN_AFFORDANCES) < set(SEEN_AFFORDANCES)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder"):
        read_agd20k(tmp_path, "Seen")
    heat = write_sample(tmp_path, "beat", "drum", "drum_1")
    with pytest.raises(DatasetError, match="there is no folder"):
        read_agd20k(tmp_path, "Unseen")
    (tmp_path / "Seen").rename(tmp_path / "Unseen")
    with pytest.raises(DatasetError, match=r"holds beat, none of the 25 affordances .* Unseen"):
        read_agd20k(tmp_path, "Unseen")
    (tmp_path / "Unseen").rename(tmp_path / "Seen")
    photo = tmp_path / "Seen/testset/egocentric/beat/drum/drum_1.jpg"
    photo.unlink()
    with pytest.raises(DatasetError, match=r"has no photograph '.*drum_1\.jpg'"):
        read_agd20k(tmp_path, "Seen")
    heat.unlink()
    with pytest.raises(DatasetError, match="there is no heat map"):
        read_agd20k(tmp_path, "Seen")

"""The nearest training picture: found for what it shows, answered as it was labelled."""

from pathlib import Path

import numpy as np
import pytest

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.metrics import f1_score
from ivlm_core.evaluation.nearest import NearestImage, thumbnails
from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> SyntheticDataset:
    folder = write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=4)
    return SyntheticDataset(folder, "train")


def test_a_picture_of_the_training_data_finds_itself(train: SyntheticDataset) -> None:
    nearest = NearestImage.fit(train, train)
    for index in range(len(train)):
        for target in train.targets(index):
            guess = nearest.answer(target, train.mesh(target))
            if target.is_empty:
                assert not guess.contact.any()
            elif target.task == "human_contact":
                assert f1_score(target.dense()[None], guess.contact[None])[0] == 1


def test_thumbnails_do_not_depend_on_brightness(train: SyntheticDataset) -> None:
    found = thumbnails(train)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-6)


def test_other_splits_and_unknown_labels(train: SyntheticDataset, tmp_path: Path) -> None:
    test = SyntheticDataset(train.folder, "test")
    nearest = NearestImage.fit(train, test)
    targets = [t for i in range(len(test)) for t in test.targets(i)]
    for target in targets:
        guess = nearest.answer(target, test.mesh(target))
        assert guess.scores.shape == (target.num_vertices,)
        assert ((guess.scores >= 0) & (guess.scores <= 1)).all()
    nearest._asked.clear()
    assert not nearest.answer(targets[0]).contact.any()


def test_objects_need_their_mesh(train: SyntheticDataset) -> None:
    nearest = NearestImage.fit(train, train)
    target = next(
        t for i in range(len(train)) for t in train.targets(i) if t.task != "human_contact"
    )
    with pytest.raises(ValueError, match="needs the object's mesh"):
        nearest.answer(target)

from pathlib import Path

import numpy as np
import pytest

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.baselines import LEVELS, LabelOnly, TrueSide, TrueTemplate, part_index
from ivlm_core.evaluation.metrics import f1_score
from ivlm_core.geometry.body import load_body
from ivlm_core.geometry.mesh import Mesh
from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=8, test=4)


@pytest.fixture(scope="module")
def train(folder: Path) -> SyntheticDataset:
    return SyntheticDataset(folder, "train")


def truths(dataset: SyntheticDataset, label: str, task: str = "human_contact") -> np.ndarray:
    targets = [t for i in range(len(dataset)) for t in dataset.targets(i)]
    chosen = [t for t in targets if (t.label, t.task) == (label, task) and not t.is_empty]
    return np.stack([t.dense() for t in chosen])


def test_label_only_is_the_mean_contact_of_the_label(train: SyntheticDataset) -> None:
    blind = LabelOnly.fit(train)
    for label in ("bottle", "phone", "chair", "scene"):
        guess = blind.predict(label)
        np.testing.assert_allclose(guess.scores, truths(train, label).mean(axis=0), atol=1e-6)


def test_threshold_is_the_best_on_training(train: SyntheticDataset) -> None:
    guess = LabelOnly.fit(train, limit=5).predict("bottle")
    dense = truths(train, "bottle")[:3]  # images 0 and 4 hold it left, image 2 right
    np.testing.assert_allclose(guess.scores, dense.mean(axis=0), atol=1e-6)
    by_level = [f1_score(dense, [guess.scores] * 3, level).mean() for level in LEVELS]
    chosen = f1_score(dense, [guess.scores] * 3, guess.threshold).mean()
    assert chosen == pytest.approx(max(by_level))
    hands = load_body("anny").mesh.parts
    assert guess.contact[hands["left hand"]].all() and not guess.contact[hands["head"]].any()


def test_one_hand_of_two_scores_two_thirds_blind_and_one_when_told(folder: Path) -> None:
    train, test = SyntheticDataset(folder, "train"), SyntheticDataset(folder, "test")
    for baseline, expected in ((LabelOnly, 2 / 3), (TrueSide, 1.0), (TrueTemplate, 1.0)):
        fitted = baseline.fit(train)
        targets = [t for i in range(4) for t in test.targets(i) if not t.side_decided_by_label]
        scores = [f1_score(t.dense()[None], fitted.answer(t).contact[None])[0] for t in targets]
        assert np.mean(scores) == pytest.approx(expected, abs=0.01)


def test_unseen_side_falls_back_to_the_label(train: SyntheticDataset) -> None:
    told, blind = TrueTemplate.fit(train, limit=1), LabelOnly.fit(train, limit=1)
    right = train.targets(2)[0]
    assert (right.label, right.side) == ("bottle", "right")
    np.testing.assert_array_equal(told.answer(right).scores, blind.predict("bottle").scores)


def test_objects_are_answered_by_part(train: SyntheticDataset) -> None:
    blind = LabelOnly.fit(train)
    mesh = train.object_mesh("chair-1")
    index, names = part_index(mesh)
    dense = truths(train, "chair", "object_contact")[0]
    guess = blind.predict("chair", "object_contact", mesh)
    for k, name in enumerate(names[1:], start=1):
        np.testing.assert_allclose(guess.scores[index == k], dense[index == k].mean(), err_msg=name)
    affordance = blind.predict("chair", "object_affordance", mesh)
    np.testing.assert_array_equal(affordance.contact, index == names.index("seat"))
    with pytest.raises(ValueError, match="object_contact of 'chair' needs the object's mesh"):
        blind.predict("chair", "object_contact")


def test_vertices_without_a_part_count_as_one() -> None:
    mesh = Mesh(np.eye(4, 3), [[0, 1, 2]], parts={"rim": [1, 2]})
    index, names = part_index(mesh)
    assert [names[k] for k in index] == ["", "rim", "rim", ""]


def test_unknown_label_is_refused_or_answered_with_nothing(train: SyntheticDataset) -> None:
    blind = LabelOnly.fit(train, limit=1)
    with pytest.raises(ValueError, match="'sofa' is not in the training split; human_contact has"):
        blind.predict("sofa")
    phone = next(t for t in train.targets(1) if t.label == "phone")
    assert not blind.answer(phone).contact.any()

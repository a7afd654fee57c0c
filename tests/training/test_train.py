"""Both stages run, learn, stop and go on, and give a folder that the pipeline loads."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.model.positions import resized_places
from ivlm_core.model.presets import TINY
from ivlm_core.model.vision import VisionTower
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine
from ivlm_core.training.dense import IGNORE
from ivlm_core.training.run import Schedule, Trained, load_weights
from ivlm_core.training.stages import ContactBatch
from ivlm_core.training.train import TrainConfig, train
from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=12, test=4)


def _config(data: Path, out: Path, dense: int = 4, contact: int = 4) -> TrainConfig:
    return TrainConfig(
        data=data,
        out=out,
        model=TINY,
        dense=Schedule(steps=dense, learning_rate=1e-3, warmup=2),
        contact=Schedule(steps=contact, learning_rate=1e-3, warmup=2),
        dense_batch=4,
        contact_batch=ContactBatch(images=2, questions=2, object_images=2, views=2),
        lift_size=32,
        validate_every=4,
        validation_queries=2,
        save_every=2,
    )


def _log(out: Path, stage: str) -> list[dict]:
    return [json.loads(line) for line in (out / f"{stage}.jsonl").read_text().splitlines()]


def test_train_gives_a_model_the_pipeline_loads(data: Path, tmp_path: Path) -> None:
    folder = train(_config(data, tmp_path / "run"))
    pipeline = Pipeline.from_pretrained(folder, "cpu", tmp_path / "cache")
    image = SyntheticDataset(data, "test").image(0)
    assert pipeline.predict(image, "bottle", "human_contact").scores.shape == (13718,)
    figures = [e["validation"] for e in _log(tmp_path / "run", "contact") if "validation" in e]
    assert set(figures[-1]) == {"f1", "answers_right"}
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["data"]["images"] == 12
    recipe = provenance["recipe"]
    assert (recipe["data"], recipe["out"], recipe["init"]) == ("tiny", "run", None)
    assert recipe["dense"]["steps"] == 4 and "model" not in recipe


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = _config(data, whole, dense=6, contact=2)
    train(config)

    class StopError(Exception):
        pass

    from ivlm_core.training import run

    def stop(self: run.StageRun) -> None:
        original(self)
        if self.name == "dense" and self.step == 4:
            raise StopError

    original = run.StageRun._save
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StopError):
        patch.setattr(run.StageRun, "_save", stop)
        train(replace(config, out=parts))
    train(replace(config, out=parts))
    expected = torch.load(whole / "dense.pt", weights_only=True)
    got = torch.load(parts / "dense.pt", weights_only=True)
    assert got["step"] == expected["step"] == 6
    for ours, theirs in zip(got["modules"], expected["modules"], strict=True):
        for name, tensor in theirs.items():
            torch.testing.assert_close(ours[name], tensor, atol=1e-6, rtol=1e-5)


def test_a_run_starts_from_the_weights_of_another(data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(_config(data, first, dense=60, contact=1))
    train(replace(_config(data, second, dense=1, contact=1), init=first))
    learned = _log(first, "dense")[-1]["validation"]
    anew = _log(second, "dense")[-1]["validation"]
    assert sum(anew.values()) == pytest.approx(sum(learned.values()), rel=0.1)
    provenance = json.loads((second / "model" / "provenance.json").read_text())
    assert provenance["recipe"]["init"] == "first"


def test_a_run_of_another_network_is_no_start(data: Path, tmp_path: Path) -> None:
    config = _config(data, tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="expected the folder of a training run"):
        train(replace(config, init=tmp_path / "nothing"))
    other = tmp_path / "other"
    other.mkdir()
    torch.save({"modules": [{"weight": torch.zeros(1)}]}, other / "contact.pt")
    with pytest.raises(ValueError, match="of other parts or sizes"):
        train(replace(config, init=other))


def test_pictures_may_be_of_another_size_than_those_it_starts_from(tmp_path: Path) -> None:
    small, large = (VisionTower(replace(TINY.vision, image_size=size)) for size in (32, 64))
    torch.save({"modules": [small.state_dict()]}, tmp_path / "contact.pt")
    load_weights(tmp_path / "contact.pt", [Trained(large)])
    before, after = (t.clip.embeddings.position_embedding.weight for t in (small, large))
    torch.testing.assert_close(after, resized_places(before, 1 + 8 * 8))
    torch.testing.assert_close(
        large.clip.embeddings.class_embedding, small.clip.embeddings.class_embedding
    )


def test_pictures_of_a_size_that_the_model_does_not_read(data: Path, tmp_path: Path) -> None:
    config = _config(data, tmp_path)
    larger = replace(TINY, vision=replace(TINY.vision, image_size=64))
    with pytest.raises(ValueError, match="--image-size 64"):
        train(replace(config, model=larger))


def test_dense_stage_learns(data: Path, tmp_path: Path) -> None:
    train(_config(data, tmp_path, dense=60, contact=1))
    log = [e for e in _log(tmp_path, "dense") if "validation" in e]
    total = [sum(e["validation"].values()) for e in log]
    assert total[-1] < 0.8 * total[0]


def test_mirrored_targets_move_together(data: Path) -> None:
    """A mirrored sample has its parts and joints on the other side."""
    arrays = TrainingArrays.load(SyntheticDataset(data, "train"))
    index = torch.arange(4)
    plain = Affine(torch.ones(4), torch.zeros(4, 2), torch.zeros(4, dtype=torch.bool))
    turned = replace(plain, mirrored=torch.ones(4, dtype=torch.bool))
    a, b = arrays.dense_targets(index, plain, 32), arrays.dense_targets(index, turned, 32)
    left, right = BODY_PARTS.index("left hand"), BODY_PARTS.index("right hand")
    for one, other in ((left, right), (right, left)):
        assert torch.equal((a.parts == one + 1).flip(2), b.parts == other + 1)
    wrists = [arrays.joint_names.index(f"{side} wrist") for side in ("left", "right")]
    flip = torch.tensor([-1.0, 1, 1, -1, 1])
    joints = [arrays.moved_joints(index, affine) for affine in (plain, turned)]
    torch.testing.assert_close(joints[0][:, wrists[0]], joints[1][:, wrists[1]] * flip)
    assert (a.parts != IGNORE).all()


def test_contact_map_names_categories(data: Path) -> None:
    arrays = TrainingArrays.load(SyntheticDataset(data, "train"))
    dataset = SyntheticDataset(data, "train")
    for index in range(3):
        record = dataset.record(index)
        for item in record.objects:
            bit = (record.contact_map >> item.slot & 1).astype(bool)
            if bit.any():
                found = set(np.unique(arrays.contacts[index].numpy()[bit]))
                assert arrays.categories.index(item.category) + 1 in found


def test_diverging_loss_is_an_error(data: Path, tmp_path: Path) -> None:
    config = _config(data, tmp_path, dense=30)
    wild = replace(config, dense=Schedule(steps=30, learning_rate=1e30, warmup=1, clip=1e9))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(wild)

"""Stage 6: masks on photographs are learned with all else frozen, as the pictures were moved."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import load_body
from ivlm_core.model import prompts
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import PROVENANCE_FILE, load_checkpoint
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import PHOTO_TASK, TASKS
from ivlm_core.photo_contact import contact_in_photo
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine
from ivlm_core.training.heads import StageHeads
from ivlm_core.training.photo_stage import PhotoStage, touched
from ivlm_core.training.questions import Questions
from ivlm_core.training.regions import body_regions
from ivlm_core.training.run import Schedule
from ivlm_core.training.state import WEIGHTS, last_checkpoint
from ivlm_core.training.train import TrainConfig, train
from tests.datasets.fixtures import SIZE
from tests.training.stopping import stopped_after_saving
from tests.training.tiny_run import tiny_config

WITH_PHOTOS = replace(TINY, sam=replace(TINY.sam, photos="tower"))


@pytest.fixture(scope="module")
def dataset(data: Path) -> SyntheticDataset:
    return SyntheticDataset(data, "train")


@pytest.fixture(scope="module")
def arrays(dataset: SyntheticDataset) -> TrainingArrays:
    return TrainingArrays.load(dataset, SIZE)


def _still(count: int, mirrored: bool = False) -> Affine:
    return Affine(torch.ones(count), torch.zeros(count, 2), torch.full((count,), mirrored))


def _masks(arrays: TrainingArrays, affine: Affine) -> torch.Tensor:
    """Masks of all questions about the body."""
    asked = [t for t in arrays.targets if t.task == "human_contact"]
    labels = [arrays.labels.index(t.label) for t in asked]
    return touched(arrays.contacts, affine, labels, [t.image_index for t in asked], SIZE)


def test_a_mask_is_the_bit_of_the_question(
    arrays: TrainingArrays, dataset: SyntheticDataset
) -> None:
    asked = [t for t in arrays.targets if t.task == "human_contact"]
    absent = 0
    for target, mask in zip(asked, _masks(arrays, _still(len(dataset))), strict=True):
        contact = dataset.record(target.image_index).contact_map
        bit = target.contact_bit
        if bit is None:
            absent += 1
            assert not mask.any(), "an object that is not there"
        else:
            np.testing.assert_array_equal(mask.numpy(), contact >> bit & 1)
    assert absent == len(dataset)


def test_a_mirrored_picture_has_a_mirrored_mask(arrays: TrainingArrays) -> None:
    count = len(arrays.images)
    plain, turned = (_masks(arrays, _still(count, mirrored)) for mirrored in (False, True))
    assert plain.any()
    assert torch.equal(plain.flip(2), turned)


def test_a_shifted_picture_has_a_shifted_mask(arrays: TrainingArrays) -> None:
    count = len(arrays.images)
    right = replace(_still(count), shift=torch.tensor([[0.25, 0.0]]).repeat(count, 1))
    plain, moved = _masks(arrays, _still(count)), _masks(arrays, right)
    step = SIZE // 8
    assert torch.equal(plain[:, :, :-step], moved[:, :, step:])
    assert not moved[:, :, :step].any(), "nothing is touched outside of the picture"


@pytest.fixture(scope="module")
def stage(dataset: SyntheticDataset, arrays: TrainingArrays) -> PhotoStage:
    torch.manual_seed(0)
    config = replace(WITH_PHOTOS, prompt=replace(TINY.prompt, tasks=(*TASKS, PHOTO_TASK)))
    model, processor = build(config, arrays.labels, arrays.part_names)
    return _stage(model, processor, dataset, arrays)


def _stage(
    model: IvlmModel, processor: Processor, dataset: SyntheticDataset, arrays: TrainingArrays
) -> PhotoStage:
    regions = body_regions("anny")
    questions = Questions(processor, arrays, load_body("anny"), regions)
    heads = StageHeads(model, arrays, len(regions), questions.body.mesh.num_vertices)
    images = list(range(len(dataset)))
    return PhotoStage(model, heads, questions, arrays, images, batch_size=4, seed=0)


def test_steps_lower_the_loss_of_a_batch(stage: PhotoStage) -> None:
    decoder = stage.model.photo_decoder
    assert decoder is not None
    optimizer = torch.optim.Adam(decoder.parameters(), lr=3e-3)
    seen = []
    for _ in range(40):
        parts = stage(0)
        assert set(parts) == {"bce", "dice", "iou"}
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.7 * seen[0]
    learned = {name for name, p in stage.model.named_parameters() if p.grad is not None}
    assert learned == {f"photo_decoder.{name}" for name, _ in decoder.named_parameters()}


def test_contact_in_sight_is_asked_about_most(stage: PhotoStage) -> None:
    rng, drawn = random.Random(0), Counter[str]()
    image = stage.asked.images[0]
    for _ in range(500):
        drawn.update(target.label for target in stage._draw(image, rng))
    seen = {int(rank) for rank in stage.arrays.contacts[image].unique()}
    labels = stage.arrays.labels
    touched_ones = [
        t.label
        for t in stage.asked.of(image)
        if t.label != prompts.SCENE_LABEL and labels.index(t.label) + 1 in seen
    ]
    others = drawn.keys() - set(touched_ones)
    assert touched_ones and others
    assert min(drawn[label] for label in touched_ones) > 2 * max(drawn[label] for label in others)


def _config(data: Path, out: Path, steps: int = 20) -> TrainConfig:
    return replace(
        tiny_config(data, out, dense=2, contact=2),
        model=WITH_PHOTOS,
        photos=Schedule(steps=steps, learning_rate=1e-2, warmup=2),
        photo_batch=4,
        validate_every=20,
        validation_queries=10,
        save_every=10,
        precision="fp32",
    )


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(_config(data, out))
    return out


def test_only_the_decoder_of_photographs_learns(run: Path) -> None:
    before, after = (load_file(run / stage / WEIGHTS) for stage in ("surface", "photos"))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed and all(name.startswith("model.photo_decoder.") for name in changed)
    assert last_checkpoint(run) == run / "photos"
    told = json.loads((run / "model" / PROVENANCE_FILE).read_text())
    assert told["steps"]["photos"] == 20 and told["recipe"]["photo_batch"] == 4
    assert (run / "pictures").is_dir()


def test_held_out_masks_are_judged(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "photos.jsonl").read_text().splitlines()]
    (judged,) = (entry["validation"] for entry in entries if "validation" in entry)
    assert set(judged) == {"photo_giou", "photo_f1"}


def test_a_stopped_stage_goes_on_as_if_it_had_not_stopped(
    data: Path, run: Path, tmp_path: Path
) -> None:
    with stopped_after_saving("photos"):
        train(_config(data, tmp_path))
    train(_config(data, tmp_path))
    got, expected = (load_file(folder / "photos" / WEIGHTS) for folder in (tmp_path, run))
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_a_run_says_what_it_taught(data: Path, run: Path, tmp_path: Path) -> None:
    model = Pipeline.from_pretrained(run / "model", "cpu", tmp_path / "cache")
    assert model.config.prompt.tasks == (*TASKS, PHOTO_TASK)
    photo = np.zeros((SIZE, 2 * SIZE, 3), np.uint8)
    assert contact_in_photo(model, photo, "bottle").probabilities.shape == photo.shape[:2]
    without = _config(data, tmp_path / "without", steps=0)
    assert load_checkpoint(train(without))[0].config.prompt.tasks == TASKS
    further = replace(without, out=tmp_path / "further", init=run / "model")
    assert PHOTO_TASK in load_checkpoint(train(further))[0].config.prompt.tasks
    for start in (tmp_path / "without", tmp_path / "without" / "model"):
        onward = replace(without, out=tmp_path / f"onward-{start.name}", init=start)
        assert load_checkpoint(train(onward))[0].config.prompt.tasks == TASKS

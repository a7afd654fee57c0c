"""Masks on the photographs of a training batch: what is shown, what is to be found, learning."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import load_body
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import load_checkpoint
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import normalise_images
from ivlm_core.model.prompts import PHOTO_TASK, TASKS
from ivlm_core.official.preprocess import sam_input
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine
from ivlm_core.training.contact_settings import ContactBatch, LossWeights
from ivlm_core.training.contact_stage import ContactStage
from ivlm_core.training.heads import StageHeads
from ivlm_core.training.photo_masks import first, photographs, touched
from ivlm_core.training.questions import Questions
from ivlm_core.training.regions import body_regions
from ivlm_core.training.surface_stage import SurfaceStage
from ivlm_core.training.surfaces import TrainingSurfaces
from ivlm_core.training.train import train
from tests.datasets.fixtures import SIZE, write_tiny_dataset
from tests.training.tiny_run import tiny_config


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_dataset(tmp_path_factory.mktemp("data") / "tiny", train=12, test=4)


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


def test_photographs_are_what_use_makes_of_them(arrays: TrainingArrays) -> None:
    size = TINY.sam.image_size
    shown = photographs(normalise_images(arrays.images[:2]), size)
    for picture, got in zip(arrays.images[:2], shown, strict=True):
        expected, _ = sam_input(picture.numpy(), size)
        assert (got - expected).abs().max() < 1.1 / 57, "one step of 255, of PIL's rounding"
    bright = photographs(torch.full((1, 3, 8, 8), 9.0), 8)
    white, _ = sam_input(np.full((8, 8, 3), 255, np.uint8), 8)
    torch.testing.assert_close(bright[0], white, atol=1e-3, rtol=0)


def test_first_pictures() -> None:
    affine = first(Affine(torch.arange(3.0), torch.zeros(3, 2), torch.zeros(3).bool()), 2)
    assert affine.scale.tolist() == [0, 1] and len(affine.shift) == len(affine.mirrored) == 2


def _stage(
    kind: type[ContactStage],
    dataset: SyntheticDataset,
    arrays: TrainingArrays,
    images: int,
    photos: Literal["encoder", "tower"] = "encoder",
) -> ContactStage:
    torch.manual_seed(0)
    config = replace(TINY, prompt=replace(TINY.prompt, tasks=(*TASKS, PHOTO_TASK)))
    config = replace(config, sam=replace(config.sam, photos=photos))
    model, processor = build(config, arrays.labels, arrays.part_names)
    regions = body_regions("anny")
    questions = Questions(processor, arrays, load_body("anny"), regions)
    heads = StageHeads(model, arrays, len(regions), questions.body.mesh.num_vertices)
    return kind(
        model,
        processor,
        heads,
        questions,
        arrays,
        range(len(dataset)),
        TrainingSurfaces(questions.body.mesh, dataset.object_mesh, model.config, lift_size=32),
        batch=ContactBatch(
            images=3, questions=2, instances=1, object_images=1, photo_images=images, views=1
        ),
        known_instances=3,
        weights=LossWeights(),
        seed=0,
    )


@pytest.mark.parametrize("kind", [ContactStage, SurfaceStage])
@pytest.mark.parametrize("photos", ["encoder", "tower"])
def test_steps_lower_the_loss_of_a_batch(
    kind: type[ContactStage],
    photos: Literal["encoder", "tower"],
    dataset: SyntheticDataset,
    arrays: TrainingArrays,
) -> None:
    stage = _stage(kind, dataset, arrays, images=2, photos=photos)
    model = stage.model
    neck, encoder = model.photo_neck, model.image_encoder
    reader, weight = (
        (encoder, encoder.patch_embed.proj.weight) if neck is None else (neck, neck.split.weight)
    )
    learned = [*model.projection.parameters(), *reader.parameters()]
    learned += [p for p in model.localizer.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=3e-3)
    seen = []
    for _ in range(25):
        parts = stage(0)
        assert {"photo_bce", "photo_dice", "photo_iou"} <= set(parts)
        loss = torch.stack([v for key, v in parts.items() if key.startswith("photo")]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.6 * seen[0]
    assert weight.grad.abs().sum() > 0
    others = model.localizer.mask_decoder.parameters()
    assert photos == "encoder" or all(p.grad is None for p in others), "it has its own"


def test_the_last_stage_shows_all_views_of_body_and_objects(
    dataset: SyntheticDataset, arrays: TrainingArrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = _stage(SurfaceStage, dataset, arrays, images=0)
    localize, asked = stage.model.localize, []

    def seen(
        found: list, embeddings: torch.Tensor, on_object: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append((len(found), len(embeddings), on_object))
        return localize(found, embeddings, on_object)

    monkeypatch.setattr(stage.model, "localize", seen)
    stage(0)["vertex_dice"].backward()
    assert asked == [(6, 4, False), (1, 4, True)], "three pictures of bodies, one of an object"
    assert all(p.grad is None for p in stage.model.vlm.parameters()), "it sees as it did"


def test_every_question_about_the_body_may_be_asked(
    dataset: SyntheticDataset, arrays: TrainingArrays
) -> None:
    """More photographs than pictures of bodies: those there are."""
    parts = _stage(ContactStage, dataset, arrays, images=50)(0)
    assert all(torch.isfinite(value) for value in parts.values())
    parts = _stage(ContactStage, dataset, arrays, images=0)(0)
    assert not any(key.startswith("photo") for key in parts)


def test_a_run_says_what_it_taught(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path / "without", dense=1, contact=1)
    config = replace(config, contact_batch=replace(config.contact_batch, photo_images=0))
    model, _ = load_checkpoint(train(config))
    assert model.config.prompt.tasks == TASKS

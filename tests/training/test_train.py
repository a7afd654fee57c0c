"""Both stages run, learn, stop and go on, and give a folder that the pipeline loads."""

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.functional import avg_pool2d

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import PROVENANCE_FILE, save_checkpoint
from ivlm_core.model.efficientnet import EfficientNetStem
from ivlm_core.model.positions import resized_places
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import normalise_images
from ivlm_core.model.prompts import TASKS
from ivlm_core.model.vision import VisionTower
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine, warp_images
from ivlm_core.training.dense import IGNORE
from ivlm_core.training.run import Schedule, StageRun, Trained
from ivlm_core.training.split import shared_images
from ivlm_core.training.state import (
    STAGES,
    WEIGHTS,
    existing_state,
    last_checkpoint,
    load_model,
    load_weights,
    replace_state,
)
from ivlm_core.training.train import train
from tests.datasets.fixtures import SIZE
from tests.training import tiny_run
from tests.training.stopping import stopped_after_saving
from tests.training.tiny_run import tiny_config


def _log(out: Path, stage: str) -> list[dict]:
    return [json.loads(line) for line in (out / f"{stage}.jsonl").read_text().splitlines()]


def test_train_gives_a_model_the_pipeline_loads(data: Path, tmp_path: Path) -> None:
    folder = train(tiny_config(data, tmp_path / "run"))
    pipeline = Pipeline.from_pretrained(folder, "cpu", tmp_path / "cache")
    image = SyntheticDataset(data, "test").image(0)
    assert pipeline.predict(image, "bottle", "human_contact").scores.shape == (13718,)
    figures = [e["validation"] for e in _log(tmp_path / "run", "contact") if "validation" in e]
    assert set(figures[-1]) == {"f1", "answers_right"}
    assert pipeline.config.prompt.tasks == TASKS
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["data"]["images"] == 12
    recipe = provenance["recipe"]
    assert (recipe["data"], recipe["out"], recipe["init"]) == ("tiny", "run", None)
    assert recipe["dense"]["steps"] == 4 and "model" not in recipe


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config = tiny_config(data, whole, dense=6, contact=2)
    train(config)
    with stopped_after_saving("dense", step=4):
        train(replace(config, out=parts))
    shutil.copytree(parts, tmp_path / "stopped")
    train(replace(config, out=parts))
    got, expected = (load_file(run / "surface" / WEIGHTS) for run in (parts, whole))
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=1e-5)
    curves = [[entry for entry in _log(run, "dense") if "cells" in entry] for run in (parts, whole)]
    assert [entry["step"] for entry in curves[0]] == [entry["step"] for entry in curves[1]] == [6]

    folder = train(replace(config, out=tmp_path / "next", init=tmp_path / "stopped"))
    before = json.loads((folder / PROVENANCE_FILE).read_text())["init"]
    assert before["kind"] == "run"
    assert before["provenance"]["steps"] == {"dense": 4} | dict.fromkeys(STAGES[1:], 0)


def test_a_run_starts_from_the_weights_of_another(data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(tiny_config(data, first, dense=60, contact=1))
    train(replace(tiny_config(data, second, dense=1, contact=1), init=first))
    learned = _log(first, "dense")[-1]["validation"]
    anew = _log(second, "dense")[-1]["validation"]
    assert sum(anew.values()) == pytest.approx(sum(learned.values()), rel=0.1)
    provenance = json.loads((second / "model" / "provenance.json").read_text())
    assert provenance["recipe"]["init"] == "first"


def test_stages_can_be_left_out(data: Path, tmp_path: Path) -> None:
    first = train(tiny_config(data, tmp_path / "first"))
    config = tiny_config(data, tmp_path / "second", dense=0, contact=0)
    folder = train(replace(config, init=first))
    before, after = (load_file(model / WEIGHTS) for model in (first, folder))
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert moved and moved <= {"projection", "view_encoder", "image_encoder", "localizer"}
    steps = json.loads((folder / PROVENANCE_FILE).read_text())["steps"]
    assert steps == dict.fromkeys(STAGES, 0) | {"surface": 2}
    assert [f.name for f in (tmp_path / "second").glob("*.jsonl")] == ["surface.jsonl"]


def test_a_run_starts_from_a_model_that_knows_other_words(data: Path, tmp_path: Path) -> None:
    old, before = build(TINY, ["bottle", "anvil"], ["left hand", "right hand"])
    save_checkpoint(tmp_path / "model", old, before, {})
    larger = replace(TINY, vision=replace(TINY.vision, image_size=64))
    new, processor = build(larger, ["bottle", "gong"], ["left hand", "right hand", "nose"])
    load_model(tmp_path / "model", new, processor)
    vocabularies = [p.tokenizer.get_vocab() for p in (before, processor)]
    both = vocabularies[0].keys() & vocabularies[1].keys()
    assert len(both) > 50 and set(vocabularies[1]) - both
    tables = [m.vlm.language.get_input_embeddings().weight for m in (old, new)]
    for word in both:
        assert torch.equal(*(t[v[word]] for t, v in zip(tables, vocabularies, strict=True)))
    assert torch.equal(old.projection[0].weight, new.projection[0].weight)
    wider = replace(TINY, language=replace(TINY.language, hidden_size=64))
    with pytest.raises(ValueError, match="of other parts or sizes"):
        load_model(tmp_path / "model", *build(wider, ["bottle"], ["left hand"]))
    folder = train(replace(tiny_config(data, tmp_path / "run", dense=1), init=tmp_path / "model"))
    assert json.loads((folder / "provenance.json").read_text())["recipe"]["init"] == "model"


def test_a_stem_of_another_kind_begins_with_what_imagenet_taught(
    data: Path, tmp_path: Path
) -> None:
    first = train(tiny_config(data, tmp_path / "first", dense=1, contact=1))
    vision = replace(TINY.vision, stem="efficientnet", patch_size=16)
    config = replace(
        tiny_config(data, tmp_path / "second", dense=2, contact=1),
        model=replace(TINY, vision=vision),
        init=first,
    )
    second = load_file(train(config) / WEIGHTS)
    published = EfficientNetStem(TINY.vision.hidden_size)
    published.load_published()
    prefix = "vlm.tower.clip.embeddings.patch_embedding."
    same = {
        name: torch.equal(second[prefix + name], value.half())
        for name, value in published.state_dict().items()
    }
    assert all(kept for name, kept in same.items() if name.startswith("low."))
    assert not all(kept for name, kept in same.items() if name.startswith("high."))
    third = replace(config, out=tmp_path / "third", init=tmp_path / "second" / "model")
    assert train(replace(third, stem_weights=tmp_path / "not read")).is_dir()


def test_a_decoder_of_another_kind_begins_anew(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = tiny_config(data, tmp_path / "first", dense=1, contact=1)
    train(first)
    sam = replace(TINY.sam, decoder="queries", photos="tower", separate_decoders=True)
    second = replace(first, out=tmp_path / "second", model=replace(TINY, sam=sam), init=first.out)
    with caplog.at_level(logging.INFO, "ivlm_core.training.state"):
        folder = train(second)
    assert caplog.messages == [
        "begin anew: model.localizer.human_mask_decoder, model.localizer.object_mask_decoder, "
        "model.photo_decoder"
    ]
    before, after = load_file(last_checkpoint(first.out) / WEIGHTS), load_file(folder / WEIGHTS)
    assert not any("mask_decoder.transformer" in name for name in after)
    same = "vlm.mm_projector.queries"
    torch.testing.assert_close(after[same].float(), before[f"model.{same}"], atol=0.05, rtol=0)
    model = Pipeline.from_pretrained(folder, "cpu", tmp_path / "cache")
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    for task in ("human_contact", "object_contact"):
        assert np.isfinite(model.predict(picture, "bottle", task).scores).all()


def test_two_processes_learn_what_one_learns_from_two_batches(data: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*launch, "-m", tiny_run.__name__, str(data), str(tmp_path / "both")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr[-2000:]
    config = tiny_config(data, tmp_path / "one", dense=2, contact=2)
    twice = {
        stage: replace(getattr(config, stage), accumulate=2)
        for stage in ("dense", "contact", "surface")
    }
    train(replace(config, **twice, precision="fp32"))
    both, one = (load_file(tmp_path / run / "surface" / WEIGHTS) for run in ("both", "one"))
    apart = torch.cat([(both[name] - one[name]).abs().flatten() for name in one])
    assert apart.mean() < 1e-6  # Adam makes steps of rounding where a gradient is zero
    assert len(_log(tmp_path / "both", "contact")) == len(_log(tmp_path / "one", "contact"))


def test_what_a_run_keeps(data: Path, tmp_path: Path) -> None:
    train(replace(tiny_config(data, tmp_path), validate_every=2, gradient_checkpointing=True))
    for name in ("last", "best", "model"):
        Pipeline.from_pretrained(tmp_path / name, "cpu", tmp_path / "cache")
    told = json.loads((tmp_path / "best" / "provenance.json").read_text())
    stages = ("contact", "surface")
    validated = [e for stage in stages for e in _log(tmp_path, stage) if "validation" in e]
    assert told["f1"] == max(e["validation"]["f1"] for e in validated)
    last = json.loads((tmp_path / "last" / "provenance.json").read_text())
    assert (last["stage"], last["step"]) == ("surface", 2)
    pictures = sorted((tmp_path / "pictures").glob("*.png"))
    steps = {"_".join(picture.stem.split("_")[-2:]) for picture in pictures}
    assert steps == {"contact_000002", "contact_000004", "surface_000002"}
    events = EventAccumulator(str(tmp_path / "tensorboard" / "contact"))
    events.Reload()
    assert {"contact/text", "contact/held out/f1"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"]


def test_a_share_of_the_images_is_the_same_for_a_seed_and_grows() -> None:
    images = list(range(10, 110))
    tenth, third = (shared_images(images, share, seed=3) for share in (0.1, 0.3))
    assert len(tenth) == 10 and len(third) == 30 and set(tenth) < set(third) < set(images)
    assert tenth == shared_images(images, 0.1, seed=3) == sorted(tenth)
    assert tenth != shared_images(images, 0.1, seed=4)
    assert tenth != images[:10], "drawn, not the first ones"
    assert shared_images(images, 1.0, 3) == images
    assert len(shared_images(images, 1e-6, 3)) == 1
    with pytest.raises(ValueError, match=r"above 0 and at most 1, got 1\.2"):
        shared_images(images, 1.2, 3)


def test_a_model_tells_what_share_it_learned_from(data: Path, tmp_path: Path) -> None:
    folder = train(replace(tiny_config(data, tmp_path, dense=1, contact=1), share=0.5))
    told = json.loads((folder / "provenance.json").read_text())["data"]
    made = {"generator_version": 0, "config": {}}
    assert told == {"folder": "tiny", "images": 12, "trained_on": 6, "share": 0.5, **made}


def test_what_a_stage_does_not_teach_stays_as_it_is(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.taught, self.other, self.fixed = (nn.Linear(2, 2) for _ in range(3))
            self.fixed.requires_grad_(False)

        def forward(self, batch: int) -> dict[str, torch.Tensor]:
            x = self.other(self.taught(torch.full((1, 2), float(batch + 1))))
            return {"size": self.fixed(x).square().sum()}

    stage = Two()
    before = {name: p.clone() for name, p in stage.named_parameters()}
    run = StageRun(
        "two",
        tmp_path,
        stage,
        [Trained(stage.taught)],
        Schedule(3, 0.1, warmup=1),
        precision="bf16",
    )
    run.run()
    moved = {n for n, p in stage.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"taught.weight", "taught.bias"}
    learns = {n for n, p in stage.named_parameters() if p.requires_grad}
    assert learns == {n for n in before if not n.startswith("fixed")}, "as before the run"


def test_a_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    folder, written = tmp_path / "dense", tmp_path / "dense.partial"
    assert existing_state(folder) is None
    for value in ("first", "second"):
        written.mkdir()
        (written / "file").write_text(value)
        replace_state(written, folder)
        found = existing_state(folder)
        assert found is not None and (found / "file").read_text() == value
    folder.rename(tmp_path / "dense.before")  # killed between the two renames
    found = existing_state(folder)
    assert found is not None and (found / "file").read_text() == "second"


def test_a_run_of_another_network_is_no_start(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="expected the folder of a training run"):
        train(replace(config, init=tmp_path / "nothing"))
    other = tmp_path / "other"
    (other / "contact").mkdir(parents=True)
    save_file({"weight": torch.zeros(1)}, other / "contact" / WEIGHTS)
    with pytest.raises(ValueError, match="of other parts or sizes"):
        train(replace(config, init=other))


def test_pictures_may_be_of_another_size_than_those_it_starts_from(tmp_path: Path) -> None:
    small, large = (VisionTower(replace(TINY.vision, image_size=size)) for size in (32, 64))
    save_file(small.state_dict(), tmp_path / WEIGHTS)
    load_weights(tmp_path, large)
    before, after = (t.clip.embeddings.position_embedding.weight for t in (small, large))
    torch.testing.assert_close(after, resized_places(before, 1 + 8 * 8))
    torch.testing.assert_close(
        large.clip.embeddings.class_embedding, small.clip.embeddings.class_embedding
    )


def test_larger_pictures_are_read_smaller(data: Path) -> None:
    dataset = SyntheticDataset(data, "train")
    whole, half = (TrainingArrays.load(dataset, side) for side in (SIZE, SIZE // 2))
    affine = Affine(torch.ones(2), torch.zeros(2, 2), torch.tensor([False, True]))
    pictures = [warp_images(normalise_images(a.images[:2]), affine, a.side) for a in (whole, half)]
    assert pictures[1].shape == (2, 3, SIZE // 2, SIZE // 2)
    torch.testing.assert_close(pictures[1], avg_pool2d(pictures[0], 2))
    assert torch.equal(*(a.dense_targets(torch.arange(2), affine, 8).parts for a in (whole, half)))


def test_pictures_smaller_than_what_the_model_reads(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path)
    larger = replace(TINY, vision=replace(TINY.vision, image_size=64))
    with pytest.raises(ValueError, match="--image-size 64"):
        train(replace(config, model=larger))


def test_dense_stage_learns(data: Path, tmp_path: Path) -> None:
    train(tiny_config(data, tmp_path, dense=60, contact=1))
    log = [e for e in _log(tmp_path, "dense") if "validation" in e]
    total = [sum(e["validation"].values()) for e in log]
    assert total[-1] < 0.8 * total[0]
    first, last = (log[i]["validation"] for i in (0, -1))
    assert last["text"] < 0.8 * first["text"] and last["token"] < 0.9 * first["token"]


def test_mirrored_targets_move_together(data: Path) -> None:
    """A mirrored sample has its parts and joints on the other side."""
    arrays = TrainingArrays.load(SyntheticDataset(data, "train"), SIZE)
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
    arrays = TrainingArrays.load(SyntheticDataset(data, "train"), SIZE)
    dataset = SyntheticDataset(data, "train")
    for index in range(3):
        record = dataset.record(index)
        for item in record.objects:
            bit = (record.contact_map >> item.slot & 1).astype(bool)
            if bit.any():
                found = set(np.unique(arrays.contacts[index].numpy()[bit]))
                assert arrays.categories.index(item.category) + 1 in found


def test_diverging_loss_is_an_error(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, dense=30)
    wild = replace(config, dense=Schedule(steps=30, learning_rate=1e30, warmup=1, clip=1e9))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train(wild)


def test_the_last_stage_leaves_what_sees_and_speaks_as_it_was(data: Path, tmp_path: Path) -> None:
    train(tiny_config(data, tmp_path))
    before, after = (load_file(tmp_path / stage / WEIGHTS) for stage in ("contact", "surface"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learns = (
        "model.projection.",
        "model.view_encoder.",
        "model.image_encoder.",
        "model.localizer.",
    )
    assert changed and all(name.startswith(learns) for name in changed)
    assert last_checkpoint(tmp_path) == tmp_path / "surface"

"""Stage 5: boxes are learned with all else frozen, and lie where the augmented object is."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.config import BodyHeadConfig
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.model.checkpoint import PROVENANCE_FILE
from ivlm_core.model.presets import TINY
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.augment import Affine, warp_map
from ivlm_core.training.box_stage import BoxStage
from ivlm_core.training.run import Schedule
from ivlm_core.training.state import WEIGHTS, last_checkpoint
from ivlm_core.training.train import TrainConfig, train
from tests.training.stopping import stopped_after_saving
from tests.training.tiny_run import tiny_config

WITH_BOXES = replace(
    TINY,
    language=replace(TINY.language, resampler_boxes=True),
    body_head=BodyHeadConfig(hidden=16, width=8),
)


def _config(data: Path, out: Path, steps: int = 20) -> TrainConfig:
    return replace(
        tiny_config(data, out, dense=2, contact=2),
        model=WITH_BOXES,
        body=Schedule(steps=4, learning_rate=1e-2, warmup=2),
        boxes=Schedule(steps=steps, learning_rate=1e-2, warmup=2),
        body_batch=8,
        box_batch=4,
        validate_every=20,
        save_every=10,
        precision="fp32",
    )


@pytest.fixture(scope="module")
def stages() -> list[BoxStage]:
    """Those that the runs of this module made."""
    return []


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory, stages: list[BoxStage]) -> Path:
    out = tmp_path_factory.mktemp("run")
    made = BoxStage.__init__

    def kept(self: BoxStage, *given: object) -> None:
        made(self, *given)  # type: ignore[arg-type]
        stages.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BoxStage, "__init__", kept)
        train(_config(data, out))
    return out


def test_only_what_reads_boxes_learns(run: Path) -> None:
    before, after = (load_file(run / stage / WEIGHTS) for stage in ("body", "boxes"))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed and all(name.startswith("model.vlm.mm_projector.boxes.") for name in changed)
    assert last_checkpoint(run) == run / "boxes"
    told = json.loads((run / "model" / PROVENANCE_FILE).read_text())
    assert told["steps"]["boxes"] == 20 and told["recipe"]["box_batch"] == 4


def test_held_out_pictures_are_judged_with_boxes(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "boxes.jsonl").read_text().splitlines()]
    (judged,) = (entry["validation"] for entry in entries if "validation" in entry)
    assert set(judged) == {"text", "looks", "vertices"}


def test_users_may_tell_boxes_then(data: Path, run: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.from_pretrained(run / "model", "cpu", tmp_path)
    assert pipeline.reads_boxes
    image = SyntheticDataset(data, "test").image(0)
    pipeline.predict(image, "bottle", box=(4, 4, 20, 20))


def test_boxes_lie_around_the_object_as_it_was_moved(run: Path, stages: list[BoxStage]) -> None:
    """Also in mirrored pictures; what is out of sight has none."""
    stage = stages[0]
    arrays, known, hidden = stage.arrays, 0, 0
    rank = {name: i + 1 for i, name in enumerate(arrays.categories)}
    for seed in range(12):
        generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
        drawn, affine = stage.asked.draw_batch(6, 1, rng), Affine.draw(6, generator)
        boxes = stage._boxes(drawn, affine, rng)
        shown = warp_map(arrays.objects[drawn.images], affine, arrays.side, 0).numpy()
        for box, objects, question in zip(boxes, shown, drawn.questions, strict=True):
            rows, columns = np.nonzero(objects == rank[question.label])
            if len(rows) < 12:
                hidden += 1
                assert (box == 0).all()
                continue
            known += 1
            exact = np.array(
                [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32
            )
            exact = exact / arrays.side * 2 - 1
            side = np.tile([exact[2] - exact[0], exact[3] - exact[1]], 2)
            assert (np.abs(box.numpy() - exact) <= 0.2 * side + 1e-5).all()
    assert known > 20


def test_it_asks_about_what_is_there(run: Path, stages: list[BoxStage]) -> None:
    asked = stages[0].asked.all
    assert asked and all(q.slot >= 0 and q.task == "human_contact" for q in asked)


def test_a_stopped_stage_goes_on_as_if_it_had_not_stopped(
    data: Path, run: Path, tmp_path: Path
) -> None:
    with stopped_after_saving("boxes"):
        train(_config(data, tmp_path))
    train(_config(data, tmp_path))
    got, expected = (load_file(folder / "boxes" / WEIGHTS) for folder in (tmp_path, run))
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-5, rtol=1e-4)


def test_a_model_that_reads_none_may_learn_to(
    data: Path, tmp_path: Path, answering_model: Path
) -> None:
    none = Schedule(steps=0, learning_rate=1.0)
    config = replace(
        _config(data, tmp_path, steps=2),
        model=replace(WITH_BOXES, body_head=None),
        init=answering_model,
        dense=none,
        contact=none,
        surface=none,
    )
    folder = train(config)
    assert Pipeline.from_pretrained(tmp_path / "last", "cpu", tmp_path / "c").reads_boxes
    assert not (tmp_path / "best").exists(), "no F1 was taken that could be the best"
    before, after = load_file(answering_model / WEIGHTS), load_file(folder / WEIGHTS)
    added = after.keys() - before.keys()
    assert added and all(name.startswith("vlm.mm_projector.boxes.") for name in added)
    for name in before:
        if "embed_tokens" not in name and "lm_head" not in name:  # its words are others
            torch.testing.assert_close(after[name].float(), before[name], atol=1e-3, rtol=1e-3)

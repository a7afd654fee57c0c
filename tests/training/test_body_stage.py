"""Stage 4: the body's vertices are read off finished tokens, and nothing else moves."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.config import BodyHeadConfig
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.model.checkpoint import CONFIG_FILE, PROVENANCE_FILE
from ivlm_core.model.presets import TINY
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.body_stage import BodyStage
from ivlm_core.training.run import Schedule
from ivlm_core.training.state import STAGES, WEIGHTS, last_checkpoint
from ivlm_core.training.train import TrainConfig, train
from tests.asking import always_ask
from tests.training.stopping import stopped_after_saving
from tests.training.tiny_run import tiny_config

WITH_HEAD = replace(TINY, body_head=BodyHeadConfig(hidden=16, width=8))


def _config(data: Path, out: Path, steps: int = 40) -> TrainConfig:
    return replace(
        tiny_config(data, out, dense=2, contact=2),
        model=WITH_HEAD,
        body=Schedule(steps=steps, learning_rate=1e-2, warmup=2),
        body_batch=8,
        save_every=20,
        precision="fp32",
    )


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(_config(data, out))
    return out


def _logged(run: Path) -> list[dict]:
    entries = [json.loads(line) for line in (run / "body.jsonl").read_text().splitlines()]
    return [entry for entry in entries if "vertices" in entry]


def test_only_the_head_learns(run: Path) -> None:
    before, after = (load_file(run / stage / WEIGHTS) for stage in ("surface", "body"))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed and all(name.startswith("model.body_head.") for name in changed)
    assert last_checkpoint(run) == run / "body"
    assert json.loads((run / "model" / PROVENANCE_FILE).read_text())["steps"]["body"] == 40


def test_it_learns_what_the_questions_ask(
    data: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss falls below that of a head that has only begun; every question is read once."""
    read: list[BodyStage] = []
    original = BodyStage._read

    def recorded(self: BodyStage) -> torch.Tensor:
        read.append(self)
        return original(self)

    monkeypatch.setattr(BodyStage, "_read", recorded)
    train(_config(data, tmp_path, steps=2))
    assert _logged(run)[-1]["vertices"] < 0.9 * _logged(tmp_path)[-1]["vertices"]
    (stage,) = read
    assert stage._embeddings is not None
    assert len(stage._embeddings) == len(stage._targets) == len(stage.asked.all)


def test_the_token_takes_part_in_what_users_get(data: Path, run: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.from_pretrained(run / "model", "cpu", tmp_path)
    always_ask(pipeline.model)
    image = SyntheticDataset(data, "test").image(0)

    def scores(share: float) -> np.ndarray:
        pipeline.model.config = replace(
            pipeline.config, lift=replace(pipeline.config.lift, token_share=share)
        )
        return pipeline.predict(image, "bottle", "human_contact").scores

    masks, both, token = map(scores, (0.0, 0.5, 1.0))
    low, high = np.minimum(masks, token), np.maximum(masks, token)
    assert ((both >= low - 1e-3) & (both <= high + 1e-3)).all()
    assert np.abs(masks - token).max() > 0.01
    unseen = ~pipeline.predict(image, "bottle", "human_contact").seen
    assert (masks[unseen] == 0).all() and (token[unseen] > 0).all(), "it needs no view"


def test_objects_are_left_to_masks(data: Path, run: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.from_pretrained(run / "model", "cpu", tmp_path)
    always_ask(pipeline.model)
    image = SyntheticDataset(data, "test").image(0)
    before = pipeline.predict(image, "bottle", "object_contact").scores
    assert before.max() > 0
    pipeline.model.body_head = None
    assert np.array_equal(pipeline.predict(image, "bottle", "object_contact").scores, before)


def test_a_stopped_stage_goes_on_as_if_it_had_not_stopped(
    data: Path, run: Path, tmp_path: Path
) -> None:
    with stopped_after_saving("body"):
        train(_config(data, tmp_path))
    train(_config(data, tmp_path))
    got, expected = (load_file(folder / "body" / WEIGHTS) for folder in (tmp_path, run))
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-5, rtol=1e-4)


def test_a_model_without_the_head_gets_one(
    data: Path, tmp_path: Path, answering_model: Path
) -> None:
    none = Schedule(steps=0, learning_rate=1.0)
    config = replace(_config(data, tmp_path, steps=2), dense=none, contact=none, surface=none)
    folder = train(replace(config, init=answering_model))
    before, after = load_file(answering_model / WEIGHTS), load_file(folder / WEIGHTS)
    for name in before:
        if "embed_tokens" not in name and "lm_head" not in name:  # its words are others
            torch.testing.assert_close(after[name].float(), before[name], atol=1e-3, rtol=1e-3)
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"body_head"}
    steps = json.loads((folder / PROVENANCE_FILE).read_text())["steps"]
    assert steps == dict.fromkeys(STAGES, 0) | {"body": 2}


def test_a_head_that_has_learned_nothing_is_left_out(data: Path, run: Path, tmp_path: Path) -> None:
    """It would find every vertex unlikely, and so overrule each mask."""

    def share(folder: Path) -> float:
        return json.loads((folder / CONFIG_FILE).read_text())["lift"]["token_share"]

    assert share(run / "model") == WITH_HEAD.lift.token_share > 0
    out, none = tmp_path / "run", Schedule(steps=0, learning_rate=1.0)
    with stopped_after_saving("contact", step=2):
        train(_config(data, out))
    assert share(out / "last") == 0, "stage 4 has not come yet"
    without = train(_config(data, out, steps=0))
    assert share(without) == 0
    config = replace(_config(data, tmp_path / "next", steps=0), contact=none, surface=none)
    assert share(train(replace(config, dense=none, init=run / "model"))) > 0, "it has learned there"


def test_a_head_of_no_width_is_refused(run: Path) -> None:
    with pytest.raises(ValueError, match="body_head.width must be at least 1, got 0"):
        BodyHeadConfig(width=0)
    told = json.loads((run / "model" / CONFIG_FILE).read_text())
    assert told["body_head"] == {"hidden": 16, "width": 8, "vertices": 13718}

"""Adapters folded in and shards joined: the merged model answers as the one it was made from."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as distributed
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from ivlm_core.cli import main
from ivlm_core.config import LoraConfig
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import load_checkpoint, save_checkpoint
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.weight_files import CheckpointError
from ivlm_core.training.merge import merge
from ivlm_core.training.state import WEIGHTS

ADAPTED = replace(TINY, language=replace(TINY.language, lora=LoraConfig(rank=2, alpha=6)))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, IvlmModel]:
    """A model folder whose adapters do something."""
    torch.manual_seed(0)
    model, processor = build(ADAPTED, ["mug"], ["left hand"])
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    folder = tmp_path_factory.mktemp("adapted") / "model"
    save_checkpoint(folder, model.eval(), processor, {"made_with": "a test"})
    return folder, model


@pytest.fixture
def run(adapted: tuple[Path, IvlmModel], tmp_path: Path) -> Path:
    """A training run that was stopped: the model as it was told, the state of the last stage."""
    folder, model = adapted
    shutil.copytree(folder, tmp_path / "run" / "last")
    state = tmp_path / "run" / "contact"
    state.mkdir()
    trained = {f"model.{name}": t.clone() for name, t in model.state_dict().items()}
    trained["heads.dense.cells.bias"] = torch.zeros(3)
    save_file(trained, state / WEIGHTS)
    return tmp_path / "run"


def _hidden(model: IvlmModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    embeds = torch.randn(2, 7, TINY.language.hidden_size, generator=generator)
    with torch.no_grad():
        return model.eval().vlm.language(inputs_embeds=embeds).logits


def test_the_merged_model_is_the_adapted_one(
    adapted: tuple[Path, IvlmModel], tmp_path: Path
) -> None:
    folder, model = adapted
    merged, _ = load_checkpoint(merge(folder, tmp_path / "out"))
    assert merged.config.language.lora is None
    assert not any("lora" in name or "base_layer" in name for name in merged.state_dict())
    torch.testing.assert_close(_hidden(merged), _hidden(model), atol=1e-4, rtol=1e-4)
    layers = [m for m in model.vlm.language.modules() if isinstance(m, LoraLayer)]
    assert len(layers) == 2 * TINY.language.layers
    ours = dict(merged.vlm.language.named_parameters())
    for name, module in list(model.vlm.language.named_modules()):
        if isinstance(module, LoraLayer):
            expected = module.get_base_layer().weight + module.get_delta_weight("default")
            torch.testing.assert_close(ours[f"{name}.weight"], expected)
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert told["source_provenance"] == {"made_with": "a test"}


def test_small_shards_and_another_type(adapted: tuple[Path, IvlmModel], tmp_path: Path) -> None:
    folder, model = adapted
    out = merge(folder, tmp_path / "out", torch.bfloat16, shard_bytes=100_000)
    assert len(list(out.glob("model-*.safetensors"))) > 3
    merged, _ = load_checkpoint(out)
    torch.testing.assert_close(_hidden(merged), _hidden(model), atol=0.2, rtol=0.1)


def test_a_training_run_gives_its_last_checkpoint(
    run: Path, adapted: tuple[Path, IvlmModel]
) -> None:
    for weights in (run / "last").glob("*.safetensors"):
        weights.unlink()  # what counts is the checkpoint
    merged, _ = load_checkpoint(merge(run, run / "out"))
    torch.testing.assert_close(_hidden(merged), _hidden(adapted[1]), atol=1e-4, rtol=1e-4)


def test_shards_are_joined(run: Path, adapted: tuple[Path, IvlmModel]) -> None:
    state = load_file(run / "contact" / WEIGHTS)
    (run / "contact" / WEIGHTS).unlink()
    distributed.save(
        {"model": state}, checkpoint_id=run / "contact" / "pytorch_model_fsdp_0", no_dist=True
    )
    merged, _ = load_checkpoint(merge(run, run / "out"))
    torch.testing.assert_close(_hidden(merged), _hidden(adapted[1]), atol=1e-4, rtol=1e-4)


def test_a_model_without_adapters_is_copied(tmp_path: Path) -> None:
    model, processor = build(TINY, ["mug"], ["left hand"])
    save_checkpoint(tmp_path / "model", model, processor, {})
    merged, _ = load_checkpoint(merge(tmp_path / "model", tmp_path / "out"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(merged.state_dict()[name], tensor), name


def test_what_cannot_be_merged(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (run / "contact" / WEIGHTS).write_bytes(b"damaged")
    assert main(["merge", str(run), str(tmp_path / "out")]) == 1
    assert "contact" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob("*.partial"))
    (tmp_path / "empty").mkdir()
    assert main(["merge", str(tmp_path / "empty"), str(tmp_path / "out")]) == 1
    assert "neither a model folder" in capsys.readouterr().err
    assert main(["merge", str(run / "last"), str(tmp_path / "run")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["merge", str(tmp_path / "gone"), str(tmp_path / "out")]) == 2
    (run / "contact" / "pytorch_model").mkdir()
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(ImportError, match="pip install deepspeed"):
        merge(run, tmp_path / "out")
    shutil.rmtree(run / "contact")
    with pytest.raises(FileNotFoundError, match="first save"):
        merge(run, tmp_path / "out")


def test_weights_of_another_network_are_refused(run: Path) -> None:
    config = json.loads((run / "last" / "config.json").read_text())
    config["language"]["lora"]["rank"] = 3
    (run / "last" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="lora_A"):
        merge(run, run / "out")


def test_the_command(adapted: tuple[Path, IvlmModel], tmp_path: Path, capsys) -> None:
    arguments = ["merge", str(adapted[0]), str(tmp_path / "out"), "--dtype", "float16", "--json"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["model"] == str(tmp_path / "out") and report["bytes"] > 0

"""Memory that loading takes, fewer bits, several devices."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ivlm_core.model import placement as placement_module
from ivlm_core.model.placement import Placement
from ivlm_core.official.load import OfficialCheckpoint
from tests.official.checkpoints import FIELDS, write

ANSWER = [1, 3, -200, 4, 60]

_LOAD = """
import json, resource, sys
from pathlib import Path

import torch

from ivlm_core.model.placement import Placement
from ivlm_core.official.load import OfficialCheckpoint

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def load(folder, tower):
    return OfficialCheckpoint.open(Path(folder), Path(tower)).load(Placement(dtype=torch.bfloat16))

load(*sys.argv[1:3])  # what libraries load on first use is no weight
before = peak()
model = load(*sys.argv[3:5])
weights = sum(t.nbytes for t in model.state_dict().values())
print(json.dumps({"weights": weights, "grown": peak() - before}))
"""


def hidden(folders: tuple[Path, Path], placement: Placement) -> torch.Tensor:
    """States of a short answer."""
    vlm = OfficialCheckpoint.open(*folders).load(placement).vlm
    torch.manual_seed(0)
    images = torch.randn(1, 3, 28, 28)
    with torch.no_grad():
        return vlm.score(vlm.image_tokens(vlm.tower(images), [ANSWER]), [ANSWER], [4]).hidden


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["bin", "safetensors"])
def test_loading_takes_hardly_more_than_the_weights(tmp_path, layout) -> None:
    """Peak of the process, in its own process: at most 10 % over the final weights."""
    small = write(tmp_path / "small")
    large = write(
        tmp_path / "large",
        shards=3,
        vocab_size=1000,
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=12,
        num_attention_heads=8,
    )
    if layout == "safetensors":
        for folder in (small[0], large[0]):
            _as_safetensors(folder)
    result = subprocess.run(
        [sys.executable, "-c", _LOAD, *map(str, (*small, *large))],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    assert found["weights"] > 280e6
    assert found["grown"] <= 1.1 * found["weights"], found


def _as_safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    index = folder / "pytorch_model.bin.index.json"
    placed = json.loads(index.read_text())["weight_map"]
    for file in sorted(set(placed.values())):
        state = torch.load(folder / file, weights_only=True)
        save_file(state, folder / file.replace(".bin", ".safetensors"))
        (folder / file).unlink()
    placed = {n: f.replace(".bin", ".safetensors") for n, f in placed.items()}
    index.unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))


@pytest.mark.parametrize(("bits", "largest"), [("8bit", 0.1), ("4bit", 0.6)])
def test_fewer_bits_stay_near(tmp_path, bits, largest) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is optional and not installed")
    folders = write(tmp_path / "published", hidden_size=64, intermediate_size=128)
    plain = hidden(folders, Placement())
    fewer = hidden(folders, Placement(quantization=bits))
    assert not torch.equal(plain, fewer)
    assert (plain - fewer).abs().max() < largest * plain.abs().max()
    model = OfficialCheckpoint.open(*folders).load(Placement(quantization=bits))
    layer = model.vlm.language.model.layers[0]
    kind = {"8bit": torch.int8, "4bit": torch.uint8}[bits]
    assert layer.self_attn.q_proj.weight.dtype == layer.mlp.down_proj.weight.dtype == kind
    assert model.vlm.language.lm_head.weight.dtype == torch.float32
    assert model.projection[0].weight.dtype == torch.float32


def test_device_map_gives_the_same_states(tmp_path) -> None:
    """All on the CPU: the way through accelerate, not the way over a bus."""
    pytest.importorskip("accelerate", reason="accelerate is optional and not installed")
    folders = write(tmp_path / "published")
    plain = hidden(folders, Placement())
    blocks = {f"model.layers.{i}": "cpu" for i in range(FIELDS["num_hidden_layers"])}
    rest = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu"}
    for device_map in ("auto", {"": "cpu"}, blocks | rest | {"lm_head": "cpu"}):
        torch.testing.assert_close(hidden(folders, Placement(device_map=device_map)), plain)
    with pytest.raises(ValueError, match="leaves out"):
        hidden(folders, Placement(device_map=blocks))


def test_weights_go_where_the_map_says() -> None:
    placement = Placement()
    spread = {"model": torch.device("cpu"), "model.layers.1": torch.device("meta")}
    for name, device in {
        "vlm.language.model.layers.1.mlp.up_proj.weight": "meta",
        "vlm.language.model.layers.10.mlp.up_proj.weight": "cpu",
        "vlm.language.model.norm.weight": "cpu",
        "image_encoder.pos_embed": "cpu",
    }.items():
        assert placement.device_of(name, spread) == torch.device(device)


def test_missing_libraries_are_named(monkeypatch) -> None:
    known = importlib.util.find_spec
    gone = ("bitsandbytes", "accelerate")
    monkeypatch.setattr(
        placement_module.importlib.util,
        "find_spec",
        lambda name: None if name in gone else known(name),
    )
    with pytest.raises(ImportError, match="pip install bitsandbytes"):
        Placement(quantization="4bit")
    with pytest.raises(ImportError, match="pip install accelerate"):
        Placement(device_map="auto")


@pytest.mark.parametrize(
    "wrong", [{"quantization": "2bit"}, {"device_map": "all"}, {"dtype": torch.int8}]
)
def test_unknown_values(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Placement(**wrong)

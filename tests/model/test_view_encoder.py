"""FeatLift and splitter: forms, and the published modules' numbers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.config import ViewConfig
from ivlm_core.model.view_encoder import TokenSplitter, build_view_encoder


@pytest.mark.parametrize("kind", ["none", "simple", "view_index", "two_layer"])
def test_every_view_gets_a_prompt(kind: str) -> None:
    encoder = build_view_encoder(ViewConfig(encoder=kind, hidden_size=8), 16, 4)
    embedding, cameras = torch.randn(3, 16), torch.rand(4, 5)
    out = encoder(embedding, cameras)
    assert out.shape == (3, 4, 16)
    if kind == "none":
        assert torch.equal(out[:, 2], embedding)
    else:
        assert not torch.allclose(out[:, 0], out[:, 1])


def test_two_layer_gate_only_dampens() -> None:
    encoder = build_view_encoder(ViewConfig(encoder="two_layer", hidden_size=8), 16, 4)
    embedding = torch.randn(2, 16)
    out = encoder(embedding, torch.rand(4, 5))
    assert (out.abs() <= embedding.abs().unsqueeze(1)).all()
    assert (out.sign() == embedding.sign().unsqueeze(1)).all()


def test_splitter_separates_human_and_object() -> None:
    splitter = TokenSplitter(16, 8)
    prompts = torch.randn(2, 4, 16)
    assert not torch.allclose(splitter(prompts, False), splitter(prompts, True))


def _weights(data: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}/weights/"
    return {k.removeprefix(prefix): v for k, v in data.items() if k.startswith(prefix)}


@pytest.mark.parametrize(("ours", "theirs"), [("two_layer", "vi_v1"), ("view_index", "view_index")])
def test_gates_equal_the_published_encoder(parity_dir: Path, ours: str, theirs: str) -> None:
    data = load_file(parity_dir / "components" / "components.safetensors")
    weights = _weights(data, theirs)
    dim, hidden = weights["view_transforms.0.weight"].shape
    config = ViewConfig(encoder=ours, hidden_size=hidden)
    encoder = build_view_encoder(config, dim, len(data["cam_params"]))
    encoder.load_state_dict(weights)
    torch.testing.assert_close(
        encoder.gates(data["cam_params"]), data[f"{theirs}/out"].reshape(-1, dim), atol=1e-6, rtol=0
    )


def test_simple_code_equals_the_published_encoder(parity_dir: Path) -> None:
    data = load_file(parity_dir / "components" / "components.safetensors")
    weights = _weights(data, "simple")
    dim = len(weights["linear1.bias"])
    encoder = build_view_encoder(ViewConfig(encoder="simple"), dim, 4)
    encoder.load_state_dict(weights)
    zero = torch.zeros(1, dim)
    torch.testing.assert_close(
        encoder(zero, data["cam_params"])[0], data["simple/out"], atol=1e-6, rtol=0
    )


def test_splitter_equals_the_published_one(parity_dir: Path) -> None:
    data = load_file(parity_dir / "components" / "components.safetensors")
    weights = _weights(data, "attention_splitter")
    hidden, dim = weights["input_proj.weight"].shape
    splitter = TokenSplitter(dim, hidden)
    splitter.load_state_dict(weights)
    for name, for_object in (("human", False), ("object", True)):
        torch.testing.assert_close(
            splitter(data["embedding"], for_object),
            data[f"attention_splitter/{name}"],
            atol=1e-6,
            rtol=0,
        )

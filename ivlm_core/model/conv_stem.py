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

    @property
    def weight(self) -> Tensor:
        """First kernel; CLIP reads the working dtype from it."""
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        return first.weight

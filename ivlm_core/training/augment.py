"""Batch augmentation: one affine map per sample for image, maps and joints; colour and noise."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class Affine:
    """Per sample: zoom about the centre, shift, mirror."""

    scale: Tensor
    """`[batch]`, below 1 makes the picture smaller, as a person further away is."""
    shift: Tensor
    """`[batch, 2]` of the picture, in half image sides, x to the right and y down."""
    mirrored: Tensor
    """bool `[batch]`; mirrored first."""

    @classmethod
    def draw(cls, batch: int, generator: torch.Generator, mirror: Tensor | bool = True) -> "Affine":
        """Draw maps; `mirror` (bool, or bool `[batch]`) says which samples may be mirrored."""
        scale = torch.empty(batch).uniform_(0.75, 1.2, generator=generator)
        shift = torch.empty(batch, 2).uniform_(-1, 1, generator=generator)
        shift = shift * (0.06 + (1 - scale).clamp(min=0))[:, None]
        coin = torch.rand(batch, generator=generator) < 0.5
        return cls(scale, shift, coin & mirror)

    def to(self, device: torch.device) -> "Affine":
        """Return the same maps on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    @property
    def _sign(self) -> Tensor:
        return torch.where(self.mirrored, -1.0, 1.0)

    def grid(self, size: int) -> Tensor:
        """Return sampling positions `[batch, size, size, 2]` in the source picture."""
        theta = torch.zeros(len(self.scale), 2, 3, device=self.scale.device)
        theta[:, 0, 0] = self._sign / self.scale
        theta[:, 1, 1] = 1 / self.scale
        theta[:, 0, 2] = -self.shift[:, 0] * self._sign / self.scale
        theta[:, 1, 2] = -self.shift[:, 1] / self.scale
        return affine_grid(theta, [len(self.scale), 1, size, size], align_corners=False)

    def points(self, points: Tensor) -> Tensor:
        """Move points `[batch, point, 2]` given in [-1, 1]."""
        mirrored = torch.stack([points[..., 0] * self._sign[:, None], points[..., 1]], dim=-1)
        return mirrored * self.scale[:, None, None] + self.shift[:, None]


def warp_images(images: Tensor, affine: Affine, side: int) -> Tensor:
    """Warp normalised images to `[batch, 3, side, side]`; outside is 0, the colour of padding."""
    return grid_sample(images, affine.grid(side), align_corners=False)


def warp_map(values: Tensor, affine: Affine, size: int, outside: int) -> Tensor:
    """Sample integer maps `[batch, height, width]` to `[batch, size, size]`, nearest neighbour."""
    grid = affine.grid(size)
    shifted = (values.float() + 1).unsqueeze(1)
    picked = grid_sample(shifted, grid, mode="nearest", align_corners=False).squeeze(1).long() - 1
    return torch.where(picked < 0, torch.full_like(picked, outside), picked)


def jitter_colours(images: Tensor, generator: torch.Generator) -> Tensor:
    """Change exposure, contrast, white balance, and add noise to normalised images."""
    batch, device = images.shape[0], images.device
    if device.type != "cpu":  # millions of numbers are drawn where they are needed
        seed = int(torch.randint(2**62, (), generator=generator))
        generator = torch.Generator(device).manual_seed(seed)

    def draw(channels: int, spread: float) -> Tensor:
        return torch.randn(batch, channels, 1, 1, generator=generator, device=device) * spread

    images = images * (1 + draw(1, 0.15)) * (1 + draw(3, 0.08)) + draw(1, 0.25) + draw(3, 0.08)
    noise = torch.rand(batch, 1, 1, 1, generator=generator, device=device) * 0.12
    return images + torch.randn(images.shape, generator=generator, device=device) * noise

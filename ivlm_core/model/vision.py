"""The CLIP vision tower: pixel values to one feature vector a patch."""

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from ivlm_core.config import VisionConfig
from ivlm_core.model.positions import grid_positions


class _Residual(nn.Module):
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
                layers += [_Residual(out)]
            width = out
        layers += [nn.GroupNorm(8, width), nn.GELU(), nn.Conv2d(width, hidden_size, 1)]
        super().__init__(*layers)

    @property
    def weight(self) -> Tensor:
        """First kernel; CLIP reads the working dtype from it."""
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        return first.weight


class VisionTower(nn.Module):
    """`transformers` CLIP, read at the configured layer, class token dropped."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.select_layer = config.select_layer
        self.clip = CLIPVisionModel(
            CLIPVisionConfig(
                image_size=config.image_size,
                patch_size=config.patch_size,
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
            )
        )
        if config.stem == "conv":
            self.clip.embeddings.patch_embedding = ConvStem(
                config.stem_width, config.hidden_size, config.patch_size
            )
            # CLIP's own start (0.02) is a twentieth of what this stem gives: left and right are
            # found sooner where the place of a patch is as loud as its content.
            with torch.no_grad():
                places = self.clip.embeddings.position_embedding.weight
                places[1:] = grid_positions(config.grid_size, config.hidden_size) / 2

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Map `[batch, 3, height, width]` normalised pixels to `[batch, patch, hidden]`."""
        layers = self.clip.encoder.layers
        used = range(len(layers) + 1)[self.select_layer]  # what later layers give is not read
        hidden = self.clip.pre_layrnorm(self.clip.embeddings(pixel_values))
        for layer in layers[:used]:
            hidden = layer(hidden, attention_mask=None)
        return hidden[:, 1:]


def freeze(module: nn.Module) -> None:
    """Exclude a module from training."""
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    module.eval()

"""The CLIP vision tower: pixel values to one feature vector a patch."""

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from ivlm_core.config import VisionConfig
from ivlm_core.model.conv_stem import ConvStem
from ivlm_core.model.efficientnet import EfficientNetStem
from ivlm_core.model.positions import grid_positions


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
        if config.stem != "patch":
            self.clip.embeddings.patch_embedding = (
                ConvStem(config.stem_width, config.hidden_size, config.patch_size)
                if config.stem == "conv"
                else EfficientNetStem(config.hidden_size)
            )
            # CLIP's own start (0.02) is a twentieth of what a stem gives: left and right are
            # found sooner where the place of a patch is as loud as its content.
            with torch.no_grad():
                places = self.clip.embeddings.position_embedding.weight
                places[1:] = grid_positions(config.grid_size, config.hidden_size) / 2

    @property
    def stem(self) -> nn.Module:
        """What makes one vector of every patch."""
        return self.clip.embeddings.patch_embedding

    @property
    def fine_channels(self) -> tuple[int, int]:
        """Channels of `fine_maps`."""
        stem = self.stem
        assert isinstance(stem, ConvStem | EfficientNetStem)
        return stem.fine_channels

    def fine_maps(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the stem sees at twice and four times the resolution of patches.

        Args:
            pixel_values: `[batch, 3, height, width]` normalised pixels.

        Returns:
            `[batch, fine_channels[0], 2 grid, 2 grid]` and `[batch, fine_channels[1], 4 grid,
            4 grid]`.
        """
        stem = self.stem
        assert isinstance(stem, ConvStem | EfficientNetStem)
        return stem.fine_maps(pixel_values)

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

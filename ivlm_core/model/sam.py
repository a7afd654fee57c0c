"""Segment Anything's own modules, built to a size.

Only the `modeling` sub-package is imported: the package's `__init__` wants torchvision, which
inference here does not need and which has no CPU build for every platform.
"""

import importlib
import importlib.util
import sys
import types
from functools import partial

import torch
from torch import Tensor, nn

from ivlm_core.config import SamConfig
from ivlm_core.model.sam_attention import FusedAttention


def _modeling() -> types.ModuleType:
    """Import `segment_anything.modeling`, without the package's `__init__` where that fails."""
    if "segment_anything" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        spec = importlib.util.find_spec("segment_anything")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(
                "segment-anything is missing; install it: pip install segment-anything"
            )
        package = types.ModuleType("segment_anything")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["segment_anything"] = package
    return importlib.import_module("segment_anything.modeling")


def build_image_encoder(config: SamConfig, fused: bool = True) -> nn.Module:
    """Return SAM's ViT: `[view, 3, size, size]` to `[view, embed_dim, grid, grid]`.

    Args:
        config: sizes.
        fused: with `FusedAttention`; False keeps SAM's own, which is slower and gives the same.
    """
    encoder = _modeling().ImageEncoderViT(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.encoder_dim,
        depth=config.encoder_depth,
        num_heads=config.encoder_heads,
        out_chans=config.embed_dim,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=config.window_size,
        global_attn_indexes=config.global_attention,
    )
    if fused:
        for block in encoder.blocks:
            block.attn = FusedAttention(block.attn)
    return encoder


def build_prompt_encoder(config: SamConfig) -> nn.Module:
    """Return SAM's prompt encoder; it gives the dense prompt and the positional encoding."""
    return _modeling().PromptEncoder(
        embed_dim=config.embed_dim,
        image_embedding_size=(config.grid_size, config.grid_size),
        input_image_size=(config.image_size, config.image_size),
        mask_in_chans=16,
    )


def build_mask_decoder(config: SamConfig) -> nn.Module:
    """Return SAM's two-way transformer mask decoder."""
    modeling = _modeling()
    transformer = modeling.TwoWayTransformer(
        depth=config.decoder_depth,
        embedding_dim=config.embed_dim,
        mlp_dim=config.decoder_mlp_dim,
        num_heads=config.decoder_heads,
    )
    return modeling.MaskDecoder(
        num_multimask_outputs=3,
        transformer=transformer,
        transformer_dim=config.embed_dim,
        iou_head_depth=3,
        iou_head_hidden_dim=config.embed_dim,
    )


PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def normalise_views(images: Tensor) -> Tensor:
    """Map uint8 RGB `[view, height, width, 3]` to SAM's float input `[view, 3, height, width]`."""
    mean = torch.tensor(PIXEL_MEAN, device=images.device)
    std = torch.tensor(PIXEL_STD, device=images.device)
    return ((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()

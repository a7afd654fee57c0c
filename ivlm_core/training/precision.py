"""Arithmetic of training: bfloat16 where the hardware multiplies it, float32 elsewhere."""

import logging
from typing import Literal

import torch

LOG = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "bf16"]
"""`bf16`: matrix products in bfloat16 by autocast, weights and losses in float32. `auto`: that
where the hardware has such products, float32 otherwise."""

_MULTIPLY_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""Names of `torch.cpu.get_capabilities`, on x86 and ARM."""


def autocast_precision(
    asked: Precision, device: torch.device
) -> Literal["no", "bf16"]:  # accelerate's names
    """Return what `accelerate` is to train in.

    Processors without such products (all with AVX2 alone) emulate them: on one of these a linear
    layer took 7 times as long as in float32, a depthwise convolution 54 times.

    Args:
        asked: of the recipe.
        device: where the model is.
    """
    native = multiplies_bfloat16(device)
    if asked == "bf16" and not native:
        LOG.warning(
            "precision bf16: this %s has no bfloat16 products and emulates them, many times slower "
            "than fp32; precision auto takes what is fast",
            device.type,
        )
    return "bf16" if asked == "bf16" or (asked == "auto" and native) else "no"


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 by itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    has = torch.cpu.get_capabilities()
    return any(has.get(name, False) for name in _MULTIPLY_BFLOAT16)

"""Where the language model looked in the image when it asked for contact.

The state that becomes the prompt of the mask decoder is the one that predicts the contact token. In
the later layers, its attention to the image tokens tells which of them it was made of. Where a
resampler made the tokens, what each of its queries looked at leads on to the patches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb, repeat_kv

from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.processor import place_in_square
from ivlm_core.model.resampler import QuestionResampler
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER, locate_contact_token


@torch.no_grad()
def contact_attention(
    model: IvlmModel,
    features: Tensor,
    prompts: Sequence[Sequence[int]],
    ids: Sequence[Sequence[int]],
    boxes: Tensor | None = None,
) -> list[np.ndarray | None]:
    """Return each answer's attention to the patches of its image.

    Reads every answer once more; only one row of the attention is computed, so the language model
    may use any kernel.

    Args:
        model: the model that answered.
        features: `[batch, patch, vision]` of the vision tower.
        prompts: ids up to where each answer begins.
        ids: prompt and answer of each sample (`Generated.ids`).
        boxes: `[batch, 4]` that the answers were given with.

    Returns:
        float32 `[grid, grid]` per sample, mean over heads and the later half of the layers; sums
        to one at most. None where the answer has no contact token.
    """
    vlm, looks = model.vlm, None
    if isinstance(vlm.mm_projector, QuestionResampler):
        tokens, looks = vlm.resample(features, prompts, boxes)
    else:
        tokens = vlm.mm_projector(features)
    found: list[np.ndarray | None] = []
    for i, row in enumerate(ids):
        place = locate_contact_token(
            row, model.tokens.all, tokens.shape[1], model.config.tokens.position
        )
        if place is None:
            found.append(None)
            continue
        with _row_of_attention(vlm.language, place[1]) as rows:
            vlm.score(tokens[i : i + 1], [row], [len(row)])
        start = list(row).index(IMAGE_PLACEHOLDER)
        share = torch.stack(rows).mean(dim=0)[start : start + tokens.shape[1]]
        if looks is not None:
            share = share @ looks[i].float().mean(dim=0).cpu()
        grid = model.config.vision.grid_size
        found.append(share.reshape(grid, grid).numpy())
    return found


@contextmanager
def _row_of_attention(language: LlamaForCausalLM, index: int) -> Iterator[list[Tensor]]:
    """Collect, from a forward pass inside, how the state at `index` attends to those up to it.

    Yields:
        One float32 `[index + 1]` on the CPU for each of the later layers, mean of the heads.
    """
    layers = language.model.layers
    rows: list[Tensor] = []

    def keep(attention: Any, _: tuple[Any, ...], given: dict[str, Any]) -> None:
        states = given["hidden_states"][:, : index + 1]
        cos, sin = (table[:, : index + 1] for table in given["position_embeddings"])
        shape = (*states.shape[:2], -1, attention.head_dim)
        query = attention.q_proj(states).view(shape).transpose(1, 2)
        key = attention.k_proj(states).view(shape).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        key = repeat_kv(key, attention.num_key_value_groups)
        match = (query[:, :, -1:] @ key.transpose(2, 3)).float() * attention.scaling
        rows.append(match.softmax(dim=-1).mean(dim=1)[0, 0].cpu())

    hooks = [
        layer.self_attn.register_forward_pre_hook(keep, with_kwargs=True)
        for layer in layers[len(layers) // 2 :]
    ]
    try:
        yield rows
    finally:
        for hook in hooks:
            hook.remove()


def attention_over_image(
    attention: np.ndarray, height: int, width: int, size: int, fit: Literal["crop", "pad"]
) -> np.ndarray:
    """Lay attention to patches over the image that the tower's square was made of.

    Args:
        attention: float32 `[grid, grid]` (`contact_attention`).
        height: of the image, pixels.
        width: of the image, pixels.
        size: side of the square, pixels.
        fit: how the image became square (`VisionConfig.fit`).

    Returns:
        float32 `[height, width]`, 1 at the highest; 0 where `crop` left the image out.
    """
    square = Image.fromarray(attention).resize((size, size), Image.Resampling.BILINEAR)
    new, (left, top) = place_in_square(width, height, size, fit)
    placed = Image.new("F", new)
    placed.paste(square, (-left, -top))
    over = np.asarray(placed.resize((width, height), Image.Resampling.BILINEAR)).clip(min=0)
    highest = over.max()
    return over / highest if highest > 0 else over

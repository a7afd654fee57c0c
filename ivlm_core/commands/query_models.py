"""Models that `ivlm bench query` runs: the shipped one, and sizes with random weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from ivlm_core.config import IvlmConfig, LanguageConfig, SamConfig, VisionConfig
from ivlm_core.geometry.body import load_body
from ivlm_core.model import prompts
from ivlm_core.model.build import vocabulary_corpus
from ivlm_core.model.checkpoint import load_checkpoint
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor, build_tokenizer
from ivlm_core.model.shipped import model_folder

Size = Literal["nano", "tiny", "medium", "13b"]

MEDIUM = IvlmConfig(
    name="medium",
    vision=VisionConfig(hidden_size=768, intermediate_size=3072, layers=12, heads=12),
    language=LanguageConfig(hidden_size=768, intermediate_size=3072, layers=12, heads=12),
    sam=SamConfig(
        encoder_dim=768, encoder_depth=12, encoder_heads=12, global_attention=(2, 5, 8, 11)
    ),
)
"""Language model of 162 M parameters, CLIP and SAM of ViT-B size, views of 1024 pixels."""

CONFIGS = {
    "tiny": replace(TINY, prompt=replace(TINY.prompt, stop_at_contact=False, max_new_tokens=64)),
    "medium": MEDIUM,
    "13b": replace(IvlmConfig(), name="13b"),
}
"""Sizes with random weights; the last is the published architecture."""

ANSWER_TOKENS = {"tiny": 25, "medium": 25, "13b": 32}
"""Length of the answers that models with random weights are made to write."""

_NAMED = (
    "left hand",
    "right hand",
    "left thigh",
    "right thigh",
    "left foot",
    "right foot",
    "right upper arm",
)
FLOAT32_TABLE = "positional_encoding_gaussian_matrix"
"""SAM computes its positions in float32 and accepts nothing else."""

_TOKENIZER_SIZE = 1500
"""Room for every word of prompts and answers to be one token, as it nearly is for Llama's."""


@dataclass(frozen=True)
class BenchModel:
    """A model with what is known about its answer."""

    model: IvlmModel
    processor: Processor
    answer: list[int] | None
    """Ids that a model with random weights is made to answer; None where it answers itself."""


def load(size: Size, seed: int, device: torch.device, image: np.ndarray, label: str) -> BenchModel:
    """Return the model of a size; random weights are drawn from the seed.

    Raises:
        ValueError: the size needs a GPU and `device` is none.
    """
    if size == "nano":
        model, processor = load_checkpoint(model_folder("nano"))
        return BenchModel(model.to(device), processor, None)
    if size == "13b" and device.type != "cuda":
        raise ValueError(
            "size 13b has 27 GB of bfloat16 weights and is measured on a CUDA GPU with 40 GB or "
            f"more; the device here is '{device}'. On a CPU use --size medium."
        )
    dtype = torch.bfloat16 if size == "13b" else torch.float32
    model, processor = random_model(CONFIGS[size], seed, device, dtype)
    answer = fixed_answer(processor, ANSWER_TOKENS[size])
    force_answer(model, processor, image, label, answer)
    return BenchModel(model, processor, answer)


def random_model(
    config: IvlmConfig, seed: int, device: torch.device, dtype: torch.dtype
) -> tuple[IvlmModel, Processor]:
    """Return an untrained model, made where it will run, with a tokenizer for its answers."""
    parts = load_body(config.body).mesh.parts
    tokens = [config.tokens.human, config.tokens.object]
    style = config.prompt
    frame = prompts.conversation(style.conversation, "", style.mark_image)
    corpus = [*vocabulary_corpus([], parts), *frame.split(prompts.IMAGE_TEXT)]
    tokenizer = build_tokenizer(corpus, _TOKENIZER_SIZE, tokens)
    language = config.language
    if language.vocab_size < len(tokenizer):
        config = replace(config, language=replace(language, vocab_size=len(tokenizer)))
    processor = Processor(config, tokenizer)
    torch.manual_seed(seed)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = IvlmModel(config, processor.contact_tokens)
    finally:
        torch.set_default_dtype(default)
    for module in model.localizer.modules():
        if hasattr(module, FLOAT32_TABLE):
            setattr(module, FLOAT32_TABLE, getattr(module, FLOAT32_TABLE).float())
    return model.to(device).eval(), processor


def fixed_answer(processor: Processor, length: int) -> list[int]:
    """Return an answer of `length` tokens at most that names as many body parts as fit."""
    fitting = processor.answer_ids("human_contact", _NAMED[:1])
    for count in range(1, len(_NAMED) + 1):
        ids = processor.answer_ids("human_contact", _NAMED[:count])
        fitting = ids if len(ids) <= length else fitting
    return fitting


@torch.no_grad()
def force_answer(
    model: IvlmModel, processor: Processor, image: np.ndarray, label: str, answer: Sequence[int]
) -> None:
    """Make a model with random weights write `answer` to this question, by its last layer only.

    The states `H` that the network reaches while reading the answer are computed; the output layer
    becomes the smallest `W` with `W h_t` = 1 for the token that is wanted after state `h_t` and 0
    for all others (least squares by the pseudo-inverse). Nothing else changes, so every way of
    computing does the same work as before and has to arrive at the same states to find the answer.
    """
    device = next(model.parameters()).device
    prompt = processor.prompt_ids(prompts.question("human_contact", label))
    ids = [*prompt, *answer]
    features = model.vlm.tower(processor.pixel_values([image]).to(device))
    scored = model.vlm.score(model.vlm.image_tokens(features, [prompt]), [ids], [len(prompt)])
    states = scored.hidden[0, -len(answer) - 1 : -1].double()  # [token, hidden]
    head = model.vlm.language.lm_head.weight
    wanted = torch.zeros(head.shape[0], len(answer), dtype=torch.float64, device=device)
    wanted[torch.tensor(answer), torch.arange(len(answer))] = 1
    head.copy_(wanted @ torch.linalg.pinv(states).T)

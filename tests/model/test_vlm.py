"""Generation with a cache equals the plain forward pass; text losses look at answers only."""

from dataclasses import replace

import pytest
import torch

from ivlm_core.config import LoraConfig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import question
from ivlm_core.model.tokens import IGNORE_LABEL
from ivlm_core.model.vlm import Vlm, text_loss


def _prompts(processor: Processor) -> list[list[int]]:
    return [
        processor.prompt_ids(question("human_contact", label))
        for label in ("bottle", "a very unusual zebra thing")
    ]


def test_cached_generation_is_plain_greedy_decoding(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    torch.manual_seed(1)
    images = torch.randn(1, 3, 32, 32)
    prompt = _prompts(processor)[0]
    with torch.no_grad():
        tokens = model.vlm.image_tokens(model.vlm.tower(images), [prompt])
        cached = model.vlm.generate(tokens, [prompt], 6, [])
        ids = list(prompt)
        for _ in range(6):
            scored = model.vlm.score(tokens, [ids], [len(ids)])
            ids.append(int(scored.logits[0, -1].argmax()))
    assert cached.ids[0] == ids
    assert cached.hidden.shape[1] == scored.hidden.shape[1]
    torch.testing.assert_close(cached.hidden, scored.hidden, atol=1e-5, rtol=1e-4)


def test_batch_of_unequal_prompts_equals_one_by_one(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    images = torch.randn(2, 3, 32, 32)
    prompts = _prompts(processor)
    assert len(prompts[0]) != len(prompts[1])
    with torch.no_grad():
        tokens = model.vlm.image_tokens(model.vlm.tower(images), prompts)
        together = model.vlm.generate(tokens, prompts, 5, [])
        for i, prompt in enumerate(prompts):
            alone = model.vlm.generate(tokens[i : i + 1], [prompt], 5, [])
            assert together.ids[i] == alone.ids[0]
            length = alone.hidden.shape[1]
            torch.testing.assert_close(
                together.hidden[i, :length], alone.hidden[0], atol=1e-5, rtol=1e-4
            )


def test_stop_token_is_kept_and_ends_the_answer(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    prompt = _prompts(processor)[0]
    with torch.no_grad():
        tokens = model.vlm.image_tokens(model.vlm.tower(torch.randn(1, 3, 32, 32)), [prompt])
        free = model.vlm.generate(tokens, [prompt], 4, [])
        first = free.ids[0][len(prompt)]
        stopped = model.vlm.generate(tokens, [prompt], 4, [first])
    assert stopped.ids[0] == [*prompt, first]


def test_text_loss_ignores_the_prompt(tiny: tuple[IvlmModel, Processor]) -> None:
    model, processor = tiny
    prompt = _prompts(processor)[0]
    answer = processor.answer_ids("human_contact", ["left hand"])
    tokens = model.vlm.image_tokens(model.vlm.tower(torch.randn(1, 3, 32, 32)), [prompt])
    scored = model.vlm.score(tokens, [prompt + answer], [len(prompt)])
    supervised = scored.labels[0][scored.labels[0] != IGNORE_LABEL].tolist()
    assert supervised == answer
    assert text_loss(scored.logits, scored.labels) > 0
    none = torch.full_like(scored.labels, IGNORE_LABEL)
    assert text_loss(scored.logits, none) == 0


def test_lora_trains_adapters_head_and_embeddings_only() -> None:
    language = replace(TINY.language, lora=LoraConfig(rank=2, dropout=0.0))
    vlm = Vlm(TINY.vision, language)
    trained = {n for n, p in vlm.language.named_parameters() if p.requires_grad}
    adapters = {n for n in trained if "lora_" in n}
    layers = TINY.language.layers
    assert len(adapters) == layers * 2 * 2  # q and v, A and B
    assert trained - adapters == {"model.embed_tokens.weight", "lm_head.weight"}


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_projectors(kind: str) -> None:
    vlm = Vlm(TINY.vision, replace(TINY.language, projector=kind))
    features = torch.randn(2, TINY.vision.num_patches, TINY.vision.hidden_size)
    out = vlm.image_tokens(features, [])
    assert out.shape == (2, TINY.vision.num_patches, TINY.language.hidden_size)

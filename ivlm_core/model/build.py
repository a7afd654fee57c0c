"""Configuration to model, tokenizer and processor."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch

from ivlm_core.config import IvlmConfig
from ivlm_core.model import prompts
from ivlm_core.model.checkpoint import save_checkpoint
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor, build_tokenizer


def vocabulary_corpus(labels: Iterable[str], details: Iterable[str]) -> list[str]:
    """Return the sentences a model reads and writes about `labels` and parts or affordances."""
    details = list(details)
    corpus = []
    for label in (*labels, prompts.SCENE_LABEL):
        for task in prompts.TASKS:
            for wording in prompts.QUESTIONS[task]:
                text = wording.format(label=label)
                corpus.append(prompts.conversation("plain", text, True).replace("<image>", ""))
    for detail in (*details, prompts.NO_PARTS):
        corpus += [prompts.answer(task, "", [detail]) for task in prompts.TASKS] * 5
    return corpus


def build(
    config: IvlmConfig, labels: Iterable[str], details: Iterable[str]
) -> tuple[IvlmModel, Processor]:
    """Make an untrained model and its tokenizer.

    Args:
        config: sizes; the vocabulary size becomes the tokenizer's.
        labels: object labels that should be single tokens where the size allows.
        details: body parts and affordances the model answers with.
    """
    names = config.tokens
    contact = [t for t in (names.human, names.object, names.generic) if t]
    tokenizer = build_tokenizer(
        vocabulary_corpus(labels, details), config.language.vocab_size, contact
    )
    config = replace(config, language=replace(config.language, vocab_size=len(tokenizer)))
    processor = Processor(config, tokenizer)
    return IvlmModel(config, processor.contact_tokens), processor


def save_tiny(folder: Path, seed: int = 0) -> Path:
    """Write a complete untrained model of test size to `folder` and return it."""
    torch.manual_seed(seed)
    model, processor = build(TINY, ["bottle", "chair"], ["left hand", "right hand", "grasp"])
    save_checkpoint(folder, model, processor, {"note": "untrained, for tests"})
    return folder

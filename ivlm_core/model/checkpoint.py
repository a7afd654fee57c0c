"""A model on disk: a folder of configuration, safetensors, tokenizer files and provenance."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from ivlm_core.config import IvlmConfig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.processor import Processor

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
PROVENANCE_FILE = "provenance.json"


class CheckpointError(ValueError):
    """A model folder is incomplete, damaged or does not fit its configuration."""


def save_checkpoint(
    folder: Path,
    model: IvlmModel,
    processor: Processor,
    provenance: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> None:
    """Write a model folder; floating-point weights are stored as `dtype` if given."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to(dtype if dtype and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    save_file({name: t.contiguous().clone() for name, t in state.items()}, folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).chmod(0o644)  # safetensors writes for the owner only
    model.config.save(folder / CONFIG_FILE)
    processor.tokenizer.save_pretrained(folder)
    (folder / PROVENANCE_FILE).write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path) -> tuple[IvlmModel, Processor]:
    """Read a model folder in float32, ready for inference.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        CheckpointError: the weights are damaged, or do not fit the configuration.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"model folder {folder} does not exist; expected 'nano' or a folder"
        )
    for name in (CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"model folder {folder} has no {name}; it is incomplete")
    config = IvlmConfig.load(folder / CONFIG_FILE)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    processor = Processor(config, tokenizer)
    model = IvlmModel(config, processor.contact_tokens)
    try:
        state = load_file(folder / WEIGHTS_FILE)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} cannot be read ({error}); copy or download it again"
        ) from error
    _check_fit(model, state, folder)
    model.load_state_dict(state)
    return model.eval(), processor


def _check_fit(model: IvlmModel, state: dict[str, torch.Tensor], folder: Path) -> None:
    """Compare names and shapes before anything is loaded."""
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    got = {name: tuple(t.shape) for name, t in state.items()}
    problems = [f"missing {n}" for n in sorted(expected.keys() - got.keys())]
    problems += [f"unknown {n}" for n in sorted(got.keys() - expected.keys())]
    problems += [
        f"{n}: expected {expected[n]}, got {got[n]}"
        for n in sorted(expected.keys() & got.keys())
        if expected[n] != got[n]
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (" ..." if len(problems) > 5 else "")
        raise CheckpointError(
            f"weights in {folder} do not fit its {CONFIG_FILE} ({len(problems)} problems): {shown}"
        )

"""A model on disk: a folder of configuration, safetensors, tokenizer files and provenance."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from ivlm_core.config import IvlmConfig
from ivlm_core.disk import new_file, room_for, save_tensors, told_by_system
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.placement import Placement
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import PHOTO_TASK
from ivlm_core.model.skeleton import check_shapes, expected_shapes, load_weights, skeleton
from ivlm_core.model.weight_files import SAFETENSORS, CheckpointError, WeightFiles
from ivlm_core.official.tokenizer import is_official_tokenizer, load_official_tokenizer

LOG = logging.getLogger(__name__)

__all__ = ["CheckpointError", "describe", "load_checkpoint", "load_tokenizer", "save_checkpoint"]

CONFIG_FILE = "config.json"
WEIGHTS_FILE = SAFETENSORS
TOKENIZER_FILE = "tokenizer.json"
PROVENANCE_FILE = "provenance.json"
_OLD_PHOTOS = re.compile(r"photo_neck\.|localizer\.photo_mask_decoder\.")
"""What masked photographs in nano before its version 0.10, and found next to nothing."""


def save_checkpoint(
    folder: Path,
    model: IvlmModel,
    processor: Processor,
    provenance: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> None:
    """Write a model folder; floating-point weights are stored as `dtype` if given.

    Raises:
        OSError: a file cannot be written; says what to do if the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: tensor.detach().to(dtype if dtype and tensor.is_floating_point() else tensor.dtype)
        for name, tensor in model.state_dict().items()
    }
    save_tensors(folder / WEIGHTS_FILE, state)
    with room_for(folder), told_by_system(folder):
        describe(folder, model.config, processor.tokenizer, provenance)


def describe(
    folder: Path, config: IvlmConfig, tokenizer: Any, provenance: Mapping[str, Any]
) -> None:
    """Write all of a model folder but its weights."""
    config.save(folder / CONFIG_FILE)
    tokenizer.save_pretrained(folder)
    write_provenance(folder, provenance)


def write_provenance(folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write what a folder of weights tells of their making."""
    with new_file(folder / PROVENANCE_FILE) as partial:
        partial.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def load_checkpoint(
    folder: Path, placement: Placement | None = None, legacy: bool | None = None
) -> tuple[IvlmModel, Processor]:
    """Read a model folder, ready for inference.

    Args:
        folder: configuration, weights (whole or in shards) and tokenizer files.
        placement: type, devices and form of the weights; None is float32 on the CPU.
        legacy: see `load_tokenizer`.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        CheckpointError: the weights are damaged, or do not fit the configuration.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"model folder {folder} does not exist; expected 'nano' or a folder"
        )
    if not (folder / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"model folder {folder} has no {CONFIG_FILE}; it is incomplete")
    config = IvlmConfig.load(folder / CONFIG_FILE)
    files = WeightFiles.open(folder)
    names = [name for name in files.entries if not _OLD_PHOTOS.match(name)]
    if len(names) < len(files.entries):
        LOG.warning(
            "model %s has a decoder of photographs that is no longer known (nano's before 0.10), "
            "so it masks none; `ivlm train --init %s` teaches it to",
            config.name,
            folder,
        )
        config = _without_photos(config)
    processor = Processor(config, load_tokenizer(folder, legacy))
    model = skeleton(config, processor.contact_tokens)
    check_shapes(
        expected_shapes(model),
        {name: files.entries[name].shape for name in names},
        f"weights in {folder} do not fit its {CONFIG_FILE}",
    )
    return load_weights(model, files.tensors(names), placement or Placement()), processor


def _without_photos(config: IvlmConfig) -> IvlmConfig:
    tasks = tuple(task for task in config.prompt.tasks if task != PHOTO_TASK)
    sam = replace(config.sam, photos="none")
    return replace(config, sam=sam, prompt=replace(config.prompt, tasks=tasks))


def load_tokenizer(folder: Path, legacy: bool | None = None) -> Any:
    """Read the tokenizer files of a model folder: our own, or those of a published checkpoint.

    Args:
        folder: of the model.
        legacy: setting of a published tokenizer, see `load_official_tokenizer`; ours has none.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are damaged.
    """
    if is_official_tokenizer(folder):
        return load_official_tokenizer(folder, legacy)
    if not (folder / TOKENIZER_FILE).is_file():
        raise FileNotFoundError(f"model folder {folder} has no {TOKENIZER_FILE}; it is incomplete")
    files = [file for file in sorted(folder.glob("*token*.json")) if file.is_file()]
    written = [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files]
    return _fast_tokenizer(folder.resolve(), tuple(written))


@lru_cache(maxsize=4)
def _fast_tokenizer(
    folder: Path, written: tuple[tuple[str, int, int], ...]
) -> PreTrainedTokenizerFast:
    """Read our own files once, as long as they stay as they were `written`.

    Every tokenizer leaves the words it has met in a store of the thread, which outlives it: 20 kB
    for each time that a model is loaded and asked.
    """
    return PreTrainedTokenizerFast.from_pretrained(folder)

"""What a training run keeps on disk: checkpoints of its stages, and the models along the way."""

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ivlm_core.config import ConfigError, read_json
from ivlm_core.disk import new_file
from ivlm_core.model.checkpoint import (
    CONFIG_FILE,
    PROVENANCE_FILE,
    load_checkpoint,
    save_checkpoint,
)
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.positions import resized_places
from ivlm_core.model.processor import Processor

LOG = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
_WORD_TABLES = ("vlm.language.model.embed_tokens.weight", "vlm.language.lm_head.weight")

DENSE, CONTACT, SURFACE = "dense", "contact", "surface"
BODY, BOXES, PHOTOS = "body", "boxes", "photos"
"""The stages, and what their checkpoints are called; fine-tuning has only the second."""
STAGES = (DENSE, CONTACT, SURFACE, BODY, BOXES, PHOTOS)
"""In the order in which they run."""
NANO_RECIPE, REGRESSOR = "nano", "regressor"
"""Recipes; the checkpoint of a regressor is called as its recipe."""
RUN_FILE = "run.json"
"""In a run's folder: what all of its steps have in common."""


def existing_state(folder: Path) -> Path | None:
    """Return where a stage's checkpoint is, or None.

    A process that is killed while it replaces one leaves the one before.
    """
    before = folder.with_suffix(".before")
    return next((found for found in (folder, before) if found.is_dir()), None)


def replace_state(written: Path, folder: Path) -> None:
    """Put a complete checkpoint in the place of the one before."""
    before = folder.with_suffix(".before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.is_dir():
        folder.rename(before)
    written.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def begin_run(out: Path, about: Mapping[str, Any]) -> None:
    """Write down which run a folder has, or, if it is continued, compare.

    A run of an earlier version has written nothing down, and goes on unchecked.

    Args:
        out: folder of the run.
        about: what all steps have in common, as JSON; see `described_identity`.

    Raises:
        ValueError: the folder has another run.
    """
    file, wanted = out / RUN_FILE, json.loads(json.dumps(about))
    if all(existing_state(out / name) is None for name in (*STAGES, REGRESSOR)):
        if PartialState(cpu=not torch.accelerator.is_available()).is_main_process:
            out.mkdir(parents=True, exist_ok=True)
            with new_file(file) as partial:
                partial.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        return
    if not file.is_file():
        return
    found = read_json(file)
    if differing := list(_differing(found, wanted)):
        told = "; ".join(f"{key} {has!r}, not {asked!r}" for key, has, asked in differing)
        # Only nano starts from runs, and from its own only.
        starts = found.get("recipe") == wanted["recipe"] == NANO_RECIPE
        go_on = f", with --init {out} to go on from it" if starts else ""
        raise ValueError(f"'{out}' has another run, of {told}; choose another --out{go_on}")


def _differing(found: Any, wanted: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Hand out what differs; settings that only one side knows are of another version."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in wanted:
            if name in found:
                yield from _differing(found[name], wanted[name], f"{key}.{name}".lstrip("."))
    elif found != wanted:
        yield key, found, wanted


def is_model(folder: Path) -> bool:
    """Whether a folder holds a finished model, not the checkpoints of a run."""
    return (folder / CONFIG_FILE).is_file()


def last_checkpoint(run: Path) -> Path:
    """Return the checkpoint with a run's last weights: of the last stage that it came to."""
    stages = (run / name for name in reversed(STAGES))
    return next((s for s in stages if existing_state(s) is not None), run / CONTACT)


def load_weights(folder: Path, stage: nn.Module) -> None:
    """Load the weights of a stage's checkpoint into a stage.

    Place embeddings of pictures of another size are interpolated. Parts that were added to networks
    later, or changed (`_CHANGED_PARTS`), stay as they are where the checkpoint has others.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: it is damaged, or of a network of other parts or sizes.
    """
    file = folder / WEIGHTS
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing; expected the folder of a training run")
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    try:
        stage.load_state_dict(_of_this_size(weights, stage))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{file} is of a network of other parts or sizes; train both with the same "
            f"configuration and categories: {error}"
        ) from error


_STEM = ".embeddings.patch_embedding."
_CHANGED_PARTS = re.compile(
    r".*(photo_neck|photo_decoder|mask_decoder|token_contact|token_regions|body_head|"
    r"mm_projector\.boxes)(?=\.)"
)
"""What networks of earlier versions lack, have in another form, or had in place of these."""


def load_model(folder: Path, model: IvlmModel, processor: Processor) -> None:
    """Load the weights of a finished model, which may know other words and read smaller pictures.

    Words that both know keep their meaning; new ones start anew. Place embeddings of pictures of
    another size are interpolated. A stem of another kind, what only training uses, and perhaps what
    masks photographs, are not there, and stay as they are.

    Raises:
        FileNotFoundError, CheckpointError: there is no such model, or it is damaged.
        ValueError: its network has other parts or sizes.
    """
    known, known_processor = load_checkpoint(folder)
    weights = _of_this_size(known.state_dict(), model)
    own = model.state_dict()
    if known.config.vision.stem != model.config.vision.stem:
        weights = {name: value for name, value in weights.items() if _STEM not in name}
        weights |= {name: value for name, value in own.items() if _STEM in name}
    before, after = (p.tokenizer.get_vocab() for p in (known_processor, processor))
    rows = torch.tensor([(after[word], before[word]) for word in after.keys() & before.keys()])
    for name in _WORD_TABLES:
        table = own[name].clone()
        if table.shape[1] == weights[name].shape[1]:
            table[rows[:, 0]] = weights[name][rows[:, 1]]
            weights[name] = table
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{folder} is a model of other parts or sizes: {error}") from error


def _of_this_size(weights: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return the weights, CLIP's place embeddings as many as the module has.

    With the module's own of parts that differ (`_CHANGED_PARTS`), which so start anew.
    """
    places = "position_embedding.weight"
    wanted = {name: p for name, p in module.named_parameters() if name.endswith(places)}
    own = module.state_dict()
    surplus, missing = (
        {name for name in names if _CHANGED_PARTS.match(name)}
        for names in (weights.keys() - own.keys(), own.keys() - weights.keys())
    )
    anew = sorted({found[0] for found in map(_CHANGED_PARTS.match, missing) if found})
    if anew:
        LOG.info("begin anew: %s", ", ".join(anew))
    return {name: own[name] for name in missing} | {
        name: resized_places(value, len(wanted[name]))
        if name in wanted and value.shape != wanted[name].shape
        else value
        for name, value in weights.items()
        if name not in surplus
    }


class KeptModels:
    """Loadable folders of a run: `last/`, and `best/` by F1 on held-out questions."""

    def __init__(self, out: Path, model: IvlmModel, processor: Processor) -> None:
        self.out, self.model, self.processor = out, model, processor

    def keep(self, stage: str, step: int, figures: dict[str, float]) -> None:
        """Write the model as it is now; without an `f1` among the figures it is not the best."""
        told = {"stage": stage, "step": step, **figures}
        save_checkpoint(self.out / "last", self.model, self.processor, told)
        if figures.get("f1", -1.0) > self._best():
            save_checkpoint(self.out / "best", self.model, self.processor, told)

    def _best(self) -> float:
        """Return the F1 of the best model so far, of runs that were stopped too.

        One whose writing was cut off, by a full disk, say, is none.
        """
        try:
            return float(read_json(self.out / "best" / PROVENANCE_FILE)["f1"])
        except (FileNotFoundError, ConfigError, KeyError):
            return -1.0

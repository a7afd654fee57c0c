"""Published checkpoints into our model: everything is checked first, then weights stream in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ivlm_core.config import ConfigError, IvlmConfig, VisionConfig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.placement import Placement
from ivlm_core.model.processor import Processor
from ivlm_core.model.skeleton import check_shapes, expected_shapes, load_weights, skeleton
from ivlm_core.model.tokens import ContactTokens
from ivlm_core.model.weight_files import CheckpointError, WeightFiles
from ivlm_core.official.config import (
    CONFIG_FILE,
    OfficialConfig,
    ShapeError,
    check_tower_sizes,
    read_official_config,
    read_vision_config,
    to_ivlm_config,
)
from ivlm_core.official.keys import (
    TOWER,
    KeyPlan,
    plan_keys,
    plan_tower_keys,
    published_name,
)
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.official.tokenizer import load_official_tokenizer

_APART = "they do not belong together, copy or download the tokenizer files again"


@dataclass(frozen=True)
class OfficialCheckpoint:
    """A published checkpoint and its vision tower: known to be complete, not yet loaded."""

    folder: Path
    official: OfficialConfig
    config: IvlmConfig
    tokens: ContactTokens
    files: WeightFiles
    keys: KeyPlan
    tower_files: WeightFiles
    tower_keys: KeyPlan

    @classmethod
    def open(
        cls,
        folder: Path,
        clip: Path | None = None,
        quirks: ReferenceQuirks | None = None,
    ) -> "OfficialCheckpoint":
        """Read configuration and headers, and check that all fits together.

        Args:
            folder: the published checkpoint.
            clip: folder of the CLIP model that the checkpoint names; None looks where the
                checkpoint's `mm_vision_tower` points to, then in the Hugging Face cache.
            quirks: published deviations to reproduce.

        Raises:
            FileNotFoundError: a folder or file is missing.
            ConfigError: a configuration file is damaged or not supported.
            CheckpointError: weights are missing, unknown, of another shape, or damaged.
        """
        if not folder.is_dir():
            raise FileNotFoundError(f"model folder {folder} does not exist")
        quirks = quirks or ReferenceQuirks()
        official = read_official_config(folder)
        files = WeightFiles.open(folder)
        tower = _tower_folder(clip, official, folder)
        vision = read_vision_config(tower, official.mm_vision_select_layer)
        config = _own_config(official, files, vision, quirks)
        tokens = official.contact_tokens
        if tokens is None:
            tokens = _processor(config, folder).contact_tokens
        keys = plan_keys(files.entries, quirks.shared_mask_decoder)
        tower_files = WeightFiles.open(tower)
        tower_keys = plan_tower_keys(tower_files.entries)
        check_tower_sizes(vision, _shapes(tower_files), tower / CONFIG_FILE)
        expected = expected_shapes(skeleton(config, tokens))
        for plan, found, of_tower, where in (
            (keys, files, False, f"weights in {folder} do not fit its {CONFIG_FILE}"),
            (tower_keys, tower_files, True, f"weights in {tower} are not those of its CLIP"),
        ):
            wanted = {n: s for n, s in expected.items() if n.startswith(TOWER) == of_tower}
            _check_weights(wanted, found, plan, where)
        return cls(folder, official, config, tokens, files, keys, tower_files, tower_keys)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Hand out all weights under our names, each valid until the next is asked for."""
        for files, keys in ((self.files, self.keys), (self.tower_files, self.tower_keys)):
            for name, tensor in files.tensors(list(keys.renamed)):
                yield keys.renamed[name], tensor

    def load(self, placement: Placement | None = None) -> IvlmModel:
        """Load the weights: float32 on the CPU unless a placement says otherwise.

        Raises:
            CheckpointError: a file cannot be read to its end.
        """
        model = skeleton(self.config, self.tokens)
        return load_weights(model, self.tensors(), placement or Placement())

    def processor(self, legacy: bool | None = None) -> Processor:
        """Read the tokenizer.

        Args:
            legacy: see `load_official_tokenizer`.

        Raises:
            FileNotFoundError: the folder has no tokenizer files.
            CheckpointError: they do not belong to the checkpoint.
            ValueError: they are damaged.
        """
        processor = _processor(self.config, self.folder, legacy)
        rows = self.config.language.vocab_size
        if len(processor.tokenizer) > rows:
            raise CheckpointError(
                f"the tokenizer in {self.folder} has {len(processor.tokenizer)} ids, but the model "
                f"only {rows}; {_APART}"
            )
        if processor.contact_tokens != self.tokens:
            raise CheckpointError(
                f"contact tokens are {processor.contact_tokens} in the tokenizer of {self.folder}, "
                f"but {self.tokens} in its {CONFIG_FILE}; {_APART}"
            )
        return processor


def load_official(
    folder: Path,
    clip: Path | None = None,
    placement: Placement | None = None,
    quirks: ReferenceQuirks | None = None,
    legacy: bool | None = None,
) -> tuple[IvlmModel, Processor]:
    """Load a published checkpoint, ready for inference; see `OfficialCheckpoint`.

    Raises:
        FileNotFoundError, ConfigError, CheckpointError, ValueError: as `OfficialCheckpoint.open`
            and `OfficialCheckpoint.processor`.
    """
    checkpoint = OfficialCheckpoint.open(folder, clip, quirks)
    # before the weights, so that nothing is loaded in vain
    processor = checkpoint.processor(legacy)
    return checkpoint.load(placement), processor


def _processor(config: IvlmConfig, folder: Path, legacy: bool | None = None) -> Processor:
    """Read the tokenizer of a folder; errors name it.

    Raises:
        CheckpointError: it lacks a token of the configuration.
    """
    tokenizer = load_official_tokenizer(folder, legacy)
    try:
        return Processor(config, tokenizer)
    except ValueError as error:
        raise CheckpointError(
            f"model folder {folder}: {error}; copy or download its tokenizer files again"
        ) from error


def _shapes(files: WeightFiles) -> dict[str, tuple[int, ...]]:
    return {name: entry.shape for name, entry in files.entries.items()}


def _own_config(
    official: OfficialConfig, files: WeightFiles, vision: VisionConfig, quirks: ReferenceQuirks
) -> IvlmConfig:
    """Return our configuration; errors name the file whose weight or field it is about."""
    try:
        return to_ivlm_config(official, _shapes(files), vision, quirks)
    except ShapeError as error:
        entry = files.entries.get(error.weight)
        place = files.folder if entry is None else entry.file
        raise ConfigError(
            f"{place}: {error}; copy or download it again, or name the folder that was meant"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"model folder {files.folder}: {error}") from error


def _check_weights(
    expected: dict[str, tuple[int, ...]], files: WeightFiles, plan: KeyPlan, where: str
) -> None:
    """Check what is there against what the model needs, under the names of the files.

    Raises:
        CheckpointError: a weight is missing, unknown, of another shape or no floating-point number.
    """
    theirs = {ours: name for name, ours in plan.renamed.items()}
    taken = {name: files.entries[name] for name in (*plan.renamed, *plan.unknown)}
    check_shapes(
        {theirs.get(name) or _published(name): shape for name, shape in expected.items()},
        {name: entry.shape for name, entry in taken.items()},
        where,
        {name: entry.file for name, entry in taken.items()},
    )
    for name, entry in taken.items():
        if not entry.dtype.is_floating_point:
            kind = str(entry.dtype).removeprefix("torch.")
            raise CheckpointError(
                f"{entry.file}: {name}: expected floating-point numbers, got {kind}; quantized "
                "weights are not supported, download the checkpoint as it was published"
            )


def _published(name: str) -> str:
    """Name in the files of one of our weights, of the checkpoint or of CLIP."""
    if name.startswith(TOWER):
        return f"vision_model.{name.removeprefix(TOWER)}"
    return published_name(name)


def _tower_folder(clip: Path | None, official: OfficialConfig, folder: Path) -> Path:
    """Find the CLIP folder."""
    if clip is not None:
        if not clip.is_dir():
            raise FileNotFoundError(f"CLIP folder {clip} does not exist")
        return clip
    name = official.mm_vision_tower
    if not name:
        raise ConfigError(f"{folder / CONFIG_FILE}: field 'mm_vision_tower' is missing")
    if Path(name).is_dir():
        return Path(name)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, CONFIG_FILE)
        if isinstance(cached, str):
            return Path(cached).parent
    raise FileNotFoundError(
        f"the vision tower {name!r} of {folder} is not part of the checkpoint; download it "
        f"(huggingface-cli download {name}) or give its folder as clip"
    )

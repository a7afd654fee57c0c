"""What training leaves behind to a folder that loads anywhere: shards joined, LoRA folded in."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ivlm_core import __version__
from ivlm_core.config import IvlmConfig, LoraConfig
from ivlm_core.model.checkpoint import CONFIG_FILE, PROVENANCE_FILE, describe, load_tokenizer
from ivlm_core.model.processor import Processor
from ivlm_core.model.skeleton import check_shapes, expected_shapes, skeleton
from ivlm_core.model.weight_files import WeightFiles
from ivlm_core.model.weight_writer import SHARD_BYTES, new_folder, write_weights
from ivlm_core.training.state import DENSE, existing_state, is_model, last_checkpoint

_TRAINED = "model."
_BASE, _A, _B = ".base_layer.", ".lora_A.default.", ".lora_B.default."
_ZERO = "pytorch_model"
_FSDP = "pytorch_model_fsdp_0"


def merge(
    source: Path,
    out: Path,
    dtype: torch.dtype | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """Write a model without adapters; memory holds one shard at a time.

    Args:
        source: a model folder, or the folder of a training run: then its last checkpoint is taken,
            whole or in the shards of FSDP or DeepSpeed ZeRO. Shards of both are pickled: only merge
            what you have trained yourself.
        out: folder to make; it appears when it is complete.
        dtype: of floating-point weights; None keeps each as it is stored.
        shard_bytes: size of a file beyond which another is begun.

    Returns:
        `out`.

    Raises:
        FileExistsError: `out` is there and not an empty folder.
        FileNotFoundError: `source` is neither, is incomplete, or a run without a model yet.
        CheckpointError: weights are damaged, or do not fit the configuration.
        ImportError: ZeRO shards without deepspeed installed.
    """
    described = source if (source / CONFIG_FILE).is_file() else source / "last"
    if not (described / CONFIG_FILE).is_file():
        _refuse_early_run(source)
        raise FileNotFoundError(
            f"{source} is neither a model folder ({CONFIG_FILE}) nor a training run "
            f"(last/{CONFIG_FILE})"
        )
    config = IvlmConfig.load(described / CONFIG_FILE)
    tokenizer = load_tokenizer(described)
    with new_folder(out) as partial, tempfile.TemporaryDirectory(dir=out.parent) as joined:
        if described == source:
            files, prefix = WeightFiles.open(source), ""
        else:
            files, prefix = WeightFiles.open(_whole(_state(source), Path(joined))), _TRAINED
        model = skeleton(config, Processor(config, tokenizer).contact_tokens)
        check_shapes(
            expected_shapes(model),
            {
                name.removeprefix(prefix): entry.shape
                for name, entry in files.entries.items()
                if name.startswith(prefix)
            },
            f"weights in {files.folder} do not fit {described / CONFIG_FILE}",
        )
        write_weights(partial, _folded(files, prefix, config.language.lora), dtype, shard_bytes)
        merged = replace(config, language=replace(config.language, lora=None))
        told = {"made_by": f"ivlm merge, ivlm-core {__version__}", "source": source.name}
        before = described / PROVENANCE_FILE
        if before.is_file():
            told["source_provenance"] = json.loads(before.read_text(encoding="utf-8"))
        describe(partial, merged, tokenizer, told)
    return out


def _folded(
    files: WeightFiles, prefix: str, lora: LoraConfig | None
) -> Iterator[tuple[str, Tensor]]:
    """Hand out the weights without adapters: W + alpha / rank * B A (Hu et al. 2021, eq. 3)."""
    plain = [n for n in files.entries if n.startswith(prefix) and _A not in n and _B not in n]
    for name, tensor in files.tensors(plain):
        if _BASE in name and name.endswith("weight"):
            assert lora is not None, "the shapes have been checked"
            value = tensor.to(torch.float32, copy=True)  # reading others may unmap it
            pair = dict(files.tensors([name.replace(_BASE, _A), name.replace(_BASE, _B)]))
            b, a = (pair[name.replace(_BASE, mark)].float() for mark in (_B, _A))
            tensor = (value + lora.alpha / lora.rank * b @ a).to(files.entries[name].dtype)
        yield name.removeprefix(prefix).replace(_BASE, "."), tensor


def _refuse_early_run(run: Path) -> None:
    """Tell a run that has checkpoints, but not yet what describes a model, from other folders."""
    newest = last_checkpoint(run)
    if existing_state(newest) is None:
        return
    if is_model(run / "model"):
        raise FileNotFoundError(f"run {run} is finished; merge its model, {run / 'model'}")
    come_to = "is still in stage 1" if newest.name == DENSE else "has not come to a validation"
    raise FileNotFoundError(
        f"run {run} has no loadable model yet, because it {come_to}; go on with "
        f"`ivlm train --data DIR --out {run}`"
    )


def _state(run: Path) -> Path:
    newest = last_checkpoint(run)
    found = existing_state(newest)
    if found is None:
        raise FileNotFoundError(f"{newest} is missing; the run has not come to its first save")
    return found


def _whole(state: Path, joined: Path) -> Path:
    """Return a folder with the whole weights of a checkpoint; shards are joined in `joined`."""
    if (state / _FSDP).is_dir():
        from accelerate.utils import merge_fsdp_weights

        merge_fsdp_weights(str(state / _FSDP), str(joined))
        return joined
    if (state / _ZERO).is_dir():
        try:
            from deepspeed.utils import zero_to_fp32
        except ImportError as error:
            raise ImportError(
                f"{state / _ZERO} holds shards of DeepSpeed ZeRO; `pip install deepspeed` to join "
                "them"
            ) from error
        zero_to_fp32.convert_zero_checkpoint_to_fp32_state_dict(
            str(state), str(joined), safe_serialization=True, tag=_ZERO
        )
        return joined
    return state

"""A model without weights, and its filling tensor by tensor.

Its parameters stand on torch's meta device and take no memory, whatever their size; each weight is
allocated when it arrives, in the type and on the device where it stays. So loading needs the final
weights plus what is mapped of the files at that moment.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from ivlm_core.config import IvlmConfig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.placement import Placement, dispatch
from ivlm_core.model.tokens import ContactTokens
from ivlm_core.model.weight_files import CheckpointError

_ALWAYS_FLOAT32 = ("positional_encoding_gaussian_matrix",)
"""SAM computes its positional encoding in float32 and accepts nothing else; it is tiny."""


def skeleton(config: IvlmConfig, tokens: ContactTokens) -> IvlmModel:
    """Return the model with parameters on the meta device and computed tables in place."""
    with _parameters_on_meta():
        return IvlmModel(config, tokens).eval()


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Let every parameter that this thread registers stand on the meta device.

    `torch.device("meta")` would take the computed tables (rotary frequencies, positions) along,
    and nothing could fill them afterwards. A parameter's memory is never touched before it is
    given back, so it costs none.
    """
    register, thread = nn.Module.register_parameter, threading.get_ident()

    def on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(module, name, parameter)
        if parameter is not None and threading.get_ident() == thread:
            module._parameters[name] = nn.Parameter(
                parameter.to("meta"), requires_grad=parameter.requires_grad
            )

    with _lock:
        nn.Module.register_parameter = on_meta  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            nn.Module.register_parameter = register  # type: ignore[method-assign, assignment]


_lock = threading.Lock()


def expected_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a model."""
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def check_shapes(
    expected: Mapping[str, tuple[int, ...]],
    got: Mapping[str, tuple[int, ...]],
    where: str,
    files: Mapping[str, Path] | None = None,
) -> None:
    """Compare names and shapes before anything is loaded.

    Args:
        expected: shapes that the configuration asks for.
        got: shapes that there are.
        where: what does not fit what, to begin the error with.
        files: where a weight of `got` is, to be named with it.

    Raises:
        CheckpointError: a weight is missing, unknown or of another shape; all are counted and the
            first five named.
    """
    places = {} if files is None else {name: f" (in {file.name})" for name, file in files.items()}
    problems = [f"missing {n}" for n in sorted(expected.keys() - got.keys())]
    problems += [f"unknown {n}{places.get(n, '')}" for n in sorted(got.keys() - expected.keys())]
    problems += [
        f"{n}{places.get(n, '')}: expected {expected[n]}, got {got[n]}"
        for n in sorted(expected.keys() & got.keys())
        if expected[n] != got[n]
    ]
    if problems:
        shown = "; ".join(problems[:5]) + (" ..." if len(problems) > 5 else "")
        raise CheckpointError(
            f"{where} ({len(problems)} problems): {shown}; copy or download it again, or name the "
            "folder that was meant"
        )


def load_weights(
    model: IvlmModel, tensors: Iterable[tuple[str, Tensor]], placement: Placement
) -> IvlmModel:
    """Fill a skeleton; each weight is copied out of its source at once.

    Args:
        model: a skeleton.
        tensors: names in the model and values; shapes have been checked.
        placement: type, devices and form of the weights.

    Returns:
        The same model, complete and ready for inference.

    Raises:
        CheckpointError: a weight never came, or the model does not know it.
    """
    language = model.vlm.language
    others = sum(
        t.numel() * placement.dtype.itemsize
        for name, t in model.state_dict().items()
        if not name.startswith("vlm.language.")
    )
    spread = placement.spread(language, others)
    left = dict.fromkeys(expected_shapes(model))
    placement.prepare(model)
    with torch.no_grad():
        for name, tensor in tensors:
            device = placement.device_of(name, spread)
            _put(model, name, _converted(name, tensor, placement, device))
            left.pop(name)
    if left:
        raise CheckpointError(f"{len(left)} weights were not loaded, first {next(iter(left))!r}")
    for path, module in model.named_modules():
        for leaf, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[leaf] = buffer.to(placement.device_of(f"{path}.{leaf}", spread))
    dispatch(language, spread)
    return model.eval()


def _converted(name: str, tensor: Tensor, placement: Placement, device: torch.device) -> Tensor:
    """Copy a weight to where it stays."""
    if placement.quantized(name):
        return placement.quantize(tensor, device)
    dtype = stored_dtype(name, tensor, placement.dtype)
    return tensor.to(device=device, dtype=dtype, copy=True)


def stored_dtype(name: str, tensor: Tensor, wanted: torch.dtype | None) -> torch.dtype:
    """Return the type that a weight is kept in; None asks for the one it has."""
    if name.endswith(_ALWAYS_FLOAT32):
        return torch.float32
    return tensor.dtype if wanted is None or not tensor.is_floating_point() else wanted


def _put(model: nn.Module, name: str, value: Tensor) -> None:
    """Set one parameter or buffer."""
    path, _, leaf = name.rpartition(".")
    owner = model.get_submodule(path)
    if leaf in owner._buffers:
        owner._buffers[leaf] = value
        return
    old = owner._parameters.get(leaf)
    if old is None:
        raise CheckpointError(f"the model has no weight {name!r}")
    owner._parameters[leaf] = (
        value
        if isinstance(value, nn.Parameter)
        else nn.Parameter(value, requires_grad=old.requires_grad)
    )

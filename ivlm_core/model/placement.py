"""Where weights live and in which form: type, device, several GPUs, 8 or 4 bits."""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

Quantization = Literal["none", "8bit", "4bit"]
DeviceMap = Mapping[str, int | str]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_LANGUAGE = "vlm.language."
_BLOCK = "LlamaDecoderLayer"
_BLOCKS = f"{_LANGUAGE}model.layers."


@dataclass(frozen=True)
class Placement:
    """How a model is put into memory."""

    dtype: torch.dtype = torch.float32
    """Of floating-point weights."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Of everything, or, with a `device_map`, of everything but the language model."""
    quantization: Quantization = "none"
    """Of the linear layers in the language model's blocks, by `bitsandbytes`: `8bit` is LLM.int8()
    (Dettmers et al. 2022), `4bit` NF4 with double quantisation (Dettmers et al. 2023)."""
    device_map: DeviceMap | Literal["auto"] | None = None
    """Devices of the language model's modules, named as in `LlamaForCausalLM` (`model.layers.0`);
    `auto` spreads its blocks over all GPUs, by `accelerate`."""

    def __post_init__(self) -> None:
        """Refuse what the installed libraries cannot do.

        Raises:
            ValueError: a value is unknown.
            ImportError: `bitsandbytes` or `accelerate` is asked for and missing.
        """
        if self.dtype not in DTYPES.values():
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype}")
        if self.quantization not in ("none", "8bit", "4bit"):
            raise ValueError(
                f"quantization must be 'none', '8bit' or '4bit', got {self.quantization!r}"
            )
        if isinstance(self.device_map, str) and self.device_map != "auto":
            raise ValueError(
                "device_map must be 'auto' or a dictionary of module names to devices, "
                f"got {self.device_map!r}"
            )
        if self.quantization != "none":
            _need("bitsandbytes", f"{self.quantization} weights")
        if self.device_map is not None:
            _need("accelerate", "a device_map")

    def quantized(self, name: str) -> bool:
        """Whether a weight is stored in fewer bits."""
        return (
            self.quantization != "none"
            and name.startswith(_BLOCKS)
            and name.endswith("_proj.weight")
        )

    def quantize(self, weight: Tensor, device: torch.device) -> nn.Parameter:
        """Return a weight in fewer bits on a device; it is converted there."""
        bitsandbytes: Any = importlib.import_module("bitsandbytes")
        here = weight.to(device="cpu", dtype=self.dtype, copy=True)
        if self.quantization == "8bit":
            int8 = bitsandbytes.nn.Int8Params(here, requires_grad=False, has_fp16_weights=False)
            return int8.to(device)
        nf4 = bitsandbytes.nn.Params4bit(here, requires_grad=False, quant_type="nf4")
        return nf4.to(device)

    def prepare(self, model: nn.Module) -> None:
        """Exchange the linear layers that take weights in fewer bits; weights are not there yet."""
        if self.quantization == "none":
            return
        bitsandbytes: Any = importlib.import_module("bitsandbytes")
        for name, module in list(model.named_modules()):
            if not (isinstance(module, nn.Linear) and self.quantized(f"{name}.weight")):
                continue
            sizes: dict[str, Any] = {
                "input_features": module.in_features,
                "output_features": module.out_features,
                "bias": module.bias is not None,
                "device": "meta",
            }
            new = (
                bitsandbytes.nn.Linear8bitLt(**sizes, has_fp16_weights=False)
                if self.quantization == "8bit"
                else bitsandbytes.nn.Linear4bit(**sizes, compute_dtype=self.dtype, quant_type="nf4")
            )
            path, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(path), leaf, new)

    def spread(self, language: nn.Module, others: int) -> dict[str, torch.device]:
        """Decide the device of every module of the language model.

        Args:
            language: the `LlamaForCausalLM`, on the meta device.
            others: bytes that the other modules need on `device`.

        Returns:
            Module name to device; empty where everything goes to `device`.

        Raises:
            ValueError: a map of the user leaves modules out.
        """
        if self.device_map is None:
            return {}
        if not isinstance(self.device_map, str):
            devices = {name: torch.device(where) for name, where in self.device_map.items()}
            left = [n for n in language.state_dict() if _place(n, devices) is None]
            if left:
                raise ValueError(
                    f"device_map leaves out {len(left)} weights of the language model, first "
                    f"{left[0]!r}; name every module, or '' for the rest"
                )
            return devices
        from accelerate import infer_auto_device_map
        from accelerate.utils import get_balanced_memory

        limits = get_balanced_memory(language, dtype=self.dtype, no_split_module_classes=[_BLOCK])
        if self.device.type == "cuda":
            first = self.device.index or 0
            limits[first] = max(limits[first] - others, 0)
        placed = infer_auto_device_map(
            language, max_memory=limits, no_split_module_classes=[_BLOCK], dtype=self.dtype
        )
        return {name: torch.device(where) for name, where in placed.items()}

    def device_of(self, name: str, spread: Mapping[str, torch.device]) -> torch.device:
        """Return the device of a weight."""
        if not spread or not name.startswith(_LANGUAGE):
            return self.device
        return _place(name.removeprefix(_LANGUAGE), spread) or self.device


def check_device(device: str | None) -> torch.device:
    """Return the torch device asked for.

    Raises:
        ValueError: it does not exist here; nothing is swapped silently.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device {device!r} is not a torch device ({error})") from error
    if target.type == "cuda" and (target.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not there: {torch.cuda.device_count()} CUDA devices found; "
            "use 'cpu' or install a CUDA build of torch"
        )
    return target


def dispatch(language: nn.Module, spread: Mapping[str, torch.device]) -> None:
    """Let inputs follow the language model's blocks from device to device."""
    if not spread:
        return
    from accelerate import dispatch_model

    plain = {name: _plain(device) for name, device in spread.items()}
    dispatch_model(language, plain, force_hooks=True)


def _plain(device: torch.device) -> int | str:
    """A device as accelerate writes it."""
    return device.index or 0 if device.type == "cuda" else str(device)


def _place(name: str, devices: Mapping[str, torch.device]) -> torch.device | None:
    """Device of the longest module name that a weight's name begins with."""
    fitting = [key for key in devices if key == "" or name == key or name.startswith(f"{key}.")]
    return devices[max(fitting, key=len)] if fitting else None


def _need(library: str, what: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise ImportError(f"{what} need {library}; install it: pip install {library}")

"""What both training stages share: schedule, checkpoints, resuming, the log."""

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ivlm_core.model.positions import resized_places

Precision = Literal["fp32", "bf16"]
"""`bf16`: matrix products in bfloat16 by autocast, weights and losses in float32."""


@dataclass(frozen=True)
class Schedule:
    """AdamW with linear warm-up and cosine decay."""

    steps: int
    learning_rate: float
    warmup: int = 200
    final_fraction: float = 0.05
    weight_decay: float = 0.02
    clip: float = 1.0

    def factor(self, step: int) -> float:
        """Return the multiple of the learning rate at `step`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final_fraction + (1 - self.final_fraction) * cosine


@dataclass(frozen=True)
class Trained:
    """A module and the multiple of the learning rate it trains with."""

    module: nn.Module
    rate: float = 1.0


class StageRun:
    """Runs the steps of one stage; a run that was stopped goes on where its state file left it."""

    def __init__(
        self,
        name: str,
        folder: Path,
        trained: Iterable[Trained],
        schedule: Schedule,
        save_every: int = 500,
        precision: Precision = "fp32",
    ) -> None:
        self.name = name
        self.precision = precision
        self.schedule = schedule
        self.save_every = save_every
        self.folder = folder
        self.trained = list(trained)
        folder.mkdir(parents=True, exist_ok=True)
        trainable = [[p for p in t.module.parameters() if p.requires_grad] for t in self.trained]
        groups = [
            {"params": parameters, "lr": schedule.learning_rate * t.rate}
            for t, parameters in zip(self.trained, trainable, strict=True)
        ]
        self.parameters = [p for parameters in trainable for p in parameters]
        self.device = self.parameters[0].device.type
        self.optimizer = torch.optim.AdamW(
            groups, betas=(0.9, 0.95), weight_decay=schedule.weight_decay
        )
        self.rates = torch.optim.lr_scheduler.LambdaLR(self.optimizer, schedule.factor)
        self.step = 0
        self.seconds = 0.0
        """Time spent, stopped runs included."""
        if self.state_file.is_file():
            self._load()

    @property
    def state_file(self) -> Path:
        """Where weights, optimizer and step stand."""
        return self.folder / f"{self.name}.pt"

    def run(
        self,
        losses: Callable[[int], dict[str, Tensor]],
        validate: Callable[[int], dict[str, float]] | None = None,
        validate_every: int = 500,
    ) -> None:
        """Take the remaining steps.

        Args:
            losses: step number to named loss parts; their sum is minimised. It draws its batch
                from the step number alone, so that a resumed run sees the same batches.
            validate: step number to figures for the log.
            validate_every: steps between validations.
        """
        resumed_at = self.seconds
        started = time.perf_counter()
        averages: dict[str, float] = {}
        bar = tqdm(total=self.schedule.steps, initial=self.step, desc=self.name, unit="step")
        while self.step < self.schedule.steps:
            with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
                parts = losses(self.step)
                total = torch.stack([value.float() for value in parts.values()]).sum()
            if not bool(torch.isfinite(total)):
                raise FloatingPointError(
                    f"{self.name}: loss is not finite at step {self.step}: "
                    f"{ {k: v.item() for k, v in parts.items()} }; lower the learning rate"
                )
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(self.parameters, self.schedule.clip)
            self.optimizer.step()
            self.rates.step()
            self.step += 1
            self.seconds = resumed_at + time.perf_counter() - started
            bar.update()
            for key, value in parts.items():
                new = float(value.detach())
                averages[key] = 0.98 * averages.get(key, new) + 0.02 * new
            last = self.step == self.schedule.steps
            if self.step % 50 == 0 or last:
                bar.set_postfix({k: f"{v:.3f}" for k, v in averages.items()})
                self._log({"step": self.step, "seconds": self.seconds, **averages})
            if validate and (self.step % validate_every == 0 or last):
                figures = validate(self.step)
                self._log({"step": self.step, "validation": figures})
                bar.write(f"{self.name} {self.step}: {json.dumps(figures)}")
            if self.step % self.save_every == 0 or last:
                self._save()
        bar.close()

    def _log(self, entry: dict[str, object]) -> None:
        with (self.folder / f"{self.name}.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "modules": [t.module.state_dict() for t in self.trained],
            "optimizer": self.optimizer.state_dict(),
            "rates": self.rates.state_dict(),
            "torch_rng": torch.get_rng_state(),
        }
        partial = self.state_file.with_suffix(".tmp")
        torch.save(state, partial)
        partial.replace(self.state_file)

    def _load(self) -> None:
        state = load_weights(self.state_file, self.trained)
        self.optimizer.load_state_dict(state["optimizer"])
        state["rates"].pop("lr_lambdas", None)
        self.rates.load_state_dict({**state["rates"], "lr_lambdas": [None] * len(self.trained)})
        torch.set_rng_state(state["torch_rng"])
        self.step, self.seconds = state["step"], state.get("seconds", 0.0)


def load_weights(state_file: Path, trained: Sequence[Trained]) -> dict[str, Any]:
    """Load the modules of a state file, and return all that is in it.

    Place embeddings of pictures of another size are interpolated.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of a network of other parts or sizes.
    """
    if not state_file.is_file():
        raise FileNotFoundError(f"{state_file} is missing; expected the folder of a training run")
    state = torch.load(state_file, weights_only=True)
    try:
        for group, weights in zip(trained, state["modules"], strict=True):
            group.module.load_state_dict(_of_this_size(weights, group.module))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{state_file} is of a network of other parts or sizes; train both with the same "
            f"configuration and categories: {error}"
        ) from error
    return state


def _of_this_size(weights: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return the weights, CLIP's place embeddings as many as the module has."""
    places = "position_embedding.weight"
    wanted = {name: p for name, p in module.named_parameters() if name.endswith(places)}
    return {
        name: resized_places(value, len(wanted[name]))
        if name in wanted and value.shape != wanted[name].shape
        else value
        for name, value in weights.items()
    }

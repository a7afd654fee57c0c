"""What all training stages share, by `accelerate`: steps, schedule, checkpoints, the log."""

import errno
import json
import math
import pickle
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from accelerate.utils import RNG_STATE_NAME, broadcast, is_tensorboard_available, load
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn
from tqdm import tqdm

from ivlm_core.disk import new_file, room_for, told_by_system
from ivlm_core.heap import keep_freed_memory
from ivlm_core.training.precision import Precision, autocast_precision
from ivlm_core.training.state import existing_state, replace_state

_UNREADABLE = (
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)
"""What reading a checkpoint raises that is cut off, or of another network."""
_CUT_OFF = (None, errno.ENOENT, errno.EINVAL)
"""The same of the operating system: torch looks for the index of a file before its beginning."""

Pictures = dict[str, np.ndarray]
"""Name to uint8 `[height, width, 3]`."""


@dataclass(frozen=True)
class Schedule:
    """AdamW with linear warm-up, then decay."""

    steps: int
    learning_rate: float
    warmup: int = 200
    decay: Literal["cosine", "linear"] = "cosine"
    final_fraction: float = 0.05
    """Of the learning rate, at the end."""
    weight_decay: float = 0.02
    clip: float = 1.0
    accumulate: int = 1
    """Batches whose gradients make a step."""
    minutes: float | None = None
    """Most time, stopped runs included; the learning rate has decayed when either is used up."""

    def factor(self, step: int, seconds: float = 0.0) -> float:
        """Return the multiple of the learning rate at `step`, after `seconds`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = (step - self.warmup) / max(1, self.steps - self.warmup)
        progress = min(1.0, max(progress, self.time_spent(seconds)))
        left = 1 - progress
        if self.decay == "cosine":
            left = 0.5 * (1 + math.cos(math.pi * progress))
        return self.final_fraction + (1 - self.final_fraction) * left

    def time_spent(self, seconds: float) -> float:
        """Return the share of the time that is used up; 0 where there is no limit."""
        return 0.0 if self.minutes is None else seconds / (60 * self.minutes)


@dataclass(frozen=True)
class Trained:
    """A module and the multiple of the learning rate it trains with.

    Of modules within one another the one that is named first counts.
    """

    module: nn.Module
    rate: float = 1.0


@dataclass
class Progress:
    """How far a stage is."""

    step: int = 0
    seconds: float = 0.0
    """Time spent, stopped runs included."""
    averages: dict[str, float] = field(default_factory=dict)
    """Running means of the loss parts, so that the curve goes on as if it had not stopped."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.averages = dict(state.get("averages", {}))  # older checkpoints have none


class _Losses:
    """Running means of loss parts, each read one batch late, so that a GPU never waits for it."""

    def __init__(self, stage: str, averages: dict[str, float]) -> None:
        """Go on with the means of a stage, which are changed in place."""
        self._stage = stage
        self._waiting: tuple[int, tuple[str, ...], Tensor] | None = None
        self._averages = averages

    def add(self, step: int, parts: dict[str, Tensor]) -> None:
        """Take the loss parts of a batch.

        Raises:
            FloatingPointError: those of the batch before were not finite.
        """
        self.averages()
        self._waiting = step, tuple(parts), torch.stack([v.float() for v in parts.values()])

    def averages(self) -> dict[str, float]:
        """Return the means over all batches so far.

        Raises:
            FloatingPointError: the last loss was not finite.
        """
        if self._waiting is not None:
            step, names, values = self._waiting
            self._waiting, found = None, dict(zip(names, values.tolist(), strict=True))
            if not all(map(math.isfinite, found.values())):
                raise FloatingPointError(
                    f"{self._stage}: loss is not finite at step {step}: {found}; "
                    "lower the learning rate"
                )
            for key, value in found.items():
                self._averages[key] = 0.98 * self._averages.get(key, value) + 0.02 * value
        return self._averages


def _distinct(trained: Sequence[Trained]) -> list[list[nn.Parameter]]:
    """Return the parameters that learn, each where it is first named."""
    named: set[int] = set()
    groups = []
    for part in trained:
        group = [p for p in part.module.parameters() if p.requires_grad and id(p) not in named]
        named.update(map(id, group))
        groups.append(group)
    return groups


class StageRun:
    """Runs the steps of one stage; a run that was stopped goes on where its checkpoint left it.

    How many processes and devices share the work is `accelerate`'s to say (`accelerate launch`,
    `accelerate config`): each process takes batches of its own.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        stage: nn.Module,
        trained: Sequence[Trained],
        schedule: Schedule,
        save_every: int = 500,
        precision: Precision = "auto",
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare a stage, and continue it if the folder has a checkpoint of it.

        Args:
            name: of the stage; its checkpoint and log are called so.
            folder: of the training run.
            stage: maps the number of a batch to named loss parts. It draws the batch from that
                number alone, so that a resumed run sees the same batches.
            trained: the parts of `stage` that learn; the others are frozen while it runs.
            schedule: steps and learning rates.
            save_every: steps between checkpoints.
            precision: arithmetic of the matrix products.
            kept: called by the main process when a checkpoint was written.

        Raises:
            ValueError: the checkpoint is damaged, or of another configuration.
        """
        self.kept = kept
        self.name, self.folder, self.schedule, self.save_every = name, folder, schedule, save_every
        # Told of the CPU, it also joins the processes that `torchrun` started; untold, each would
        # train by itself, into the same folder.
        on_cpu = not torch.accelerator.is_available()
        self.accelerator = Accelerator(
            cpu=on_cpu,
            mixed_precision=autocast_precision(precision, PartialState(cpu=on_cpu).device),
            gradient_accumulation_steps=schedule.accumulate,
            log_with="tensorboard" if is_tensorboard_available() else None,
            project_dir=str(folder / "tensorboard"),
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        if self.accelerator.device.type == "cpu":
            keep_freed_memory()
        learned = _distinct(trained)
        groups = [
            {"params": parameters, "lr": schedule.learning_rate * t.rate}
            for t, parameters in zip(trained, learned, strict=True)
        ]
        self.parameters = [p for parameters in learned for p in parameters]
        learning = set(map(id, self.parameters))
        self._frozen = [p for p in stage.parameters() if p.requires_grad and id(p) not in learning]
        for parameter in self._frozen:
            parameter.requires_grad_(False)
        optimizer = torch.optim.AdamW(
            groups,
            betas=(0.9, 0.95),
            weight_decay=schedule.weight_decay,
            fused=self.accelerator.device.type in ("cuda", "cpu"),
        )
        self.progress = Progress()
        # A function's state is not saved, a method's would be.
        self.rates = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda s: schedule.factor(s, self.progress.seconds)
        )
        self.stage, self.optimizer = self.accelerator.prepare(stage, optimizer)
        self.accelerator.register_for_checkpointing(self.rates, self.progress)
        state = existing_state(self.state_folder)
        if state is not None:
            self._load(state)

    def _load(self, state: Path) -> None:
        random_states = state / f"{RNG_STATE_NAME}_{self.accelerator.process_index}.pkl"
        try:
            if random_states.is_file():  # of more processes than before some have none
                load(random_states)  # damaged ones are no error to `load_state`
            self.accelerator.load_state(str(state))
        except torch.OutOfMemoryError:
            raise
        except (*_UNREADABLE, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _CUT_OFF:
                raise
            raise ValueError(
                f"checkpoint '{state}' is damaged or of another configuration; delete it or choose "
                f"another --out: {_first_lines(error)}"
            ) from error

    @property
    def state_folder(self) -> Path:
        """Where the checkpoint stands."""
        return self.folder / self.name

    def run(
        self,
        validate: Callable[[int], tuple[dict[str, float], Pictures]] | None = None,
        validate_every: int = 500,
    ) -> None:
        """Take the remaining steps.

        Args:
            validate: step number to figures and pictures for the log; called on the main process.
            validate_every: steps between validations.

        Raises:
            FloatingPointError: the loss diverged.
        """
        if self.schedule.steps:
            self._run(validate, validate_every)
        for parameter in self._frozen:
            parameter.requires_grad_(True)

    def _run(
        self,
        validate: Callable[[int], tuple[dict[str, float], Pictures]] | None,
        validate_every: int,
    ) -> None:
        resumed_at, started = self.progress.seconds, time.perf_counter()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.accelerator.is_main_process:
            _cut_log(self._log_file, self.progress.step)
        self.accelerator.init_trackers(self.name, init_kwargs=self._board_settings)
        bar = tqdm(
            total=self.schedule.steps,
            initial=self.progress.step,
            desc=self.name,
            unit="step",
            disable=not self.accelerator.is_main_process,
        )
        losses = _Losses(self.name, self.progress.averages)
        while not self._finished:
            for part in range(self.schedule.accumulate):
                losses.add(self.progress.step, self._learn(part))
            self.progress.step += 1
            self.progress.seconds = self._agreed(resumed_at + time.perf_counter() - started)
            bar.total = self._expected_steps
            bar.update()
            step = self.progress.step
            last = self._finished
            if step % 50 == 0 or last:
                averages = losses.averages()
                bar.set_postfix({k: f"{v:.3f}" for k, v in averages.items()})
                self._log({"step": step, "seconds": self.progress.seconds, **averages})
                self.accelerator.log({f"{self.name}/{k}": v for k, v in averages.items()}, step)
            if validate and (step % validate_every == 0 or last):
                if self.accelerator.is_main_process:
                    figures = self._validated(validate, step)
                    bar.write(f"{self.name} {step}: {json.dumps(figures)}")
                self.accelerator.wait_for_everyone()
            if step % self.save_every == 0 or last:
                losses.averages()  # what has diverged is not kept
                self._save()
        bar.close()
        for tracker in self.accelerator.trackers:
            tracker.finish()

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.name}.jsonl"

    @property
    def _board_settings(self) -> dict[str, Any]:
        """Hide what a stopped run drew after its checkpoint."""
        step = self.progress.step
        return {"tensorboard": {"purge_step": step + 1}}

    @property
    def _expected_steps(self) -> int:
        """Steps until the schedule or the time ends, as fast as they have been."""
        spent = self.schedule.time_spent(self.progress.seconds)
        in_time = self.progress.step / spent if spent else math.inf
        return math.ceil(min(in_time, self.schedule.steps))

    @property
    def _finished(self) -> bool:
        spent = self.schedule.time_spent(self.progress.seconds)
        return self.progress.step >= self.schedule.steps or (self.progress.step > 0 and spent >= 1)

    def _agreed(self, seconds: float) -> float:
        """Return the main process's time where it decides something: all have to do the same."""
        if self.schedule.minutes is None or self.accelerator.num_processes == 1:
            return seconds
        told = torch.tensor(seconds, dtype=torch.float64, device=self.accelerator.device)
        return float(broadcast(told))

    def _learn(self, part: int) -> dict[str, Tensor]:
        """Take one batch of a step; the last one of it moves the weights. Return loss parts."""
        accelerator = self.accelerator
        batch = self.progress.step * self.schedule.accumulate + part
        with accelerator.accumulate(self.stage):
            parts: dict[str, Tensor] = self.stage(
                batch * accelerator.num_processes + accelerator.process_index
            )
            total = torch.stack([value.float() for value in parts.values()]).sum()
            accelerator.backward(total)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(self.parameters, self.schedule.clip)
            self.optimizer.step()
            if accelerator.sync_gradients:
                self.rates.step()
            self.optimizer.zero_grad(set_to_none=True)
        return {key: value.detach() for key, value in parts.items()}

    def _validated(
        self, validate: Callable[[int], tuple[dict[str, float], Pictures]], step: int
    ) -> dict[str, float]:
        figures, pictures = validate(step)
        self._log({"step": step, "validation": figures})
        self.accelerator.log({f"{self.name}/held out/{k}": v for k, v in figures.items()}, step)
        self._show(pictures, step)
        return figures

    def _show(self, pictures: Pictures, step: int) -> None:
        """Write pictures as files, and to TensorBoard where it is installed."""
        folder = self.folder / "pictures"
        folder.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            Image.fromarray(picture).save(folder / f"{name}_{self.name}_{step:06d}.png")
            for tracker in self.accelerator.trackers:
                tracker.log_images({name: picture[None]}, step, dataformats="NHWC")

    def _log(self, entry: dict[str, object]) -> None:
        if self.accelerator.is_main_process:
            with self._log_file.open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")

    def _save(self) -> None:
        partial = self.state_folder.with_suffix(".partial")
        try:
            with room_for(self.state_folder), told_by_system(self.state_folder):
                self.accelerator.save_state(str(partial))
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)  # it takes the room that is missing
            raise
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            replace_state(partial, self.state_folder)
            self.kept()
        self.accelerator.wait_for_everyone()


def _cut_log(file: Path, step: int) -> None:
    """Drop what a stopped run logged after its checkpoint: those steps are taken again."""
    if not file.is_file():
        return
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if _logged_step(line) <= step]
    if len(kept) < len(lines):
        with new_file(file) as partial:
            partial.write_text("".join(kept), encoding="utf-8")


def _logged_step(line: str) -> float:
    """Return the step of a line; one that a kill cut off is of none that was kept."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _first_lines(error: BaseException) -> str:
    """Return the start of a message: of every weight that does not fit, the first few."""
    return " ".join(" ".join(str(error).splitlines()[:3]).split()) or type(error).__name__


def device_of(module: nn.Module) -> torch.device:
    """Return where a module's weights are."""
    return next(module.parameters()).device

"""`ivlm train`: generated interactions to a model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say


@dataclass(frozen=True)
class Train:
    """Train the nano model; an unfinished run in OUT is continued.

    Over several devices or hosts: `torchrun --nproc-per-node N -m ivlm_core.cli train ...`, or
    `accelerate launch` with its configuration. OUT/tensorboard has the curves, OUT/pictures what
    the model sees, OUT/best and OUT/last are models along the way.
    Everything else about a run is set in Python: `ivlm_core.training.train.TrainConfig`.
    Exit code: 0 done, 1 the training diverged, 2 the data cannot be used.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that `ivlm synthesize` wrote."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where checkpoints, logs and the finished model folder `model/` go."""
    init: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of a finished run, to start from its last weights."""
    dense_steps: int | None = None
    """Steps of stage 1 (vision on dense labels); default: the recipe's."""
    contact_steps: int | None = None
    """Steps of stage 2 (text and contact); default: the recipe's."""
    accumulate: int = 1
    """Batches whose gradients make a step."""
    gradient_checkpointing: bool = False
    """Less memory for more time."""
    threads: int = 0
    """CPU threads; 0 leaves torch's default."""
    seed: int = 0
    """Of weights and order; the same seed and data give the same run."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse counts that make no run."""
        for name in ("dense_steps", "contact_steps"):
            steps = getattr(self, name)
            if steps is not None and steps < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be 1 or more, got {steps}")
        if self.accumulate < 1:
            raise ValueError(f"--accumulate must be 1 or more, got {self.accumulate}")
        if self.threads < 0:
            raise ValueError(f"--threads must be 0 or more, got {self.threads}")

    def run(self) -> int:
        """Train; return the exit code."""
        import time
        from dataclasses import replace

        from ivlm_core.training.train import TrainConfig, train

        config = TrainConfig(
            data=self.data,
            out=self.out,
            init=self.init,
            gradient_checkpointing=self.gradient_checkpointing,
            threads=self.threads,
            seed=self.seed,
        )
        dense, contact = (
            replace(schedule, steps=steps or schedule.steps, accumulate=self.accumulate)
            for schedule, steps in (
                (config.dense, self.dense_steps),
                (config.contact, self.contact_steps),
            )
        )
        config = replace(config, dense=dense, contact=contact)
        start = time.perf_counter()
        try:
            folder = train(config)
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        except FloatingPointError as error:
            complain(f"failed: {error}")
            return FAILED
        seconds = time.perf_counter() - start
        say(f"model in {folder}, {seconds:.0f} s; try: ivlm predict IMAGE --model {folder}")
        if self.json:
            emit({"command": "train", "model": str(folder), "seconds": round(seconds, 1)})
        return OK

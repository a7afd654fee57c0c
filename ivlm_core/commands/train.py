"""`ivlm train`: generated interactions, or the field's datasets, to a model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say

if TYPE_CHECKING:
    from ivlm_core.training.published import FineTuneConfig
    from ivlm_core.training.train import TrainConfig

NANO = "nano"


@dataclass(frozen=True)
class Train:
    """Train a model; an unfinished run in OUT is continued.

    The recipe nano learns from what `ivlm synthesize` wrote. The others go on from a published
    model (--base) on published datasets, with LoRA, as its authors train: hcontact-damon,
    hcontact-damon-no-parts, hcontact-scene, h2dcontact, oafford-piad, joint.

    Over several devices or hosts: `torchrun --nproc-per-node N -m ivlm_core.cli train ...`, or
    `accelerate launch` with its configuration. OUT/tensorboard has the curves, OUT/pictures what
    the model sees, OUT/best and OUT/last are models along the way.
    Everything else about a run is set in Python: `ivlm_core.training.train.TrainConfig`.
    Exit code: 0 done, 1 the training diverged, 2 the data cannot be used.
    """

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that `ivlm synthesize` wrote; for the other recipes the published data root."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Where checkpoints, logs and the finished model folder `model/` go."""
    recipe: str = NANO
    """What is trained on what."""
    base: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Not for nano: published checkpoint to start from, as downloaded or converted."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Not for nano: folder of the CLIP model that a downloaded checkpoint names."""
    body_model: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Not for nano: SMPL-H file, where the data root has no pictures of the body."""
    datasets: tuple[str, ...] = ()
    """Not for nano: only these of the recipe's datasets."""
    steps: int | None = None
    """Not for nano: steps; default: the recipe's 15,000."""
    batch: int | None = None
    """Not for nano: items of a step and process; default: the recipe's 8."""
    init: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """What to start from: the folder of a finished run, or a model (`nano`, or a folder)."""
    dense_steps: int | None = None
    """Steps of stage 1 (vision on dense labels); default: the recipe's."""
    contact_steps: int | None = None
    """Steps of stage 2 (text and contact); default: the recipe's."""
    surface_steps: int | None = None
    """Steps of stage 3 (masks on all views); default: the recipe's."""
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
        for name in ("dense_steps", "contact_steps", "surface_steps", "steps", "batch"):
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

        from ivlm_core.training.published import fine_tune
        from ivlm_core.training.train import train

        start = time.perf_counter()
        try:
            nano = self.recipe == NANO
            folder = train(self._nano()) if nano else fine_tune(self._fine_tuning())
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

    def _nano(self) -> "TrainConfig":
        from dataclasses import replace

        from ivlm_core.training.train import TrainConfig

        config = TrainConfig(
            data=self.data,
            out=self.out,
            init=self.init,
            gradient_checkpointing=self.gradient_checkpointing,
            threads=self.threads,
            seed=self.seed,
        )
        dense, contact, surface = (
            replace(schedule, steps=steps or schedule.steps, accumulate=self.accumulate)
            for schedule, steps in (
                (config.dense, self.dense_steps),
                (config.contact, self.contact_steps),
                (config.surface, self.surface_steps),
            )
        )
        return replace(config, dense=dense, contact=contact, surface=surface)

    def _fine_tuning(self) -> "FineTuneConfig":
        from dataclasses import replace

        from ivlm_core.training.published import FineTuneConfig
        from ivlm_core.training.recipes import RECIPES

        if self.recipe not in RECIPES:
            raise UsageError(
                f"unknown recipe {self.recipe!r}; there are {NANO}, {', '.join(RECIPES)}"
            )
        if self.base is None:
            raise UsageError(f"recipe {self.recipe} goes on from a published model: give --base")
        config = FineTuneConfig(
            base=self.base,
            data=self.data,
            out=self.out,
            recipe=RECIPES[self.recipe],
            datasets=self.datasets,
            clip=self.clip,
            body_model=self.body_model,
            seed=self.seed,
        )
        schedule = replace(
            config.schedule,
            steps=self.steps or config.schedule.steps,
            accumulate=self.accumulate,
        )
        return replace(config, schedule=schedule, batch=self.batch or config.batch)

"""`ivlm train`: generated interactions, or the field's datasets, to a model folder."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ivlm_core.commands.console import FAILED, OK, UsageError, complain, emit, say
from ivlm_core.commands.out_folder import check_folder

if TYPE_CHECKING:
    from ivlm_core.training.published import FineTuneConfig
    from ivlm_core.training.regressor import RegressorTraining
    from ivlm_core.training.run import Schedule
    from ivlm_core.training.train import TrainConfig

NANO, REGRESSOR = "nano", "regressor"
_STAGE_STEPS = {
    "dense": "dense_steps",
    "contact": "contact_steps",
    "surface": "surface_steps",
    "body": "body_steps",
    "boxes": "box_steps",
    "photos": "photo_steps",
}
"""Stage to the option of its steps."""
_PUBLISHED = "the published recipes"
_TAKEN_BY: dict[str, tuple[str, ...]] = {
    "base": (_PUBLISHED,),
    "clip": (_PUBLISHED,),
    "body_model": (_PUBLISHED,),
    "datasets": (_PUBLISHED,),
    "steps": (REGRESSOR, _PUBLISHED),
    "batch": (REGRESSOR, _PUBLISHED),
    "minutes": (REGRESSOR, _PUBLISHED),
    "share": (NANO, REGRESSOR),
    "init": (NANO, REGRESSOR),
    "threads": (NANO, REGRESSOR),
    "image_size": (NANO,),
    "gradient_checkpointing": (NANO,),
    **dict.fromkeys(_STAGE_STEPS.values(), (NANO,)),
}
"""Option to the recipes that take it; all others are for every recipe."""


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


_INSTEAD_IN_NANO = {
    "steps": f"; its stages have {', '.join(map(_option, _STAGE_STEPS.values()))}",
    "batch": "; its stages have batches of their own, set in Python",
    "minutes": ": its stages have steps of their own",
}


@dataclass(frozen=True)
class Train:
    """Train a model; an unfinished run in OUT is continued.

    The recipe nano learns from what `ivlm synthesize` wrote, and so does regressor, which maps the
    image straight to the body's vertices, for `ivlm evaluate --regressor`. The others go on from a
    published model (--base) on published datasets, with LoRA, as its authors train:
    hcontact-damon, hcontact-damon-no-parts, hcontact-scene, h2dcontact, oafford-piad, joint.

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
    """Published recipes: published checkpoint to start from, as downloaded or converted."""
    clip: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Published recipes: folder of the CLIP model that a downloaded checkpoint names."""
    body_model: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Published recipes: SMPL-H file, where the data root has no pictures of the body."""
    datasets: tuple[str, ...] = ()
    """Published recipes: only these of the recipe's datasets."""
    steps: int | None = None
    """Not for nano: steps; default: the recipe's 15,000, for regressor 6,000."""
    batch: int | None = None
    """Not for nano: items of a step and process; default: the recipe's 8, of regressor 24
    images."""
    minutes: float | None = None
    """Not for nano: most time, stopped runs included; the learning rate decays to its end in it."""
    share: float = 1.0
    """Nano and regressor: share of the training images, the same ones for the same seed; a larger
    share has all of a smaller one."""
    image_size: int | None = None
    """Nano: side of the pictures that it reads, to which larger ones are shrunk; default 192."""
    init: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Nano: what to start from, the folder of a finished run or a model (`nano`, or a folder).
    Regressor: the model whose vision tower it takes."""
    dense_steps: int | None = None
    """Nano: steps of stage 1 (vision on dense labels), 0 leaves it out; default: the recipe's."""
    contact_steps: int | None = None
    """Nano: steps of stage 2 (text and contact), 0 leaves it out; default: the recipe's."""
    surface_steps: int | None = None
    """Nano: steps of stage 3 (masks on all views), 0 leaves it out; default: the recipe's."""
    body_steps: int | None = None
    """Nano: steps of stage 4 (vertices off the token), 0 leaves it out; default: the recipe's."""
    box_steps: int | None = None
    """Nano: steps of stage 5 (boxes of a detector), 0 leaves it out; default: the recipe's."""
    photo_steps: int | None = None
    """Nano: steps of stage 6 (masks on photographs), 0 leaves it out; default: the recipe's."""
    accumulate: int = 1
    """Batches whose gradients make a step."""
    gradient_checkpointing: bool = False
    """Nano: less memory for more time; the published recipes always do so."""
    threads: int = 0
    """Nano and regressor: CPU threads; 0 leaves torch's default."""
    seed: int = 0
    """Of weights and order; the same seed and data give the same run."""
    json: bool = False
    """Print a report as JSON, as the last line."""

    def __post_init__(self) -> None:
        """Refuse counts that make no run, and options that the recipe would not read."""
        stages = dict.fromkeys(_STAGE_STEPS.values(), 0)
        for name, least in (stages | {"steps": 1, "batch": 1}).items():
            steps = getattr(self, name)
            if steps is not None and steps < least:
                raise ValueError(f"{_option(name)} must be {least} or more, got {steps}")
        if self.minutes is not None and not self.minutes > 0:  # nan is not, either
            raise ValueError(f"--minutes must be above 0, got {self.minutes}")
        if not 0 < self.share <= 1:
            raise ValueError(f"--share must be above 0 and at most 1, got {self.share}")
        if self.accumulate < 1:
            raise ValueError(f"--accumulate must be 1 or more, got {self.accumulate}")
        if self.threads < 0:
            raise ValueError(f"--threads must be 0 or more, got {self.threads}")
        self._refuse_options_of_others()

    def _refuse_options_of_others(self) -> None:
        kind = self.recipe if self.recipe in (NANO, REGRESSOR) else _PUBLISHED
        for option in fields(self):
            takers = _TAKEN_BY.get(option.name, (kind,))
            if kind in takers or getattr(self, option.name) == option.default:
                continue
            if kind == NANO and option.name in _INSTEAD_IN_NANO:
                told = f"is not for {NANO}{_INSTEAD_IN_NANO[option.name]}"
            else:
                told = f"is for {' and '.join(takers)}, not for {self.recipe}"
            raise ValueError(f"{_option(option.name)} {told}")

    def run(self) -> int:
        """Train; return the exit code."""
        import time

        start = time.perf_counter()
        check_folder(self.out)
        try:
            folder = self._train()
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from error
        except FloatingPointError as error:
            complain(f"failed: {error}")
            return FAILED
        seconds = time.perf_counter() - start
        judge = f"ivlm evaluate --data {self.data} --regressor {folder}"
        what = judge if self.recipe == REGRESSOR else f"ivlm predict IMAGE --model {folder}"
        say(f"model in {folder}, {seconds:.0f} s; try: {what}")
        if self.json:
            emit({"command": "train", "model": str(folder), "seconds": round(seconds, 1)})
        return OK

    def _train(self) -> Path:
        from ivlm_core.training import published, regressor, train

        if self.recipe == NANO:
            return train.train(self._nano())
        if self.recipe == REGRESSOR:
            return regressor.train_regressor(self._regressor())
        return published.fine_tune(self._fine_tuning())

    def _regressor(self) -> "RegressorTraining":
        from dataclasses import replace

        from ivlm_core.training.regressor import RegressorTraining

        config = RegressorTraining(
            self.data,
            self.out,
            init=self.init,
            share=self.share,
            threads=self.threads,
            seed=self.seed,
        )
        return replace(
            config, schedule=self._budget(config.schedule), batch=self.batch or config.batch
        )

    def _budget(self, schedule: "Schedule") -> "Schedule":
        from dataclasses import replace

        return replace(
            schedule,
            steps=self.steps or schedule.steps,
            minutes=self.minutes,
            accumulate=self.accumulate,
        )

    def _nano(self) -> "TrainConfig":
        from dataclasses import replace

        from ivlm_core.training.train import TrainConfig

        config = TrainConfig(
            data=self.data,
            out=self.out,
            init=self.init,
            share=self.share,
            gradient_checkpointing=self.gradient_checkpointing,
            threads=self.threads,
            seed=self.seed,
        )
        schedules: dict[str, Any] = {}
        for stage, option in _STAGE_STEPS.items():
            schedule, steps = getattr(config, stage), getattr(self, option)
            schedules[stage] = replace(
                schedule,
                steps=schedule.steps if steps is None else steps,
                accumulate=self.accumulate,
            )
        sizes = config.model
        if self.image_size is not None:
            sizes = replace(sizes, vision=replace(sizes.vision, image_size=self.image_size))
        return replace(config, model=sizes, **schedules)

    def _fine_tuning(self) -> "FineTuneConfig":
        from dataclasses import replace

        from ivlm_core.training.published import FineTuneConfig
        from ivlm_core.training.recipes import RECIPES

        if self.recipe not in RECIPES:
            known = ", ".join((NANO, REGRESSOR, *RECIPES))
            raise UsageError(f"unknown recipe {self.recipe!r}; there are {known}")
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
        schedule = self._budget(config.schedule)
        return replace(config, schedule=schedule, batch=self.batch or config.batch)

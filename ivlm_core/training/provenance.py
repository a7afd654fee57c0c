"""What a finished model tells of its making: enough to make it again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivlm_core import __version__
from ivlm_core.config import ConfigError, read_json, settings_from
from ivlm_core.model.checkpoint import PROVENANCE_FILE
from ivlm_core.synthesis.config import GENERATOR_VERSION, SynthesisConfig
from ivlm_core.training.state import STAGES, is_model

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from ivlm_core.datasets.synthetic import SyntheticDataset
    from ivlm_core.training.train import TrainConfig


def described_data(dataset: "SyntheticDataset", trained_on: int, share: float) -> dict[str, Any]:
    """Return what is told of the training images."""
    raw = dataset.info.raw
    return {
        "folder": dataset.folder.name,
        "images": len(dataset),
        "trained_on": trained_on,
        "share": share,
        "generator_version": raw.get("generator_version"),
        "config": raw.get("config"),
    }


def described_identity(
    recipe: str,
    data: Mapping[str, Any],
    seed: int,
    init: Path | None,
    network: Mapping[str, Any],
    batches: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what has to stay the same when a run is continued.

    Args:
        recipe: name of the recipe.
        data: see `described_data`.
        seed: of weights and order.
        init: what the run started from; only the name is told.
        network: its sizes.
        batches: of every stage.
    """
    return {
        "recipe": recipe,
        "data": {key: value for key, value in data.items() if key != "trained_on"},
        "seed": seed,
        "init": None if init is None else init.name,
        "network": network,
        "batches": batches,
    }


def described_run(
    config: "TrainConfig",
    start: Path | None,
    data: dict[str, Any],
    steps: dict[str, int],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Return the provenance of a run, as far as it has come.

    Args:
        config: what was asked for.
        start: folder that it started from.
        data: see `described_data`.
        steps: taken, by stage: where minutes end a stage, they say how far it came.
        seconds: by stage.
    """
    recipe = described_recipe(config)
    network = recipe.pop("model")
    return {
        "made_with": f"ivlm {__version__}",
        "recipe": recipe,
        "network": network,
        "data": data,
        "steps": steps,
        "seconds": {name: round(value) for name, value in seconds.items()},
        "init": None if start is None else described_start(start),
    }


def described_recipe(config: "DataclassInstance") -> dict[str, Any]:
    """Return what a run was asked for; of folders only the names."""
    settings = asdict(config).items()
    return {name: value.name if isinstance(value, Path) else value for name, value in settings}


def described_start(start: Path) -> dict[str, Any]:
    """Return what is told of the model or run that another started from."""
    file = start / PROVENANCE_FILE  # also of a run that was stopped, as of its last checkpoint
    return {
        "kind": "model" if is_model(start) else "run",
        "provenance": read_json(file) if file.is_file() else None,
    }


@dataclass(frozen=True)
class Leg:
    """Data and a run that learned from it."""

    data: SynthesisConfig
    run: "TrainConfig"


def legs(model: Path, out: Path) -> list[Leg]:
    """Return what makes a model again, from nothing, the first leg first.

    Args:
        model: folder of a model that was trained here.
        out: folder for data and runs.

    Raises:
        FileNotFoundError: it has no provenance.
        ValueError: the provenance does not tell enough, or is of another version.
    """
    told: dict[str, Any] | None = read_json(model / PROVENANCE_FILE)
    chain: list[dict[str, Any]] = []
    while told is not None:
        if missing := {"recipe", "network", "data", "steps"} - told.keys():
            raise ValueError(
                f"{model} does not tell {', '.join(sorted(missing))} of run "
                f"'{told.get('recipe', {}).get('out')}', which it was made by; only models that "
                "this version trained can be made again"
            )
        chain.append(told)
        start = told.get("init")
        if start is not None and start["provenance"] is None:
            raise ValueError(
                f"{model} does not tell how '{told['recipe']['init']}' was made, which run "
                f"'{told['recipe']['out']}' started from"
            )
        told = None if start is None else start["provenance"]
    found: list[Leg] = []
    for number, entry in enumerate(reversed(chain), start=1):
        found.append(_leg(entry, number, out, found))
    return found


_RETIRED = {"contact_batch": {"photo_images"}, "weights": {"photo_bce", "photo_dice"}}
"""Settings of before stage 6, when stages 2 and 3 taught masks on photographs beside all else."""


def _without_retired(recipe: dict[str, Any]) -> dict[str, Any]:
    return recipe | {
        group: {name: value for name, value in recipe[group].items() if name not in retired}
        for group, retired in _RETIRED.items()
        if group in recipe
    }


def _leg(told: dict[str, Any], number: int, out: Path, before: Sequence[Leg]) -> Leg:
    from ivlm_core.training.train import TrainConfig

    data = told["data"]
    version = data.get("generator_version")
    if version != GENERATOR_VERSION:
        raise ValueError(
            f"run '{told['recipe']['out']}' learned from generator version {version}, this is "
            f"version {GENERATOR_VERSION}: make the model again with the commit that has that one"
        )
    recipe = _without_retired(told["recipe"])
    for stage in STAGES:  # older runs had not all of them, so no steps of those
        schedule = recipe.get(stage, {"learning_rate": 0.0})
        recipe[stage] = {**schedule, "steps": told["steps"].get(stage, 0), "minutes": None}
    start = None
    if before:
        start = before[-1].run.out
        start = start / "model" if told["init"]["kind"] == "model" else start
    try:
        made = settings_from(
            SynthesisConfig, {**data["config"], "out": out / f"data-{number}"}, "data.config"
        )
        same = [leg.data for leg in before if leg.data.content() == made.content()]
        made = same[0] if same else made  # generated once, however many runs learn from it
        folders = {"data": made.out, "out": out / f"run-{number}", "init": start}
        # Arithmetic is the hardware's own affair: what has no bfloat16 takes days to emulate it.
        own = {"model": told["network"], "stem_weights": None, "precision": "auto"}
        return Leg(made, settings_from(TrainConfig, {**recipe, **folders, **own}, "recipe"))
    except ConfigError as error:
        raise ValueError(f"provenance of run '{told['recipe']['out']}': {error}") from error

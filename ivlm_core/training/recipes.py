"""Named training runs. Each says its command, hardware, hours and the score to expect."""

from collections.abc import Callable
from pathlib import Path

from ivlm_core.training.train import TrainConfig


def nano(data: Path, out: Path) -> TrainConfig:
    """Train the shipped model.

    `ivlm synthesize --out DATA --train 12000 --test 1000 --seed 0`, then
    `ivlm train nano --data DATA --out OUT`. The figures stand in the model card,
    `ivlm_core/assets/models/nano/README.md`.
    """
    return TrainConfig(data=data, out=out)


RECIPES: dict[str, Callable[[Path, Path], TrainConfig]] = {"nano": nano}


def recipe(name: str, data: Path, out: Path) -> TrainConfig:
    """Return a named run.

    Raises:
        ValueError: unknown name; the text lists the known ones.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name](data, out)

"""What of a vision tower was taught before: it is loaded, and learned carefully."""

from pathlib import Path

from ivlm_core.model.checkpoint import load_checkpoint
from ivlm_core.model.efficientnet import EfficientNetStem
from ivlm_core.model.vision import VisionTower
from ivlm_core.training.run import Trained

RATE = 0.3
"""Learning rate of what was taught before, as a multiple of its neighbours'."""


def load_stem(tower: VisionTower, file: Path | None = None) -> None:
    """Load the published weights of a tower's stem, if it is of a kind that has such.

    Raises:
        FileNotFoundError, ValueError: see `EfficientNetStem.load_published`.
    """
    if isinstance(tower.stem, EfficientNetStem):
        tower.stem.load_published(file)


def load_tower(tower: VisionTower, folder: Path) -> None:
    """Load the vision tower of a finished model.

    Raises:
        FileNotFoundError, CheckpointError: there is no such model, or it is damaged.
        ValueError: its tower has other parts or sizes.
    """
    known, _ = load_checkpoint(folder)
    try:
        tower.load_state_dict(known.vlm.tower.state_dict())
    except RuntimeError as error:
        raise ValueError(f"{folder} has a vision tower of other sizes: {error}") from error


def learned_before(tower: VisionTower, rate: float) -> list[Trained]:
    """Return what of a tower learns at a rate of its own; to be named before the tower."""
    if not isinstance(tower.stem, EfficientNetStem):
        return []
    return [Trained(tower.stem.learned_before, rate)]

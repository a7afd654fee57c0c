"""What to generate."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GENERATOR_VERSION = 4
SMALLEST_IMAGE = 16
"""Pixels: smaller ones show nobody."""


@dataclass(frozen=True)
class SynthesisConfig:
    """One data set of synthetic interactions.

    Attributes:
        out: folder to write; an unfinished one is continued.
        train: number of training images.
        test: number of test images.
        seed: what everything follows from.
        workers: processes; the result does not depend on it.
        image_size: side of the square images, pixels.
        images_per_shard: images in one file.
        train_bodies: bodies of the training split.
        test_bodies: bodies of the test split.
        train_objects: instances per category of the training split.
        test_objects: of the test one.
        max_azimuth: largest angle of the camera from the person's front, degrees; most cameras
            are within 70.
        fill: range of the person's share of the frame.
    """

    out: Path
    train: int = 12_000
    test: int = 1_000
    seed: int = 0
    workers: int = 2
    image_size: int = 192
    images_per_shard: int = 200
    train_bodies: int = 300
    test_bodies: int = 60
    train_objects: int = 40
    test_objects: int = 12
    max_azimuth: float = 180.0
    fill: tuple[float, float] = (0.65, 1.0)

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        object.__setattr__(self, "out", Path(self.out))
        for name in ("train", "test", "seed", "workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not self.train + self.test:
            raise ValueError("train and test are both 0, so there is nothing to generate")
        for name in (
            *("images_per_shard", "train_bodies", "test_bodies"),
            *("train_objects", "test_objects"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.image_size < SMALLEST_IMAGE:
            raise ValueError(f"image_size must be {SMALLEST_IMAGE} or more, got {self.image_size}")
        if not 0 < self.fill[0] <= self.fill[1]:
            raise ValueError(f"fill must be an increasing range above 0, got {self.fill}")
        if not 0 <= self.max_azimuth <= 180:
            raise ValueError(f"max_azimuth must be 0 to 180 degrees, got {self.max_azimuth}")

    def content(self) -> dict[str, Any]:
        """What decides the content, as JSON: everything but the folder and the processes."""
        values = asdict(self)
        del values["out"], values["workers"]
        values["fill"] = list(self.fill)
        return values

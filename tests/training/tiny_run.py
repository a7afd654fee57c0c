"""A short training run as a script, for `torchrun` or `accelerate launch`."""

import sys
from dataclasses import replace
from pathlib import Path

from ivlm_core.model.presets import TINY
from ivlm_core.training.contact_settings import ContactBatch
from ivlm_core.training.run import Schedule
from ivlm_core.training.train import TrainConfig, train


def tiny_config(data: Path, out: Path, dense: int = 4, contact: int = 4) -> TrainConfig:
    """Return a run of a few steps."""
    return TrainConfig(
        data=data,
        out=out,
        model=TINY,
        dense=Schedule(steps=dense, learning_rate=1e-3, warmup=2),
        contact=Schedule(steps=contact, learning_rate=1e-3, warmup=2),
        surface=Schedule(steps=2, learning_rate=1e-3, warmup=1),
        photos=Schedule(steps=2, learning_rate=1e-3, warmup=1),
        dense_batch=4,
        contact_batch=ContactBatch(images=2, questions=2, instances=1, object_images=2, views=2),
        lift_size=32,
        validate_every=4,
        validation_queries=2,
        save_every=2,
    )


if __name__ == "__main__":
    config = tiny_config(Path(sys.argv[1]), Path(sys.argv[2]), dense=2, contact=2)
    train(replace(config, threads=1, precision="fp32"))

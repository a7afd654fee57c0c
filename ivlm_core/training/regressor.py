"""Training of the direct regressor, on the data, the augmentation and the steps that nano has."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ivlm_core import __version__
from ivlm_core.config import VisionConfig
from ivlm_core.datasets.mirror import mirror_target
from ivlm_core.datasets.sample import Target
from ivlm_core.evaluation.baselines import LEVELS
from ivlm_core.evaluation.evaluate import spread
from ivlm_core.evaluation.metrics import f1_score
from ivlm_core.evaluation.regressor import (
    CELLS_PER_PATCH,
    ContactRegressor,
    RegressorConfig,
    RegressorOutput,
)
from ivlm_core.geometry.body import load_body
from ivlm_core.model.losses import dice
from ivlm_core.model.presets import NANO
from ivlm_core.model.shipped import model_folder
from ivlm_core.training.arrays import TrainingArrays, augmented, training_split
from ivlm_core.training.augment import Affine
from ivlm_core.training.dense import IGNORE, DenseTargets
from ivlm_core.training.precision import Precision
from ivlm_core.training.pretrained import RATE, learned_before, load_stem, load_tower
from ivlm_core.training.provenance import (
    described_data,
    described_identity,
    described_recipe,
    described_start,
)
from ivlm_core.training.questions import ImageQuestions
from ivlm_core.training.run import Pictures, Schedule, StageRun, Trained, device_of
from ivlm_core.training.split import shared_images, split_validation
from ivlm_core.training.state import REGRESSOR, begin_run

NAME = REGRESSOR
"""Of the checkpoint and the log."""
_CHECKED_TOGETHER = 25


@dataclass(frozen=True)
class RegressorWeights:
    """How much each loss counts; those of the maps are nano's of stage 1."""

    contact_bce: float = 2.0
    contact_dice: float = 1.0
    objects: float = 1.0
    parts: float = 1.0
    touched: float = 10.0
    """Contact in the image, in place of DECO's anchoring of vertices to pixels."""


@dataclass(frozen=True)
class RegressorTraining:
    """One training run of a regressor."""

    data: Path
    """Folder that `ivlm synthesize` wrote."""
    out: Path
    """Where checkpoint, log and the finished folder `model/` go; an unfinished run in it is
    continued."""
    vision: VisionConfig = NANO.vision
    width: int = 512
    """Of the hidden layer before all vertices."""
    schedule: Schedule = field(default_factory=lambda: Schedule(steps=6000, learning_rate=1e-3))
    batch: int = 24
    """Pictures of a step."""
    questions: int = 2
    """About each of them."""
    weights: RegressorWeights = field(default_factory=RegressorWeights)
    init: Path | None = None
    """Model whose vision tower it starts from (`nano`, or a folder), so that only the way from
    there to the vertices differs; None starts from what ImageNet taught."""
    share: float = 1.0
    """Of the training images."""
    validate_every: int = 400
    validation_queries: int = 200
    save_every: int = 200
    precision: Precision = "auto"
    threads: int = 0
    """CPU threads; 0 leaves torch's default."""
    seed: int = 0


class RegressorStage(nn.Module):
    """Losses of a batch of images, some questions about each."""

    def __init__(
        self,
        network: ContactRegressor,
        arrays: TrainingArrays,
        images: Sequence[int],
        config: RegressorTraining,
    ) -> None:
        super().__init__()
        self.network, self.arrays, self.settings = network, arrays, config
        self.asked = ImageQuestions(arrays.targets, images, "human")
        self._rank = {name: place for place, name in enumerate(network.config.labels)}
        self._mirror = load_body(network.config.body).mirror

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        config = self.settings
        rng = random.Random(f"{config.seed} {NAME} {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        drawn = self.asked.draw_batch(config.batch, config.questions, rng)
        index, rows = drawn.images, drawn.rows
        affine = Affine.draw(len(index), generator)
        device = device_of(self)
        arrays = self.arrays.to(device)
        pictures = augmented(arrays, index, affine, generator)
        maps = arrays.dense_targets(index, affine, self._cells)
        mirrored = affine.mirrored[rows].tolist()
        asked = [
            mirror_target(target, self._mirror) if flip else target
            for target, flip in zip(drawn.questions, mirrored, strict=True)
        ]
        labels = torch.tensor([self._rank[target.label] for target in asked], device=device)
        output = self.network(pictures, labels, torch.tensor(rows, device=device))
        return self._losses(output, _truth(asked).to(device), maps)

    @property
    def _cells(self) -> int:
        return self.network.config.vision.grid_size * CELLS_PER_PATCH

    def _losses(
        self, output: RegressorOutput, truth: Tensor, maps: DenseTargets
    ) -> dict[str, Tensor]:
        w, contact = self.settings.weights, output.contact.float()

        def told(logits: Tensor, target: Tensor) -> Tensor:
            return cross_entropy(logits.float(), target, ignore_index=IGNORE)

        return {
            "contact_bce": w.contact_bce * binary_cross_entropy_with_logits(contact, truth),
            "contact_dice": w.contact_dice * dice(contact.sigmoid(), truth).mean(),
            "objects": w.objects * told(output.objects, maps.objects),
            "parts": w.parts * told(output.parts, maps.parts),
            "touched": w.touched * told(output.touched, maps.contacts),
        }


def _truth(targets: Sequence[Target]) -> Tensor:
    """Return float32 `[question, vertex]`, 1 in contact."""
    return torch.from_numpy(np.stack([target.dense() for target in targets]))


class RegressorCheck:
    """F1 on held-out questions by threshold."""

    def __init__(self, arrays: TrainingArrays, images: Sequence[int], count: int) -> None:
        held = set(images)
        asked = [t for t in arrays.targets if t.image_index in held and t.task == "human_contact"]
        self._arrays = arrays
        self._asked: list[Target] = [asked[i] for i in spread(len(asked), count)]

    def f1_by_level(self, network: ContactRegressor) -> np.ndarray:
        """Return the mean F1 at each of `LEVELS`, float64 `[level]`."""
        network.eval()
        total = np.zeros(len(LEVELS))
        for start in range(0, len(self._asked), _CHECKED_TOGETHER):
            batch = self._asked[start : start + _CHECKED_TOGETHER]
            images = self._arrays.images[[t.image_index for t in batch]]
            scores = network.scores(images, [t.label for t in batch]).numpy()
            truth = _truth(batch).numpy()
            total += [f1_score(truth, scores, float(level)).sum() for level in LEVELS]
        network.train()
        return total / len(self._asked)


def train_regressor(config: RegressorTraining) -> Path:
    """Train and return the folder of the finished regressor.

    Raises:
        FileNotFoundError, ValueError: the dataset is missing, damaged or does not fit, or `out`
            has another run.
        FloatingPointError: the loss diverged.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    vision = config.vision
    dataset = training_split(config.data, vision.image_size, "regressor")
    training, held = split_validation(len(dataset))
    training = shared_images(training, config.share, config.seed)
    learned_from = described_data(dataset, len(training), config.share)
    begin_run(config.out, _identity(config, learned_from))
    arrays = TrainingArrays.load(dataset, vision.image_size)
    network = ContactRegressor(
        RegressorConfig(
            vision=vision,
            labels=arrays.labels,
            categories=len(arrays.categories),
            parts=len(arrays.part_names),
            body=dataset.info.topology,
            width=config.width,
        )
    )
    start = None if config.init is None else model_folder(config.init)
    taught = learned_before(network.tower, RATE)
    if start is None:
        load_stem(network.tower)
    else:
        load_tower(network.tower, start)
        taught = [*learned_before(network.tower, RATE * RATE), Trained(network.tower, RATE)]
    stage = RegressorStage(network, arrays, training, config)
    run = StageRun(
        NAME,
        config.out,
        stage.train(),
        [*taught, Trained(network)],
        config.schedule,
        config.save_every,
        config.precision,
    )
    check = RegressorCheck(arrays, held, config.validation_queries)

    def validate(_: int) -> tuple[dict[str, float], Pictures]:
        curve = check.f1_by_level(network)
        best = int(curve.argmax())
        return {"f1": float(curve[best]), "threshold": float(LEVELS[best])}, {}

    run.run(validate, config.validate_every)
    folder = config.out / "model"
    asked = {k: v for k, v in described_recipe(config).items() if k != "vision"}
    if run.accelerator.is_main_process:
        figures, _ = validate(run.progress.step)
        network.config = replace(network.config, threshold=round(figures["threshold"], 3))
        network.save(
            folder,
            {
                "made_with": f"ivlm {__version__}",
                "recipe": asked,
                "init": None if start is None else described_start(start),
                "data": learned_from,
                "steps": run.progress.step,
                "seconds": round(run.progress.seconds),
                "held_out": figures,
            },
        )
    return folder


def _identity(config: RegressorTraining, data: dict[str, Any]) -> dict[str, Any]:
    network = {"vision": asdict(config.vision), "width": config.width}
    batches = {"images": config.batch, "questions": config.questions}
    return described_identity(REGRESSOR, data, config.seed, config.init, network, batches)

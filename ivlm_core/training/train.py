"""`train(config)`: synthetic interactions to a model folder, in resumable stages."""

import logging
import math
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from ivlm_core.config import IvlmConfig
from ivlm_core.geometry.body import load_body
from ivlm_core.model.build import build
from ivlm_core.model.checkpoint import CONFIG_FILE, save_checkpoint, write_provenance
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import NANO
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import PHOTO_TASK, TASKS
from ivlm_core.model.shipped import model_folder
from ivlm_core.training.arrays import TrainingArrays, training_split
from ivlm_core.training.body_stage import BodyStage
from ivlm_core.training.box_stage import BoxStage
from ivlm_core.training.contact_settings import ContactBatch, LossWeights
from ivlm_core.training.contact_stage import ContactStage
from ivlm_core.training.dense_stage import DenseStage
from ivlm_core.training.heads import StageHeads
from ivlm_core.training.photo_stage import PhotoStage
from ivlm_core.training.precision import Precision
from ivlm_core.training.pretrained import RATE, learned_before, load_stem
from ivlm_core.training.provenance import described_data, described_identity, described_run
from ivlm_core.training.question_stage import QuestionStage
from ivlm_core.training.questions import Questions
from ivlm_core.training.regions import body_regions
from ivlm_core.training.run import Pictures, Schedule, StageRun, Trained
from ivlm_core.training.split import shared_images, split_validation
from ivlm_core.training.state import (
    BODY,
    BOXES,
    CONTACT,
    DENSE,
    NANO_RECIPE,
    PHOTOS,
    STAGES,
    SURFACE,
    KeptModels,
    begin_run,
    existing_state,
    is_model,
    last_checkpoint,
    load_model,
    load_weights,
)
from ivlm_core.training.surface_stage import SurfaceStage
from ivlm_core.training.surfaces import TrainingSurfaces
from ivlm_core.training.validation import Validation

LOG = logging.getLogger(__name__)

_Stage = TypeVar("_Stage", bound=QuestionStage)


@dataclass(frozen=True)
class TrainConfig:
    """One training run; batches and rates are those that the shipped model ended with."""

    data: Path
    """Folder that `ivlm synthesize` wrote."""
    out: Path
    """Where checkpoints, logs and the finished model folder `model/` go; an unfinished run in it
    is continued."""
    init: Path | None = None
    """What this one starts from: a finished run (its `out`), with all of its weights; or a model
    (`nano`, or a folder), which may know other labels. None starts anew."""
    model: IvlmConfig = NANO
    """Sizes of the network."""
    dense: Schedule = field(default_factory=lambda: Schedule(steps=8000, learning_rate=1e-3))
    """Stage 1: vision tower, projector and language model, on dense labels and body regions."""
    contact: Schedule = field(
        default_factory=lambda: Schedule(steps=2500, learning_rate=8e-4, warmup=100)
    )
    """Stage 2: text and contact, end to end."""
    surface: Schedule = field(
        default_factory=lambda: Schedule(steps=500, learning_rate=4e-4, warmup=20)
    )
    """Stage 3: masks on all views of the body, the rest frozen."""
    body: Schedule = field(
        default_factory=lambda: Schedule(steps=4000, learning_rate=1e-3, warmup=100)
    )
    """Stage 4: vertices of the body off the token, where the network has a `body_head`."""
    boxes: Schedule = field(
        default_factory=lambda: Schedule(steps=4000, learning_rate=1e-3, warmup=100)
    )
    """Stage 5: what a detector's box tells, where the network reads boxes."""
    photos: Schedule = field(
        default_factory=lambda: Schedule(steps=6000, learning_rate=2e-3, warmup=100)
    )
    """Stage 6: masks on photographs, where the network has a `photo_decoder`."""
    weights: LossWeights = field(default_factory=LossWeights)
    tower_rate: float = 0.3
    """Learning rate in stage 2 of vision tower, projector and heads, as a multiple."""
    pretrained_rate: float = RATE
    """Learning rate of the stem's layers that ImageNet taught, as a multiple of the tower's."""
    stem_weights: Path | None = None
    """File of the weights that a stem of EfficientNet-Lite0 starts from; None takes the installed
    package's (`model.efficientnet`). Not read where `init` has such a stem."""
    dense_batch: int = 8
    """Pictures of a step of stage 1. On CPUs small batches learn more in the same time, on a GPU
    large ones cost little."""
    contact_batch: ContactBatch = field(default_factory=ContactBatch)
    body_batch: int = 48
    """Questions of a step of stage 4."""
    box_batch: int = 16
    """Pictures of a step of stage 5."""
    photo_batch: int = 8
    """Pictures of a step of stage 6."""
    known_instances: int = 500
    """Most object instances that are trained on; each costs its renders."""
    lift_size: int = 128
    """Side of the views when lifting for the vertex losses, pixels."""
    share: float = 1.0
    """Of the training images: how much the model learns from less."""
    validate_every: int = 400
    validation_queries: int = 200
    save_every: int = 200
    precision: Precision = "auto"
    """Arithmetic of the matrix products."""
    gradient_checkpointing: bool = False
    """Compute activations of language model and vision tower again when going backwards: less
    memory, more time."""
    threads: int = 0
    """CPU threads; 0 leaves torch's default."""
    seed: int = 0
    """Of weights, and of every stage's batches and augmentation: a run that goes on from another on
    the same data should have another."""


def train(config: TrainConfig) -> Path:
    """Train and return the model folder.

    Raises:
        FileNotFoundError, ValueError: the dataset is missing, damaged or does not fit, or `out`
            has another run.
        FloatingPointError: the loss diverged.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    dataset = training_split(config.data, config.model.vision.image_size, "model")
    training, validation = split_validation(len(dataset))
    training = shared_images(training, config.share, config.seed)
    learned_from = described_data(dataset, len(training), config.share)
    begin_run(config.out, _identity(config, learned_from))
    arrays = TrainingArrays.load(dataset, config.model.vision.image_size)
    LOG.info(
        "%d images, %d of them trained on, %d questions",
        len(arrays.images),
        len(training),
        len(arrays.targets),
    )

    asks = replace(config.model.prompt, labels=arrays.labels, tasks=TASKS)
    sizes = replace(config.model, prompt=asks)
    model, processor = build(sizes, arrays.labels, _details(arrays))
    model.vlm.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for part in (model.vlm.tower.clip, model.vlm.language):
        # Eager is a tenth of a step faster than fused on CPUs.
        part.set_attn_implementation("sdpa" if torch.cuda.is_available() else "eager")
        if config.gradient_checkpointing:
            part.gradient_checkpointing_enable({"use_reentrant": False})
    regions = body_regions(config.model.body)
    body = load_body(config.model.body)
    heads = StageHeads(model, arrays, len(regions), body.mesh.num_vertices)
    questions = Questions(processor, arrays, body, regions)

    def asking(kind: type[_Stage], batch: int, held_out: bool = False) -> _Stage:
        images, seed = (validation, config.seed + 1) if held_out else (training, config.seed)
        return kind(model, heads, questions, arrays, images, batch, seed)

    stage1, check = (asking(DenseStage, config.dense_batch, held) for held in (False, True))
    stage1.text_weight = check.text_weight = config.weights.text
    _begin(config, model, processor, stage1)
    _heed_token(config, model)
    model.train()

    runs: list[StageRun] = []

    def provenance() -> dict[str, Any]:
        none = dict.fromkeys(STAGES, 0)
        return described_run(
            config,
            None if config.init is None else model_folder(config.init),
            learned_from,
            none | {run.name: run.progress.step for run in runs},
            none | {run.name: run.progress.seconds for run in runs},
        )

    def told() -> None:
        write_provenance(config.out, provenance())

    def begun(
        name: str, stage: torch.nn.Module, trained: list[Trained], schedule: Schedule
    ) -> StageRun:
        run = StageRun(
            name, config.out, stage, trained, schedule, config.save_every, config.precision, told
        )
        runs.append(run)
        return run

    run1 = begun(
        DENSE,
        stage1,
        [
            *learned_before(model.vlm.tower, config.pretrained_rate),
            *(Trained(module) for module in stage1.trained),
        ],
        config.dense,
    )
    run1.run(lambda _: (_held_out(check), {}), config.validate_every)

    surfaces = TrainingSurfaces(
        questions.body.mesh, dataset.object_mesh, model.config, config.lift_size
    )
    stage2, stage3 = (
        kind(
            model,
            processor,
            heads,
            questions,
            arrays,
            training,
            surfaces,
            batch=config.contact_batch,
            known_instances=config.known_instances,
            weights=config.weights,
            seed=config.seed,
        )
        for kind in (ContactStage, SurfaceStage)
    )
    run2 = begun(
        CONTACT,
        stage2,
        _contact_groups(model, heads, config),
        config.contact,
    )
    held = Validation(
        arrays,
        validation,
        dataset.object_mesh,
        config.validation_queries,
        config.validation_queries // 4,
    )
    kept = KeptModels(config.out, model, processor)

    def validate(stage: str, step: int) -> tuple[dict[str, float], Pictures]:
        figures, pictures = held.figures(model, processor)
        kept.keep(stage, step, figures)
        return figures, pictures

    run2.run(partial(validate, run2.name), config.validate_every)
    run3 = begun(
        SURFACE,
        stage3,
        [Trained(module) for module in _localising(model)],
        config.surface,
    )
    run3.run(partial(validate, run3.name), config.validate_every)
    if model.body_head is not None:
        stage4 = asking(BodyStage, config.body_batch)
        run4 = begun(BODY, stage4, [Trained(model.body_head)], config.body)
        _heed_token(config, model, learned=config.body.steps > 0)
        run4.run(partial(validate, run4.name), config.body.steps)
    if config.model.language.resampler_boxes:
        stage5, unseen = (asking(BoxStage, config.box_batch, held) for held in (False, True))
        run5 = begun(BOXES, stage5, [Trained(stage5.trained)], config.boxes)

        def judge_boxes(step: int) -> tuple[dict[str, float], Pictures]:
            figures = _held_out(unseen)
            kept.keep(BOXES, step, figures)
            return figures, {}

        run5.run(judge_boxes, config.validate_every)
    if model.photo_decoder is not None and (config.photos.steps or _masks_photos(config)):
        asks = replace(asks, tasks=(*TASKS, PHOTO_TASK))
        model.config = replace(model.config, prompt=asks)
        stage6 = asking(PhotoStage, config.photo_batch)
        run6 = begun(PHOTOS, stage6, [Trained(model.photo_decoder)], config.photos)

        def judge_photos(step: int) -> tuple[dict[str, float], Pictures]:
            figures, pictures = held.photo_figures(model, processor)
            kept.keep(PHOTOS, step, figures)
            return figures, pictures

        run6.run(judge_photos, config.validate_every)
    folder = config.out / "model"
    if not run3.accelerator.is_main_process:
        return folder
    model.config = replace(model.config, lift=held.thresholds(model, processor))
    save_checkpoint(folder, model, processor, provenance(), dtype=torch.float16)
    return folder


def _identity(config: TrainConfig, data: dict[str, Any]) -> dict[str, Any]:
    batches = {
        "dense": config.dense_batch,
        "contact": asdict(config.contact_batch),
        "body": config.body_batch,
        "boxes": config.box_batch,
        "photos": config.photo_batch,
    }
    network = asdict(config.model)
    return described_identity(NANO_RECIPE, data, config.seed, config.init, network, batches)


def _begin(
    config: TrainConfig, model: IvlmModel, processor: Processor, stage: torch.nn.Module
) -> None:
    """Load what the run starts from."""
    start = None if config.init is None else model_folder(config.init)
    finished = start is not None and is_model(start)
    known = IvlmConfig.load(start / CONFIG_FILE) if start is not None and finished else None
    if start is None or (known and known.vision.stem != config.model.vision.stem):
        load_stem(model.vlm.tower, config.stem_weights)
    if start is not None and finished:
        load_model(start, model, processor)
    elif start is not None:
        load_weights(last_checkpoint(start), stage)


def _heed_token(config: TrainConfig, model: IvlmModel, learned: bool = False) -> None:
    """Leave the `body_head` out of answers for as long as it has learned nothing.

    Until then it finds every vertex as unlikely as any, which at its weight overrules each mask:
    no answer would be in contact, and which model is the best be decided by the empty ones.

    Args:
        config: of the run.
        model: whose settings are changed.
        learned: it has, or is about to; else its weights tell, which start at 0.
    """
    if model.body_head is None:
        return
    learned = learned or bool(model.body_head.vertices.weight.any())
    lift = replace(model.config.lift, token_share=config.model.lift.token_share if learned else 0.0)
    model.config = replace(model.config, lift=lift)


def _masks_photos(config: TrainConfig) -> bool:
    """Whether what the run starts from has learned this network's masks of photographs."""
    if config.init is None:
        return False
    start = model_folder(config.init)
    finished = start if is_model(start) else start / "model"
    if not is_model(finished):
        return existing_state(start / PHOTOS) is not None
    known = IvlmConfig.load(finished / CONFIG_FILE)
    return PHOTO_TASK in known.prompt.tasks and known.sam.photos == config.model.sam.photos


def _localising(model: IvlmModel) -> list[torch.nn.Module]:
    """Return what turns a token's state into masks."""
    parts = [model.projection, model.view_encoder, model.image_encoder, model.localizer]
    return parts if model.splitter is None else [*parts, model.splitter]


def _contact_groups(model: IvlmModel, heads: torch.nn.Module, config: TrainConfig) -> list[Trained]:
    return [
        *learned_before(model.vlm.tower, config.tower_rate * config.pretrained_rate),
        Trained(model.vlm.tower, config.tower_rate),
        Trained(model.vlm.mm_projector, config.tower_rate),
        Trained(heads, config.tower_rate),
        *(Trained(module) for module in [model.vlm.language, *_localising(model)]),
    ]


_CHECKED_IMAGES = 512
_CHECKED_VIEWS = 16
"""Most augmented views of one held-out image: of few images, more views tell nothing new."""


@torch.no_grad()
def _held_out(stage: DenseStage | BoxStage) -> dict[str, float]:
    """Return mean losses of held-out images, in batches as large as those that are learned from.

    Larger ones would weigh a few large objects more: what is counted by cell says little then.
    """
    if not stage.asked.images:
        return {}
    stage.eval()
    views = min(_CHECKED_IMAGES, _CHECKED_VIEWS * len(stage.asked.images))
    losses = [stage(batch) for batch in range(math.ceil(views / stage.batch_size))]
    stage.train()
    return {key: float(sum(x[key] for x in losses)) / len(losses) for key in losses[0]}


def _details(arrays: TrainingArrays) -> list[str]:
    return sorted({d for t in arrays.targets for d in t.details} | set(arrays.part_names))

"""Fine-tuning of published models on the field's datasets, as the reference trains."""

import random
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ivlm_core import __version__
from ivlm_core.cache import ArtifactCache, content_key
from ivlm_core.config import LoraConfig
from ivlm_core.datasets.published.labelled import LabelledImage
from ivlm_core.datasets.published.mixture import Mixture
from ivlm_core.inputs import read_image
from ivlm_core.model.checkpoint import describe
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.masks import restore_masks
from ivlm_core.model.processor import Processor
from ivlm_core.model.sam import normalise_views
from ivlm_core.model.tokens import IGNORE_LABEL
from ivlm_core.model.vlm import text_loss
from ivlm_core.official.losses import LossSample, combine, heat_map_probabilities
from ivlm_core.official.preprocess import sam_input
from ivlm_core.official.prompts import (
    Turn,
    conversation,
    encode_conversation,
    make_turn,
    training_length,
)
from ivlm_core.official.views import body_views
from ivlm_core.pipeline import Pipeline
from ivlm_core.surfaces import weights_hash
from ivlm_core.training.merge import merge
from ivlm_core.training.precision import Precision
from ivlm_core.training.provenance import described_identity
from ivlm_core.training.published_truth import MaskTruth, TruthReader
from ivlm_core.training.recipes import RECIPES, Recipe, read_mixture
from ivlm_core.training.run import Schedule, StageRun, Trained, device_of
from ivlm_core.training.state import CONTACT, begin_run

_MAX_LENGTH = 512
"""Tokens of a conversation in training, the image's 255 further ones among them."""


@dataclass(frozen=True)
class FineTuneConfig:
    """One fine-tuning; the defaults are those of the published scripts."""

    base: Path
    """Published checkpoint, or one that was converted, to start from."""
    data: Path
    """The published data root."""
    out: Path
    """Where the checkpoint, logs and the finished model folder `model/` go."""
    recipe: Recipe = field(default_factory=lambda: RECIPES["hcontact-damon"])
    datasets: tuple[str, ...] = ()
    """Only these of the recipe's; empty takes all."""
    clip: Path | None = None
    """CLIP folder of a published checkpoint."""
    body_model: Path | None = None
    """SMPL-H file, where the data root has no published views of the body."""
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(rank=8, alpha=16, dropout=0.05))
    schedule: Schedule = field(
        default_factory=lambda: Schedule(
            steps=15_000,
            learning_rate=3e-4,
            warmup=100,
            decay="linear",
            final_fraction=0.0,
            weight_decay=0.0,
        )
    )
    batch: int = 8
    """Items of a step and process."""
    text_weight: float = 1.0
    precision: Precision = "auto"
    gradient_checkpointing: bool = True
    save_every: int = 500
    seed: int = 0
    cache_dir: Path | None = None
    """Of view embeddings, which stay the same."""


class PublishedStage(nn.Module):
    """Losses of a batch of items: text, masks and what they are lifted to.

    The tower, the projector and SAM's encoders stay as they are; so the pictures' embeddings are
    made once.
    """

    def __init__(
        self,
        model: IvlmModel,
        processor: Processor,
        mixture: Mixture,
        truth: TruthReader,
        config: FineTuneConfig,
        cache: ArtifactCache,
    ) -> None:
        super().__init__()
        self.model, self.processor, self.mixture, self.config = model, processor, mixture, config
        self.truth, self._cache = truth, cache
        self._encoder_hash = weights_hash(model.image_encoder)
        longest = min(_MAX_LENGTH, model.config.language.max_positions)
        self._length = training_length(longest, model.config.num_image_tokens)

    @property
    def trained(self) -> list[nn.Module]:
        """What learns: adapters, embeddings and head of the language model, and all after it."""
        model, localizer = self.model, self.model.localizer
        decoders = (
            localizer.mask_decoder,
            localizer.human_mask_decoder,
            localizer.object_mask_decoder,
        )
        parts = (model.vlm.language, model.projection, model.view_encoder, model.splitter)
        return [part for part in (*parts, *decoders) if part is not None]

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.config.seed} published {batch}")
        items = [self.mixture.draw(rng) for _ in range(self.config.batch)]
        ids, learned = zip(*(self._conversation(item, rng) for item in items), strict=True)
        starts = [row.index(True) for row in learned]
        photos = [read_image(item.image) for item in items]
        vlm, device = self.model.vlm, device_of(self)
        with torch.no_grad():
            features = vlm.tower(self.processor.pixel_values(photos).to(device))
            prompts = [row[:start] for row, start in zip(ids, starts, strict=True)]
            tokens = vlm.image_tokens(features, prompts)
        scored = vlm.score(tokens, ids, starts, learned)
        asked = self.model.contact_prompts(scored, ids)
        samples = [
            self._sample(item, photo, prompt)
            for item, photo, prompt in zip(items, photos, asked, strict=True)
        ]
        losses = combine(samples, self.config.recipe.weights)
        return {
            "text": self.config.text_weight * text_loss(scored.logits, scored.labels),
            **vars(losses),
        }

    def turns(self, item: LabelledImage, rng: random.Random) -> list[Turn]:
        """Ask and answer about an item, as the recipe words it."""
        if item.kind == "vqa":
            return [Turn(question, answer) for question, answer in item.turns]
        if item.kind == "referring" or item.kind == "afford2d":
            raise ValueError(f"items of kind {item.kind} are no part of a recipe")
        tokens, recipe = self.model.config.tokens, self.config.recipe
        token = {"hcontact": tokens.human, "h2dcontact": tokens.generic or tokens.human}.get(
            item.kind, tokens.object
        )
        details = item.parts if item.affordance is None else (item.affordance,)
        kind_of_question = recipe.question_types[item.kind]
        dropout = recipe.part_dropout if kind_of_question == "parts" else 0.0
        turn = make_turn(item.kind, kind_of_question, item.label, token, details, rng, dropout)
        return [turn]

    def _conversation(
        self, item: LabelledImage, rng: random.Random
    ) -> tuple[list[int], list[bool]]:
        """Return ids and which of them are learned."""
        text = conversation(self.turns(item, rng))
        ids, labels = encode_conversation(self.processor.tokenizer, text)
        learned = [label != IGNORE_LABEL for label in labels[: self._length]]
        if not any(learned):
            raise ValueError(
                f"{item.dataset} {item.name}: the first question alone has more than "
                f"{self._length} tokens"
            )
        return ids[: self._length], learned

    def _sample(
        self, item: LabelledImage, photo: object, prompt: ContactPrompt | None
    ) -> LossSample:
        """Decode what an answer asked for; an item in words, or cut off, has no masks."""
        truth, device = self.truth.read(item), device_of(self)
        if truth is None or prompt is None:
            nothing = torch.zeros(0, 1, 1, device=device)
            return LossSample(item.kind, nothing, nothing)
        size = self.model.config.sam.image_size
        fitted = original = (size, size)
        if truth.pictures is None:
            picture, fitted = sam_input(photo, size)  # type: ignore[arg-type]
            original = (truth.target.shape[1], truth.target.shape[2])
            embedding = self._embed(picture[None])
        else:
            embedding = self._embed(normalise_views(torch.from_numpy(truth.pictures)))
        on_object = item.kind in ("ocontact", "oafford")
        task = {"ocontact": "object_contact", "oafford": "object_affordance"}.get(
            item.kind, "human_contact"
        )
        cameras = self.model.cameras(task)  # type: ignore[arg-type]
        logits, _ = self.model.localize([prompt], embedding, on_object, cameras)
        masks = restore_masks(logits, size, fitted, original)[0]
        return _loss_sample(item, masks, truth)

    def _embed(self, pictures: Tensor) -> Tensor:
        """Return SAM's embedding of pictures `[view, 3, size, size]`."""
        key = content_key("training views", pictures.numpy(), self._encoder_hash)

        @torch.no_grad()
        def make() -> dict[str, Tensor]:
            return {"embedding": self.model.embed_views(pictures.to(device_of(self))).cpu()}

        return self._cache.get_or_make(key, make)["embedding"].to(device_of(self))


def _loss_sample(item: LabelledImage, masks: Tensor, truth: MaskTruth) -> LossSample:
    target = truth.target.to(masks.device)
    if item.kind == "oafford":
        masks = heat_map_probabilities(masks, target)
    if truth.pictures is None:
        return LossSample(item.kind, masks[:1], target)
    assert truth.vertices is not None and truth.lift is not None
    lift = truth.lift.to(masks.device)
    return LossSample(item.kind, masks, target, truth.vertices.to(masks.device), lift)


def fine_tune(config: FineTuneConfig) -> Path:
    """Fine-tune and return the model folder; an unfinished run in `config.out` is continued.

    Raises:
        FileNotFoundError, ValueError: base or data are missing, damaged or do not fit, or `out`
            has another run.
        FloatingPointError: the loss diverged.
    """
    mixture = read_mixture(config.recipe, config.data, config.datasets)
    begin_run(config.out, _identity(config, mixture))
    folder = config.out / "model"
    if folder.is_dir():
        return folder  # finished before
    torch.manual_seed(config.seed)
    pipeline = Pipeline.from_pretrained(
        config.base, cache_dir=config.cache_dir, clip=config.clip, legacy=True
    )
    model, processor = pipeline.model, pipeline.processor
    if model.config.prompt.answers != "published":
        raise ValueError(f"{config.base} is no published model; train ours by the recipe nano")
    size = model.config.sam.image_size
    on_body = any(name in _ON_BODY for name in config.datasets or config.recipe.datasets)
    body = (
        body_views(config.data, config.body_model, config.recipe.human_views, size)
        if on_body
        else None
    )
    model.vlm.add_lora(config.lora)
    language = replace(model.config.language, lora=config.lora)
    model.config = replace(model.config, language=language)
    if config.gradient_checkpointing:
        model.vlm.language.gradient_checkpointing_enable({"use_reentrant": False})
    cache = ArtifactCache(config.cache_dir)
    stage = PublishedStage(model, processor, mixture, TruthReader(body, size), config, cache)
    _describe(config, model, processor)
    run = StageRun(
        CONTACT,
        config.out,
        stage.train(),
        [Trained(part) for part in stage.trained],
        config.schedule,
        config.save_every,
        config.precision,
    )
    run.run()
    if run.accelerator.is_main_process:
        merge(config.out, folder)
    return folder


_ON_BODY = ("damon", "lemon", "rich")


def _identity(config: FineTuneConfig, mixture: Mixture) -> dict[str, Any]:
    data = {
        "folder": config.data.name,
        "datasets": list(config.datasets or config.recipe.datasets),
        "items": [[len(subset) for subset in share.subsets] for share in mixture.shares],
    }
    network = {"lora": asdict(config.lora)}
    batches = {"items": config.batch, "text_weight": config.text_weight}
    return described_identity(config.recipe.name, data, config.seed, config.base, network, batches)


def _describe(config: FineTuneConfig, model: IvlmModel, processor: Processor) -> None:
    """Write what `ivlm merge` needs to know of a run."""
    folder = config.out / "last"
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "made_with": f"ivlm {__version__}",
        "recipe": config.recipe.name,
        "datasets": list(config.datasets or config.recipe.datasets),
        "base": config.base.name,
        "schedule": asdict(config.schedule),
        "batch": config.batch,
        "lora": asdict(config.lora),
    }
    describe(folder, model.config, processor.tokenizer, told)

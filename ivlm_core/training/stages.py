"""The two stages: dense supervision of the vision tower, then text and contact, end to end."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ivlm_core.datasets.mirror import mirror_target
from ivlm_core.datasets.sample import Target
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.model import prompts
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.losses import contact_bce, dice, focal_bce, iou_error
from ivlm_core.model.processor import Processor, normalise_images
from ivlm_core.model.query_decoder import RARE_LOGIT
from ivlm_core.model.resampler import QuestionResampler
from ivlm_core.model.vlm import Scored, Vlm, text_loss
from ivlm_core.pipeline import upscale
from ivlm_core.training.arrays import HOLDERS, TrainingArrays
from ivlm_core.training.augment import Affine, jitter_colours, warp_images
from ivlm_core.training.dense import (
    DenseHeads,
    DenseSizes,
    DenseTargets,
    QuestionHeads,
    QuestionTargets,
)
from ivlm_core.training.photo_masks import PhotoMasks
from ivlm_core.training.regions import BodyRegions
from ivlm_core.training.surfaces import TrainingSurface, TrainingSurfaces, vertex_targets


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the contact stage counts.

    Masks are a guide only: nano's targets of 64 pixels, lifted back, give an F1 of 0.83, while
    logits that are free to serve the vertices reach 0.95. So the vertices decide.
    """

    text: float = 2.0
    mask_bce: float = 0.1
    mask_dice: float = 0.05
    vertex_bce: float = 0.5
    vertex_dice: float = 2.0
    mask_iou: float = 0.1
    """Of the IoU that the decoder predicts of its own masks, on photographs too."""
    photo_bce: float = 20.0
    """Of masks on the photograph, which nothing is lifted from: they are the answer. Focal, twenty
    to one of dice as for SAM: a few pixels in ten thousand are in contact, and plain cross-entropy
    learned to find none."""
    photo_dice: float = 1.0
    """Also of empty masks: no pixel is to be found of what is not there or not touched in sight."""
    known: float = 0.3
    """Of the losses of stage 1, which go on."""


@dataclass(frozen=True)
class ContactBatch:
    """What a step of the contact stage looks at."""

    images: int = 12
    """Pictures that are asked about the body."""
    questions: int = 2
    """About each of them."""
    instances: int = 1
    """Object instances a step asks about."""
    object_images: int = 6
    """Pictures of each instance, one question about the object each."""
    photo_images: int = 4
    """Of `images`, those on which contact is masked itself; 0 does not teach it. They cost most
    where SAM's encoder reads them beside the views (`SamConfig.photos`)."""
    views: int = 4
    """Views of a surface that SAM's decoder makes masks of, drawn anew for every step; the cheap
    one (`SamConfig.decoder`) makes all."""


class StageHeads(nn.Module):
    """What training adds to a model: heads on patches, image tokens and token embeddings."""

    def __init__(
        self, model: IvlmModel, arrays: TrainingArrays, regions: int, vertices: int
    ) -> None:
        super().__init__()
        config = model.config
        self.dense = DenseHeads(
            DenseSizes(
                hidden=config.vision.hidden_size,
                grid=config.vision.grid_size,
                cells_per_patch=4,
                parts=len(arrays.part_names),
                categories=len(arrays.categories),
                holders=len(HOLDERS),
            )
        )
        self.questions = QuestionHeads(
            config.num_image_tokens,
            config.language.hidden_size,
            len(arrays.part_names),
            regions,
            len(arrays.joint_names),
        )
        self.token_contact = nn.Linear(config.sam.embed_dim, vertices)
        """What the token embedding tells of the body's vertices, without rendering any: it has to
        know all that a mask is to show."""
        nn.init.zeros_(self.token_contact.weight)
        nn.init.constant_(self.token_contact.bias, RARE_LOGIT)

    @property
    def cells(self) -> int:
        """Side of the grid that the patch heads are supervised on."""
        return self.dense.sizes.grid * self.dense.sizes.cells_per_patch


class Questions:
    """Turns targets into token ids and what is to be learned of them."""

    def __init__(
        self, processor: Processor, arrays: TrainingArrays, body: Body, regions: BodyRegions
    ) -> None:
        self.processor, self.arrays, self.body, self.regions = processor, arrays, body, regions
        self.grid = processor.config.vision.grid_size
        self._prompts: dict[str, list[int]] = {}  # a few hundred wordings, asked again and again
        self._answers: dict[tuple[str, ...], list[int]] = {}

    def mirrored(self, targets: Sequence[Target], mirror: Tensor) -> list[Target]:
        """Return the targets, those of mirrored pictures mirrored."""
        return [
            self._mirror(target) if flip else target
            for target, flip in zip(targets, mirror.tolist(), strict=True)
        ]

    def _mirror(self, target: Target) -> Target:
        mirrored = mirror_target(target, self.body.mirror)
        return replace(mirrored, parts=tuple(sorted(mirrored.parts, key=BODY_PARTS.index)))

    def prompts(self, targets: Sequence[Target], rng: random.Random) -> list[list[int]]:
        """Return the ids of a question each, half of them in the first wording."""
        wordings = [None if rng.random() < 0.5 else rng for _ in targets]
        return [
            self._prompt(prompts.question(t.task, t.label, wording))
            for t, wording in zip(targets, wordings, strict=True)
        ]

    def _prompt(self, question: str) -> list[int]:
        if question not in self._prompts:
            self._prompts[question] = self.processor.prompt_ids(question)
        return self._prompts[question]

    def answer(self, target: Target) -> list[int]:
        """Return the ids of the right answer."""
        key = (target.task, *target.details)
        if key not in self._answers:
            self._answers[key] = self.processor.answer_ids(target.task, target.details)
        return self._answers[key]

    def targets(
        self, targets: Sequence[Target], dense: DenseTargets, joints: Tensor, rows: Sequence[int]
    ) -> QuestionTargets:
        """Return what the heads learn of questions about the body.

        Args:
            targets: one a question, mirrored where its picture is.
            dense: what the pictures show.
            joints: `[image, joint, 5]`.
            rows: the image of every question.
        """
        parts = torch.zeros(len(targets), len(BODY_PARTS))
        for row, target in zip(parts, targets, strict=True):
            row[[BODY_PARTS.index(name) for name in target.parts]] = 1
        device = joints.device
        shares = torch.stack([self.regions.shares(t.vertices) for t in targets])
        images = torch.tensor(rows, device=device)
        return QuestionTargets(
            parts.to(device),
            shares.to(device),
            vertex_targets([t.vertices for t in targets], self.body.mesh.num_vertices).to(device),
            joints[images],
            self._looks(targets, dense, images),
        )

    def _looks(self, targets: Sequence[Target], dense: DenseTargets, rows: Tensor) -> Tensor:
        """Return where the objects asked about are; for the scene, what touches the ground."""
        rank = {name: i + 1 for i, name in enumerate(self.arrays.labels)}
        scene = rank[prompts.SCENE_LABEL]
        asked = torch.tensor([rank[t.label] for t in targets], device=rows.device)[:, None, None]
        shown = torch.where(asked == scene, dense.contacts[rows], dense.objects[rows]) == asked
        patches = adaptive_avg_pool2d(shown.float(), self.grid).flatten(1)
        return patches / patches.sum(dim=1, keepdim=True).clamp(min=1e-6)


class ImageQuestions:
    """The questions about the body, or about objects, by image."""

    def __init__(
        self, targets: Sequence[Target], images: Sequence[int], about: Literal["human", "object"]
    ) -> None:
        self._asked: dict[int, list[Target]] = {index: [] for index in images}
        for target in targets:
            on_body = target.task == "human_contact"
            if on_body == (about == "human") and target.image_index in self._asked:
                self._asked[target.image_index].append(target)
        self.images = [index for index, asked in self._asked.items() if asked]

    @property
    def all(self) -> list[Target]:
        """Every question."""
        return [target for asked in self._asked.values() for target in asked]

    def draw(self, image: int, count: int, rng: random.Random) -> list[Target]:
        """Return some questions about an image, different ones if there are enough.

        The ground is asked about in nearly every picture and the answer varies little: it is drawn
        less often than an object.
        """
        asked = self._asked[image]
        if len(asked) < count:
            return rng.choices(asked, k=count)
        weights = [0.75 if target.label == prompts.SCENE_LABEL else 1.0 for target in asked]
        keys = [rng.random() ** (1 / weight) for weight in weights]  # Efraimidis & Spirakis 2006
        return [asked[i] for i in sorted(range(len(asked)), key=keys.__getitem__)[-count:]]


class DenseStage(nn.Module):
    """Stage 1 losses: a batch of images a step, some questions about each."""

    def __init__(
        self,
        model: IvlmModel,
        heads: StageHeads,
        questions: Questions,
        arrays: TrainingArrays,
        images: Sequence[int],
        batch_size: int,
        seed: int,
        text_weight: float,
        questions_per_image: int = 2,
    ) -> None:
        super().__init__()
        self.model, self.heads, self.questions, self.arrays = model, heads, questions, arrays
        self.batch_size, self.seed, self.per_image = batch_size, seed, questions_per_image
        self.text_weight = text_weight
        self.asked = ImageQuestions(arrays.targets, images, "human")

    @property
    def trained(self) -> list[nn.Module]:
        """What this stage teaches."""
        vlm = self.model.vlm
        return [vlm.tower, vlm.mm_projector, vlm.language, self.model.projection, self.heads]

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 1 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        chosen = rng.choices(self.asked.images, k=self.batch_size)
        index = torch.tensor(chosen)
        affine = Affine.draw(len(index), generator, torch.ones(len(index), dtype=torch.bool))
        arrays = self.arrays.to(device_of(self))
        pictures = augmented(arrays, index, affine, generator)
        features = self.model.vlm.tower(pictures)
        targets = arrays.dense_targets(index, affine, self.heads.cells)

        rows = [row for row in range(len(chosen)) for _ in range(self.per_image)]
        asked = [q for image in chosen for q in self.asked.draw(image, self.per_image, rng)]
        asked = self.questions.mirrored(asked, affine.mirrored[rows])
        written = self.questions.prompts(asked, rng)
        tokens, looked = image_tokens(self.model.vlm, features[rows], written)
        answers = self.questions.targets(asked, targets, arrays.moved_joints(index, affine), rows)
        return {
            **self.heads.dense.losses(features, targets),
            **self.heads.questions.losses(tokens, looked, answers),
            **self._answers(tokens, asked, written, answers.contact),
        }

    def _answers(
        self,
        tokens: Tensor,
        asked: Sequence[Target],
        written: Sequence[list[int]],
        touched: Tensor,
    ) -> dict[str, Tensor]:
        """Return the losses of the answers' words, and of what their contact tokens tell."""
        scored, ids = answered(self.model.vlm, self.questions, tokens, asked, written)
        contact = [p for p in self.model.contact_prompts(scored, ids) if p is not None]
        return {
            "text": self.text_weight * text_loss(scored.logits, scored.labels),
            "token": token_loss(self.heads, contact, touched),
        }


def answered(
    vlm: Vlm,
    questions: Questions,
    tokens: Tensor,
    asked: Sequence[Target],
    written: Sequence[list[int]],
) -> tuple[Scored, list[list[int]]]:
    """Run questions with their right answers; return that, and the ids of both together.

    Args:
        vlm: what reads them.
        questions: makes ids of answers.
        tokens: image tokens `[question, token, hidden]`.
        asked: what is answered.
        written: ids of the questions.
    """
    ids = [prompt + questions.answer(q) for prompt, q in zip(written, asked, strict=True)]
    return vlm.score(tokens, ids, [len(prompt) for prompt in written]), ids


def token_loss(heads: StageHeads, contact: Sequence[ContactPrompt], touched: Tensor) -> Tensor:
    """Return how wrong the token embeddings are about the vertices `[question, vertex]`."""
    scores = heads.token_contact(torch.stack([p.embedding for p in contact])).float().sigmoid()
    everywhere = torch.ones_like(touched[0], dtype=torch.bool)
    return (0.2 * contact_bce(scores, touched, everywhere) + 0.5 * dice(scores, touched)).mean()


def device_of(module: nn.Module) -> torch.device:
    """Return where a module's weights are."""
    return next(module.parameters()).device


def augmented(
    arrays: TrainingArrays, index: Tensor, affine: Affine, generator: torch.Generator
) -> Tensor:
    """Return some images as augmented model input, where the arrays are."""
    device = arrays.images.device
    images = normalise_images(arrays.images[index.to(device)])
    return jitter_colours(warp_images(images, affine.to(device), arrays.side), generator)


def image_tokens(
    vlm: Vlm, features: Tensor, asked: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor | None]:
    """Return image tokens, and where a resampler looked for them."""
    if isinstance(vlm.mm_projector, QuestionResampler):
        return vlm.resample(features, asked)
    return vlm.image_tokens(features, asked), None


@dataclass(frozen=True)
class _Read:
    """Pictures and questions of a step, and what vision and language make of them."""

    groups: list[list[Target]]
    """Questions as drawn, by surface; those about the body first."""
    rows: list[int]
    """The picture of each."""
    index: Tensor
    """`[picture]`, which of the arrays they are."""
    affine: Affine
    pictures: Tensor
    """`[picture, 3, side, side]`, augmented."""
    features: Tensor
    """`[picture, patch, hidden]` of the vision tower."""
    queries: list[Target]
    """The questions in one row, those of mirrored pictures mirrored."""
    tokens: Tensor
    """`[question, token, hidden]`."""
    looked: Tensor | None
    """Where a resampler looked for them."""
    scored: Scored
    ids: list[list[int]]
    """Questions with their right answers."""

    @property
    def on_body(self) -> int:
        """Questions about the body."""
        return len(self.groups[0])


class ContactStage(nn.Module):
    """Stage 2 losses: questions about bodies, and about a few object instances, a step."""

    def __init__(
        self,
        model: IvlmModel,
        processor: Processor,
        heads: StageHeads,
        questions: Questions,
        arrays: TrainingArrays,
        images: Sequence[int],
        surfaces: TrainingSurfaces,
        *,
        batch: ContactBatch,
        known_instances: int,
        weights: LossWeights,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.processor, self.heads, self.arrays = model, processor, heads, arrays
        self.questions, self.surfaces = questions, surfaces
        self.batch, self.weights, self.seed = batch, weights, seed
        self.photos = PhotoMasks(model, arrays, batch.photo_images, weights)
        self.human = ImageQuestions(arrays.targets, images, "human")
        objects = ImageQuestions(arrays.targets, images, "object")
        self.by_instance: dict[str, list[Target]] = defaultdict(list)
        for query in objects.all:
            self.by_instance[query.instance or ""].append(query)
        names = sorted(self.by_instance)
        random.Random(seed).shuffle(names)
        self.instance_names = names[:known_instances]

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 2 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        read = self._read(rng, generator)
        on_body = read.on_body
        targets = self.arrays.dense_targets(read.index, read.affine, self.heads.cells)
        joints = self.arrays.moved_joints(read.index, read.affine)
        told = self.questions.targets(read.queries[:on_body], targets, joints, read.rows[:on_body])
        looked = None if read.looked is None else read.looked[:on_body]
        known = self.heads.dense.losses(read.features, targets)
        known |= self.heads.questions.losses(read.tokens[:on_body], looked, told)
        parts = {f"known_{k}": self.weights.known * v for k, v in known.items()}
        scored = read.scored
        parts["text"] = self.weights.text * text_loss(scored.logits, scored.labels)
        contact = self._asked(read)
        parts["known_token"] = self.weights.known * token_loss(
            self.heads, contact[:on_body], told.contact
        )
        return parts | self._on_photos(read, contact) | self._on_surfaces(read, contact, rng)

    def _read(self, rng: random.Random, generator: torch.Generator) -> "_Read":
        """Draw pictures and questions about them; read both, with the right answers."""
        chosen, rows, groups = self._draw(rng)
        index = torch.tensor(chosen)
        affine = Affine.draw(len(index), generator, torch.arange(len(index)) < self.batch.images)
        vlm, drawn = self.model.vlm, [q for group in groups for q in group]
        pictures = augmented(self.arrays.to(device_of(self)), index, affine, generator)
        features = vlm.tower(pictures)
        queries = self.questions.mirrored(drawn, affine.mirrored[rows])
        asked = self.questions.prompts(queries, rng)
        tokens, looked = image_tokens(vlm, features[rows], asked)
        scored, ids = answered(vlm, self.questions, tokens, queries, asked)
        return _Read(
            groups, rows, index, affine, pictures, features, queries, tokens, looked, scored, ids
        )

    def _asked(self, read: "_Read") -> list[ContactPrompt]:
        """Return what each answer asks for: every right one has a token, so none is left out."""
        return [p for p in self.model.contact_prompts(read.scored, read.ids) if p is not None]

    def _on_photos(self, read: "_Read", contact: Sequence[ContactPrompt]) -> dict[str, Tensor]:
        """Return the losses of masks on the photographs."""
        on_body = read.on_body
        return self.photos.losses(
            read.pictures,
            read.features,
            read.index,
            read.affine,
            read.queries[:on_body],
            read.rows[:on_body],
            contact[:on_body],
        )

    def _on_surfaces(
        self, read: "_Read", contact: Sequence[ContactPrompt], rng: random.Random
    ) -> dict[str, Tensor]:
        """Return the losses of masks in the views and of vertices.

        Args:
            read: questions and their surfaces.
            contact: what each of them asks the surface's views for.
            rng: draws views.
        """
        device, groups = device_of(self), read.groups
        objects = [self.surfaces.object(group[0].instance or "") for group in groups[1:]]
        surfaces = [surface.to(device) for surface in (self.surfaces.body, *objects)]
        views = [self._views(surface, rng) for surface in surfaces]
        renders = [s.views[v] for s, v in zip(surfaces, views, strict=True)]
        embedded = self.model.embed_views(torch.cat(renders).to(device))
        embeddings = embedded.split([len(v) for v in views])
        total: dict[str, list[Tensor]] = defaultdict(list)
        start = 0
        for group, surface, seen_from, embedding in zip(
            groups, surfaces, views, embeddings, strict=True
        ):
            part = slice(start, start + len(group))
            start += len(group)
            on_object = group[0].task != "human_contact"
            logits, iou = self.model.localize(contact[part], embedding, on_object)
            target = surface.vertex_targets([q.vertices for q in read.queries[part]])
            for key, value in self._contact(logits, iou, target, surface, seen_from).items():
                total[key].append(value)
        return {key: torch.cat(values).mean() for key, values in total.items()}

    def _draw(self, rng: random.Random) -> tuple[list[int], list[int], list[list[Target]]]:
        """Return images, the image (by its place among them) of every question, and questions.

        The questions come by surface, those about the body first.
        """
        batch, per_image = self.batch, self.batch.questions
        chosen = rng.choices(self.human.images, k=batch.images)
        groups = [[q for image in chosen for q in self.human.draw(image, per_image, rng)]]
        for name in rng.choices(self.instance_names, k=batch.instances):
            queries = rng.choices(self.by_instance[name], k=batch.object_images)
            chosen += [q.image_index for q in queries]
            groups.append(queries)
        rows = [row for row in range(batch.images) for _ in range(per_image)]
        return chosen, rows + list(range(batch.images, len(chosen))), groups

    def _views(self, surface: TrainingSurface, rng: random.Random) -> list[int]:
        """Draw the views of this step: decoding all of the body's is most of a step's cost."""
        count = surface.num_views
        if self.model.config.sam.decoder == "queries":
            return list(range(count))
        return sorted(rng.sample(range(count), min(count, self.batch.views)))

    def _contact(
        self,
        logits: Tensor,
        iou: Tensor,
        target: Tensor,
        surface: TrainingSurface,
        views: Sequence[int],
    ) -> dict[str, Tensor]:
        """Return per-sample mask and vertex losses of one surface, from some of its views."""
        w, valid = self.weights, surface.on_surface[views]
        masks = surface.mask_targets(target)[:, views]
        probabilities = logits.sigmoid()
        fine = upscale(logits, surface.lift_size).sigmoid()
        everywhere = fine.new_zeros(len(fine), surface.num_views, *fine.shape[2:])
        counted = fine.new_zeros(len(fine), surface.num_views)
        everywhere[:, views], counted[:, views] = fine, 1.0
        by_pixels = self.model.config.lift.weighting == "pixels"
        scores = surface.lift.lift(everywhere, counted, by_pixels=by_pixels).scores
        seen = surface.seen_from(views)
        return {
            "mask_bce": w.mask_bce * focal_bce(logits, masks, valid, gamma=0.0),
            "mask_dice": w.mask_dice * dice(probabilities, masks, valid),
            "vertex_bce": w.vertex_bce * contact_bce(scores, target, seen),
            "vertex_dice": w.vertex_dice * dice(scores, target, seen),
            "mask_iou": w.mask_iou * iou_error(probabilities.detach(), masks, valid, iou),
        }


def split_validation(count: int, fraction: float = 0.04) -> tuple[list[int], list[int]]:
    """Return training and validation image indices; the last images validate."""
    held = max(1, int(count * fraction))
    order = np.arange(count)
    return order[:-held].tolist(), order[-held:].tolist()


def shared_images(images: Sequence[int], share: float, seed: int) -> list[int]:
    """Return a share of training images, at least one: the first of an order drawn by the seed.

    A larger share of the same seed has all images of a smaller one.

    Raises:
        ValueError: the share is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    if share == 1:
        return list(images)
    order = list(images)
    random.Random(f"{seed} share").shuffle(order)
    return sorted(order[: max(1, round(share * len(order)))])

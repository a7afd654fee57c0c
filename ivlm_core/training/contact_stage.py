"""Stage 2: text and contact on surfaces, end to end."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ivlm_core.datasets.sample import Target
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.losses import contact_bce, dice, focal_bce, iou_error
from ivlm_core.model.processor import Processor
from ivlm_core.model.vlm import text_loss
from ivlm_core.pipeline import upscale
from ivlm_core.training.arrays import TrainingArrays, augmented
from ivlm_core.training.augment import Affine
from ivlm_core.training.contact_settings import ContactBatch, LossWeights
from ivlm_core.training.heads import StageHeads, token_loss
from ivlm_core.training.questions import Asked, ImageQuestions, Questions, ask
from ivlm_core.training.run import device_of
from ivlm_core.training.surfaces import TrainingSurface, TrainingSurfaces


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
    features: Tensor
    """`[picture, patch, hidden]` of the vision tower."""
    asked: Asked
    """The questions in one row, read with their right answers."""

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
        told = self.questions.targets(
            read.asked.queries[:on_body], targets, joints, read.rows[:on_body]
        )
        looked = None if read.asked.looked is None else read.asked.looked[:on_body]
        known = self.heads.dense.losses(read.features, targets)
        known |= self.heads.questions.losses(read.asked.tokens[:on_body], looked, told)
        parts = {f"known_{k}": self.weights.known * v for k, v in known.items()}
        scored = read.asked.scored
        parts["text"] = self.weights.text * text_loss(scored.logits, scored.labels)
        contact = read.asked.contact(self.model)
        parts["known_token"] = self.weights.known * token_loss(
            self.heads, contact[:on_body], told.contact
        )
        return parts | self._on_surfaces(read, contact, rng)

    def _read(self, rng: random.Random, generator: torch.Generator) -> "_Read":
        """Draw pictures and questions about them; read both, with the right answers."""
        chosen, rows, groups = self._draw(rng)
        index = torch.tensor(chosen)
        affine = Affine.draw(len(index), generator, torch.arange(len(index)) < self.batch.images)
        vlm, drawn = self.model.vlm, [q for group in groups for q in group]
        features = vlm.tower(augmented(self.arrays.to(device_of(self)), index, affine, generator))
        asked = ask(vlm, self.questions, features[rows], drawn, affine.mirrored[rows], rng)
        return _Read(groups, rows, index, affine, features, asked)

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
            target = surface.vertex_targets([q.vertices for q in read.asked.queries[part]])
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

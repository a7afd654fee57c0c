"""The two stages: dense supervision of the vision tower, then text and contact, end to end."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ivlm_core.datasets.mirror import mirror_target
from ivlm_core.datasets.sample import Target
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model import prompts
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.losses import dice, focal_bce, vertex_bce
from ivlm_core.model.processor import Processor, normalise_images
from ivlm_core.model.vlm import text_loss
from ivlm_core.pipeline import upscale
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine, jitter_colours, warp_images
from ivlm_core.training.dense import DenseHeads, DenseSizes
from ivlm_core.training.surfaces import TrainingSurface


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the contact stage counts."""

    text: float = 2.0
    mask_bce: float = 2.0
    mask_dice: float = 1.0
    vertex_bce: float = 1.0
    vertex_dice: float = 2.0
    mask_iou: float = 0.1
    dense: float = 0.3


def make_heads(model: IvlmModel, arrays: TrainingArrays) -> DenseHeads:
    """Return stage 1 heads that fit a tower and a dataset."""
    vision = model.config.vision
    sizes = DenseSizes(
        hidden=vision.hidden_size,
        grid=vision.image_size // vision.patch_size,
        cells_per_patch=4,
        parts=len(arrays.part_names),
        categories=len(arrays.categories),
        joints=len(arrays.joint_names),
    )
    return DenseHeads(sizes)


class DenseStage:
    """Stage 1 losses, a batch of images a step."""

    def __init__(
        self,
        model: IvlmModel,
        heads: DenseHeads,
        arrays: TrainingArrays,
        images: Sequence[int],
        batch_size: int,
        seed: int,
    ) -> None:
        self.tower, self.heads, self.arrays = model.vlm.tower, heads, arrays
        self.images = torch.tensor(images)
        self.batch_size, self.seed = batch_size, seed
        self.side = heads.sizes.grid * heads.sizes.cells_per_patch

    def losses(self, step: int) -> dict[str, Tensor]:
        """Return the loss parts of a step."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = torch.randint(len(self.images), (self.batch_size,), generator=generator)
        index = self.images[chosen]
        may_mirror = torch.ones(len(index), dtype=torch.bool)
        affine = Affine.draw(len(index), generator, may_mirror)
        features = self.tower(augmented(self.arrays.images[index], affine, generator))
        targets = self.arrays.dense_targets(index, affine, self.side)
        return self.heads.losses(features, targets)


def augmented(images: Tensor, affine: Affine, generator: torch.Generator) -> Tensor:
    """Return uint8 images `[batch, size, size, 3]` as augmented model input."""
    warped = warp_images(normalise_images(images), affine)
    return jitter_colours(warped, generator)


class ContactStage:
    """Stage 2 losses: questions about bodies, and about a few object instances, a step."""

    def __init__(
        self,
        model: IvlmModel,
        processor: Processor,
        heads: DenseHeads,
        arrays: TrainingArrays,
        images: Sequence[int],
        body: Body,
        object_mesh: Callable[[str], Mesh],
        *,
        human_batch: int,
        object_batch: int,
        instances: int,
        known_instances: int,
        lift_size: int,
        weights: LossWeights,
        seed: int,
    ) -> None:
        self.model, self.processor, self.heads, self.arrays = model, processor, heads, arrays
        self.body, self.object_mesh, self.lift_size = body, object_mesh, lift_size
        self.surfaces: dict[str, TrainingSurface] = {}
        self.surface = TrainingSurface.body(body.mesh, model.config, lift_size)
        self.human_batch, self.object_batch = human_batch, object_batch
        self.instances, self.weights, self.seed = instances, weights, seed
        self.side = heads.sizes.grid * heads.sizes.cells_per_patch
        allowed = set(images)
        self.human = [
            q for q in arrays.targets if q.task == "human_contact" and q.image_index in allowed
        ]
        self.by_instance: dict[str, list[Target]] = defaultdict(list)
        for query in arrays.targets:
            if query.task != "human_contact" and query.image_index in allowed:
                self.by_instance[query.instance or ""].append(query)
        names = sorted(self.by_instance)
        random.Random(seed).shuffle(names)
        self.instance_names = names[:known_instances]

    def losses(self, step: int) -> dict[str, Tensor]:
        """Return the loss parts of a step."""
        rng = random.Random(f"{self.seed} 2 {step}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        groups = [rng.choices(self.human, k=self.human_batch)]
        per_instance = self.object_batch // self.instances
        for name in rng.choices(self.instance_names, k=self.instances):
            groups.append(rng.choices(self.by_instance[name], k=per_instance))
        queries = [q for group in groups for q in group]

        index = torch.tensor([q.image_index for q in queries])
        may_mirror = torch.tensor([q.task == "human_contact" for q in queries])
        affine = Affine.draw(len(queries), generator, may_mirror)
        pixels = augmented(self.arrays.images[index], affine, generator)
        features = self.model.vlm.tower(pixels)
        dense = self.heads.losses(features, self.arrays.dense_targets(index, affine, self.side))
        parts = {f"dense_{k}": self.weights.dense * v for k, v in dense.items()}

        queries = [
            self._mirror(q) if flipped else q
            for q, flipped in zip(queries, affine.mirrored.tolist(), strict=True)
        ]
        ids, starts = self._ids(queries, rng)
        scored = self.model.vlm.score(self.model.vlm.mm_projector(features), ids, starts)
        parts["text"] = self.weights.text * text_loss(scored.logits, scored.labels)
        prompts_ = self.model.contact_prompts(scored, ids)

        views = [self.surface.views, *(self._object(g[0]).views for g in groups[1:])]
        embeddings = self.model.embed_views(torch.cat(views)).split([len(v) for v in views])
        total: dict[str, list[Tensor]] = defaultdict(list)
        start = 0
        for group, embedding in zip(groups, embeddings, strict=True):
            rows = slice(start, start + len(group))
            start += len(group)
            on_object = group[0].task != "human_contact"
            surface = self._object(group[0]) if on_object else self.surface
            logits, iou = self.model.localize(
                [p for p in prompts_[rows] if p is not None], embedding, on_object
            )
            target = surface.vertex_targets([q.vertices for q in queries[rows]])
            for key, value in self._contact(logits, iou, target, surface).items():
                total[key].append(value)
        parts |= {key: torch.cat(values).mean() for key, values in total.items()}
        return parts

    def _object(self, target: Target) -> TrainingSurface:
        """Return the surface of an object task, rendered when it is first asked about."""
        name = target.instance or ""
        if name not in self.surfaces:
            mesh, config = self.object_mesh(name), self.model.config
            self.surfaces[name] = TrainingSurface.object(mesh, config, self.lift_size)
        return self.surfaces[name]

    def _contact(
        self, logits: Tensor, iou: Tensor, target: Tensor, surface: TrainingSurface
    ) -> dict[str, Tensor]:
        """Return per-sample mask and vertex losses of one surface."""
        w, valid = self.weights, surface.on_surface
        masks = surface.mask_targets(target)
        probabilities = logits.sigmoid()
        scores = surface.lift.lift(upscale(logits, surface.lift_size).sigmoid()).scores
        seen = surface.lift.seen
        return {
            "mask_bce": w.mask_bce * focal_bce(logits, masks, valid, gamma=0.0),
            "mask_dice": w.mask_dice * dice(probabilities, masks, valid),
            "vertex_bce": w.vertex_bce * vertex_bce(scores, target, seen),
            "vertex_dice": w.vertex_dice * dice(scores, target, seen),
            "mask_iou": w.mask_iou * _iou_error(probabilities.detach(), masks, valid, iou),
        }

    def _mirror(self, target: Target) -> Target:
        mirrored = mirror_target(target, self.body.mirror)
        return replace(mirrored, parts=tuple(sorted(mirrored.parts, key=BODY_PARTS.index)))

    def _ids(
        self, queries: Sequence[Target], rng: random.Random
    ) -> tuple[list[list[int]], list[int]]:
        ids, starts = [], []
        for query in queries:
            wording = None if rng.random() < 0.5 else rng
            question = prompts.question(query.task, query.label, wording)
            prompt = self.processor.prompt_ids(question)
            ids.append(prompt + self.processor.answer_ids(query.task, query.details))
            starts.append(len(prompt))
        return ids, starts


def _iou_error(probabilities: Tensor, masks: Tensor, valid: Tensor, iou: Tensor) -> Tensor:
    """Return the squared error of the predicted mask IoU `[batch, view]`, per sample."""
    predicted, wanted = (probabilities > 0.5) & valid, (masks > 0.5) & valid
    overlap = (predicted & wanted).sum(dim=(-2, -1))
    union = (predicted | wanted).sum(dim=(-2, -1))
    actual = torch.where(union > 0, overlap / union.clamp(min=1), torch.ones_like(iou))
    return (iou - actual).square().mean(dim=1)


def split_validation(count: int, fraction: float = 0.04) -> tuple[list[int], list[int]]:
    """Return training and validation image indices; the last images validate."""
    held = max(1, int(count * fraction))
    order = np.arange(count)
    return order[:-held].tolist(), order[-held:].tolist()

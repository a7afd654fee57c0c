"""The questions of a split: which are asked, their words as ids, what is to be learned of them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ivlm_core.datasets.mirror import mirror_target
from ivlm_core.datasets.sample import Target
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.model import prompts
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.processor import Processor
from ivlm_core.model.resampler import QuestionResampler
from ivlm_core.model.vlm import Scored, Vlm
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.dense import DenseTargets, QuestionTargets
from ivlm_core.training.regions import BodyRegions
from ivlm_core.training.surfaces import vertex_targets


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
            self.looks(targets, dense, images),
        )

    def looks(self, targets: Sequence[Target], dense: DenseTargets, rows: Tensor) -> Tensor:
        """Return where the objects asked about are; for the scene, what touches the ground.

        Args:
            targets: one a question.
            dense: what the pictures show.
            rows: `[question]`, the picture of each.

        Returns:
            `[question, patch]`, shares of the object; 0 everywhere where it is not in sight.
        """
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

    def of(self, image: int) -> list[Target]:
        """Return the questions about an image."""
        return self._asked[image]

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

    def draw_batch(self, images: int, per_image: int, rng: random.Random) -> "DrawnQuestions":
        """Draw images, and as many questions about each."""
        chosen = rng.choices(self.images, k=images)
        return DrawnQuestions(
            torch.tensor(chosen),
            [row for row in range(images) for _ in range(per_image)],
            [question for image in chosen for question in self.draw(image, per_image, rng)],
        )


@dataclass(frozen=True)
class DrawnQuestions:
    """Questions about some images of the split."""

    images: Tensor
    """`[image]`, their numbers in the split; one may come twice."""
    rows: list[int]
    """Which of them each question is about."""
    questions: list[Target]


@dataclass(frozen=True)
class Asked:
    """Questions about pictures, read with their right answers."""

    queries: list[Target]
    """One a question, those of mirrored pictures mirrored."""
    tokens: Tensor
    """`[question, token, hidden]` image tokens."""
    looked: Tensor | None
    """Where a resampler looked for them."""
    scored: Scored
    ids: list[list[int]]
    """Questions with their right answers."""

    def contact(self, model: IvlmModel) -> list[ContactPrompt]:
        """Return what each asks for: every right answer has a token, so none is left out."""
        return [p for p in model.contact_prompts(self.scored, self.ids) if p is not None]


def ask(
    vlm: Vlm,
    questions: Questions,
    features: Tensor,
    drawn: Sequence[Target],
    mirrored: Tensor,
    rng: random.Random,
    boxes: Tensor | None = None,
) -> Asked:
    """Read questions with their right answers.

    Args:
        vlm: what reads them.
        questions: makes ids of questions and answers.
        features: `[question, patch, hidden]` of the picture of each.
        drawn: the questions, as of pictures that are not mirrored.
        mirrored: bool `[question]`, which pictures are.
        rng: draws wordings.
        boxes: `[question, 4]`, where the objects are (`Vlm.image_tokens`).
    """
    queries = questions.mirrored(drawn, mirrored)
    written = questions.prompts(queries, rng)
    if isinstance(vlm.mm_projector, QuestionResampler):
        tokens, looked = vlm.resample(features, written, boxes)
    else:
        tokens, looked = vlm.image_tokens(features, written, boxes), None
    ids = [prompt + questions.answer(q) for prompt, q in zip(written, queries, strict=True)]
    scored = vlm.score(tokens, ids, [len(prompt) for prompt in written])
    return Asked(queries, tokens, looked, scored, ids)

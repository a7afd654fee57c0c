"""Stage 4: what the finished token embeddings say of the body's vertices, without renders.

All else is frozen, so every question is read once and its embedding kept: a step is then two small
matrix products, and thousands of them cost less than the reading.
"""

import random
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ivlm_core.datasets.sample import Target
from ivlm_core.model import prompts
from ivlm_core.training.arrays import augmented
from ivlm_core.training.augment import Affine
from ivlm_core.training.heads import vertex_loss
from ivlm_core.training.question_stage import QuestionStage
from ivlm_core.training.questions import ask
from ivlm_core.training.run import device_of
from ivlm_core.training.surfaces import vertex_targets

_READ_AT_ONCE = 16
_SCENE_WEIGHT = 0.5
"""The ground is asked about in nearly every picture, and the answer varies little."""


class BodyStage(QuestionStage):
    """Stage 4 losses: a batch of questions about the body a step; only the `body_head` learns."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._embeddings: Tensor | None = None
        self._targets: list[Target] = []
        self._weights: list[float] = []

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss of the batch of this number; the first call reads all pictures."""
        if self._embeddings is None:
            self._embeddings = self._read()
        rng = random.Random(f"{self.seed} 4 {batch}")
        rows = rng.choices(range(len(self._targets)), self._weights, k=self.batch_size)
        vertices = [self._targets[row].vertices for row in rows]
        touched = vertex_targets(vertices, self.questions.body.mesh.num_vertices)
        head = self.model.body_head
        assert head is not None
        return {"vertices": vertex_loss(head(self._embeddings[rows]), touched.to(device_of(self)))}

    @torch.no_grad()
    def _read(self) -> Tensor:
        """Ask all questions, each about one view of its picture; return `[question, embed_dim]`."""
        self.model.eval()
        found, images = [], self.asked.images
        starts = range(0, len(images), _READ_AT_ONCE)
        for start in tqdm(starts, desc="body: reading", leave=False):
            found.append(self._read_images(images[start : start + _READ_AT_ONCE]))
        self.model.train()
        self._weights = [
            _SCENE_WEIGHT if target.label == prompts.SCENE_LABEL else 1.0
            for target in self._targets
        ]
        return torch.cat(found)

    def _read_images(self, images: list[int]) -> Tensor:
        rng = random.Random(f"{self.seed} 4 read {images[0]}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        index = torch.tensor(images)
        affine = Affine.draw(len(index), generator)
        vlm = self.model.vlm
        features = vlm.tower(augmented(self.arrays.to(device_of(self)), index, affine, generator))
        drawn = [(row, q) for row, i in enumerate(images) for q in self.asked.of(i)]
        rows = [row for row, _ in drawn]
        asked = ask(
            vlm, self.questions, features[rows], [q for _, q in drawn], affine.mirrored[rows], rng
        )
        self._targets += asked.queries
        return torch.stack([p.embedding for p in asked.contact(self.model)]).float()

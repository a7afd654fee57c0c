"""Stage 4: what the finished token embeddings say of the body's vertices, without renders.

All else is frozen, so every question is read once and its embedding kept: a step is then two small
matrix products, and thousands of them cost less than the reading.
"""

import random

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ivlm_core.datasets.sample import Target
from ivlm_core.model import prompts
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.training.arrays import TrainingArrays, augmented
from ivlm_core.training.augment import Affine
from ivlm_core.training.heads import StageHeads, vertex_loss
from ivlm_core.training.questions import ImageQuestions, Questions, ask
from ivlm_core.training.run import device_of
from ivlm_core.training.surfaces import vertex_targets

_READ_AT_ONCE = 16
_SCENE_WEIGHT = 0.5
"""The ground is asked about in nearly every picture, and the answer varies little."""


class BodyStage(nn.Module):
    """Stage 4 losses: a batch of questions about the body a step.

    Args:
        model: with a `body_head`, the only part that learns.
        heads: of the other stages, so that their checkpoints and this one's hold the same parts.
        questions: makes ids of questions and answers.
        arrays: the split.
        images: those that are learned from.
        batch_size: questions of a step.
        seed: of augmentation and batches.
    """

    def __init__(
        self,
        model: IvlmModel,
        heads: StageHeads,
        questions: Questions,
        arrays: TrainingArrays,
        images: list[int],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.heads, self.questions, self.arrays = model, heads, questions, arrays
        self.batch_size, self.seed = batch_size, seed
        self.asked = ImageQuestions(arrays.targets, images, "human")
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

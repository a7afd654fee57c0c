"""Stage 1: dense supervision of what sees and reads; nothing is rendered."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.vlm import text_loss
from ivlm_core.training.arrays import TrainingArrays, augmented
from ivlm_core.training.augment import Affine
from ivlm_core.training.heads import StageHeads, token_loss
from ivlm_core.training.questions import ImageQuestions, Questions, ask
from ivlm_core.training.run import device_of


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
        drawn = self.asked.draw_batch(self.batch_size, self.per_image, rng)
        index, rows = drawn.images, drawn.rows
        affine = Affine.draw(len(index), generator)
        arrays = self.arrays.to(device_of(self))
        pictures = augmented(arrays, index, affine, generator)
        vlm, mirrored = self.model.vlm, affine.mirrored[rows]
        features = vlm.tower(pictures)
        targets = arrays.dense_targets(index, affine, self.heads.cells)
        asked = ask(vlm, self.questions, features[rows], drawn.questions, mirrored, rng)
        joints = arrays.moved_joints(index, affine)
        answers = self.questions.targets(asked.queries, targets, joints, rows)
        scored = asked.scored
        return {
            **self.heads.dense.losses(features, targets),
            **self.heads.questions.losses(asked.tokens, asked.looked, answers),
            "text": self.text_weight * text_loss(scored.logits, scored.labels),
            "token": token_loss(self.heads, asked.contact(self.model), answers.contact),
        }

"""Stage 1: dense supervision of what sees and reads; nothing is rendered."""

import random

import torch
from torch import Tensor, nn

from ivlm_core.model.vlm import text_loss
from ivlm_core.training.arrays import augmented
from ivlm_core.training.augment import Affine
from ivlm_core.training.heads import token_loss
from ivlm_core.training.question_stage import QuestionStage
from ivlm_core.training.questions import ask
from ivlm_core.training.run import device_of

_PER_IMAGE = 2
"""Questions about one picture."""


class DenseStage(QuestionStage):
    """Stage 1 losses: a batch of images a step, some questions about each."""

    text_weight = 1.0
    """Of the words, beside all else."""

    @property
    def trained(self) -> list[nn.Module]:
        """What this stage teaches."""
        vlm = self.model.vlm
        return [vlm.tower, vlm.mm_projector, vlm.language, self.model.projection, self.heads]

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 1 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        drawn = self.asked.draw_batch(self.batch_size, _PER_IMAGE, rng)
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

"""The last stage: masks of the body, decoded on all views and lifted as they are in use.

Masks on photographs go on beside them, or what they share with those of views would forget them.
"""

import random

import torch
from torch import Tensor

from ivlm_core.training.augment import Affine
from ivlm_core.training.stages import (
    ContactStage,
    answered,
    augmented,
    device_of,
    image_tokens,
)


class SurfaceStage(ContactStage):
    """Stage 3 losses: what localises learns on, what sees and speaks does not.

    Stage 2 decodes half of the body's views a step, because that is most of its cost; without
    gradients for vision and text there is time for all of them.
    """

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 3 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        chosen = rng.choices(self.human.images, k=self.batch.images)
        index = torch.tensor(chosen)
        affine = Affine.draw(len(index), generator, torch.ones(len(index), dtype=torch.bool))
        rows = [row for row in range(len(chosen)) for _ in range(self.batch.questions)]
        # Also about what is not touched: no words may tell the token so (`token_place`).
        drawn = [q for i in chosen for q in self.human.draw(i, self.batch.questions, rng)]
        queries = self.questions.mirrored(drawn, affine.mirrored[rows])
        prompts = self.questions.prompts(queries, rng)
        device, vlm = device_of(self), self.model.vlm
        with torch.no_grad():
            pictures = augmented(self.arrays.to(device), index, affine, generator)
            features = vlm.tower(pictures)
            tokens, _ = image_tokens(vlm, features[rows], prompts)
            scored, ids = answered(vlm, self.questions, tokens, queries, prompts)
        found = [p for p in self.model.contact_prompts(scored, ids) if p is not None]
        surface = self.surface.to(device)
        embedded = self.model.embed_views(surface.views.to(device))
        logits, iou = self.model.localize(found, embedded, on_object=False)
        target = surface.vertex_targets([q.vertices for q in queries])
        every = range(surface.num_views)
        parts = self._contact(logits, iou, target, surface, every)
        return {key: value.mean() for key, value in parts.items()} | self.photos.losses(
            pictures, features, index, affine, queries, rows, found
        )

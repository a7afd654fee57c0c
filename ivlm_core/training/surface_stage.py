"""The last stage: masks of body and objects, decoded on all views and lifted as they are in use.

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
from ivlm_core.training.surfaces import TrainingSurface


class SurfaceStage(ContactStage):
    """Stage 3 losses: what localises learns on, what sees and speaks does not.

    Without gradients for vision and text there is time for every view, and for more questions.
    """

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 3 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        # Also about what is not touched: no words may tell the token so (`token_place`).
        chosen, rows, groups = self._draw(rng)
        on_body, index = len(groups[0]), torch.tensor(chosen)
        affine = Affine.draw(len(index), generator, torch.arange(len(index)) < self.batch.images)
        drawn = [q for group in groups for q in group]
        queries = self.questions.mirrored(drawn, affine.mirrored[rows])
        prompts = self.questions.prompts(queries, rng)
        vlm = self.model.vlm
        with torch.no_grad():
            pictures = augmented(self.arrays.to(device_of(self)), index, affine, generator)
            features = vlm.tower(pictures)
            tokens, _ = image_tokens(vlm, features[rows], prompts)
            scored, ids = answered(vlm, self.questions, tokens, queries, prompts)
        contact = [p for p in self.model.contact_prompts(scored, ids) if p is not None]
        photos = self.photos.losses(
            pictures, features, index, affine, queries[:on_body], rows[:on_body], contact[:on_body]
        )
        return self._on_surfaces(groups, queries, contact, rng) | photos

    def _views(self, surface: TrainingSurface, rng: random.Random) -> list[int]:
        return list(range(surface.num_views))

"""Stage 3: masks of body and objects, decoded on all views and lifted as they are in use."""

import random

import torch
from torch import Tensor

from ivlm_core.training.contact_stage import ContactStage
from ivlm_core.training.surfaces import TrainingSurface


class SurfaceStage(ContactStage):
    """Stage 3 losses: what localises learns on, what sees and speaks does not.

    Without gradients for vision and text there is time for every view, and for more questions.
    """

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 3 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        with torch.no_grad():
            read = self._read(rng, generator)
        return self._on_surfaces(read, read.asked.contact(self.model), rng)

    def _views(self, surface: TrainingSurface, rng: random.Random) -> list[int]:
        return list(range(surface.num_views))

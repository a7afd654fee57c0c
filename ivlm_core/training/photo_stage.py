"""Stage 6: masks on the photographs themselves, with all that was learned before frozen.

They are compared at the picture's size, as they are restored in use. Most questions have few pixels
to find or none, so those with some in sight are drawn more often.
"""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ivlm_core.datasets.sample import Target
from ivlm_core.model import prompts
from ivlm_core.model.losses import contact_bce, dice, iou_error
from ivlm_core.model.masks import upscale
from ivlm_core.training.arrays import augmented
from ivlm_core.training.augment import Affine, warp_map
from ivlm_core.training.dense import IGNORE
from ivlm_core.training.question_stage import QuestionStage
from ivlm_core.training.questions import ask
from ivlm_core.training.run import device_of

_PER_IMAGE = 2
"""Questions about one picture."""
_SCENE, _UNSEEN = 0.3, 0.25
"""How often the ground, and objects not seen in contact, are asked about, beside objects that are:
the ground's mask varies little, and of an empty one little is learned."""


class PhotoStage(QuestionStage):
    """Stage 6 losses: a batch of pictures a step; only the `photo_decoder` learns."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._rates = {image: self._rates_of(image) for image in self.asked.images}
        self._images_rates = [sum(self._rates[image]) for image in self.asked.images]

    def _rates_of(self, image: int) -> list[float]:
        """How often each question about an image is to be asked."""
        seen = {int(rank) for rank in self.arrays.contacts[image].unique()}
        return [
            _SCENE
            if target.label == prompts.SCENE_LABEL
            else 1.0
            if self.arrays.labels.index(target.label) + 1 in seen
            else _UNSEEN
            for target in self.asked.of(image)
        ]

    def forward(self, batch: int) -> dict[str, Tensor]:
        """Return the loss parts of the batch of this number."""
        rng = random.Random(f"{self.seed} 6 {batch}")
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        images = rng.choices(self.asked.images, self._images_rates, k=self.batch_size)
        drawn = [q for image in images for q in self._draw(image, rng)]
        rows = [row for row in range(len(images)) for _ in range(_PER_IMAGE)]
        index = torch.tensor(images)
        affine = Affine.draw(len(index), generator)
        model, arrays = self.model, self.arrays.to(device_of(self))
        with torch.no_grad():
            pictures = augmented(arrays, index, affine, generator)
            features = model.vlm.tower(pictures)
            asked = ask(
                model.vlm, self.questions, features[rows], drawn, affine.mirrored[rows], rng
            )
            contact = asked.contact(model)
        logits, iou = model.localize_photos(contact, model.embed_photos(pictures, features)[rows])
        side = pictures.shape[-1]
        logits = upscale(logits[:, None], side)
        device = arrays.contacts.device
        labels = [arrays.labels.index(q.label) for q in drawn]
        masks = touched(arrays.contacts[index.to(device)], affine.to(device), labels, rows, side)
        return self._losses(logits, masks[:, None], iou[:, None])

    def _draw(self, image: int, rng: random.Random) -> list[Target]:
        return rng.choices(self.asked.of(image), self._rates[image], k=_PER_IMAGE)

    def _losses(self, logits: Tensor, masks: Tensor, iou: Tensor) -> dict[str, Tensor]:
        """Return how wrong masks `[question, 1, side, side]` and their predicted IoU are."""
        found = logits.float().sigmoid()
        flat, wanted = found.flatten(1), masks.flatten(1)
        everywhere = torch.ones_like(masks, dtype=torch.bool)
        return {
            "bce": 0.2 * contact_bce(flat, wanted, everywhere[0].flatten()).mean(),
            "dice": 0.5 * dice(flat, wanted).mean(),
            "iou": 0.1 * iou_error(found.detach(), masks, everywhere, iou).mean(),
        }


def touched(
    contacts: Tensor, affine: Affine, labels: Sequence[int], rows: Sequence[int], side: int
) -> Tensor:
    """Return where the body is seen to touch what is asked about, per question.

    Args:
        contacts: `TrainingArrays.contacts` of the photographs.
        affine: how the photographs were moved.
        labels: of every question, counted as in `TrainingArrays.labels`.
        rows: the photograph of every question.
        side: of the masks.

    Returns:
        float32 `[question, side, side]`, 1 in contact; empty where nothing is touched, in sight or
        there.
    """
    moved = warp_map(contacts, affine, side, IGNORE)
    asked = torch.tensor(labels, device=moved.device)[:, None, None]
    return (moved[rows] == asked + 1).float()

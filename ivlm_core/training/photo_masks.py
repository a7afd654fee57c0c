"""Masks on the photographs themselves: what is shown, what is to be found, how far off it is.

Contact in sight is small: half of nano's true masks have 14 pixels or fewer of a picture of 192 x
192, less than two cells of the decoder's grid of 64. So they are compared at the picture's size, as
they are restored in use: masks learned freely against cells reached an F1 of 0.4, against pixels
0.6.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ivlm_core.datasets.sample import Target
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.losses import dice, focal_bce, iou_error
from ivlm_core.model.masks import restore_masks
from ivlm_core.model.processor import CLIP_MEAN, CLIP_STD
from ivlm_core.model.sam import normalise_views
from ivlm_core.training.arrays import TrainingArrays
from ivlm_core.training.augment import Affine, warp_map
from ivlm_core.training.contact_settings import LossWeights
from ivlm_core.training.dense import IGNORE


class PhotoMasks:
    """Losses of some photographs of a step.

    Args:
        model: whose token asks, and whose encoder sees renders and photographs.
        arrays: the split.
        images: photographs of a step; encoding them is what they cost.
        weights: of the losses.
    """

    def __init__(
        self, model: IvlmModel, arrays: TrainingArrays, images: int, weights: LossWeights
    ) -> None:
        self.model, self.arrays, self.images, self.weights = model, arrays, images, weights

    def losses(
        self,
        pictures: Tensor,
        features: Tensor,
        index: Tensor,
        affine: Affine,
        queries: Sequence[Target],
        rows: Sequence[int],
        asked: Sequence[ContactPrompt],
    ) -> dict[str, Tensor]:
        """Return the mean losses of the questions about the first photographs.

        Args:
            pictures: float `[image, 3, side, side]`, augmented, as CLIP reads them, where the
                arrays and the model are.
            features: `[image, patch, hidden]`, what the vision tower makes of them.
            index: `[image]`, which they are.
            affine: how they were moved.
            queries: questions about the body.
            rows: the picture of each.
            asked: what the answer to each asks for.
        """
        chosen = [i for i, row in enumerate(rows) if row < self.images]
        if not chosen:
            return {}
        places = [rows[i] for i in chosen]
        prompts = [asked[i] for i in chosen]
        if self.model.photo_neck is not None:
            size = self.model.config.vision.image_size
            embedded = self.model.photo_neck(features[: self.images])
        else:
            size = self.model.config.sam.image_size
            embedded = self.model.embed_views(photographs(pictures[: self.images], size))
        logits, iou = self.model.localize_photos(prompts, embedded[places])
        side = pictures.shape[-1]
        maps = self.arrays.contacts
        contact = maps[index[: self.images].to(maps.device)]
        moved = first(affine, self.images).to(maps.device)
        labels = [self.arrays.labels.index(queries[i].label) for i in chosen]
        masks = touched(contact, moved, labels, places, side)[:, None]

        logits = restore_masks(logits[:, None], size, (size, size), (side, side))
        everywhere = torch.ones_like(masks, dtype=torch.bool)
        found, w, iou = logits.sigmoid(), self.weights, iou[:, None]
        parts = {
            "photo_bce": w.photo_bce * focal_bce(logits, masks, everywhere),
            "photo_dice": w.photo_dice * dice(found, masks, eps=1.0, skip_empty=False),
            "photo_iou": w.mask_iou * iou_error(found.detach(), masks, everywhere, iou),
        }
        return {key: value.mean() for key, value in parts.items()}


def photographs(pictures: Tensor, size: int) -> Tensor:
    """Turn CLIP's input `[image, 3, side, side]` into SAM's `[image, 3, size, size]`.

    Colours that augmentation made brighter than white or darker than black are cut off, as a
    camera does.
    """
    mean, std = pictures.new_tensor(CLIP_MEAN), pictures.new_tensor(CLIP_STD)
    colours = (pictures.permute(0, 2, 3, 1) * std + mean).clamp(0, 1) * 255
    return interpolate(
        normalise_views(colours), (size, size), mode="bilinear", align_corners=False, antialias=True
    )


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


def first(affine: Affine, count: int) -> Affine:
    """Return what is done to the first pictures."""
    return Affine(affine.scale[:count], affine.shift[:count], affine.mirrored[:count])

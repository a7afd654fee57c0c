"""What a step of stages 2 and 3 looks at, and how much each of its losses counts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the contact stage counts.

    Masks are a guide only: nano's targets of 64 pixels, lifted back, give an F1 of 0.83, while
    logits that are free to serve the vertices reach 0.95. So the vertices decide.
    """

    text: float = 2.0
    mask_bce: float = 0.1
    mask_dice: float = 0.05
    vertex_bce: float = 0.5
    vertex_dice: float = 2.0
    mask_iou: float = 0.1
    """Of the IoU that the decoder predicts of its own masks."""
    known: float = 0.3
    """Of the losses of stage 1, which go on."""


@dataclass(frozen=True)
class ContactBatch:
    """What a step of the contact stage looks at."""

    images: int = 8
    """Pictures that are asked about the body."""
    questions: int = 2
    """About each of them."""
    instances: int = 2
    """Object instances a step asks about."""
    object_images: int = 3
    """Pictures of each instance, one question about the object each."""
    views: int = 4
    """Views of a surface that SAM's decoder makes masks of, drawn anew for every step; the cheap
    one (`SamConfig.decoder`) makes all."""

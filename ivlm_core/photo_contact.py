"""Contact as a mask on the photograph itself (published kind `h2dcontact`): nothing is lifted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ivlm_core.model import prompts
from ivlm_core.model.masks import restore_masks
from ivlm_core.model.processor import check_image
from ivlm_core.official.preprocess import sam_input
from ivlm_core.official.prompts import answer_wordings, demo_question
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.pipeline import Pipeline

THRESHOLD = 0.5
"""Probability from which a pixel counts as in contact."""


@dataclass(frozen=True)
class PhotoContact:
    """Where a person in a photograph touches an object."""

    label: str
    answer: str
    """What the language model wrote, contact token included."""
    probabilities: np.ndarray
    """float32 `[height, width]` of the photograph, 0 where the answer has no contact token."""
    iou: float
    """Mask IoU that the decoder predicts; 0 without a contact token."""

    @property
    def contact(self) -> np.ndarray:
        """Bool `[height, width]`."""
        return self.probabilities >= THRESHOLD


def check_model(pipeline: Pipeline) -> None:
    """Refuse models that never learned to mask photographs.

    Published checkpoints of human contact pass: their files do not tell `h2dcontact` from
    `hcontact`.

    Raises:
        ValueError: with the reason.
    """
    style = pipeline.config.prompt
    human = not style.tasks or "human_contact" in style.tasks
    if style.answers != "published" or not human:
        raise ValueError(
            f"model {pipeline.config.name} was not trained to mask contact in photographs; "
            "published h2dcontact checkpoints are"
        )


@torch.inference_mode()
def contact_in_photo(pipeline: Pipeline, image: Any, label: str) -> PhotoContact:
    """Mask the parts of a person that touch an object, in the photograph.

    The photograph takes the place of the rendered views. Published code shows it once per view and
    decodes the same mask every time, since all view prompts enter every view; here it is decoded
    once.

    Args:
        pipeline: of a published h2dcontact checkpoint.
        image: uint8 RGB `[height, width, 3]`, a PIL image, or a path.
        label: the object; `scene` asks for the ground and other support.

    Raises:
        ValueError: the model was not trained for it, or image or label cannot be used.
        FileNotFoundError: an image path that does not exist.
    """
    check_model(pipeline)
    photo, words = check_image(image), prompts.clean_label(label)
    model, processor, size = pipeline.model, pipeline.processor, pipeline.config.sam.image_size
    question = demo_question("h2dcontact", words.replace(" ", "_"), ReferenceQuirks())
    prompt = processor.prompt_ids(question)
    pixels = processor.pixel_values([photo]).to(pipeline.device)
    drafter = processor.drafter("human_contact", wordings=answer_wordings("human_contact"))
    generated = model.answer_features(model.vlm.tower(pixels), [prompt], [drafter])
    answer = processor.decode(generated.ids[0][len(prompt) :])
    (asked,) = model.contact_prompts(generated, generated.ids)
    if asked is None:
        return PhotoContact(words, answer, np.zeros(photo.shape[:2], np.float32), 0.0)
    picture, fitted = sam_input(photo, size)
    embedding = model.embed_views(picture[None].to(pipeline.device))
    logits, iou = model.localize([asked], embedding, on_object=False)
    whole = restore_masks(logits, size, fitted, (photo.shape[0], photo.shape[1]))
    probabilities = whole[0, 0].sigmoid().float().cpu().numpy()
    return PhotoContact(words, answer, probabilities, float(iou[0, 0]))

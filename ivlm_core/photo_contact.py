"""Contact as a mask on the photograph itself: nothing is rendered or lifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ivlm_core.config import LiftConfig
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.lift.extent import contact_threshold
from ivlm_core.model import prompts
from ivlm_core.model.drafts import Drafter
from ivlm_core.model.ivlm import ContactPrompt
from ivlm_core.model.masks import restore_masks
from ivlm_core.model.processor import check_image, place_in_square
from ivlm_core.model.prompts import PHOTO_TASK
from ivlm_core.official.preprocess import sam_input
from ivlm_core.official.prompts import answer_wordings, demo_question
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.pipeline import Pipeline, unique_images

_DECIDED_BY = 256
"""Pixels of the longer side: more than the masks are decoded at, and soon sorted."""


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
    threshold: float = 0.5
    """Probability from which a pixel counts as in contact."""
    label_known: bool = True
    """False where the model was trained on a list of labels and this is none of them."""

    @property
    def task(self) -> str:
        """The question, `photo_contact`, as predictions on surfaces tell theirs."""
        return PHOTO_TASK

    @property
    def contact(self) -> np.ndarray:
        """Bool `[height, width]`."""
        return self.probabilities >= self.threshold


def check_model(pipeline: Pipeline) -> None:
    """Refuse models that never learned to mask photographs.

    Published checkpoints of human contact pass: their files do not tell `h2dcontact` from
    `hcontact`.

    Raises:
        ValueError: with the reason.
    """
    style = pipeline.config.prompt
    human = not style.tasks or "human_contact" in style.tasks
    if PHOTO_TASK not in style.tasks and (style.answers != "published" or not human):
        raise ValueError(
            f"model {pipeline.config.name} was not trained to mask contact in photographs; "
            "published h2dcontact checkpoints are"
        )


def contact_in_photo(
    pipeline: Pipeline, image: Any, label: str, box: PixelBox | None = None
) -> PhotoContact:
    """Mask what touches one object in one photograph; see `contact_in_photos`."""
    return contact_in_photos(pipeline, [image], [label], [box])[0]


@torch.inference_mode()
def contact_in_photos(
    pipeline: Pipeline,
    images: Sequence[Any],
    labels: Sequence[str],
    boxes: Sequence[PixelBox | None] | None = None,
) -> list[PhotoContact]:
    """Mask the parts of persons that touch objects, in the photographs.

    The photograph takes the place of the rendered views. Queries are answered together; those that
    share an image share its reading.

    Args:
        pipeline: of a model trained for `photo_contact`, or of a published h2dcontact checkpoint.
        images: one per query: uint8 RGB `[height, width, 3]`, a PIL image, or a path.
        labels: one per query: the object; `scene` asks for the ground and other support.
        boxes: one per query, where the object is, in pixels of the image; None where nothing is
            told (`Query.box`).

    Raises:
        ValueError: the model was not trained for it, an image, label or box cannot be used, or
            there are not as many of one as of the others.
        FileNotFoundError: an image path that does not exist.
    """
    check_model(pipeline)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images and {len(labels)} labels; expected one label each")
    if boxes is not None and len(boxes) != len(images):
        raise ValueError(f"{len(images)} images and {len(boxes)} boxes; expected one box each")
    if not images:
        return []
    boxes = [None] * len(images) if boxes is None else boxes
    checked, words = list(map(check_image, images)), list(map(prompts.clean_label, labels))
    boxes = list(map(pipeline.check_box, boxes, checked, words))
    photos, index = unique_images(checked)
    model, processor = pipeline.model, pipeline.processor
    ids = [processor.prompt_ids(_question(pipeline, label)) for label in words]
    drafters = [_drafter(pipeline, label) for label in words]
    pixels = processor.pixel_values(photos).to(pipeline.device)
    features = model.vlm.tower(pixels)
    squares = pipeline.square_boxes(boxes, checked)
    generated = model.answer_features(features[index], ids, drafters, squares)
    answers, asked = pipeline.dialogue.read_answers(
        [PHOTO_TASK] * len(ids), generated, generated.ids, ids
    )
    masks = _masks(pipeline, photos, pixels, features, index, asked)
    return [
        PhotoContact(
            label=label,
            answer=answer,
            probabilities=mask,
            iou=iou,
            threshold=_threshold(mask, pipeline.config.lift),
            label_known=pipeline.dialogue.asked_label(label) is not None,
        )
        for label, answer, (mask, iou) in zip(words, answers, masks, strict=True)
    ]


def _threshold(mask: np.ndarray, lift: LiftConfig) -> float:
    """Return the probability from which pixels of a mask `[height, width]` are in contact."""
    step = max(1, max(mask.shape) // _DECIDED_BY)
    return contact_threshold(mask[::step, ::step].ravel(), lift.photo_threshold, lift)


def _question(pipeline: Pipeline, label: str) -> str:
    """Return what the model learned to be asked with: published ones have words of their own."""
    style = pipeline.config.prompt
    if PHOTO_TASK not in style.tasks:
        return demo_question("h2dcontact", label.replace(" ", "_"), ReferenceQuirks())
    word = pipeline.dialogue.asked_label(label) or label
    return prompts.question("human_contact", word, label_words=style.label_words)


def _drafter(pipeline: Pipeline, label: str) -> Drafter:
    """Return what guesses the answer, without the part names of a body that needs its own file."""
    if pipeline.config.prompt.answers == "published":
        return pipeline.processor.drafter(
            "human_contact", wordings=answer_wordings("human_contact")
        )
    return pipeline.dialogue.drafter("human_contact", label)


def _masks(
    pipeline: Pipeline,
    photos: Sequence[np.ndarray],
    pixels: torch.Tensor,
    features: torch.Tensor,
    index: Sequence[int],
    asked: Sequence[ContactPrompt | None],
) -> list[tuple[np.ndarray, float]]:
    """Return probabilities `[height, width]` and predicted IoU of every query.

    Args:
        pipeline: of the model.
        photos: distinct photographs.
        pixels: `[photo, 3, height, width]`, as the vision tower reads them.
        features: `[photo, patch, hidden]` of the vision tower.
        index: the photograph of every query.
        asked: what every query's answer asks for.
    """
    model = pipeline.model
    found = [(np.zeros(photos[i].shape[:2], np.float32), 0.0) for i in index]
    rows = [row for row, prompt in enumerate(asked) if prompt is not None]
    if not rows:
        return found
    shown = sorted({index[row] for row in rows})
    places = [shown.index(index[row]) for row in rows]
    embeddings, fitted = _embed(
        pipeline, [photos[i] for i in shown], pixels[shown], features[shown]
    )
    prompts_asked = [p for p in asked if p is not None]
    logits, iou = model.localize_photos(prompts_asked, embeddings[places])
    for row, place, low, quality in zip(rows, places, logits, iou.tolist(), strict=True):
        height, width = photos[index[row]].shape[:2]
        size, inside, corner = fitted[place]
        whole = restore_masks(low[None, None], size, inside, (height, width), corner)
        found[row] = whole[0, 0].sigmoid().cpu().numpy(), quality
    return found


_Place = tuple[int, tuple[int, int], tuple[int, int]]
"""Side of the square that a photograph was put into, its (height, width) there, its (top, left)."""


def _embed(
    pipeline: Pipeline,
    photos: Sequence[np.ndarray],
    pixels: torch.Tensor,
    features: torch.Tensor,
) -> tuple[torch.Tensor, list[_Place]]:
    """Return what `IvlmModel.localize_photos` reads of each photograph, and where that shows it."""
    model, config = pipeline.model, pipeline.config
    if model.photo_decoder is None:
        inputs = [sam_input(photo, config.sam.image_size) for photo in photos]
        embedded = model.embed_views(torch.stack([p for p, _ in inputs]).to(pipeline.device))
        return embedded, [(config.sam.image_size, fitted, (0, 0)) for _, fitted in inputs]
    side, places = config.vision.image_size, []
    for photo in photos:
        height, width = photo.shape[:2]
        (wide, high), (left, top) = place_in_square(width, height, side, config.vision.fit)
        places.append((side, (high, wide), (top, left)))
    return model.embed_photos(pixels, features), places

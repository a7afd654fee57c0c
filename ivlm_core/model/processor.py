"""Camera image and question to model inputs: the only copy, shared by training and inference."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from ivlm_core.config import IvlmConfig
from ivlm_core.geometry.pixel_box import PixelBox
from ivlm_core.inputs import read_image
from ivlm_core.model import prompts
from ivlm_core.model.box_reader import in_square
from ivlm_core.model.drafts import AnswerFrame, TemplateDrafter
from ivlm_core.model.prompts import IMAGE_TEXT, Task
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER, ContactTokens
from ivlm_core.pixels import rgb_pixels

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def check_image(image: Any, name: str = "image") -> np.ndarray:
    """Return `image` as uint8 RGB `[height, width, 3]`.

    Args:
        image: such an array, a PIL image, or the path of an image file.
        name: what the error calls it.

    Raises:
        FileNotFoundError: the path does not exist.
        ValueError: the file is no image, or the array has another shape or type.
    """
    if isinstance(image, str | Path):
        if not Path(image).is_file():
            raise FileNotFoundError(f"{name} {image} does not exist")
        return read_image(image)
    if isinstance(image, Image.Image):
        return rgb_pixels(image)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        got = getattr(image, "shape", type(image).__name__)
        raise ValueError(f"{name}: expected RGB [height, width, 3], got {got}")
    if image.dtype != np.uint8:
        raise ValueError(f"{name}: expected uint8 in 0..255, got {image.dtype}")
    if min(image.shape[:2]) < 8:
        raise ValueError(f"{name}: {image.shape[1]}x{image.shape[0]} pixels are too few to read")
    return image


def place_in_square(
    width: int, height: int, size: int, fit: Literal["crop", "pad"]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how an image lies in the square that the vision tower reads.

    Returns:
        Width and height it is resized to, and left and top of it in the square; negative where
        `crop` leaves a border out.
    """
    if fit == "pad":
        scale = size / max(width, height)
        new = (max(1, round(width * scale)), max(1, round(height * scale)))
        return new, ((size - new[0]) // 2, (size - new[1]) // 2)
    if width <= height:
        new = (size, int(size * height / width))
    else:
        new = (int(size * width / height), size)
    return new, (-((new[0] - size) // 2), -((new[1] - size) // 2))


def _crop(image: Image.Image, size: int) -> Image.Image:
    """Shortest edge to `size` (bicubic), then the central square, as CLIP does."""
    new, (left, top) = place_in_square(*image.size, size, "crop")
    image = image.resize(new, Image.Resampling.BICUBIC)
    return image.crop((-left, -top, size - left, size - top))


def _pad(image: Image.Image, size: int) -> Image.Image:
    """Longest edge to `size`, grey bars on the rest: nothing of the picture is lost."""
    new, corner = place_in_square(*image.size, size, "pad")
    square = Image.new("RGB", (size, size), tuple(round(255 * m) for m in CLIP_MEAN))
    square.paste(image.resize(new, Image.Resampling.BILINEAR), corner)
    return square


class Processor:
    """Tokenizer and image preparation of one model."""

    def __init__(self, config: IvlmConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.config = config
        self.tokenizer = tokenizer
        names = config.tokens
        self.contact_tokens = ContactTokens(
            self._id(names.human),
            self._id(names.object),
            self._id(names.generic) if names.generic else None,
        )

    def _id(self, token: str) -> int:
        found = self.tokenizer.convert_tokens_to_ids(token)
        if found is None or found == self.tokenizer.unk_token_id:
            raise ValueError(
                f"the tokenizer has no token {token!r}, which the model's config names; "
                "the tokenizer files and config.json do not belong together"
            )
        return int(found)

    def pixel_values(self, images: Sequence[np.ndarray]) -> Tensor:
        """Map uint8 RGB images `[height, width, 3]` to `[batch, 3, size, size]`, normalised."""
        size = self.config.vision.image_size
        fit = _crop if self.config.vision.fit == "crop" else _pad
        squares = [
            image
            if image.shape[:2] == (size, size)
            else np.asarray(fit(Image.fromarray(image), size))
            for image in images
        ]
        return normalise_images(torch.from_numpy(np.stack(squares)))

    def square_boxes(
        self, boxes: Sequence[PixelBox | None], images: Sequence[np.ndarray]
    ) -> Tensor | None:
        """Return where boxes lie in what the vision tower reads of their images.

        Args:
            boxes: one per query, in pixels of its image; None where there is none.
            images: one per query, `[height, width, 3]`.

        Returns:
            `[query, 4]` left, top, right, bottom in [-1, 1] of the square, 0 where there is none
            or `crop` leaves it out; None without any box.
        """
        if all(box is None for box in boxes):
            return None
        size, fit = self.config.vision.image_size, self.config.vision.fit
        found = torch.zeros(len(boxes), 4)
        for row, box, image in zip(found, boxes, images, strict=True):
            if box is not None:
                height, width = image.shape[:2]
                (new_width, new_height), corner = place_in_square(width, height, size, fit)
                scale = torch.tensor([new_width / width, new_height / height]).repeat(2)
                moved = torch.tensor(box) * scale + torch.tensor(corner).repeat(2)
                row[:] = in_square(moved, size)
        return found

    def prompt_ids(self, question: str) -> list[int]:
        """Return the ids of the prompt, `IMAGE_PLACEHOLDER` standing for the image."""
        style = self.config.prompt
        text = prompts.conversation(style.conversation, question, style.mark_image)
        before, after = text.split(IMAGE_TEXT)
        bos = [self.tokenizer.bos_token_id]
        return [
            *bos,
            *self._encode(before.strip()),
            IMAGE_PLACEHOLDER,
            *self._encode(after.strip()),
        ]

    def answer_ids(
        self, task: Task, details: Sequence[str], wording: str | None = None
    ) -> list[int]:
        """Return the ids of the answer to be learned, end-of-sentence included."""
        if wording is None:
            wording = self.answer_wording(task)
        text = prompts.answer(task, self.contact_text(task), details, wording)
        return [*self._encode(text), self.tokenizer.eos_token_id]

    def drafter(
        self, task: Task, details: Sequence[str] = (), wordings: Sequence[str] = ()
    ) -> TemplateDrafter:
        """Return what guesses the constant part of a task's answers, for `Vlm.generate`.

        Args:
            task: the task.
            details: body parts or affordances that answers name, likelier ones first; a name
                that has begun is completed from them.
            wordings: of the answers, likelier ones first; without any, the model's own.
        """
        names = list(dict.fromkeys((*details, prompts.NO_PARTS, "left hand")))
        frames = []
        for wording in wordings or (self.answer_wording(task),):
            alone = [self.answer_ids(task, [name], wording) for name in names]
            pair = self.answer_ids(task, names[:2], wording)
            frames.append(AnswerFrame.from_answers(alone, pair))
        return TemplateDrafter(tuple(frames))

    def answer_wording(self, task: Task) -> str:
        """Return the sentence that answers the task, `{token}` and perhaps `{detail}` in it."""
        return prompts.ANSWERS[self.config.prompt.token_place][task]

    def contact_text(self, task: Task) -> str:
        """Return the contact token that answers the task."""
        names = self.config.tokens
        return names.human if task == "human_contact" else names.object

    def decode(self, ids: Sequence[int]) -> str:
        """Return an answer's text, contact tokens included."""
        stop = {self.tokenizer.eos_token_id, self.tokenizer.pad_token_id}
        kept = [i for i in ids if i not in stop]
        return self.tokenizer.decode(kept, skip_special_tokens=False).strip()

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def normalise_images(images: Tensor) -> Tensor:
    """Map uint8 RGB `[batch, height, width, 3]` to CLIP's input `[batch, 3, height, width]`."""
    mean = torch.tensor(CLIP_MEAN, device=images.device) * 255
    std = torch.tensor(CLIP_STD, device=images.device) * 255
    return ((images.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def build_tokenizer(
    corpus: Iterable[str], vocab_size: int, contact_tokens: Sequence[str]
) -> PreTrainedTokenizerFast:
    """Train a small byte-fallback BPE tokenizer with Llama's special ids.

    Bytes stand in the vocabulary, so any label can be written; frequent words become one token.

    Args:
        corpus: sentences the model will read and write.
        vocab_size: size before the added tokens.
        contact_tokens: added behind the vocabulary, then the image markers.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<unk>", "<s>", "</s>", *byte_tokens],
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789▁"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
    added = [*dict.fromkeys(contact_tokens), "<im_start>", "<im_end>"]
    fast.add_tokens([AddedToken(t, lstrip=True, special=True) for t in added], special_tokens=True)
    return fast

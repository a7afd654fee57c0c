"""Image preparation and tokenisation."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from ivlm_core.config import TokenConfig
from ivlm_core.model.box_reader import is_known
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import CLIP_MEAN, CLIP_STD, Processor, check_image
from ivlm_core.model.prompts import QUESTIONS, TASKS, clean_label, conversation, question
from ivlm_core.model.tokens import IMAGE_PLACEHOLDER

Tiny = tuple[IvlmModel, Processor]


def test_every_label_can_be_written(tiny: Tiny) -> None:
    processor = tiny[1]
    for text in ("zebra crossing", "Ünïcode 椅子 😀", "a/b_c-d"):
        ids = processor._encode(text)
        assert processor.tokenizer.unk_token_id not in ids
        assert processor.decode(ids) == text


def test_known_labels_are_single_tokens(tiny: Tiny) -> None:
    processor = tiny[1]
    assert len(processor._encode("bottle")) == len(processor._encode("chair")) == 1


def test_prompt_has_one_image_and_starts_with_bos(tiny: Tiny) -> None:
    processor = tiny[1]
    ids = processor.prompt_ids(question("human_contact", "bottle"))
    assert ids.count(IMAGE_PLACEHOLDER) == 1
    assert ids[0] == processor.tokenizer.bos_token_id
    assert ids.count(processor.tokenizer.bos_token_id) == 1


def test_answer_holds_the_token_of_its_task(tiny: Tiny) -> None:
    processor = tiny[1]
    tokens = processor.contact_tokens
    for task, wanted in zip(TASKS, (tokens.human, tokens.object, tokens.object), strict=True):
        ids = processor.answer_ids(task, ["left hand"])
        assert [i for i in ids if i in tokens.all] == [wanted]
        assert ids[-1] == processor.tokenizer.eos_token_id


def test_the_token_may_stand_before_what_is_named(tiny: Tiny) -> None:
    processor = tiny[1]
    config = processor.config
    first = replace(config, prompt=replace(config.prompt, token_place="first"))
    answers = Processor(first, processor.tokenizer)
    said = [processor.decode(answers.answer_ids(task, ["grasp"])) for task in TASKS]
    assert [re.sub(r"\s*(<\w+>)\s*", r" \1", text) for text in said] == [
        "It is <HCON>, body parts: grasp.",
        "It is <OCON>.",
        "It is <OCON>, affordance: grasp.",
    ]


def test_tokenizer_and_config_must_belong_together(tiny: Tiny) -> None:
    other = replace(TINY, tokens=TokenConfig(human="<NOPE>"))
    with pytest.raises(ValueError, match="no token '<NOPE>'"):
        Processor(other, tiny[1].tokenizer)


def test_padding_keeps_the_whole_picture(tiny: Tiny) -> None:
    processor = tiny[1]
    image = np.full((20, 60, 3), 255, np.uint8)
    pixels = processor.pixel_values([image])[0].numpy()
    assert pixels.shape == (3, 32, 32)
    white = (1 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
    np.testing.assert_allclose(pixels[:, 16], white[:, None].repeat(32, 1), atol=1e-5)
    assert np.abs(pixels[:, 0]).max() < 0.02  # the padding is the mean colour


def test_crop_takes_the_centre(tiny: Tiny) -> None:
    config = replace(TINY, vision=replace(TINY.vision, fit="crop"))
    processor = Processor(config, tiny[1].tokenizer)
    image = np.zeros((32, 96, 3), np.uint8)
    image[:, 32:64] = 255
    pixels = processor.pixel_values([image])[0]
    assert float(pixels[:, :, 2:-2].min()) > 1


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("size", [(400, 300), (300, 400), (320, 320), (32, 32)])
def test_boxes_lie_where_the_tower_sees_what_is_in_them(
    tiny: Tiny, size: tuple[int, int], fit: Literal["pad", "crop"]
) -> None:
    """A white box on black is white in the square there, and black around it."""
    vision = replace(TINY.vision, fit=fit)
    processor = Processor(replace(TINY, vision=vision), tiny[1].tokenizer)
    width, height = size
    box = (0.3 * width, 0.4 * height, 0.7 * width, 0.55 * height)
    image = np.zeros((height, width, 3), np.uint8)
    image[round(box[1]) : round(box[3]), round(box[0]) : round(box[2])] = 255
    shown = processor.pixel_values([image])[0, 0] > 0.5
    (found,) = processor.square_boxes([box], [image])
    left, top, right, bottom = ((found + 1) / 2 * vision.image_size).tolist()
    rows, columns = np.nonzero(shown.numpy())
    assert (columns.min(), rows.min()) == pytest.approx((left, top), abs=1.01)
    assert (columns.max() + 1, rows.max() + 1) == pytest.approx((right, bottom), abs=1.01)


def test_what_a_crop_leaves_out_is_not_known(tiny: Tiny) -> None:
    processor = Processor(replace(TINY, vision=replace(TINY.vision, fit="crop")), tiny[1].tokenizer)
    image = np.zeros((100, 400, 3), np.uint8)
    out, inside = processor.square_boxes([(0, 0, 90, 100), (180, 0, 220, 100)], [image] * 2)
    assert not is_known(out[None]) and is_known(inside[None])
    assert processor.square_boxes([None, None], [image] * 2) is None
    (unknown, _) = processor.square_boxes([None, (180, 0, 220, 100)], [image] * 2)
    assert not is_known(unknown[None])


@pytest.mark.parametrize("task", TASKS)
def test_all_wordings_take_the_label(task: str) -> None:
    assert all("{label}" in wording for wording in QUESTIONS[task])
    assert "mug" in question(task, "  Mug ")


def test_labels_are_cleaned() -> None:
    assert clean_label("  Water   Bottle ") == "water bottle"
    assert clean_label("tennis_racket") == clean_label("Tennis _racket_") == "tennis racket"
    with pytest.raises(ValueError, match="is empty"):
        clean_label("_ _")


@pytest.mark.parametrize("label", ["tennis racket", "tennis_racket", " Tennis  racket"])
def test_questions_join_the_words_of_a_label_as_the_model_learned_it(label: str) -> None:
    assert "with the tennis racket?" in question("human_contact", label)
    asked = question("human_contact", label, label_words="underscores")
    assert "with the tennis_racket?" in asked


def test_conversations() -> None:
    reference = conversation("llava_v1", "Where?", mark_image=True)
    assert reference.startswith("A chat between a curious human")
    assert reference.endswith("USER: <im_start><image><im_end>\nWhere? ASSISTANT:")
    assert conversation("plain", "Where?", mark_image=False) == "USER: <image>\nWhere? ASSISTANT:"


def test_images_of_every_kind(tmp_path: Path) -> None:
    array = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    assert check_image(array) is array
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    np.testing.assert_array_equal(check_image(path), array)
    grey = Image.fromarray(array[..., 0])
    assert check_image(grey).shape == (16, 16, 3)

"""Questions and answers per task, and the conversation around them.

The sentences of the reference models are interface constants: its checkpoints were trained on them.
"""

import random
import re
from collections.abc import Sequence
from typing import Literal

Task = Literal["human_contact", "object_contact", "object_affordance"]
TASKS: tuple[Task, ...] = ("human_contact", "object_contact", "object_affordance")

PhotoTask = Literal["photo_contact"]
PHOTO_TASK: PhotoTask = "photo_contact"
"""Contact as a mask on the photograph itself: question, answer and token are those of
`human_contact`, nothing is rendered or lifted."""

SCENE_LABEL = "scene"
"""Label that asks for contact with the ground and any other unnamed support."""

NO_PARTS = "none"
"""Stands where the answer names no body part."""
_SAID_NONE = re.compile(rf"\b{NO_PARTS}\b")

IMAGE_TEXT = "<image>"

_SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)

QUESTIONS: dict[Task, tuple[str, ...]] = {
    "human_contact": (
        "Which body parts are in contact with the {label}? Segment these contact areas.",
        "Name and segment the specific body parts making contact with the {label}.",
        "Looking at the {label}, what parts of the human body are touching it? "
        "Show these contact regions.",
        "For the {label}, list and mask the human body parts that are in contact.",
        "Regarding the {label}, identify which body parts are touching it and highlight these "
        "contact areas.",
    ),
    "object_contact": (
        "Segment the area on the {label} where the human is making direct contact in this image.",
        "Identify and mask the part of the {label} that the human is touching or interacting "
        "with in this scene.",
        "Show the contact points on the {label} where the human is physically connected to or "
        "interacting with it.",
        "Please provide a segmentation mask of the parts of the {label} that are in contact "
        "with the human.",
        "Highlight the areas on the {label} where there is physical interaction or contact with "
        "the human.",
    ),
    "object_affordance": (
        "What type of affordance does the human-object interaction suggest? Then, segment the "
        "area on the {label} where the human is making contact.",
        "Describe the affordance provided by the interaction, and identify the part of the "
        "{label} that the human is touching or interacting with in this scene.",
        "Explain the affordance type shown by the contact points on the {label} where the human "
        "is physically connected. Then show the segmentation mask.",
        "Specify the affordance implied by the human's contact with the {label}, then provide a "
        "segmentation mask of the contact area.",
        "Describe the affordance associated with the physical interaction on the {label}, and "
        "highlight the contact areas with a segmentation mask.",
    ),
}

ANSWERS: dict[Literal["last", "first"], dict[Task, str]] = {
    "last": {
        "human_contact": "Body parts: {detail}, contact mask: {token}.",
        "object_contact": "It is {token}.",
        "object_affordance": "Affordance: {detail}, contact mask: {token}.",
    },
    "first": {
        "human_contact": "It is {token}, body parts: {detail}.",
        "object_contact": "It is {token}.",
        "object_affordance": "It is {token}, affordance: {detail}.",
    },
}
"""By place of the token (`PromptConfig.token_place`)."""


def check_task(task: str) -> Task:
    """Return `task`, or raise ValueError naming the known ones."""
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; expected one of {', '.join(TASKS)}")
    return task


def clean_label(label: str) -> str:
    """Return a label in words: lower case, single spaces, also where underscores stood.

    Raises:
        ValueError: the label is empty or has no letter or digit.
    """
    text = " ".join(label.lower().replace("_", " ").split())
    if not any(c.isalnum() for c in text):
        raise ValueError(f"label {label!r} is empty; name the object, or use {SCENE_LABEL!r}")
    if "<" in text or ">" in text:
        raise ValueError(f"label {label!r} must not contain '<' or '>'")
    return text


def question(
    task: Task,
    label: str,
    rng: random.Random | None = None,
    label_words: Literal["spaces", "underscores"] = "spaces",
) -> str:
    """Return a question of the task.

    Args:
        task: the task.
        label: the object; its words may be joined by spaces or underscores.
        rng: draws the wording, for training; None takes the first.
        label_words: `PromptConfig.label_words`.
    """
    wordings = QUESTIONS[task]
    wording = rng.choice(wordings) if rng else wordings[0]
    words = clean_label(label)
    return wording.format(label=words.replace(" ", "_") if label_words == "underscores" else words)


def answer(task: Task, token: str, details: Sequence[str] = (), wording: str | None = None) -> str:
    """Return the answer to be learned.

    Args:
        task: the task.
        token: text of the contact token.
        details: body parts, or affordances; empty means none.
        wording: with `{token}` and perhaps `{detail}` in it; None takes that of `ANSWERS` with the
            token last.
    """
    words = ANSWERS["last"][task] if wording is None else wording
    return words.format(detail=", ".join(details) or NO_PARTS, token=token)


def says_nothing(task: Task | PhotoTask, text: str) -> bool:
    """Whether an answer about the body names no part of it: nothing touches.

    Args:
        task: what was asked; answers about objects name no body parts in any case.
        text: of the answer.
    """
    on_body = task in ("human_contact", PHOTO_TASK)
    return on_body and _SAID_NONE.search(text) is not None


def conversation(style: Literal["llava_v1", "plain"], message: str, mark_image: bool) -> str:
    """Return the text up to where the assistant's answer begins, with `IMAGE_TEXT` in it."""
    image = f"<im_start>{IMAGE_TEXT}<im_end>" if mark_image else IMAGE_TEXT
    turn = f"USER: {image}\n{message} ASSISTANT:"
    return f"{_SYSTEM} {turn}" if style == "llava_v1" else turn

"""Questions, answers and conversations of the published models, and their token ids and labels.

Sentences that our own models share stand in `ivlm_core.model.prompts`; the rest stands here. All
are interface constants: the checkpoints were trained on exactly these strings.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import torch
from torch import Tensor

from ivlm_core.inputs import LABEL_SEPARATOR
from ivlm_core.model import prompts
from ivlm_core.model.prompts import SCENE_LABEL, Task
from ivlm_core.model.tokens import IGNORE_LABEL
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.official.tokenizer import OfficialTokenizer, contact_token_texts

Kind = Literal["hcontact", "h2dcontact", "ocontact", "oafford"]
QuestionType = Literal["simple", "parts", "afford", "afford_obj"]

KIND_OF_TASK: dict[Task, Kind] = {
    "human_contact": "hcontact",
    "object_contact": "ocontact",
    "object_affordance": "oafford",
}
QUESTION_TYPES: dict[Kind, tuple[QuestionType, ...]] = {
    "hcontact": ("simple", "parts"),
    "h2dcontact": ("simple", "parts"),
    "ocontact": ("simple",),
    "oafford": ("simple", "afford", "afford_obj"),
}
"""Question types of each kind."""

END = "</s>"
_ASK = "ASSISTANT:"

_HUMAN_QUESTIONS = (
    "Segment the area on the human's body that is in direct contact with the {label} in this "
    "image.",
    "Identify and mask the part of the human that is touching or interacting with the {label} in "
    "this scene.",
    "Show the contact points on the human where they are physically connected to or interacting "
    "with {label}.",
    "Please provide a segmentation mask of the human's body parts that are in contact with "
    "{label}.",
    "Highlight the areas on the human where there is physical interaction or contact with {label}.",
)
_HUMAN_ANSWERS = (
    "It is {token}.",
    "Sure, the human contact region is {token}.",
    "Sure, the contact points on human is {token}.",
    "Sure, the contact mask is {token}.",
    "{token}.",
)
_PARTS_ANSWERS = (
    "The contacting body parts are {detail}, and the contact region is {token}.",
    "The involved body parts are {detail}, with the contact mask at {token}.",
    "Contact occurs at {detail}, with the contact points shown at {token}.",
    "The body parts in contact are {detail}, with contact mask at {token}.",
    "Body parts: {detail}, contact mask: {token}.",
)
_OBJECT_ANSWERS = (
    "It is {token}.",
    "Sure, the object contact region is {token}.",
    "Sure, the contact points on object is {token}.",
    "Sure, the contact mask is {token}.",
    "{token}.",
)
_AFFORDANCE_ANSWERS = (
    "The affordance type is {detail}, and the contact region is {token}.",
    "This interaction suggests an affordance of {detail}, and the object contact region is "
    "{token}.",
    "The contact points indicate an affordance of {detail}, with the mask at {token}.",
    "This shows an affordance type of {detail}, with contact at {token}.",
    "Affordance: {detail}, contact mask: {token}.",
)


@dataclass(frozen=True)
class Turn:
    """One question and its answer."""

    question: str
    answer: str


def questions(kind: Kind, question_type: QuestionType) -> tuple[str, ...]:
    """Return the five questions, with `{label}` in them.

    Raises:
        ValueError: the kind does not know the question type.
    """
    _check_type(kind, question_type)
    if question_type == "parts":
        return prompts.QUESTIONS["human_contact"]
    if question_type in ("afford", "afford_obj"):
        return prompts.QUESTIONS["object_affordance"]
    return _HUMAN_QUESTIONS if _is_human(kind) else prompts.QUESTIONS["object_contact"]


def answers(kind: Kind, question_type: QuestionType) -> tuple[str, ...]:
    """Return the five answers, with `{token}` and, where there is one, `{detail}` in them.

    `{detail}` is the list of body parts or the affordance; type `afford_obj` also has `{label}`.

    Raises:
        ValueError: the kind does not know the question type.
    """
    _check_type(kind, question_type)
    if question_type == "parts":
        return _PARTS_ANSWERS
    if question_type == "afford":
        return _AFFORDANCE_ANSWERS
    if question_type == "afford_obj":
        return tuple(a.replace("{detail}", "{detail} with {label}") for a in _AFFORDANCE_ANSWERS)
    return _HUMAN_ANSWERS if _is_human(kind) else _OBJECT_ANSWERS


def answer_wordings(task: Task) -> tuple[str, ...]:
    """Return all answers of a task, those to the demo's question first."""
    if task == "human_contact":
        return _PARTS_ANSWERS + _HUMAN_ANSWERS
    return _OBJECT_ANSWERS if task == "object_contact" else _AFFORDANCE_ANSWERS + _OBJECT_ANSWERS


def contact_token(kind: Kind, token_type: str) -> str:
    """Return the contact token that answers a kind; the 2D kind always has the generic one."""
    generic, human, object_ = contact_token_texts(token_type)
    return {"hcontact": human, "h2dcontact": generic}.get(kind, object_)


def make_turn(
    kind: Kind,
    question_type: QuestionType,
    label: str,
    token: str,
    details: Sequence[str] = (),
    rng: random.Random | None = None,
    part_dropout: float = 0.0,
    reference_quirks: ReferenceQuirks | None = None,
) -> Turn:
    """Ask and answer about one label, as training and evaluation do.

    Args:
        kind: what is asked about.
        question_type: which lists of sentences.
        label: the object; lower-cased, underscores kept.
        token: text of the contact token, from `contact_token`.
        details: body parts in contact, or the affordance.
        rng: draws question and answer independently; None takes the first of each list (quirk
            `random_question` is to give one at evaluation too).
        part_dropout: chance that type `parts` falls back to the simple lists (0.5 in training).
        reference_quirks: `supporting_without_parts` asks for parts even where none is known.

    Raises:
        ValueError: the kind does not know the question type, an affordance is missing, or
            `part_dropout` is outside [0, 1].
    """
    if not 0.0 <= part_dropout <= 1.0:
        raise ValueError(f"part_dropout must be in [0, 1], got {part_dropout}")
    _check_type(kind, question_type)
    quirks = reference_quirks or ReferenceQuirks()
    if question_type == "parts":
        dropped = rng is not None and rng.random() < part_dropout
        if dropped or not (details or quirks.supporting_without_parts):
            question_type = "simple"
    elif question_type != "simple" and not details:
        raise ValueError(f"question type {question_type!r} needs the affordance in `details`")
    ask, reply = questions(kind, question_type), answers(kind, question_type)
    question, answer = (rng.choice(ask), rng.choice(reply)) if rng else (ask[0], reply[0])
    label = label.lower()
    detail = ", ".join(details)
    return Turn(
        question.format(label=label), answer.format(label=label, token=token, detail=detail)
    )


def demo_question(kind: Kind, label: str, reference_quirks: ReferenceQuirks | None = None) -> str:
    """Return the fixed question of the published demo.

    Args:
        kind: what is asked about; both object kinds share a question.
        label: the object, see `label_from_file_name`.
        reference_quirks: `demo_object_prompt` keeps the stray quotes and the comma.
    """
    quirks = reference_quirks or ReferenceQuirks()
    if _is_human(kind):
        wording = questions(kind, "parts" if kind == "hcontact" else "simple")[0]
    else:
        wording = questions("oafford", "afford")[0]
        if quirks.demo_object_prompt:
            wording = f'"{wording}",'
    return wording.format(label=label.lower())


def demo_prompt(kind: Kind, label: str, reference_quirks: ReferenceQuirks | None = None) -> str:
    """Return the demo's whole prompt, `<image>` included, up to where the answer begins."""
    return prompts.conversation("llava_v1", demo_question(kind, label, reference_quirks), True)


def label_from_file_name(path: str | PurePath) -> str:
    """Return the label that a file name carries: up to `__`, lower case, underscores kept."""
    return PurePath(path).stem.split(LABEL_SEPARATOR)[0].lower()


def label_of_class(class_name: str, kind: Kind = "hcontact") -> str:
    """Return how questions word a class of the DAMON annotations."""
    if class_name == "foot_ground":
        return SCENE_LABEL
    if kind == "h2dcontact" and "supporting" in class_name:
        return "support object or ground"
    return class_name.lower()


def conversation(turns: Sequence[Turn]) -> str:
    """Return the text of answered turns; the image stands in the first question."""
    if not turns:
        raise ValueError("a conversation needs at least one turn")
    first, *others = turns
    text = f"{prompts.conversation('llava_v1', first.question, True)} {first.answer}{END}"
    return text + "".join(f"USER: {turn.question} {_ASK} {turn.answer}{END}" for turn in others)


def encode_conversation(tokenizer: OfficialTokenizer, text: str) -> tuple[list[int], list[int]]:
    """Return the ids of a conversation and which of them are to be learned.

    Returns:
        Ids, `IMAGE_PLACEHOLDER` for the image, and labels: the ids of the answers with their
        `</s>`, `IGNORE_LABEL` elsewhere.
    """
    ids = tokenizer.encode_with_image(text)
    labels = [IGNORE_LABEL] * len(ids)
    end = 0
    for turn in text.split(END)[:-1]:
        asked = text.find(_ASK, end) + len(_ASK)
        end += len(turn) + len(END)
        if not len(_ASK) <= asked <= end:
            raise ValueError(f"a turn without {_ASK!r} has no answer to learn: {turn!r}")
        start = len(tokenizer.encode_with_image(text[:asked]))
        stop = len(tokenizer.encode_with_image(text[:end]))
        labels[start:stop] = ids[start:stop]
    return ids, labels


@dataclass(frozen=True)
class TextBatch:
    """Conversations as the language model reads them, padded on the right."""

    input_ids: Tensor
    """int64 `[batch, length]`."""
    labels: Tensor
    """int64 `[batch, length]`, `IGNORE_LABEL` where nothing is learned."""
    attention_mask: Tensor
    """bool `[batch, length]`, False where padded."""


def collate(
    tokenizer: OfficialTokenizer, conversations: Sequence[str], max_length: int | None = None
) -> TextBatch:
    """Encode conversations into one batch.

    Args:
        tokenizer: of the checkpoint.
        conversations: from `conversation`.
        max_length: ids that are kept; see `training_length`.
    """
    encoded = [encode_conversation(tokenizer, text) for text in conversations]
    lengths = torch.tensor([len(ids) for ids, _ in encoded])
    width = int(lengths.max())
    input_ids = torch.full((len(encoded), width), tokenizer.pad_token_id)
    labels = torch.full((len(encoded), width), IGNORE_LABEL)
    for row, (ids, wanted) in enumerate(encoded):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        labels[row, : len(ids)] = torch.tensor(wanted)
    mask = torch.arange(width) < lengths[:, None]
    return TextBatch(input_ids[:, :max_length], labels[:, :max_length], mask[:, :max_length])


def training_length(model_max_length: int, num_image_tokens: int) -> int:
    """Return how many ids training keeps, the image counting as one of them (257 of 512)."""
    return model_max_length - (num_image_tokens - 1)


def evaluation_prompt(ids: Sequence[int], labels: Sequence[int]) -> list[int]:
    """Return the ids up to the first one that is learned: what evaluation generates from."""
    first = next((i for i, label in enumerate(labels) if label != IGNORE_LABEL), len(ids))
    return list(ids[:first])


def _is_human(kind: Kind) -> bool:
    return kind in ("hcontact", "h2dcontact")


def _check_type(kind: Kind, question_type: QuestionType) -> None:
    if kind not in QUESTION_TYPES:
        raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(QUESTION_TYPES)}")
    if question_type not in QUESTION_TYPES[kind]:
        raise ValueError(
            f"kind {kind!r} has no question type {question_type!r}; it has "
            f"{', '.join(QUESTION_TYPES[kind])}"
        )

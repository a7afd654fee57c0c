"""The words that pictures, pages and reports use for a prediction."""

import re
from textwrap import shorten
from typing import TYPE_CHECKING, Protocol

from ivlm_core.model.prompts import PHOTO_TASK, SCENE_LABEL
from ivlm_core.visualize.drawing import printable

if TYPE_CHECKING:
    from ivlm_core.photo_contact import PhotoContact
    from ivlm_core.pipeline import Prediction

_QUESTIONS = {
    "human_contact": "Where does the person touch the {label}?",
    "object_contact": "Where is the {label} touched?",
    "object_affordance": "Where can the {label} be used, as in this image?",
    PHOTO_TASK: "Where does the person touch the {label}?",
}
_SCENE_QUESTION = "Where do the ground and other supports touch the person?"

_CONTACT_TOKEN = re.compile(r"[,;]?\s*(?:contact mask:\s*)?<[^<>\s]+>")
_DENIAL = re.compile(r"\b(?:no|not|none|nothing|nobody|nowhere|without|\w+n't)\b")
_TOKEN_FIRST = re.compile(r"^it is\s*<[^<>\s]+>\s*,\s*(.?)", re.IGNORECASE)


class Answered(Protocol):
    """What was asked and what the language model wrote: a `Prediction`, or a `PhotoContact`."""

    @property
    def task(self) -> str:
        """Which question."""

    @property
    def label(self) -> str:
        """About what."""

    @property
    def answer(self) -> str:
        """As the model wrote it, contact token included."""


def question_line(prediction: Answered) -> str:
    """The question a prediction answers, in one plain sentence."""
    if prediction.task in ("human_contact", PHOTO_TASK) and prediction.label == SCENE_LABEL:
        return _SCENE_QUESTION
    template = _QUESTIONS.get(prediction.task, "{task}: {label}")
    return template.format(label=prediction.label, task=prediction.task)


def answer_line(prediction: Answered) -> str:
    """The answer text without the contact token, or '' where nothing else was said."""
    named = _TOKEN_FIRST.sub(lambda found: found[1].upper(), prediction.answer.strip())
    text = _CONTACT_TOKEN.sub("", named).strip()
    text = re.sub(r"\s+([.,])", r"\1", text)
    return "" if text.rstrip(" .").lower() in ("", "it is") else text


def top_parts(
    prediction: "Prediction", count: int = 3, least: float = 0.1
) -> list[tuple[str, float]]:
    """The parts with the highest mean score.

    Args:
        prediction: its `part_scores` are read; meshes without named parts give an empty list.
        count: at most this many.
        least: parts with a lower mean score are left out.

    Returns:
        (part name, mean score), highest first.
    """
    ranked = sorted(prediction.part_scores.items(), key=lambda item: -item[1])
    return [(name, float(score)) for name, score in ranked[:count] if score >= least]


def parts_in_contact(prediction: "Prediction", least: float = 0.05) -> list[str]:
    """The parts that are touched, that with the most vertices in contact first.

    Args:
        prediction: meshes without named parts give an empty list.
        least: parts with a smaller share of the vertices in contact are left out.
    """
    contact = prediction.contact
    counts = {name: int(contact[ids].sum()) for name, ids in prediction.mesh.parts.items()}
    enough = max(1, least * int(contact.sum()))
    return [n for n in sorted(counts, key=lambda n: -counts[n]) if counts[n] >= enough]


def words_disagree(prediction: "Prediction") -> bool:
    """Whether the answer denies contact where there is some, or tells of some where there is none.

    Words that neither deny anything, nor name a part of the mesh or come with a contact token, tell
    nothing; nor do those that deny something about a part: what, is beyond this.
    """
    words, found = answer_line(prediction).lower(), bool(prediction.contact.any())
    part = any(re.search(rf"\b{re.escape(name)}\b", words) for name in prediction.mesh.parts)
    if _DENIAL.search(words):
        return found and not part
    asks = _CONTACT_TOKEN.search(prediction.answer) is not None
    return not found and bool(words) and (part or asks)


def found_as(prediction: "Prediction") -> str:
    """What vertices are that score the threshold or more, in words that follow their number.

    An affordance says where a thing can be used, which nobody has to touch now.
    """
    return "usable" if prediction.task == "object_affordance" else "in contact"


def result_line(prediction: "Prediction") -> str:
    """What a terminal says of a prediction: parts found, or none; if its words disagree."""
    parts = ", ".join(parts_in_contact(prediction))
    count = int(prediction.contact.sum())
    line = f"{parts} ({count:,} vertices)" if parts else contact_line(prediction)
    if not count:
        line = "nothing usable" if found_as(prediction) == "usable" else "no contact"
    if words_disagree(prediction):
        words = shorten(printable(answer_line(prediction)).rstrip("."), 80, placeholder=" ...")
        line += f" (the words say otherwise: {words})"
    return line


def pixels_line(found: "PhotoContact") -> str:
    """How much of a photograph is in contact, in words."""
    pixels = int(found.contact.sum())
    if not pixels:
        return "no contact found"
    return f"{pixels:,} pixels in contact, {pixels / found.contact.size:.2%} of the photograph"


def parts_line(prediction: "Prediction", count: int = 3) -> str:
    """`top_parts` in words."""
    if not prediction.part_scores:
        return "this mesh has no named parts"
    parts = top_parts(prediction, count)
    return ",  ".join(f"{name} {score:.2f}" for name, score in parts) or "no part above 0.10"


def contact_line(prediction: "Prediction") -> str:
    """How many vertices are in contact, or usable, and how many were seen, in words."""
    total = len(prediction.scores)
    in_contact = int(prediction.contact.sum())
    seen = int(prediction.seen.sum())
    return (
        f"{in_contact:,} of {total:,} vertices {found_as(prediction)} "
        f"(score {prediction.threshold:.2f} or more), {100 * seen / max(total, 1):.0f} % seen"
    )

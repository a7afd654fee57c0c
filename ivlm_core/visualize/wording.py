"""The words that pictures, pages and reports use for a prediction."""

import re
from typing import TYPE_CHECKING

from ivlm_core.model.prompts import SCENE_LABEL

if TYPE_CHECKING:
    from ivlm_core.pipeline import Prediction

_QUESTIONS = {
    "human_contact": "Where does the person touch the {label}?",
    "object_contact": "Where is the {label} touched?",
    "object_affordance": "Where can the {label} be used, as in this image?",
}
_SCENE_QUESTION = "Where do the ground and other supports touch the person?"

_CONTACT_TOKEN = re.compile(r"[,;]?\s*(?:contact mask:\s*)?<[^<>\s]+>")
_TOKEN_FIRST = re.compile(r"^it is\s*<[^<>\s]+>\s*,\s*(.?)", re.IGNORECASE)


def question_line(prediction: "Prediction") -> str:
    """The question a prediction answers, in one plain sentence."""
    if prediction.task == "human_contact" and prediction.label == SCENE_LABEL:
        return _SCENE_QUESTION
    template = _QUESTIONS.get(prediction.task, "{task}: {label}")
    return template.format(label=prediction.label, task=prediction.task)


def answer_line(prediction: "Prediction") -> str:
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


def result_line(prediction: "Prediction") -> str:
    """What a terminal says of a prediction: parts in contact, or that there is none."""
    if not prediction.contact.any():
        return "no contact"
    parts = ", ".join(parts_in_contact(prediction))
    count = int(prediction.contact.sum())
    return f"{parts} ({count:,} vertices)" if parts else contact_line(prediction)


def parts_line(prediction: "Prediction", count: int = 3) -> str:
    """`top_parts` in words."""
    if not prediction.part_scores:
        return "this mesh has no named parts"
    parts = top_parts(prediction, count)
    return ",  ".join(f"{name} {score:.2f}" for name, score in parts) or "no part above 0.10"


def contact_line(prediction: "Prediction") -> str:
    """How many vertices are in contact and how many were seen, in words."""
    total = len(prediction.scores)
    in_contact = int(prediction.contact.sum())
    seen = int(prediction.seen.sum())
    return (
        f"{in_contact:,} of {total:,} vertices in contact "
        f"(score {prediction.threshold:.2f} or more), {100 * seen / max(total, 1):.0f} % seen"
    )

"""Questions and answers in words about what a person does with which thing, from the labels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ivlm_core.model.prompts import clean_label
from ivlm_core.synthesis.contact import Contact
from ivlm_core.synthesis.item import Item
from ivlm_core.synthesis.objects import CATEGORIES
from ivlm_core.synthesis.scene import Scene
from ivlm_core.synthesis.templates import TEMPLATES

Kind = Literal["action", "parts", "hand", "count", "there", "touched"]

WORDINGS: dict[Kind, tuple[str, ...]] = {
    "action": (
        "What is the person doing with the {label}?",
        "What does the person do with the {label}?",
        "How is the {label} used in this picture?",
    ),
    "parts": (
        "Which parts of the body touch the {label}?",
        "Where does the body touch the {label}?",
        "Name the body parts in contact with the {label}.",
    ),
    "hand": (
        "Which hand touches the {label}?",
        "With which hand does the person touch the {label}?",
        "Is the {label} touched by the left hand, the right hand, both or none?",
    ),
    "count": (
        "How many things does the person touch, the ground apart?",
        "Not counting the ground, how many objects are in contact with the person?",
        "Count the objects that the person touches.",
    ),
    "there": (
        "Is there a {label} in the picture?",
        "Can you see a {label}?",
        "Does this picture show a {label}?",
    ),
    "touched": (
        "Does the person touch the {label}?",
        "Is the {label} in contact with the person?",
        "Is anybody touching the {label}?",
    ),
}
_DONE = {
    "at_mouth": "holds the {label} to the mouth",
    "at_ear": "holds the {label} to the ear",
    "hold": "holds the {label}",
    "between_hands": "holds the {label}",
    "push": "pushes the {label}",
    "open": "opens the {label}",
    "type_on": "types on the {label}",
    "play": "plays the {label}",
    "lean_on": "leans on the {label}",
    "sit": "sits on the {label}",
    "lie": "lies on the {label}",
    "ride": "rides the {label}",
    "board": "stands on the {label}",
    "ski": "stands on the {label}",
    "kick": "has a foot at the {label}",
    "over_": "carries the {label}",
    "pole": "holds the {label}",
    "wear": "wears the {label}",
}
"""What is done, by how the name of a template's action begins; others touch."""
_WITHOUT_HANDS = ("sit", "lie", "ride", "board", "ski", "kick", "wear", "over_")
_NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven")
_SEEN_SHARE = 2.5e-4
"""Of the picture: what shows less of itself is not asked about."""


@dataclass(frozen=True)
class Line:
    """One question and its answer."""

    kind: Kind
    question: str
    answer: str


def dialogue(scene: Scene, object_map: np.ndarray, rng: np.random.Generator) -> list[Line]:
    """Return questions about a picture with their answers.

    Args:
        scene: what it shows.
        object_map: uint8 [S, S], slot + 1 of the object seen at each pixel.
        rng: draws the wordings, and which absent thing is asked about.
    """
    lines: list[Line] = []

    def ask(kind: Kind, answer: str, label: str = "") -> None:
        wording = WORDINGS[kind][int(rng.integers(len(WORDINGS[kind])))]
        lines.append(Line(kind, wording.format(label=label), answer))

    shown = np.bincount(object_map.ravel(), minlength=len(scene.items) + 1)[1:]
    for item, found, pixels in zip(scene.items, scene.contacts, shown.tolist(), strict=False):
        if pixels < max(1.0, _SEEN_SHARE * object_map.size):
            continue
        label = clean_label(item.category)
        ask("there", "Yes.", label)
        ask("touched", "Yes." if item.in_contact else "No.", label)
        if item.in_contact:
            ask("action", action(item, found), label)
            ask("parts", f"The {listed(found.parts)}." if found.parts else "None.", label)
            ask("hand", f"{hand(found).capitalize()}.", label)
    touched = [clean_label(item.category) for item in scene.items if item.in_contact]
    count = _NUMBERS[len(touched)].capitalize()
    ask("count", f"{count}: the {listed(touched)}." if touched else f"{count}.")
    there = {item.category for item in scene.items}
    absent = [name for name in CATEGORIES if name not in there]
    ask("there", "No.", clean_label(absent[int(rng.integers(len(absent)))]))
    return lines


def action(item: Item, found: Contact) -> str:
    """Return a sentence that says what is done with an object."""
    names = [t.action for t in TEMPLATES if (t.category, t.name) == (item.category, item.template)]
    name = names[0] if names else ""
    done = next(
        (text for key, text in _DONE.items() if name.startswith(key)), "touches the {label}"
    )
    by_hand = hand(found)
    handled = by_hand != "no hand" and not name.startswith(_WITHOUT_HANDS)
    aside = f" with {by_hand}" if handled else ""
    return f"The person {done.format(label=clean_label(item.category))}{aside}."


def hand(found: Contact) -> str:
    """Return which hand touches an object, in words."""
    touching = {side for side in ("left", "right") if f"{side} hand" in found.parts}
    if len(touching) == 2:
        return "both hands"
    return f"the {touching.pop()} hand" if touching else "no hand"


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Join names as a sentence does."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

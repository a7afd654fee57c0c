"""Labels that come in from outside: data, whatever they say."""

from ivlm_core.model.prompts import clean_label

MAX_LABELS = 8
"""That one image is asked about."""
MAX_LENGTH = 64
"""Characters of one label: a name of a thing, not a text."""


def read_labels(text: str) -> tuple[str, ...]:
    """Return the labels of a text, as questions word them, each once; none of an empty text.

    Args:
        text: a label, or several separated by commas.

    Raises:
        ValueError: one cannot be used, or there are too many.
    """
    if not text.strip():
        return ()
    if len(text) > MAX_LABELS * (MAX_LENGTH + 2):
        raise ValueError(f"a text of {len(text)} characters; expected names of things")
    labels = list(dict.fromkeys(read_label(part) for part in text.split(",") if part.strip()))
    if not 0 < len(labels) <= MAX_LABELS:
        raise ValueError(f"{len(labels)} labels in {text!r}; expected 1 to {MAX_LABELS}")
    return tuple(labels)


def read_label(text: str) -> str:
    """Return one label as questions word it.

    Raises:
        ValueError: it is empty or too long, has no letter or digit, or has characters that no name
            has.
    """
    name = text.strip()
    if len(name) > MAX_LENGTH:
        raise ValueError(
            f"label {name[:MAX_LENGTH]!r}... has {len(name)} characters; expected {MAX_LENGTH} or "
            "fewer"
        )
    if not name.isprintable() or "," in name:
        raise ValueError(f"label {name!r} has control characters or a comma; expected a name")
    return clean_label(name)

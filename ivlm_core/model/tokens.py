"""Contact tokens: which ids they have and where they stand in a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

IMAGE_PLACEHOLDER = -200
"""Stands for the image in a list of token ids; never an entry of the vocabulary."""

IGNORE_LABEL = -100
"""Marks positions without a text loss."""


@dataclass(frozen=True)
class ContactTokens:
    """Vocabulary ids of the contact tokens; `generic` is None where the model has none."""

    human: int
    object: int
    generic: int | None = None

    @property
    def all(self) -> tuple[int, ...]:
        """Every id that asks for a mask."""
        extra = () if self.generic is None else (self.generic,)
        return tuple(dict.fromkeys((self.human, self.object, *extra)))


def locate_contact_token(
    ids: Sequence[int],
    contact: Sequence[int],
    num_image_tokens: int,
    position: Literal["before", "at"] = "before",
) -> tuple[int, int] | None:
    """Find the first contact token and the position of its embedding.

    Args:
        ids: prompt and answer, one `IMAGE_PLACEHOLDER` standing for the whole image.
        contact: ids of the contact tokens.
        num_image_tokens: image tokens that replace the placeholder.
        position: `before` reads the state that predicts the token, `at` the token's own.

    Returns:
        `(token id, index)` with the index into the image-expanded sequence, or None where the
        answer has no contact token.

    Raises:
        ValueError: the token opens the sequence, so no state predicts it.
    """
    offset = 0
    for index, token in enumerate(ids):
        if token == IMAGE_PLACEHOLDER:
            offset += num_image_tokens - 1
        elif token in contact:
            expanded = index + offset - (position == "before")
            if expanded < 0:
                raise ValueError("a contact token cannot be the first token of a sequence")
            return token, expanded
    return None

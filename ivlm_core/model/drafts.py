"""Guesses of what an answer says next, so that its constant part is scored instead of decoded.

Answers follow templates. Whatever is guessed here, `Vlm.generate` keeps only the tokens that greedy
decoding would have written (draft and verify, Stern et al. 2018), so a poor guess costs time, never
a result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Drafter = Callable[[Sequence[int]], Sequence[int]]
"""Maps the ids of an answer so far to a guess of what follows; empty is no guess."""


@dataclass(frozen=True)
class AnswerFrame:
    """The ids of an answer template around the details it names, or of a whole answer."""

    head: tuple[int, ...]
    """What stands before the first detail; the whole answer where the template names none."""
    tail: tuple[int, ...] = ()
    """What follows the last detail."""
    separator: tuple[int, ...] = ()
    """What stands between two details."""
    details: tuple[tuple[int, ...], ...] = ()
    """Known details (body parts, affordances), likelier ones first."""
    solo: int = 2
    """How many of the first details are mostly named without their sibling: hands touch one at a
    time, feet and thighs do not."""

    @classmethod
    def from_answers(cls, alone: Sequence[Sequence[int]], pair: Sequence[int]) -> "AnswerFrame":
        """Find the constant part by comparing answers of one template.

        Args:
            alone: ids of answers that name one detail each.
            pair: ids of the answer that names the first two of them.
        """
        head = _common_start(alone)
        if len(set(map(tuple, alone))) == 1:
            return cls(head)
        tail = _common_start([row[len(head) :][::-1] for row in alone])[::-1]
        details = tuple(tuple(row[len(head) : len(row) - len(tail)]) for row in alone)
        named = pair[len(head) : len(pair) - len(tail)]
        separator = named[len(details[0]) : len(named) - len(details[1])]
        return cls(head, tail, tuple(separator), details)

    def guess(self, answer: Sequence[int]) -> tuple[int, ...]:
        """Return what follows `answer` if it was written after this template; else nothing."""
        start = tuple(answer[: len(self.head)])
        if start != self.head[: len(start)]:
            return ()
        if len(start) < len(self.head):
            return self.head[len(start) :]
        free = tuple(answer[len(self.head) :])
        for begun in range(len(self.tail), 0, -1):
            if free[-begun:] == self.tail[:begun]:
                return self.tail[begun:]
        return (*self._rest_of_details(free), *self.tail)

    def guesses(self, answer: Sequence[int]) -> list[tuple[int, ...]]:
        """Return what may follow `answer` if it was written after this template, `guess` first."""
        first = self.guess(answer)
        start = tuple(answer[: len(self.head)])
        if start != self.head[: len(start)] or not self.details:
            return [first] if first else []
        rest, free = self.head[len(start) :], tuple(answer[len(self.head) :])
        tails = (n for n in range(len(self.tail), 0, -1) if free[-n:] == self.tail[:n])
        if self.tail[: next(tails, 0)] not in ((), self.separator):  # a comma may begin either
            return [first]
        *named, begun = _split(free, self.separator)
        left = [d for d in self.details if d not in named]
        ended: tuple[tuple[int, ...], ...] = ()
        if begun in self.details:
            ended = (self.tail,)
            left = [d for d in left if d != begun]
            begun, rest = (), (*rest, *self.separator)
        several = []
        for detail in (d for d in left if d[: len(begun)] == begun):
            one = (*rest, *detail[len(begun) :])
            several.append(one)
            place = self.details.index(detail)
            pair = [d for d in left if _siblings(d, detail) and self.details.index(d) > place]
            several += [(*one, *self.separator, *sibling) for sibling in pair]
        return [first, *ended, *several, *((*guess, *self.tail) for guess in several)]

    def _rest_of_details(self, free: tuple[int, ...]) -> tuple[int, ...]:
        """Complete the detail that `free` ends in, and name its sibling after it.

        Of several that were not named yet, the one with a named sibling is likelier: `right foot`
        after `left foot`.
        """
        *named, begun = _split(free, self.separator)
        open_ = [d for d in self.details if d[: len(begun)] == begun and d not in named]
        if not open_:
            return ()
        whole = begun if begun in open_ else None
        if whole is None:
            whole = next((d for d in open_ if any(_siblings(d, n) for n in named)), open_[0])
        rest = whole[len(begun) :]
        place = self.details.index(whole)
        missing = [d for d in self.details if _siblings(d, whole) and d not in named]
        if place < self.solo or not missing or self.details.index(missing[0]) < place:
            return rest
        return (*rest, *self.separator, *missing[0])


@dataclass(frozen=True)
class TemplateDrafter:
    """Guesses by the first template that an answer agrees with."""

    frames: tuple[AnswerFrame, ...]

    def __call__(self, answer: Sequence[int]) -> tuple[int, ...]:
        """See `Drafter`."""
        return next((guess for frame in self.frames if (guess := frame.guess(answer))), ())

    def guesses(self, answer: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the guesses of all templates that an answer agrees with, likelier ones first."""
        return [guess for frame in self.frames for guess in frame.guesses(answer)]


def alternatives(drafter: Drafter) -> Callable[[Sequence[int]], Sequence[Sequence[int]]]:
    """Return all guesses of a drafter, for passes that read several at once."""
    if isinstance(drafter, TemplateDrafter):
        return drafter.guesses
    return lambda answer: (drafter(answer),)


def _siblings(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two details differ in their first token only, as left and right of something do."""
    return one[1:] == other[1:] != () and one[0] != other[0]


def _common_start(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Return the longest start that all rows share."""
    length = 0
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        length += 1
    return tuple(rows[0][:length])


def _split(ids: tuple[int, ...], separator: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Split at every separator, like `str.split`; an empty separator splits nowhere."""
    if not separator:
        return [ids]
    pieces, start, i = [], 0, 0
    while i <= len(ids) - len(separator):
        if ids[i : i + len(separator)] == separator:
            pieces.append(ids[start:i])
            start = i = i + len(separator)
        else:
            i += 1
    return [*pieces, ids[start:]]

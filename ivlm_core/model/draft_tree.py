"""Several guesses of how an answer goes on, read in one pass, and greedy decoding with them.

Guesses that begin alike share their beginning: together they are a tree below the last known token.
A row of the pass sees what is known and its own ancestors, so the pass gives what greedy decoding
writes after every node, and the answer follows one path down (SpecInfer, Miao et al. 2024).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Guesses = Callable[[Sequence[int]], Sequence[Sequence[int]]]
"""Maps the ids of an answer so far to guesses of what follows, likelier ones first."""


@dataclass(frozen=True)
class DraftTree:
    """Guessed tokens; node 0 is the last known token and holds no guess."""

    tokens: tuple[int, ...]
    """Of nodes 1, 2, ..."""
    parents: tuple[int, ...]
    """Of the same nodes; a parent comes before its children."""

    @classmethod
    def of(cls, guesses: Sequence[Sequence[int]], most: int) -> "DraftTree":
        """Merge guesses into a tree of `most` tokens at most; later ones are left out first."""
        children: dict[tuple[int, int], int] = {}
        for guess in guesses:
            node = 0
            for token in guess:
                if (node, token) not in children:
                    if len(children) == most:
                        break
                    children[node, token] = len(children) + 1
                node = children[node, token]
        return cls(tuple(token for _, token in children), tuple(parent for parent, _ in children))

    def __len__(self) -> int:
        """Return the number of guessed tokens."""
        return len(self.tokens)

    def child(self, node: int, token: int) -> int | None:
        """Return the node of `token` below `node`, if it was guessed."""
        for number, (mine, parent) in enumerate(zip(self.tokens, self.parents, strict=True), 1):
            if (parent, mine) == (node, token):
                return number
        return None

    def lineage(self) -> Tensor:
        """Return bool `[node, node]`: which nodes each one sees, itself and node 0 included."""
        sees = torch.eye(len(self) + 1, dtype=torch.bool)
        for number, parent in enumerate(self.parents, 1):
            sees[number] |= sees[parent]
        return sees


class TreePasses(Protocol):
    """A language model that keeps one sequence and reads trees below it."""

    def read(self, rows: Tensor, lineage: Tensor, start: int) -> Tensor:
        """Read known rows and a tree of guesses that stand at positions from `start` on.

        Args:
            rows: `[row, hidden]` embeddings, the tree's last.
            lineage: `DraftTree.lineage` of the tree; its node 0 is the last known row.
            start: positions that are kept already.

        Returns:
            States `[row, hidden]` after the final norm.
        """
        ...

    def keep(self, rows: Sequence[int], start: int) -> None:
        """Keep these rows of the last pass at positions from `start` on; forget the others."""
        ...


@dataclass(frozen=True)
class Decoded:
    """An answer with the states that wrote it."""

    answer: list[int]
    hidden: Tensor
    """`[position, hidden]` of prompt and answer but its last token."""
    passes: int


def decode(
    passes: TreePasses,
    embed: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
    known: Tensor,
    guesses: Guesses,
    *,
    most_new: int,
    most_drafted: int,
    stop_ids: Sequence[int],
) -> Decoded:
    """Decode greedily; whatever is guessed, the answer is the one without guesses.

    Args:
        passes: the language model.
        embed: ids `[token]` to rows `[token, hidden]`.
        head: states `[row, hidden]` to logits.
        known: `[row, hidden]` embeddings of the prompt.
        guesses: of how the answer goes on.
        most_new: most tokens of the answer.
        most_drafted: most tokens of a tree.
        stop_ids: tokens that end the answer; they are kept.
    """
    answer: list[int] = []
    states: list[Tensor] = []
    start = 0
    while True:
        room = most_new - len(answer) - 1
        drafts = [before_stop(guess, stop_ids)[:room] for guess in guesses(answer)]
        tree = DraftTree.of(drafts, most_drafted)
        drafted = embed(torch.tensor(tree.tokens, dtype=torch.long, device=known.device))
        state = passes.read(torch.cat([known, drafted]), tree.lineage(), start)
        first = len(known) - 1  # the row of node 0
        greedy = head(state[first:]).argmax(dim=-1).tolist()
        node: int | None = 0
        path: list[int] = []
        while node is not None:
            path.append(first + node)
            answer.append(greedy[node])
            if answer[-1] in stop_ids or len(answer) == most_new:
                node = None
            else:
                node = tree.child(node, answer[-1])
        rows = [*range(first), *path]
        states.append(state[rows])
        if answer[-1] in stop_ids or len(answer) == most_new:
            return Decoded(answer, torch.cat(states), len(states))
        passes.keep(rows, start)
        start += len(rows)
        known = embed(torch.tensor(answer[-1:], dtype=torch.long, device=known.device))


def before_stop(guess: Sequence[int], stop_ids: Sequence[int]) -> list[int]:
    """Cut a guess before its first stop token: nothing after it needs to be read."""
    end = next((i for i, token in enumerate(guess) if token in stop_ids), len(guess))
    return list(guess[:end])

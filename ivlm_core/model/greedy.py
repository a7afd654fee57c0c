"""Greedy decoding with a key-value cache, of drafted tokens in one pass, of recorded passes."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, LlamaForCausalLM

from ivlm_core.model import draft_tree
from ivlm_core.model.draft_tree import before_stop
from ivlm_core.model.drafts import Drafter, alternatives
from ivlm_core.model.graphed import ROWS, GraphedPasses, GraphStore

_CPU_DRAFT = 3
"""Drafted tokens a pass reads on a CPU, where every further one costs about a sixth of a pass; the
pass over the prompts reads whole drafts, as GPUs always do."""


@dataclass(frozen=True)
class Decoded:
    """Answers of a batch."""

    answers: list[list[int]]
    """Generated ids per sample."""
    hidden: Tensor
    """`[batch, position, hidden]` after the final norm, right-padded; every position but the last
    generated token's."""
    passes: int
    """Forward passes of the language model, the one over the prompts included."""


class GreedyDecoder:
    """Writes the likeliest token after the other, keeping every state.

    What a drafter guesses is read in one pass together with the token before it, and kept as far as
    it is what greedy decoding writes: with any drafters the answers are those without (after
    speculative decoding, Leviathan et al. 2023).

    Args:
        language: the model that is read.
    """

    def __init__(self, language: LlamaForCausalLM) -> None:
        self._language = language
        self.graphs: GraphStore | None = GraphStore()
        """Recorded passes on a CUDA device; None decodes without them."""

    @torch.no_grad()
    def decode(
        self,
        prompts: Sequence[Tensor],
        most_new: int,
        stop_ids: Sequence[int],
        drafters: Sequence[Drafter] | None = None,
    ) -> Decoded:
        """Decode an answer to every prompt.

        Args:
            prompts: embedded, `[position, hidden]` each.
            most_new: most tokens of an answer.
            stop_ids: tokens that end an answer; they are kept.
            drafters: one per prompt; None decodes one token a pass.
        """
        graphs, passes = self.graphs, None
        if graphs is not None and len(prompts) == 1:
            passes = graphs.passes(self._language.model, len(prompts[0]) + most_new)
        if graphs is None or passes is None:
            return self._decode(prompts, most_new, stop_ids, drafters)
        try:
            recorded = self._decode_recorded(passes, prompts[0], most_new, stop_ids, drafters)
        except RuntimeError as error:
            graphs.refuse(str(error))
            return self._decode(prompts, most_new, stop_ids, drafters)
        if passes.proven:
            return recorded
        usual = self._decode(prompts, most_new, stop_ids, drafters)  # the first time, to compare
        passes.proven = usual.answers == recorded.answers
        if not passes.proven:
            graphs.refuse("their first answer was another than without them")
        return usual

    def _decode_recorded(
        self,
        passes: GraphedPasses,
        prompt: Tensor,
        most_new: int,
        stop_ids: Sequence[int],
        drafters: Sequence[Drafter] | None,
    ) -> Decoded:
        """Decode one answer by recorded passes."""
        found = draft_tree.decode(
            passes,
            self._language.get_input_embeddings(),
            self._language.lm_head,
            prompt,
            (lambda _: ()) if drafters is None else alternatives(drafters[0]),
            most_new=most_new,
            most_drafted=ROWS - 1,
            stop_ids=stop_ids,
        )
        return Decoded([list(found.answer)], found.hidden[None], found.passes)

    def _decode(
        self,
        prompts: Sequence[Tensor],
        most_new: int,
        stop_ids: Sequence[int],
        drafters: Sequence[Drafter] | None,
    ) -> Decoded:
        embed = self._language.get_input_embeddings()
        device = prompts[0].device
        fresh = list(prompts)
        answers: list[list[int]] = [[] for _ in prompts]
        done = [False] * len(answers)
        cache = DynamicCache()
        kept = torch.zeros(len(answers), 0, dtype=torch.bool)  # [batch, column of the cache]
        states: list[Tensor] = []
        while not all(done):
            drafts: list[list[int]] = [[] for _ in answers]
            for i, answer in enumerate(answers):
                if drafters is not None and not done[i]:
                    room = most_new - len(answer) - 1
                    if states and device.type == "cpu":
                        room = min(room, _CPU_DRAFT)
                    drafts[i] = before_stop(drafters[i](answer), stop_ids)[:room]
            rows = [
                torch.cat([known, embed(torch.tensor(draft, dtype=torch.long, device=device))])
                for known, draft in zip(fresh, drafts, strict=True)
            ]
            lengths = [len(row) for row in rows]
            read = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
            mask = torch.cat([kept, read], dim=1)
            positions = kept.sum(dim=1, keepdim=True) + torch.arange(max(lengths))
            state = self._language.model(
                inputs_embeds=nn.utils.rnn.pad_sequence(rows, batch_first=True),
                attention_mask=None if bool(mask.all()) else mask.to(device),
                position_ids=positions.to(device),
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            predicting = [  # the last known token and every drafted one
                state[i, length - len(draft) - 1 : length]
                for i, (length, draft) in enumerate(zip(lengths, drafts, strict=True))
                if not done[i]
            ]
            greedy = iter(self._language.lm_head(torch.cat(predicting)).argmax(dim=-1).tolist())
            for i, draft in enumerate(drafts):
                if done[i]:
                    continue
                tokens = [next(greedy) for _ in range(len(draft) + 1)]
                accepted = _agreeing(draft, tokens)
                answers[i] += tokens[: accepted + 1]
                done[i] = tokens[accepted] in stop_ids or len(answers[i]) >= most_new
                read[i, lengths[i] - len(draft) + accepted :] = False
                last = [] if done[i] else tokens[accepted : accepted + 1]
                fresh[i] = embed(torch.tensor(last, dtype=torch.long, device=device))
            width = int(read.sum(dim=1).max())
            if width < max(lengths):
                cache.crop(width - max(lengths))  # what no row keeps
            kept = torch.cat([kept, read[:, :width]], dim=1)
            states.append(state[:, :width])
        hidden = torch.cat(states, dim=1)
        padded = nn.utils.rnn.pad_sequence(
            [row[keep.to(device)] for row, keep in zip(hidden, kept, strict=True)],
            batch_first=True,
        )
        return Decoded(answers, padded, passes=len(states))


def _agreeing(draft: Sequence[int], greedy: Sequence[int]) -> int:
    """Return how many tokens of a draft are the greedy ones, counted from its start."""
    pairs = zip(draft, greedy, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

"""The vision-language model: image and token ids to logits, answers and hidden states (LLaVA)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from ivlm_core.config import LanguageConfig, LoraConfig, VisionConfig
from ivlm_core.model.drafts import Drafter
from ivlm_core.model.few_rows import use_few_rows
from ivlm_core.model.greedy import GreedyDecoder
from ivlm_core.model.resampler import QuestionResampler
from ivlm_core.model.tokens import IGNORE_LABEL, IMAGE_PLACEHOLDER
from ivlm_core.model.vision import VisionTower, freeze


@dataclass(frozen=True)
class Generated:
    """Answers of a batch."""

    ids: list[list[int]]
    """Per sample: the prompt (with its placeholder) followed by the generated ids."""
    hidden: Tensor
    """`[batch, position, hidden]` after the final norm, right-padded; every position but the last
    generated token's."""
    passes: int
    """Forward passes of the language model, the one over the prompts included."""


@dataclass(frozen=True)
class Scored:
    """A teacher-forced pass."""

    logits: Tensor
    """`[batch, position, vocabulary]`, right-padded."""
    hidden: Tensor
    """`[batch, position, hidden]` after the final norm."""
    labels: Tensor
    """`[batch, position]` ids to be predicted at the next position, `IGNORE_LABEL` elsewhere."""


def _projector(config: LanguageConfig, vision: VisionConfig) -> nn.Module:
    vision_size = vision.hidden_size
    if config.projector == "linear":
        return nn.Linear(vision_size, config.hidden_size)
    if config.projector == "resampler":
        return QuestionResampler(
            vision_size,
            config.hidden_size,
            vision.grid_size,
            config.resampler_queries,
            config.resampler_layers,
            config.heads,
            config.resampler_boxes,
        )
    return nn.Sequential(
        nn.Linear(vision_size, config.hidden_size),
        nn.GELU(),
        nn.Linear(config.hidden_size, config.hidden_size),
    )


class Vlm(nn.Module):
    """CLIP tower, projector, Llama; image features replace the placeholder in the sequence."""

    def __init__(self, vision: VisionConfig, language: LanguageConfig) -> None:
        super().__init__()
        self.tower = VisionTower(vision)
        self.mm_projector = _projector(language, vision)
        self.language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=language.vocab_size,
                hidden_size=language.hidden_size,
                intermediate_size=language.intermediate_size,
                num_hidden_layers=language.layers,
                num_attention_heads=language.heads,
                max_position_embeddings=language.max_positions,
                rms_norm_eps=language.rms_norm_eps,
                rope_parameters={"rope_type": "default", "rope_theta": language.rope_theta},
                tie_word_embeddings=False,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
            )
        )
        use_few_rows(self.language)
        self.decoder = GreedyDecoder(self.language)
        if language.lora is not None:
            self.add_lora(language.lora)

    def add_lora(self, lora: LoraConfig) -> None:
        """Freeze the language model but for adapters, token embeddings and head."""
        import peft  # half a second that models without adapters need not wait for

        freeze(self.language.model)
        peft.inject_adapter_in_model(
            peft.LoraConfig(
                r=lora.rank,
                lora_alpha=lora.alpha,
                lora_dropout=lora.dropout,
                target_modules=list(lora.targets),
            ),
            self.language,
        )
        # Token rows were added and every answer passes the head: both are trained whole.
        self.language.get_input_embeddings().weight.requires_grad_(True)
        self.language.lm_head.weight.requires_grad_(True)

    def image_tokens(
        self, features: Tensor, prompts: Sequence[Sequence[int]], boxes: Tensor | None = None
    ) -> Tensor:
        """Map tower features to what the language model reads in place of the image.

        Args:
            features: `[batch, patch, vision]`.
            prompts: ids up to where each answer begins; only a resampler reads them.
            boxes: `[batch, 4]`, where the objects are; only a resampler that learned to
                (`LanguageConfig.resampler_boxes`) reads them.

        Returns:
            `[batch, image token, hidden]`.

        Raises:
            ValueError: boxes are given and not read.
        """
        if isinstance(self.mm_projector, QuestionResampler):
            return self.resample(features, prompts, boxes)[0]
        if boxes is not None:
            raise ValueError("only a resampler reads boxes")
        return self.mm_projector(features)

    def resample(
        self, features: Tensor, prompts: Sequence[Sequence[int]], boxes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `image_tokens` of a resampler, and where it looked.

        The latter is `[batch, layer, query, patch]`, see `QuestionResampler`.
        """
        questions = [torch.tensor(row[list(row).index(IMAGE_PLACEHOLDER) + 1 :]) for row in prompts]
        ids = nn.utils.rnn.pad_sequence(questions, batch_first=True, padding_value=-1)
        ids = ids.to(features.device)
        absent = ids < 0
        words = self.language.get_input_embeddings()(ids.clamp(min=0))
        return self.mm_projector(features, words, absent, boxes)

    def _embed(self, ids: Sequence[int], image_tokens: Tensor) -> Tensor:
        """Return `[position, hidden]` with the image in place of its placeholder."""
        split = list(ids).index(IMAGE_PLACEHOLDER)
        embed = self.language.get_input_embeddings()
        device = image_tokens.device
        before = embed(torch.tensor(ids[:split], dtype=torch.long, device=device))
        after = embed(torch.tensor(ids[split + 1 :], dtype=torch.long, device=device))
        return torch.cat([before, image_tokens.to(before.dtype), after])

    def score(
        self,
        image_tokens: Tensor,
        ids: Sequence[Sequence[int]],
        answer_starts: Sequence[int],
        learned: Sequence[Sequence[bool]] | None = None,
    ) -> Scored:
        """Run prompts with known answers.

        Args:
            image_tokens: `[batch, image token, hidden]`.
            ids: prompt and answer of each sample.
            answer_starts: index in `ids` of each (first) answer's first token.
            learned: which of `ids` are to be predicted; None takes all from `answer_starts` on.
                Conversations of several turns need it.
        """
        count, device = image_tokens.shape[1], image_tokens.device
        splits = [list(row).index(IMAGE_PLACEHOLDER) for row in ids]
        shape = len(ids), max(map(len, ids)) + count - 1
        words, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE_LABEL)
        for i, (row, split, start) in enumerate(zip(ids, splits, answer_starts, strict=True)):
            length = len(row) + count - 1
            words[i, :split] = torch.tensor(row[:split], dtype=torch.long)
            words[i, split + count : length] = torch.tensor(row[split + 1 :], dtype=torch.long)
            mask[i, :length] = 1
            answer = torch.tensor(row[start:], dtype=torch.long)
            if learned is not None:
                answer = torch.where(torch.tensor(learned[i][start:]), answer, IGNORE_LABEL)
            labels[i, length - len(answer) : length] = answer
        sample = torch.arange(len(ids))[:, None].expand(-1, count)
        place = torch.tensor(splits)[:, None] + torch.arange(count)
        words, mask, labels, sample, place = (  # whole, not row by row: a GPU waits for each
            tensor.to(device) for tensor in (words, mask, labels, sample, place)
        )
        embeds = self.language.get_input_embeddings()(words) * mask[..., None]
        embeds = embeds.index_put((sample, place), image_tokens.to(embeds.dtype))
        hidden = self.language.model(
            inputs_embeds=embeds, attention_mask=mask, use_cache=False
        ).last_hidden_state
        return Scored(self.language.lm_head(hidden), hidden, labels)

    @torch.no_grad()
    def generate(
        self,
        image_tokens: Tensor,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        stop_ids: Sequence[int],
        drafters: Sequence[Drafter] | None = None,
    ) -> Generated:
        """Decode answers greedily (`GreedyDecoder`), keeping every state.

        Args:
            image_tokens: `[batch, image token, hidden]`.
            prompts: ids up to where the answer begins.
            max_new_tokens: most tokens of an answer.
            stop_ids: tokens that end an answer; they are kept.
            drafters: one per prompt; None decodes one token a pass.
        """
        questions = [
            self._embed(p, tokens) for p, tokens in zip(prompts, image_tokens, strict=True)
        ]
        found = self.decoder.decode(questions, max_new_tokens, stop_ids, drafters)
        ids = [[*prompt, *answer] for prompt, answer in zip(prompts, found.answers, strict=True)]
        return Generated(ids, found.hidden, found.passes)


def text_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the shifted mean cross-entropy over supervised positions; 0 where there is none."""
    target = labels[:, 1:].reshape(-1)
    if bool((target == IGNORE_LABEL).all()):
        return logits.sum() * 0
    return nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]).float(), target, ignore_index=IGNORE_LABEL
    )

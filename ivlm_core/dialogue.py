"""What the language model is asked, how it may go on, and what its answers ask for."""

import random
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ivlm_core.config import PromptConfig
from ivlm_core.model import prompts
from ivlm_core.model.drafts import AnswerFrame, Drafter, TemplateDrafter
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import PhotoTask, Task
from ivlm_core.model.vlm import Generated, Scored
from ivlm_core.official.prompts import KIND_OF_TASK, answer_wordings, demo_question
from ivlm_core.official.quirks import ReferenceQuirks

_REMEMBERED_ANSWERS = 256
"""Labels whose last answers are kept."""


class Dialogue:
    """The words around a contact token: questions, drafts of answers, and their reading.

    Args:
        model: its language model answers.
        processor: words to ids and back.
        quirks: published deviations in how questions are worded.
        body_parts: names of the body's parts, read when an answer about the body is first drafted
            (a body may need a file of the user's).
    """

    def __init__(
        self,
        model: IvlmModel,
        processor: Processor,
        quirks: ReferenceQuirks,
        body_parts: Callable[[], Sequence[str]],
    ) -> None:
        self._model, self._processor, self._quirks = model, processor, quirks
        self._body_parts = body_parts
        self._wordings = random.Random(random.getrandbits(64)) if quirks.random_question else None
        self._drafters: dict[Task, TemplateDrafter] = {}
        self._answers: OrderedDict[tuple[Task, str], AnswerFrame] = OrderedDict()

    @property
    def _style(self) -> PromptConfig:
        return self._model.config.prompt

    def asked_label(self, label: str) -> str | None:
        """Return the word the model is asked with: the label, or the category it is an alias of.

        None where the model was trained on a list of labels and this is none of them: it is then
        asked with the label all the same, but its answer is a guess.
        """
        known = self._style.labels
        if not known or label in known:
            return label
        from ivlm_core.synthesis.objects import category_of

        category = category_of(label)
        return category if category in known else None

    def prompt_ids(self, task: Task, label: str) -> list[int]:
        """Return a question as ids, worded as the model learned it."""
        word = self.asked_label(label) or label
        if self._quirks.demo_object_prompt and task != "human_contact":
            kind, name = KIND_OF_TASK[task], word.replace(" ", "_")
            return self._processor.prompt_ids(demo_question(kind, name, self._quirks))
        question = prompts.question(task, word, self._wordings, self._style.label_words)
        return self._processor.prompt_ids(question)

    def drafter(self, task: Task, label: str | None = None) -> Drafter:
        """Return what guesses how answers go on (`Vlm.generate`).

        Args:
            task: its templates are guessed.
            label: the last answer about it is guessed first: in a video it is mostly right.
        """
        if task not in self._drafters:
            details = self._body_parts() if task == "human_contact" else ()
            likely = sorted(details, key=lambda name: "hand" not in name)  # what touches most
            published = self._style.answers == "published"
            wordings = answer_wordings(task) if published else ()
            self._drafters[task] = self._processor.drafter(task, likely, wordings)
        templates = self._drafters[task]
        last = self._answers.get((task, label)) if label else None
        return templates if last is None else TemplateDrafter((last, *templates.frames))

    def remember(self, task: Task, label: str, answer: Sequence[int]) -> None:
        """Guess this answer, as ids, first when the same is asked again."""
        self._answers[task, label] = AnswerFrame(tuple(answer))
        self._answers.move_to_end((task, label))
        while len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)

    def forget_answers(self) -> None:
        """Guess no answer by earlier ones; what is answered stays the same, with or without."""
        self._answers.clear()

    def read_answers(
        self,
        tasks: Sequence[Task | PhotoTask],
        read: Generated | Scored,
        ids: Sequence[Sequence[int]],
        prompt_ids: Sequence[Sequence[int]],
    ) -> tuple[list[str], list[ContactPrompt | None]]:
        """Return answers in words, and what each asks the mask decoder for.

        That is None without a contact token, and, where the model means it so
        (`PromptConfig.none_is_empty`), where no body part is named.

        Args:
            tasks: what was asked.
            read: what the language model made of questions and answers.
            ids: questions with their answers.
            prompt_ids: the questions alone.
        """
        answers = [
            self._processor.decode(full[len(prompt) :])
            for full, prompt in zip(ids, prompt_ids, strict=True)
        ]
        asked = self._model.contact_prompts(read, ids)
        if self._style.none_is_empty:
            nothing = map(prompts.says_nothing, tasks, answers)
            asked = [None if no else p for no, p in zip(nothing, asked, strict=True)]
        return answers, asked

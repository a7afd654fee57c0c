"""A whole bag: questions, answers, the new bag."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ivlm_core.bags.answers import Answer, AnswerFiles
from ivlm_core.bags.source import BagError, BagSource, Question, Topics
from ivlm_core.bags.target import write_bag
from ivlm_core.estimator import Estimator
from ivlm_core.messages.arrangement import Display, arrange
from ivlm_core.messages.cdr import Stamp
from ivlm_core.messages.images import ImageFormatError, picture
from ivlm_core.messages.results import ResultMessages
from ivlm_core.pipeline import Task


@dataclass(frozen=True)
class BagRun:
    """What is asked of a bag."""

    out: Path
    """Bag to write; `OUT.partial` beside it keeps the answers of a run that was stopped."""
    topics: Topics
    labels: tuple[str, ...]
    tasks: tuple[Task, ...]
    rate_hz: float = 0.0
    name: str = "/ivlm_node"
    storage: str = "sqlite3"
    only_results: bool = False
    settings: tuple[tuple[str, Any], ...] = ()
    """What else answers depend on, such as the model."""


@dataclass(frozen=True)
class BagReport:
    """What came of it."""

    images: int
    """That were to be answered."""
    already: int
    """Of those, answered by a run that was stopped."""
    failed: tuple[str, ...]
    """Why images have no answer, each reason once."""
    messages: int
    """In the new bag."""


def answer_bag(source: BagSource, estimator: Estimator, run: BagRun) -> BagReport:
    """Answer the images of a bag and write a bag with the results.

    Raises:
        ValueError: there is nothing to answer, or `OUT.partial` is of a run with other settings.
        FileExistsError: OUT exists.
        BagError: the bag is damaged.
    """
    if run.out.exists():
        raise FileExistsError(f"{run.out} exists; give a folder that does not")
    questions = source.questions(run.topics, run.labels, run.rate_hz)
    if not questions:
        raise ValueError(
            f"{source.folder} has no image that a label holds for: give --label, or record a label "
            "before the images"
        )
    partial = run.out.with_name(f"{run.out.name}.partial")
    settings = {
        "bag": str(source.folder.resolve()),
        "images": run.topics.images,
        "labels": run.labels,
        "label topic": run.topics.labels,
        "tasks": run.tasks,
        "rate": run.rate_hz,
        **dict(run.settings),
    }
    answers = AnswerFiles(partial, settings)
    already = sum(answers.has(q.number) for q in questions)
    _answer(source, estimator, run, questions, answers)
    failed = [answers.read(q.number).error for q in questions]
    new = partial / run.out.name  # the name is part of a bag's files
    shutil.rmtree(new, ignore_errors=True)
    count = write_bag(
        new, source, run.topics, questions, answers, run.name, run.storage, run.only_results
    )
    new.rename(run.out)
    shutil.rmtree(partial)
    reasons = tuple(dict.fromkeys(reason for reason in failed if reason))
    return BagReport(len(questions), already, reasons, count)


def _answer(
    source: BagSource,
    estimator: Estimator,
    run: BagRun,
    questions: Sequence[Question],
    answers: AnswerFiles,
) -> None:
    """Write the answers that are missing."""
    asked = {question.number: question.labels for question in questions}
    results = ResultMessages()
    bar = tqdm(total=len(questions), desc="answering", unit="image")
    recorded = source.messages([run.topics.images])
    for number, (connection, _, data) in enumerate(recorded):
        if number not in asked:
            continue
        bar.update()
        if answers.has(number):
            results.shown = answers.read(number).shown
            continue
        try:
            message = source.read(connection, data)
            photo = picture(message)
        except (BagError, ImageFormatError) as error:
            answers.write(number, Answer(shown=results.shown, error=str(error)))
            continue
        stamp = message.header.stamp
        header = Stamp(stamp.sec, stamp.nanosec, message.header.frame_id)
        found = estimator.estimate(photo, asked[number], run.tasks, attention=True)
        placed = arrange(found, Display())
        messages = list(results.of_image(header, photo, placed, Display()))
        answers.write(number, Answer(messages, results.shown))
    bar.close()

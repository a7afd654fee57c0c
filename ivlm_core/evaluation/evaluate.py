"""`evaluate(pipeline, dataset)`: what users call, over a labelled split, beside blind guesses."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from ivlm_core.config import read_json
from ivlm_core.datasets.sample import Sample, Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.baselines import Baseline, Guess, LabelOnly, TrueSide, TrueTemplate
from ivlm_core.evaluation.circumstances import Surroundings
from ivlm_core.evaluation.figures import LABEL_ONLY, NEAREST, REGRESSOR, TRUE_SIDE, TRUE_TEMPLATE
from ivlm_core.evaluation.kept_figures import KeptFigures
from ivlm_core.evaluation.metrics import THRESHOLD
from ivlm_core.evaluation.nearest import NearestImage
from ivlm_core.evaluation.outcomes import Judge, PairOutcome, TwoLabels
from ivlm_core.evaluation.photo_masks import evaluate_masks
from ivlm_core.evaluation.report import Report
from ivlm_core.evaluation.told_boxes import Tell, boxes_of, nothing
from ivlm_core.geometry.body import BODY_PARTS, Body
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.prompts import PHOTO_TASK, TASKS, PhotoTask, Task

if TYPE_CHECKING:
    from ivlm_core.pipeline import Pipeline


@dataclass(frozen=True)
class EvaluateConfig:
    """One evaluation."""

    data: Path
    """Folder that `ivlm synthesize` wrote."""
    model: str = "nano"
    """`nano` (shipped) or a model folder."""
    split: str = "test"
    """Split to answer; what a blind guess knows comes from `train`."""
    regressor: Path | None = None
    """Folder of a direct regressor (`ivlm train --recipe regressor`) to stand beside the model."""
    out: Path | None = None
    """Folder for report.html, report.json, report.txt, report.md and pairs.jsonl."""
    keep: bool = False
    """Write the key figures into the model's folder, for `ivlm reproduce`."""
    limit: int | None = None
    """Number of images, evenly spread over the split; None takes all."""
    batch_size: int = 16
    """Questions answered together."""
    tasks: tuple[Task | PhotoTask, ...] = TASKS
    cases: int = 4
    """Best, worst and random cases of each task that report.html shows, of each kind so many."""
    threshold: float | None = None
    """Score from which a vertex or pixel counts as in contact; None takes the model's own."""
    boxes: bool = False
    """Tell the model where objects are, by boxes as exact as a detector's; those that are hardly in
    sight stay unknown. For models that read boxes."""
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights."""
    quantization: Literal["none", "8bit", "4bit"] = "none"
    """Of the language model, on a GPU; needs the extra 'quant'."""
    device_map: Literal["auto"] | None = None
    """`auto` spreads the language model over all GPUs; needs accelerate."""
    cache_dir: Path | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        if self.boxes and self.keep:
            raise ValueError("keep is for figures without boxes, which `ivlm reproduce` compares")
        if self.threshold is not None and self.keep:
            raise ValueError(
                "keep is for figures at the model's own threshold, which `ivlm reproduce` compares"
            )
        if not self.tasks:
            raise ValueError("tasks must name at least one")
        if self.cases < 0:
            raise ValueError(f"cases must be 0 or more, got {self.cases}")
        if self.batch_size < 1 or (self.limit is not None and self.limit < 1):
            raise ValueError(
                f"batch_size and limit must be positive, got {self.batch_size} and {self.limit}"
            )
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1, got {self.threshold}")

    def load_pipeline(self, **published: Any) -> "Pipeline":
        """Load the model; `published` are options of published checkpoints."""
        from ivlm_core.pipeline import Pipeline

        return Pipeline.from_pretrained(
            self.model,
            self.device,
            self.cache_dir,
            dtype=self.dtype,
            quantization=self.quantization,
            device_map=self.device_map,
            **published,
        )

    def make_out(self) -> None:
        """Make the report's folder before hours of answers that could not be written there."""
        if self.out is not None:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ValueError(
                    f"the report's folder {self.out} cannot be made ({error.strerror}); choose "
                    "another"
                ) from error


def main(config: EvaluateConfig) -> Report:
    """Load model and data, evaluate, and write the report where `config.out` says.

    Raises:
        FileNotFoundError, ValueError: model or data are missing, damaged or do not fit.
    """
    from ivlm_core.evaluation.cases import (
        Case,
        PhotoCase,
        answer_cases,
        choose_cases,
        mask_cases,
    )
    from ivlm_core.evaluation.report_page import save_report_page
    from ivlm_core.model.shipped import model_folder
    from ivlm_core.photo_contact import check_model

    dataset = SyntheticDataset(config.data, config.split)
    pipeline = config.load_pipeline()
    for task in config.tasks:
        check_model(pipeline) if task == PHOTO_TASK else pipeline.check_task(task)
    if config.boxes and not pipeline.reads_boxes:
        raise ValueError(f"model {config.model} did not learn to read boxes; leave boxes out")
    config.make_out()
    about: dict[str, Any] = {"model": config.model, **trained_on(Path(config.model))}
    if config.boxes:
        about["boxes"] = "told"
    if config.threshold is not None:
        about["threshold"] = config.threshold
    tell = boxes_of(dataset) if config.boxes else nothing
    baselines = None
    if config.regressor is not None:
        from ivlm_core.evaluation.regressor import ContactRegressor, DirectRegressor

        network = ContactRegressor.load(config.regressor, config.device)
        baselines = {**fit_baselines(dataset), REGRESSOR: DirectRegressor(network, dataset)}
        about["regressor"] = str(config.regressor)
        about |= {f"regressor_{k}": value for k, value in trained_on(config.regressor).items()}
    report = evaluate(
        pipeline,
        dataset,
        limit=config.limit,
        batch_size=config.batch_size,
        tasks=config.tasks,
        threshold=config.threshold,
        baselines=baselines,
        progress=config.progress,
        about=about,
        tell=tell,
    )
    if config.out is not None:
        report.save(config.out)
        masks = report.photos.outcomes if report.photos else ()
        shown: list[Case | PhotoCase] = [
            *answer_cases(pipeline, dataset, choose_cases(report.pairs, config.cases), tell),
            *mask_cases(pipeline, dataset, choose_cases(masks, config.cases), tell),
        ]
        save_report_page(report, shown, config.out / "report.html")
    if config.keep:
        KeptFigures.of(report.to_json(), config.tasks).save(model_folder(config.model))
    return report


def evaluate(
    pipeline: "Pipeline",
    dataset: SyntheticDataset,
    limit: int | None = None,
    batch_size: int = 16,
    tasks: Sequence[Task | PhotoTask] = TASKS,
    threshold: float | None = None,
    baselines: Mapping[str, Baseline] | None = None,
    progress: bool = False,
    about: Mapping[str, Any] | None = None,
    tell: Tell = nothing,
) -> Report:
    """Answer a split's questions with a pipeline, as a user would, and judge the answers.

    The text is generated, not given; questions about one image go in one batch.

    Args:
        pipeline: only its `predict_batch` is called, but for `photo_contact`.
        dataset: the split.
        limit: number of images, evenly spread over the split; None takes all.
        batch_size: least number of questions answered together; whole images are taken.
        tasks: only these; `photo_contact` asks about the body's questions once more.
        threshold: score from which a vertex or pixel is in contact; None takes the model's own.
        baselines: fitted ones; None takes those of `fit_baselines`.
        progress: shows a bar.
        about: what else the report should say of itself.
        tell: gives the boxes that the model is told; none by default.

    Raises:
        ValueError: the model's scores do not fit the data's meshes.
    """
    from ivlm_core.pipeline import Query

    on_surfaces: list[Task] = [task for task in tasks if task != PHOTO_TASK]
    if baselines is None and on_surfaces:
        baselines = fit_baselines(dataset)
    judge = Judge(dataset.body, baselines)
    known = (dataset.folder / "train").is_dir()  # a test split alone can be judged, too
    surroundings = Surroundings.of(dataset, training_split(dataset) if known else None)
    indices = spread(len(dataset), limit)
    vocabularies = _vocabularies(dataset)
    pairs: list[PairOutcome] = []
    doubles: list[TwoLabels] = []
    seconds = 0.0
    hidden = not (progress and on_surfaces)
    bar = tqdm(total=len(indices), desc="evaluate", unit="image", disable=hidden)
    for samples in _batches(dataset, indices, batch_size, on_surfaces):
        queries = [Query(s.image, s.label, s.task, s.mesh, tell(s.target)) for s in samples]
        started = time.perf_counter()
        predictions = pipeline.predict_batch(queries)
        seconds += time.perf_counter() - started
        answers = []
        for sample, prediction in zip(samples, predictions, strict=True):
            answer = Guess(
                prediction.scores, prediction.threshold if threshold is None else threshold
            )
            guesses = judge.guesses(sample.target, sample.mesh, answer)
            vocabulary = vocabularies.get(sample.task)
            text = prediction.answer if vocabulary else None
            pairs.append(
                judge.pair(
                    sample.target,
                    guesses,
                    sample.mesh,
                    text,
                    vocabulary or (),
                    surroundings.of_question(sample.target),
                )
            )
            answers.append((sample.target, guesses))
        for _, of_image in groupby(answers, key=lambda a: a[0].image_index):
            targets, guessed = zip(*of_image, strict=True)
            doubles += judge.two_labels(targets, guessed)
        bar.update(len({s.target.image_index for s in samples}))
    bar.close()
    report = Report.of(
        pairs,
        doubles,
        {
            **(about or {}),
            "data": dataset.folder.name,
            "split": dataset.split,
            "images": len(indices),
            "questions": len(pairs),
            **({"ms_per_question": round(1000 * seconds / len(pairs), 1)} if pairs else {}),
        },
    )
    if PHOTO_TASK not in tasks:
        return report
    train = training_split(dataset)
    masks = evaluate_masks(pipeline, dataset, train, indices, batch_size, threshold, progress, tell)
    asked = {"questions": len(pairs) + masks.questions}
    return replace(report, about={**report.about, **asked}, photos=masks)


def evaluate_scores(
    truth: Sequence[ArrayLike] | ArrayLike,
    scores: Sequence[ArrayLike] | ArrayLike,
    records: Sequence[Sample | Target],
    body: Body,
    baselines: Mapping[str, Baseline] | None = None,
    threshold: float = THRESHOLD,
) -> Report:
    """Judge scores that are already there, for instance a training loop's.

    Args:
        truth: `[sample, vertex]`, or one `[vertex]` per sample where meshes differ; in contact
            where above 0.
        scores: the same of the model, in [0, 1].
        records: what each row asks; its own contact is replaced by `truth`.
        body: whose vertices human contact is on.
        baselines: fitted ones to compare with, by name.
        threshold: score from which a vertex is in contact.

    Raises:
        ValueError: the numbers of rows or vertices differ.
    """
    rows = list(zip(truth, scores, records, strict=True))  # type: ignore[arg-type]
    judge = Judge(body, baselines)
    pairs, answers = [], []
    for true, found, record in rows:
        mesh: Mesh | None = record.mesh if isinstance(record, Sample) else None
        target = _with_contact(record.target if isinstance(record, Sample) else record, true)
        guesses = judge.guesses(target, mesh, Guess(np.asarray(found), threshold))
        pairs.append(judge.pair(target, guesses, mesh))
        answers.append((target, guesses))
    answers.sort(key=lambda a: a[0].image_index)
    doubles: list[TwoLabels] = []
    for _, of_image in groupby(answers, key=lambda a: a[0].image_index):
        targets, guessed = zip(*of_image, strict=True)
        doubles += judge.two_labels(targets, guessed)
    return Report.of(pairs, doubles)


def fit_baselines(dataset: SyntheticDataset) -> dict[str, Baseline]:
    """Fit the baselines: on the training split, but `TrueTemplate` on the dataset itself."""
    train = training_split(dataset)
    return {
        LABEL_ONLY: LabelOnly.fit(train),
        TRUE_SIDE: TrueSide.fit(train),
        TRUE_TEMPLATE: TrueTemplate.fit(dataset),
        NEAREST: NearestImage.fit(train, dataset),
    }


def trained_on(folder: Path) -> dict[str, Any]:
    """Return what the provenance beside weights says of the images they learned from.

    Returns:
        `trained_on` (images) and `share` (of the training split), where they are told.
    """
    file = folder / "provenance.json"
    data = read_json(file).get("data", {}) if file.is_file() else {}
    return {key: data[key] for key in ("trained_on", "share") if key in data}


def training_split(dataset: SyntheticDataset) -> SyntheticDataset:
    """Return the training split beside a split."""
    return dataset if dataset.split == "train" else SyntheticDataset(dataset.folder, "train")


def spread(count: int, limit: int | None) -> list[int]:
    """Return `limit` of `count` indices, evenly spread; all without a limit."""
    if limit is None or limit >= count:
        return list(range(count))
    return np.linspace(0, count - 1, limit).round().astype(int).tolist()


def _batches(
    dataset: SyntheticDataset, indices: Sequence[int], batch_size: int, tasks: Sequence[Task]
) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    for index in indices:
        batch += dataset.samples_of(index, tasks)
        if len(batch) >= batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _vocabularies(dataset: SyntheticDataset) -> dict[str, tuple[str, ...]]:
    """Return the names that a task's text may hold."""
    entries = dataset.objects.index.values()
    affordances = sorted({name for entry in entries for name in entry["affordances"]})
    return {"human_contact": BODY_PARTS, "object_affordance": tuple(affordances)}


def _with_contact(target: Target, truth: ArrayLike) -> Target:
    dense = np.asarray(truth)
    return replace(
        target, vertices=np.flatnonzero(dense > 0).astype(np.int32), num_vertices=len(dense)
    )

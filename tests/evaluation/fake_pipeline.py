"""A pipeline whose answers are made from the truth, however a test likes."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.model.prompts import answer


class FakePipeline:
    """Answers with a function of (the dataset's target, mesh) and keeps what it was asked."""

    def __init__(
        self, dataset: SyntheticDataset, scores: Callable[[Target, Any], np.ndarray]
    ) -> None:
        self.scores = scores
        self.batches: list[int] = []
        self.boxes: list[Any] = []
        self.known = {
            (dataset.image(i).tobytes(), t.task, t.label): t
            for i in range(len(dataset))
            for t in dataset.targets(i)
        }

    def predict_batch(self, queries: Sequence[Any]) -> list[Any]:
        self.batches.append(len(queries))
        self.boxes += [q.box for q in queries]
        targets = [self.known[q.image.tobytes(), q.task, q.label] for q in queries]
        return [
            SimpleNamespace(
                scores=self.scores(t, q.mesh),
                threshold=0.4,
                answer=answer(t.task, "<HCON>", t.details),
            )
            for t, q in zip(targets, queries, strict=True)
        ]

"""A guess of masks on generated pictures that knows the label and sees the body's parts."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Self

import numpy as np
from tqdm import tqdm

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.evaluation.metrics import scores_from_counts

LABEL_ON_PARTS = "label_on_parts"
"""Name of the guess among the predictors."""

_BITS = (np.arange(256)[:, None] >> np.arange(8)) & 1
"""Bits of every value of a contact map."""


def asked_about(dataset: SyntheticDataset, index: int) -> Iterator[Target]:
    """Return the questions that masks on a picture answer: those about the body."""
    return (t for t in dataset.targets(index) if t.task == "human_contact")


class LabelOnParts:
    """Guesses by the mean contact of a label on every part of the body, laid over those in view.

    The label is all it knows of the question, but it is told the true parts of the body in the
    picture, so it knows where hands and feet are. Like the guesses on surfaces it learns from
    questions with contact, and its threshold is the one with the best F1 on those.
    """

    def __init__(self, means: dict[str, np.ndarray], thresholds: dict[str, float]) -> None:
        self._means, self._thresholds = means, thresholds

    @classmethod
    def fit(cls, dataset: SyntheticDataset, progress: bool = False) -> Self:
        """Learn from the maps of a training split: minutes for tens of thousands of pictures."""
        touched: dict[str, list[np.ndarray]] = defaultdict(list)
        visible: dict[str, list[np.ndarray]] = defaultdict(list)
        bar = tqdm(range(len(dataset)), "learn the guess", unit="image", disable=not progress)
        for index in bar:
            parts = dataset.stack("part_map", [index]).ravel().astype(np.int64)
            contact = dataset.stack("contact_map", [index]).ravel()
            count = len(dataset.info.part_names) + 1
            both = np.bincount(parts * 256 + contact, minlength=count * 256)
            both = both.reshape(count, 256)
            by_bit = both @ _BITS
            for target in asked_about(dataset, index):
                bit = target.contact_bit
                if bit is not None and by_bit[:, bit].any():
                    touched[target.label].append(by_bit[:, bit])
                    visible[target.label].append(both.sum(axis=1))
        means, thresholds = {}, {}
        for label in touched:
            true, seen = np.stack(touched[label]), np.stack(visible[label])  # [question, part]
            means[label] = (true.sum(axis=0) / seen.sum(axis=0).clip(1)).astype(np.float32)
            # Contact in sight is a hundredth of a hand: each part's own mean is a threshold to try.
            levels = np.unique(means[label][means[label] > 0])
            taken = (means[label] >= levels[:, None]).T.astype(float)  # [part, level]
            size = np.repeat(true.sum(axis=1, keepdims=True), len(levels), axis=1).astype(float)
            f1 = scores_from_counts(true @ taken, seen @ taken, size).f1.mean(axis=0)
            thresholds[label] = float(levels[int(f1.argmax())])
        return cls(means, thresholds)

    def contact(self, label: str, parts: np.ndarray) -> np.ndarray:
        """Return bool `[height, width]`; nowhere for a label that training never touched.

        Args:
            label: of the question.
            parts: uint8 `[height, width]`: `part_map` of the picture.
        """
        if label not in self._means:
            return np.zeros(parts.shape, bool)
        return (self._means[label] >= self._thresholds[label])[parts]

"""What a split knows of a question besides its answer: whether the answer could be seen at all."""

from dataclasses import dataclass
from typing import Self

from ivlm_core.datasets.sample import Target
from ivlm_core.datasets.synthetic import SyntheticDataset

HAND_JOINTS = ("wrist", "knuckle", "fingertip", "thumb")
"""Joints by which a hand counts as visible; one of them is enough, as a grip hides the others."""


@dataclass(frozen=True)
class Circumstances:
    """Of one question; None where it says nothing."""

    hand_visible: bool | None = None
    """Whether the touching hand is in view; None where not one hand alone takes part."""
    instance_unseen: bool | None = None
    """Whether training had no picture of this very object; None where no object is there, or the
    training split is not known."""


class Surroundings:
    """Tells the circumstances of a split's questions."""

    def __init__(self, dataset: SyntheticDataset, trained: frozenset[str] | None) -> None:
        self._dataset, self._trained = dataset, trained
        self._names = dataset.info.joint_names

    @classmethod
    def of(cls, dataset: SyntheticDataset, train: SyntheticDataset | None = None) -> Self:
        """Prepare for a split.

        Args:
            dataset: whose questions are asked.
            train: what the model learned from.
        """
        if train is None:
            return cls(dataset, None)
        objects = (item for index in range(len(train)) for item in train.scene_objects(index))
        return cls(dataset, frozenset(item.instance for item in objects))

    def of_question(self, target: Target) -> Circumstances:
        """Return what is known of a question of the split."""
        known = None if target.instance is None or self._trained is None else self._trained
        return Circumstances(
            hand_visible=self._hand_visible(target),
            instance_unseen=None if known is None else target.instance not in known,
        )

    def _hand_visible(self, target: Target) -> bool | None:
        if target.side not in ("left", "right") or f"{target.side} hand" not in target.parts:
            return None
        (visible,) = self._dataset.stack("joints_visible", [target.image_index])
        wanted = {f"{target.side} {joint}" for joint in HAND_JOINTS}
        return any(
            bool(seen) for name, seen in zip(self._names, visible, strict=True) if name in wanted
        )

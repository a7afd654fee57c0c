"""A synthetic split as whole arrays, so that a batch is one index and no Python loop."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import swap_side
from ivlm_core.model.prompts import SCENE_LABEL, Task
from ivlm_core.training.augment import Affine, warp_map
from ivlm_core.training.dense import IGNORE, DenseTargets

GROUND_BIT = 7


@dataclass(frozen=True)
class TrainQuery:
    """A question with its answer."""

    image: int
    task: Task
    label: str
    details: tuple[str, ...]
    vertices: np.ndarray
    """int32: vertices in contact, of the body or of the object's mesh."""
    instance: str = ""
    """Object instance whose mesh the vertices index (object tasks)."""


@dataclass
class TrainingArrays:
    """Images, maps and joints of a split, and its questions."""

    categories: tuple[str, ...]
    part_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    images: Tensor
    """uint8 `[image, size, size, 3]`."""
    parts: Tensor
    """uint8 `[image, size, size]`: 0 none, i + 1 the i-th body part."""
    objects: Tensor
    """uint8: 0 none, i + 1 the i-th category."""
    contacts: Tensor
    """uint8: 0 none, i + 1 the category in contact there, `len(categories) + 1` the ground."""
    joints: Tensor
    """float32 `[image, joint, 5]`: see `DenseTargets.joints`."""
    queries: list[TrainQuery] = field(default_factory=list)

    @classmethod
    def load(cls, dataset: SyntheticDataset) -> "TrainingArrays":
        """Read a whole split."""
        categories = tuple(dataset.info.categories)
        rank = {name: i for i, name in enumerate(categories)}
        stacks: dict[str, list[np.ndarray]] = defaultdict(list)
        queries: list[TrainQuery] = []
        for index in range(len(dataset)):
            record = dataset[index]
            slots = np.zeros(256, dtype=np.uint8)
            for item in record.objects:
                slots[item.slot + 1] = rank[item.category] + 1
            stacks["images"].append(record.image)
            stacks["parts"].append(record.part_map)
            stacks["objects"].append(slots[record.object_map])
            stacks["contacts"].append(
                _contact_categories(record.contact_map, slots, len(categories) + 1)
            )
            size = record.image.shape[0]
            relative = record.joints_3d - record.joints_3d[:1]
            flat = record.joints_2d / size * 2 - 1
            stacks["joints"].append(np.concatenate([relative, flat], axis=1, dtype=np.float32))
            queries += [
                TrainQuery(
                    image=index,
                    task=sample.task,
                    label=sample.label,
                    details=sample.details,
                    vertices=sample.vertices,
                    instance=sample.instance or "",
                )
                for sample in dataset.samples_of(index)
            ]
        arrays = {name: torch.from_numpy(np.stack(items)) for name, items in stacks.items()}
        return cls(
            categories,
            tuple(dataset.info.part_names),
            tuple(dataset.info.joint_names),
            queries=queries,
            **arrays,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """Categories, then the scene: the labels of `touched`."""
        return (*self.categories, SCENE_LABEL)

    def dense_targets(self, index: Tensor, affine: Affine, side: int) -> DenseTargets:
        """Return the stage 1 targets of some images under an augmentation."""
        swap = torch.from_numpy(swap_sides(self.part_names))
        mirrored = affine.mirrored

        def cells(maps: Tensor) -> Tensor:
            return warp_map(maps[index], affine, side, IGNORE)

        parts = cells(self.parts)
        lookup = torch.arange(IGNORE + 1)
        lookup[1 : len(swap) + 1] = swap + 1
        parts = torch.where(mirrored[:, None, None], lookup[parts], parts)

        joints = self.joints[index].clone()
        order = torch.from_numpy(swap_sides(self.joint_names))
        joints[mirrored] = joints[mirrored][:, order]
        joints[mirrored, :, 0] *= -1
        joints[:, :, 3:] = affine.points(self._image_points(index, mirrored, order))

        touched = self.touched[index].float()
        touched[mirrored] = touched[mirrored][:, :, swap]
        return DenseTargets(parts, cells(self.objects), cells(self.contacts), joints, touched)

    def _image_points(self, index: Tensor, mirrored: Tensor, order: Tensor) -> Tensor:
        points = self.joints[index][:, :, 3:].clone()
        points[mirrored] = points[mirrored][:, order]
        return points

    @property
    def touched(self) -> Tensor:
        """int8 `[image, label, part]`: 1 touched, 0 not, -1 not asked in that image."""
        if not hasattr(self, "_touched"):
            rank = {name: i for i, name in enumerate(self.labels)}
            part = {name: i for i, name in enumerate(self.part_names)}
            table = torch.full(
                (len(self.images), len(self.labels), len(part)), -1, dtype=torch.int8
            )
            for query in self.queries:
                if query.task == "human_contact" and query.label in rank:
                    table[query.image, rank[query.label]] = 0
                    for name in query.details:
                        table[query.image, rank[query.label], part[name]] = 1
            self._touched = table
        return self._touched


def swap_sides(names: tuple[str, ...]) -> np.ndarray:
    """Return, for each name, the index of its mirror image ("left hand" for "right hand")."""
    rank = {name: i for i, name in enumerate(names)}
    return np.array([rank[swap_side(name)] for name in names])


def _contact_categories(bits: np.ndarray, slots: np.ndarray, ground: int) -> np.ndarray:
    """Turn the bit field of slots into one category per pixel; objects win over the ground."""
    result = np.where(bits >> GROUND_BIT & 1, ground, 0).astype(np.uint8)
    for slot in reversed(range(GROUND_BIT)):
        touched = (bits >> slot & 1).astype(bool)
        result[touched] = slots[slot + 1]
    return result

"""A synthetic split as whole arrays, so that a batch is one index and no Python loop."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ivlm_core.datasets.mirror import mirrored_joints
from ivlm_core.datasets.sample import GROUND_BIT, Target
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.model.processor import normalise_images
from ivlm_core.model.prompts import SCENE_LABEL
from ivlm_core.training.augment import Affine, jitter_colours, warp_images, warp_map
from ivlm_core.training.dense import IGNORE, DenseTargets

HOLDERS = ("nobody", "left", "right", "both", "none")
"""Which side of the body touches an object; `none` is neither, as for a chair."""


@dataclass
class TrainingArrays:
    """Images, maps and joints of a split, and its questions."""

    side: int
    """Of the pictures that the network reads; `images` are as large or larger."""
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
    holders: Tensor
    """uint8: 0 no object, i + 1 where an object is that `HOLDERS[i]` of the body touches."""
    joints: Tensor
    """float32 `[image, joint, 5]`: see `QuestionTargets.joints`."""
    targets: list[Target] = field(default_factory=list)

    @classmethod
    def load(cls, dataset: SyntheticDataset, side: int) -> "TrainingArrays":
        """Read a whole split, for a network that reads pictures of this side."""
        categories = tuple(dataset.info.categories)
        rank = {name: i for i, name in enumerate(categories)}
        everything = range(len(dataset))

        slots = np.zeros((len(dataset), GROUND_BIT + 2), dtype=np.uint8)  # category of slot - 1
        holders = np.zeros_like(slots)
        targets = [target for index in everything for target in dataset.targets(index)]
        for index in everything:
            for item in dataset.scene_objects(index):
                slots[index, item.slot + 1] = rank[item.category] + 1
                holder = item.side if item.in_contact else "nobody"
                holders[index, item.slot + 1] = HOLDERS.index(holder) + 1
        images = dataset.stack("images", everything)
        object_map = dataset.stack("object_map", everything)

        def seen_objects(of_slot: np.ndarray) -> Tensor:
            found = np.empty_like(object_map)
            for known, shown, out in zip(of_slot, object_map, found, strict=True):
                np.take(known, shown, out=out)
            return torch.from_numpy(found)

        joints_3d = dataset.stack("joints_3d", everything)
        joints_2d = dataset.stack("joints_2d", everything) / images.shape[1] * 2 - 1
        joints = np.concatenate([joints_3d - joints_3d[:, :1], joints_2d], axis=2)
        return cls(
            side,
            categories,
            tuple(dataset.info.part_names),
            tuple(dataset.info.joint_names),
            images=torch.from_numpy(images),
            parts=torch.from_numpy(dataset.stack("part_map", everything)),
            objects=seen_objects(slots),
            holders=seen_objects(holders),
            contacts=torch.from_numpy(
                _contact_categories(
                    dataset.stack("contact_map", everything), slots, len(categories) + 1
                )
            ),
            joints=torch.from_numpy(joints.astype(np.float32)),
            targets=targets,
        )

    def to(self, device: torch.device) -> "TrainingArrays":
        """Move images, maps and joints; the same arrays, for chaining.

        A GPU holds tens of thousands of small pictures, and augments them faster than it is fed.
        """
        if self.images.device != device:
            for name in ("images", "parts", "objects", "contacts", "holders", "joints"):
                setattr(self, name, getattr(self, name).to(device))
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Categories, then the scene."""
        return (*self.categories, SCENE_LABEL)

    def dense_targets(self, index: Tensor, affine: Affine, side: int) -> DenseTargets:
        """Return the stage 1 targets of some images under an augmentation, where the arrays are."""
        index, affine = index.to(self.images.device), affine.to(self.images.device)

        def cells(maps: Tensor) -> Tensor:
            return warp_map(maps[index], affine, side, IGNORE)

        def sided_cells(maps: Tensor, names: tuple[str, ...]) -> Tensor:
            """Cells of a map that counts `names` from 1; left is right where mirrored."""
            swapped = torch.arange(IGNORE + 1)
            swapped[1 : len(names) + 1] = torch.tensor(mirrored_joints(names)) + 1
            found, swapped = cells(maps), swapped.to(maps.device)
            return torch.where(affine.mirrored[:, None, None], swapped[found], found)

        return DenseTargets(
            sided_cells(self.parts, self.part_names),
            cells(self.objects),
            cells(self.contacts),
            sided_cells(self.holders, HOLDERS),
        )

    def moved_joints(self, index: Tensor, affine: Affine) -> Tensor:
        """Return `joints` of some images under an augmentation, where the arrays are."""
        device = self.joints.device
        affine, joints = affine.to(device), self.joints[index.to(device)]
        order = torch.tensor(mirrored_joints(self.joint_names), device=device)
        turned = joints[:, order] * joints.new_tensor([-1, 1, 1, 1, 1])
        joints = torch.where(affine.mirrored[:, None, None], turned, joints)
        return torch.cat([joints[..., :3], affine.points(joints[..., 3:])], dim=-1)


def training_split(folder: Path, image_size: int, reader: str) -> SyntheticDataset:
    """Open what is trained on.

    Args:
        folder: that `ivlm synthesize` wrote.
        image_size: side of the pictures that the network reads; larger ones are made smaller.
        reader: what the network is called in an error.

    Raises:
        FileNotFoundError, ValueError: the dataset is missing, damaged, or of smaller pictures.
    """
    dataset = SyntheticDataset(folder, "train")
    if dataset.image_size < image_size:
        raise ValueError(
            f"{folder}: images of {dataset.image_size} pixels; the {reader} reads {image_size}, so "
            f"generate with `ivlm synthesize --image-size {image_size}`"
        )
    return dataset


def _contact_categories(bits: np.ndarray, slots: np.ndarray, ground: int) -> np.ndarray:
    """Turn bit fields `[image, height, width]` into one category a pixel; objects win over ground.

    Image by image: of a whole split anything but bytes is many gigabytes.

    Args:
        bits: bit k set where the body touches the object of slot k, the last where the ground.
        slots: `[image, slot + 1]` categories.
        ground: what stands for the ground.
    """
    result = np.empty(bits.shape, dtype=np.uint8)
    for shown, known, out in zip(bits, slots, result, strict=True):
        out[:] = np.where(shown >> GROUND_BIT & 1, ground, 0)
        for slot in reversed(range(GROUND_BIT)):
            out[(shown >> slot & 1).astype(bool)] = known[slot + 1]
    return result


def augmented(
    arrays: TrainingArrays, index: Tensor, affine: Affine, generator: torch.Generator
) -> Tensor:
    """Return some images as augmented model input, where the arrays are."""
    device = arrays.images.device
    images = normalise_images(arrays.images[index.to(device)])
    return jitter_colours(warp_images(images, affine.to(device), arrays.side), generator)

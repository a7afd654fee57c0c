"""Reader of the synthetic interactions that `ivlm_core.synthesis` writes.

```
folder/
  info.json                     what was generated and how: categories, part_names, joint_names,
                                topology, counts {"train": images, "test": images}, ...
  sheet.png                     some pictures with their labels, to look at
  objects/index.json            {"instances": {name: {"category", "parts": [...],
                                "affordances": {affordance: [part, ...]}}}}, main affordance first
  objects/<instance>.safetensors    vertices, faces, part_index (index into the parts); the rest
                                is for the generator (`synthesis.objects.instance.Joined`)
  train/shard-00000.safetensors encoded pixels (see `packing`), joints, cameras and vertex lists of
                                some images
  train/shard-00000.jsonl       one line per image: objects (optionally each with the
                                "affordances" its interaction uses), queries with
                                their vertices, and a dialogue in words
  test/...
```

Affordance questions are derived: one per touched object, on the parts of what it is used for.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ivlm_core.datasets.mirror import mirror_dialogue, mirror_record, mirror_targets
from ivlm_core.datasets.object_store import ObjectStore
from ivlm_core.datasets.packing import PACKED
from ivlm_core.datasets.sample import ImageRecord, Sample, SceneObject, SpokenLine, Target
from ivlm_core.datasets.shard import DatasetError, DatasetInfo, Shard
from ivlm_core.geometry.body import Body, load_body
from ivlm_core.geometry.camera import Camera
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.model.prompts import TASKS, Task

__all__ = ["DatasetError", "SyntheticDataset"]

_DECODED_AT_ONCE = 256


class SyntheticDataset:
    """One split of a folder of synthetic interactions.

    Shards are mapped, not loaded: an image costs memory only while it is used, labels are kept.
    Instances can be handed to worker processes.

    Args:
        folder: the dataset's folder.
        split: `train` or `test`.

    Raises:
        FileNotFoundError: the folder, the split, or one of their files is missing.
        DatasetError: a file is damaged, or the files do not belong together.
    """

    def __init__(self, folder: str | Path, split: str = "train") -> None:
        self.folder = Path(folder)
        self.split = split
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"there is no dataset folder '{self.folder}'; make one with "
                f"`ivlm synthesize --out {self.folder}`, or give the path of an existing one"
            )
        self.info = DatasetInfo.load(self.folder / "info.json")
        self.body: Body = load_body(self.info.topology)
        self.objects = ObjectStore(self.folder / "objects")
        self._targets: dict[int, tuple[Target, ...]] = {}
        self.shards = self._open_shards()
        self._first = np.cumsum([0] + [len(shard) for shard in self.shards])
        self._check_counts()

    def __len__(self) -> int:
        """Number of images."""
        return int(self._first[-1])

    def __getitem__(self, index: int) -> ImageRecord:
        """Return `record(index)`."""
        return self.record(index)

    def __repr__(self) -> str:
        return f"SyntheticDataset('{self.folder}', '{self.split}', {len(self)} images)"

    @cached_property
    def image_size(self) -> int:
        """Side of the square images, pixels."""
        return len(self.image(0))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label that is asked about, sorted."""
        return tuple(sorted({t.label for i in range(len(self)) for t in self.targets(i)}))

    @property
    def instances(self) -> tuple[str, ...]:
        """Names of all object instances of the folder, those of other splits included."""
        return tuple(self.objects.index)

    def object_mesh(self, instance: str, mirrored: bool = False) -> Mesh:
        """Return an instance's mesh in its own frame (metres), with named parts."""
        return self.objects.mesh(instance, mirrored)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Image index and number of the target within the image, of every question."""
        return tuple((i, k) for i in range(len(self)) for k in range(len(self.targets(i))))

    def targets(self, index: int) -> tuple[Target, ...]:
        """Return the questions about an image with their answers; reads no pixels."""
        if index not in self._targets:
            self._targets[index] = self._read_targets(index)
        return self._targets[index]

    def scene_objects(self, index: int) -> tuple[SceneObject, ...]:
        """Return the objects of an image; reads no pixels."""
        shard, row = self._place(index)
        return self._objects(shard.lines[row])

    def dialogue(self, index: int, mirrored: bool = False) -> tuple[SpokenLine, ...]:
        """Return questions and answers in words about an image; reads no pixels.

        Raises:
            DatasetError: the image's line of the index has none, or not as text.
        """
        shard, row = self._place(index)
        try:
            lines = tuple(
                SpokenLine(str(line["kind"]), str(line["question"]), str(line["answer"]))
                for line in shard.lines[row]["dialogue"]
            )
        except (KeyError, TypeError) as error:
            raise DatasetError(
                f"'{shard.lines_file}': line {row + 1} lacks a dialogue of kind, question and "
                f"answer ({error!r}); delete the shard and generate again"
            ) from error
        return mirror_dialogue(lines) if mirrored else lines

    def sample(self, index: int, number: int, mirrored: bool = False) -> Sample:
        """Return one question about an image, with the image."""
        return self.samples_of(index, numbers=(number,), mirrored=mirrored)[0]

    def samples_of(
        self,
        index: int,
        tasks: Sequence[Task] = TASKS,
        numbers: Sequence[int] | None = None,
        mirrored: bool = False,
    ) -> list[Sample]:
        """Return questions about an image; they share its pixels.

        Args:
            index: image.
            tasks: only these.
            numbers: only these of the image's targets; None takes all.
            mirrored: the mirror image of everything.
        """
        targets = self.targets(index)
        chosen = targets if numbers is None else tuple(targets[k] for k in numbers)
        image = self.image(index)
        if mirrored:
            image = np.ascontiguousarray(image[:, ::-1])
            chosen = mirror_targets(chosen, self.body.mirror)
        return [
            Sample(image, target, self.mesh(target, mirrored), mirrored)
            for target in chosen
            if target.task in tasks
        ]

    def iterate(self, tasks: Sequence[Task] = TASKS, limit: int | None = None) -> Iterator[Sample]:
        """Yield the samples of the first `limit` images, all without a limit."""
        for index in range(len(self) if limit is None else min(limit, len(self))):
            yield from self.samples_of(index, tasks)

    def mesh(self, target: Target, mirrored: bool = False) -> Mesh | None:
        """Return the surface of an object task, None for the body."""
        if target.task == "human_contact" or target.instance is None:
            return None
        return self.object_mesh(target.instance, mirrored)

    def image(self, index: int) -> np.ndarray:
        """Return an image, uint8 RGB `[height, width, 3]`."""
        shard, row = self._place(index)
        return shard.row("images", row)

    def stack(self, field: str, indices: Sequence[int]) -> np.ndarray:
        """Return one stored field (`images`, `part_map`, `joints_3d`, ...) of several images.

        Pixels are decoded in as many threads as there are processors.
        """
        places = [self._place(index) for index in indices]
        if field not in PACKED:
            return np.stack([shard.row(field, row) for shard, row in places])
        first = places[0][0].row(field, places[0][1])
        stacked = np.empty((len(places), *first.shape), first.dtype)

        def fill(number: int, data: np.ndarray) -> None:
            shard, row = places[number]
            found = shard.decoded(field, row, data)
            if found.shape != first.shape:
                raise DatasetError(
                    f"'{shard.tensors_file}': '{field}' of image {row} has shape {found.shape}, "
                    f"others have {first.shape}; shards of two datasets are mixed"
                )
            stacked[number] = found

        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            for start in range(0, len(places), _DECODED_AT_ONCE):
                numbers = range(start, min(start + _DECODED_AT_ONCE, len(places)))
                # Mapped files are read here, by one thread; only decoding is spread.
                data = [places[k][0].encoded(field, places[k][1]) for k in numbers]
                list(threads.map(fill, numbers, data))
        return stacked

    def record(self, index: int, mirrored: bool = False) -> ImageRecord:
        """Return everything that is known of an image."""
        shard, row = self._place(index)
        line = shard.lines[row]
        image = shard.row("images", row)
        record = ImageRecord(
            index=index,
            seed=int(line["seed"]),
            body_id=str(line["body_id"]),
            template=str(line["template"]),
            image=image,
            part_map=shard.row("part_map", row),
            object_map=shard.row("object_map", row),
            contact_map=shard.row("contact_map", row),
            depth=shard.row("depth", row),
            joint_names=self.info.joint_names,
            joints_3d=shard.row("joints_3d", row),
            joints_2d=shard.row("joints_2d", row),
            joints_visible=shard.row("joints_visible", row),
            camera=Camera(
                shard.row("intrinsics", row), shard.row("camera_from_world", row), *image.shape[:2]
            ),
            objects=self._objects(line),
            targets=self.targets(index),
            dialogue=self.dialogue(index),
        )
        return mirror_record(record, self.body.mirror) if mirrored else record

    def _open_shards(self) -> tuple[Shard, ...]:
        folder = self.folder / self.split
        if not folder.is_dir():
            splits = sorted(p.parent.name for p in self.folder.glob("*/shard-00000.jsonl"))
            raise FileNotFoundError(
                f"'{self.folder}' has no split '{self.split}'; it has {splits or 'none'}"
            )
        numbers = sorted({int(p.stem.split("-")[1]) for p in folder.glob("shard-*.*")})
        if not numbers:
            raise FileNotFoundError(
                f"'{folder}' holds no shard-*.safetensors; generate the dataset again"
            )
        shards = (Shard(folder / f"shard-{k:05d}") for k in range(numbers[-1] + 1))
        num_vertices, num_joints = self.body.mesh.num_vertices, len(self.info.joint_names)
        return tuple(s.checked(num_vertices, num_joints) for s in shards)

    def _check_counts(self) -> None:
        expected = self.info.counts.get(self.split)
        if expected is not None and expected != len(self):
            raise DatasetError(
                f"'{self.folder / self.split}' holds {len(self)} images in {len(self.shards)} "
                f"shards, info.json counts {expected}; a shard is missing or generation was "
                "interrupted: run it again, it resumes"
            )

    def _place(self, index: int) -> tuple[Shard, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)} in {self!r}")
        number = int(np.searchsorted(self._first, index, side="right")) - 1
        return self.shards[number], index - int(self._first[number])

    def _read_targets(self, index: int) -> tuple[Target, ...]:
        shard, row = self._place(index)
        line = shard.lines[row]
        objects = {item.slot: item for item in self._objects(line)}
        asked = [self._target(shard, index, query, objects, line) for query in line["queries"]]
        offered = [self._affordance(index, item) for item in objects.values() if item.in_contact]
        return (*asked, *(target for target in offered if target is not None))

    def _objects(self, line: dict[str, Any]) -> tuple[SceneObject, ...]:
        return tuple(
            SceneObject(
                slot=int(item["slot"]),
                category=str(item["category"]),
                instance=str(item["instance"]),
                in_contact=bool(item["in_contact"]),
                template=str(item.get("template", line["template"])),
                side=item.get("side", "none"),
                visible_pixels=int(item.get("visible_pixels", 0)),
                penetration_mm=float(item.get("penetration_mm", 0.0)),
                affordances=tuple(item.get("affordances", ())),
            )
            for item in line["objects"]
        )

    def _target(
        self,
        shard: Shard,
        index: int,
        query: dict[str, Any],
        objects: dict[int, SceneObject],
        line: dict[str, Any],
    ) -> Target:
        item = objects.get(int(query["slot"]))
        on_body = query["task"] == "human_contact"
        if not on_body and item is None:
            raise DatasetError(
                f"'{shard.lines_file}': {query['task']} of '{query['label']}' names object slot "
                f"{query['slot']}, image {index} has slots {sorted(objects)}; generate the dataset "
                "again"
            )
        size = self.body.mesh.num_vertices
        if not on_body and item is not None:
            size = self.objects.mesh(item.instance).num_vertices
        return Target(
            image_index=index,
            task=query["task"],
            label=str(query["label"]),
            slot=int(query["slot"]),
            object=item,
            vertices=shard.contact(int(query["offset"]), int(query["count"]), size),
            num_vertices=size,
            parts=tuple(query.get("parts", ())),
            affordances=(),
            side_decided_by_label=bool(query.get("side_decided_by_label", True)),
            template=item.template if item is not None else str(line["template"]),
        )

    def _affordance(self, index: int, item: SceneObject) -> Target | None:
        """Derive the affordance question about an object that is touched."""
        used = self.objects.affordance(item.instance, item.affordances)
        if not len(used.vertices):
            return None
        return Target(
            image_index=index,
            task="object_affordance",
            label=item.category,
            slot=item.slot,
            object=item,
            vertices=used.vertices,
            num_vertices=self.objects.mesh(item.instance).num_vertices,
            parts=used.parts,
            affordances=used.names,
            side_decided_by_label=True,
            template=item.template,
        )

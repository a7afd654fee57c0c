"""Write a data set: shards by processes, resumable, with its objects and a description.

See `ivlm_core.datasets.synthetic` for the layout.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors.numpy import save_file

from ivlm_core.config import ConfigError, read_json
from ivlm_core.datasets.packing import PACKED, encode, pack, pack_vertices
from ivlm_core.datasets.shard import FORMAT
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.disk import new_file, room_for
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.synthesis.config import GENERATOR_VERSION, SynthesisConfig
from ivlm_core.synthesis.objects import CATEGORIES, make_object
from ivlm_core.synthesis.pool import ObjectPool, surface_file
from ivlm_core.synthesis.processes import Workers, results, worker_processes
from ivlm_core.synthesis.rig import JOINT_NAMES, Bodies, make_bodies
from ivlm_core.synthesis.sample import Generated, make_sample
from ivlm_core.synthesis.sheet import write_sheet
from ivlm_core.synthesis.templates import of_split

SPLITS = ("train", "test")
SHEET = "sheet.png"
"""Pictures of the data set with their labels, to look at."""
_OBJECTS = "objects"
_BODIES = ".bodies.safetensors"
_AT_ONCE = 20
"""Images that a process makes at once: of whole shards, one process would get none at the end."""


@dataclass(frozen=True)
class _Job:
    """Images of one shard."""

    split: str
    number: int
    images: range

    def stem(self, out: Path) -> Path:
        """Path of the shard without suffix."""
        return out / self.split / f"shard-{self.number:05d}"

    def pieces(self) -> "list[_Piece]":
        """What processes make of it at once."""
        starts = range(0, len(self.images), _AT_ONCE)
        return [_Piece(self, self.images[start : start + _AT_ONCE]) for start in starts]


@dataclass(frozen=True)
class _Piece:
    """Some of the images of a shard."""

    job: _Job
    images: range


@dataclass(frozen=True, eq=False)
class _Image:
    """One image, encoded: tensors by name, encoded fields, vertex lists, its line of the index."""

    plain: dict[str, np.ndarray]
    packed: dict[str, bytes]
    contacts: list[np.ndarray]
    line: dict[str, Any]

    @classmethod
    def of(cls, made: Generated) -> "_Image":
        """Encode what was generated."""
        packed = {key: encode(key, made.tensors[key]) for key in made.tensors if key in PACKED}
        plain = {key: value for key, value in made.tensors.items() if key not in PACKED}
        return cls(plain, packed, made.contacts, made.line)


def generate(config: SynthesisConfig, progress: bool = True) -> dict[str, Any]:
    """Generate a data set; continues an unfinished one, and lets one of whole shards grow.

    Args:
        config: what to generate.
        progress: show a progress bar.

    Returns:
        What was written to `info.json`. A `sheet.png` beside it shows some of the pictures.

    Raises:
        ValueError: the folder holds a data set of another configuration, or a damaged description.
        OSError: a file cannot be written, because the disk is full, say.
        WorkerError: a process has died; what it had finished is kept.
        ImportError: the package `anny` is not installed.
    """
    out = config.out
    out.mkdir(parents=True, exist_ok=True)
    info = _info(config)
    _check_folder(out, info)
    jobs = [job for job in _jobs(config) if not _done(job.stem(out))]
    _write_json(out / "info.json", info)
    _provide_bodies(config)
    with _workers(config) as workers:
        _write_json(out / _OBJECTS / "index.json", _index(_objects(workers, config, progress)))
        start = time.perf_counter()
        made = sum(_shards(workers, out, jobs, progress))
    if made:
        info["images_per_s"] = round(made / (time.perf_counter() - start), 2)
    else:
        info["images_per_s"] = _previous(out).get("images_per_s")
    _write_json(out / "info.json", info)
    if made or not (out / SHEET).is_file():
        for split in [name for name in SPLITS if info["counts"][name]][:1]:
            with room_for(out / SHEET):
                write_sheet(SyntheticDataset(out, split), out / SHEET)
    return info


def _objects(workers: Workers | None, config: SynthesisConfig, progress: bool) -> dict[str, Any]:
    """Write all objects; return their entries of the index."""
    tasks = [(category, split) for category in CATEGORIES for split in SPLITS]
    entries: dict[str, Any] = {}
    with _bar(
        len(CATEGORIES) * (config.train_objects + config.test_objects), "object", progress
    ) as bar:
        for found in results(workers, _write_objects, tasks):
            entries |= found
            bar.update(len(found))
    return entries


def _shards(
    workers: Workers | None, out: Path, jobs: Sequence[_Job], progress: bool
) -> Iterator[int]:
    """Make images and write each shard once all of its are there; yields their numbers."""
    made: dict[_Job, dict[int, _Image]] = defaultdict(dict)
    pieces = [piece for job in jobs for piece in job.pieces()]
    with _bar(sum(len(job.images) for job in jobs), "image", progress) as bar:
        for piece, images in results(workers, _make_images, pieces):
            mine = made[piece.job]
            mine |= zip(piece.images, images, strict=True)
            bar.update(len(images))
            if len(mine) == len(piece.job.images):
                _write_shard([mine[k] for k in piece.job.images], piece.job.stem(out))
                yield len(mine)
                del made[piece.job]


def _bar(total: int, unit: str, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, desc=f"{unit}s", unit=unit, disable=not progress)


def _index(entries: dict[str, Any]) -> dict[str, Any]:
    """The description of all objects from the entries of the instances."""
    categories = {
        name: {"parts": list(kind.parts), "affordances": _lists(kind.affordances)}
        for name, kind in CATEGORIES.items()
    }
    return {"instances": dict(sorted(entries.items())), "categories": categories}


def _provide_bodies(config: SynthesisConfig) -> None:
    """Make the bodies where there are none, or damaged ones."""
    path = config.out / _BODIES
    try:
        Bodies.load(path)
    except (FileNotFoundError, ValueError):
        make_bodies(config.seed, config.train_bodies, config.test_bodies).save(path)


def _jobs(config: SynthesisConfig) -> list[_Job]:
    """Shards of both splits."""
    step = config.images_per_shard
    return [
        _Job(split, number, range(start, min(start + step, count)))
        for split, count in zip(SPLITS, (config.train, config.test), strict=True)
        for number, start in enumerate(range(0, count, step))
    ]


def _info(config: SynthesisConfig) -> dict[str, Any]:
    """The description of a data set."""
    return {
        "format": FORMAT,
        "generator_version": GENERATOR_VERSION,
        "config": config.content(),
        "seed": config.seed,
        "image_size": config.image_size,
        "topology": "anny",
        "categories": list(CATEGORIES),
        "part_names": list(BODY_PARTS),
        "joint_names": list(JOINT_NAMES),
        "templates": {split: [t.full_name for t in of_split(split)] for split in SPLITS},
        "split_rules": "body, object instances and templates of the test split never occur in the "
        "training split; bystanders have no template",
        "counts": {"train": config.train, "test": config.test},
        "images_per_s": None,
    }


def _previous(out: Path) -> dict[str, Any]:
    """The description that is there, empty if none.

    Raises:
        ConfigError: it is damaged.
    """
    path = out / "info.json"
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except ConfigError as error:
        raise ConfigError(f"{error}; to begin anew, delete '{out}'") from error


def _check_folder(out: Path, info: dict[str, Any]) -> None:
    """Refuse a folder that holds something else."""
    there = _previous(out)
    if not there:
        if any(any((out / split).glob("shard-*.jsonl")) for split in SPLITS):
            raise ValueError(
                f"'{out}' holds shards without an info.json that tells what they show; choose "
                "another folder or delete it"
            )
        return
    info["images_per_s"] = there.get("images_per_s")
    wanted, has = info["config"], there.get("config")
    has = has if isinstance(has, dict) else {}
    changed = sorted(
        key for key in wanted if has.get(key) != wanted[key] and not _grown(key, has, wanted)
    )
    versions = ("generator_version", "format")
    if changed or any(there.get(key) != info[key] for key in versions):
        raise ValueError(
            f"'{out}' holds a data set of another configuration (differs in "
            f"{', '.join(changed) or 'version'}); choose another folder or delete it"
        )


def _grown(key: str, has: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether more images of a split are wanted than the whole shards that are there."""
    if key not in SPLITS:
        return False
    images = has.get(key, 0)
    return images < wanted[key] and images % wanted["images_per_shard"] == 0


def _done(stem: Path) -> bool:
    return stem.with_suffix(".safetensors").is_file() and stem.with_suffix(".jsonl").is_file()


@contextmanager
def _workers(config: SynthesisConfig) -> Iterator[Workers | None]:
    """Provide processes; None if this one does all.

    Raises:
        WorkerError: a process has died.
    """
    if config.workers <= 1:
        _start(config)
        yield None
        return
    with worker_processes(config.workers, _start_process, config) as processes:
        yield processes


_STATE: dict[str, Any] = {}


def _start(config: SynthesisConfig) -> None:
    """Prepare a process."""
    _STATE["config"] = config
    _STATE["pool"] = ObjectPool(config.train_objects, config.test_objects, config.out / _OBJECTS)
    _STATE["bodies"] = Bodies.load(config.out / _BODIES)


def _start_process(config: SynthesisConfig) -> None:
    """Prepare a process that shares the machine with others."""
    cv2.setNumThreads(1)
    _start(config)


def _write_objects(task: tuple[str, str]) -> dict[str, Any]:
    """Write the instances of one category and split; return their entries of the index."""
    category, split = task
    config: SynthesisConfig = _STATE["config"]
    folder = config.out / _OBJECTS
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for seed in _STATE["pool"].seeds(split):
        made = make_object(category, seed)
        _save(vars(made.joined), surface_file(folder, category, seed))
        entries[made.name] = {
            "category": category,
            "split": split,
            "parts": list(made.part_names),
            "affordances": _lists(made.affordances),
        }
    return entries


def _make_images(piece: _Piece) -> tuple[_Piece, list[_Image]]:
    """Generate some images of a shard."""
    config, split = _STATE["config"], piece.job.split
    made = (make_sample(config, _STATE["bodies"], _STATE["pool"], split, k) for k in piece.images)
    return piece, [_Image.of(generated) for generated in made]


def _write_shard(images: Sequence[_Image], stem: Path) -> None:
    """Write one shard."""
    lists, offset = [], 0
    for image in images:
        for question, vertices in zip(image.line["queries"], image.contacts, strict=True):
            question["offset"], question["count"] = offset, len(vertices)
            offset += len(vertices)
            lists.append(vertices)
    tensors = {key: np.stack([i.plain[key] for i in images]) for key in images[0].plain}
    for key in images[0].packed:
        tensors |= pack(key, [i.packed[key] for i in images])
    tensors["contact_vertices.zlib"] = pack_vertices(lists)
    stem.parent.mkdir(parents=True, exist_ok=True)
    _save(tensors, stem.with_suffix(".safetensors"))
    lines = (json.dumps(image.line) for image in images)
    _write_text(stem.with_suffix(".jsonl"), "\n".join(lines) + "\n")


def _save(arrays: dict[str, Any], path: Path) -> None:
    """Write tensors so that the file is there whole or not at all."""
    with new_file(path) as partial:
        save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, partial)
        partial.chmod(0o644)


def _write_text(path: Path, text: str) -> None:
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_text(path, json.dumps(value, indent=1) + "\n")


def _lists(table: Any) -> dict[str, list[str]]:
    return {key: list(parts) for key, parts in table.items()}

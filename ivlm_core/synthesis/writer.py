"""Write a data set: shards by processes, resumable, with its objects and a description.

See `ivlm_core.datasets.synthetic` for the layout.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from safetensors.numpy import save_file

from ivlm_core.datasets.packing import PACKED, encode, pack, pack_vertices
from ivlm_core.datasets.shard import FORMAT
from ivlm_core.datasets.synthetic import SyntheticDataset
from ivlm_core.geometry.body import BODY_PARTS
from ivlm_core.synthesis.config import GENERATOR_VERSION, SynthesisConfig
from ivlm_core.synthesis.objects import CATEGORIES, make_object
from ivlm_core.synthesis.pool import ObjectPool
from ivlm_core.synthesis.rig import JOINT_NAMES, Bodies, make_bodies
from ivlm_core.synthesis.sample import make_sample
from ivlm_core.synthesis.sheet import write_sheet
from ivlm_core.synthesis.templates import of_split

SPLITS = ("train", "test")
SHEET = "sheet.png"
"""Pictures of the data set with their labels, to look at."""
_BODIES = ".bodies.safetensors"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "EMBREE_THREADS")


@dataclass(frozen=True)
class _Job:
    """Images of one shard."""

    split: str
    number: int
    start: int
    stop: int

    def stem(self, out: Path) -> Path:
        """Path of the shard without suffix."""
        return out / self.split / f"shard-{self.number:05d}"


def generate(config: SynthesisConfig, progress: bool = True) -> dict[str, Any]:
    """Generate a data set; continues an unfinished one, and lets one of whole shards grow.

    Args:
        config: what to generate.
        progress: show a progress bar.

    Returns:
        What was written to `info.json`. A `sheet.png` beside it shows some of the pictures.

    Raises:
        ValueError: the folder holds a data set of another configuration.
        ImportError: the package `anny` is not installed.
    """
    out = config.out
    out.mkdir(parents=True, exist_ok=True)
    info = _info(config)
    _check_folder(out, info)
    jobs = [job for job in _jobs(config) if not _done(job.stem(out))]
    _write_json(out / "info.json", info)
    if not (out / _BODIES).is_file():
        make_bodies(config.seed, config.train_bodies, config.test_bodies).save(out / _BODIES)
    tasks = [(category, split) for category in CATEGORIES for split in SPLITS]
    entries: dict[str, Any] = {}
    for found in _run(config, _write_objects, tasks, "objects", progress):
        entries |= found
    categories = {
        name: {"parts": list(kind.parts), "affordances": _lists(kind.affordances)}
        for name, kind in CATEGORIES.items()
    }
    index = {"instances": dict(sorted(entries.items())), "categories": categories}
    _write_json(out / "objects" / "index.json", index)
    start = time.perf_counter()
    made = sum(_run(config, _write_shard, jobs, "shards", progress))
    if made:
        info["images_per_s"] = round(made / (time.perf_counter() - start), 2)
    else:
        info["images_per_s"] = _previous(out).get("images_per_s")
    _write_json(out / "info.json", info)
    if made or not (out / SHEET).is_file():
        for split in [name for name in SPLITS if info["counts"][name]][:1]:
            write_sheet(SyntheticDataset(out, split), out / SHEET)
    return info


def _jobs(config: SynthesisConfig) -> list[_Job]:
    """Shards of both splits."""
    jobs = []
    for split, count in zip(SPLITS, (config.train, config.test), strict=True):
        step = config.images_per_shard
        for number, start in enumerate(range(0, count, step)):
            jobs.append(_Job(split, number, start, min(start + step, count)))
    return jobs


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
    """The description that is there, empty if none."""
    path = out / "info.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _check_folder(out: Path, info: dict[str, Any]) -> None:
    """Refuse a folder that holds something else."""
    there = _previous(out)
    if not there:
        return
    info["images_per_s"] = there.get("images_per_s")
    wanted, has = info["config"], there.get("config", {})
    changed = sorted(
        key for key in wanted if has.get(key) != wanted[key] and not _grown(key, there, wanted)
    )
    versions = ("generator_version", "format")
    if changed or any(there.get(key) != info[key] for key in versions):
        raise ValueError(
            f"'{out}' holds a data set of another configuration (differs in "
            f"{', '.join(changed) or 'version'}); choose another folder or delete it"
        )


def _grown(key: str, there: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether more images of a split are wanted than the whole shards that are there."""
    if key not in SPLITS:
        return False
    images = there["config"].get(key, 0)
    return images < wanted[key] and images % wanted["images_per_shard"] == 0


def _done(stem: Path) -> bool:
    return stem.with_suffix(".safetensors").is_file() and stem.with_suffix(".jsonl").is_file()


def _run(
    config: SynthesisConfig, work: Any, jobs: list[Any], what: str, progress: bool
) -> Iterator[Any]:
    """Do jobs here or in processes; yields results in any order."""
    from tqdm import tqdm

    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    bar = tqdm(total=len(jobs), desc=what, disable=not progress)
    with bar:
        if config.workers <= 1 or len(jobs) <= 1:
            _start(config)
            for job in jobs:
                yield work(job)
                bar.update()
            return
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(config.workers, len(jobs)), _start_process, (config,)) as processes:
            for result in processes.imap_unordered(work, jobs):
                yield result
                bar.update()


_STATE: dict[str, Any] = {}


def _start(config: SynthesisConfig) -> None:
    """Prepare a process."""
    _STATE["config"] = config
    _STATE["pool"] = ObjectPool(config.train_objects, config.test_objects)
    _STATE["bodies"] = Bodies.load(config.out / _BODIES)


def _start_process(config: SynthesisConfig) -> None:
    """Prepare a process that shares the machine with others."""
    cv2.setNumThreads(1)
    _start(config)


def _write_objects(task: tuple[str, str]) -> dict[str, Any]:
    """Write the instances of one category and split; return their entries of the index."""
    category, split = task
    config: SynthesisConfig = _STATE["config"]
    folder = config.out / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for seed in _STATE["pool"].seeds(split):
        made = make_object(category, seed)
        arrays = {
            "vertices": made.mesh.vertices,
            "faces": made.mesh.faces,
            "part_index": made.part_index,
        }
        _save(arrays, folder / f"{made.name}.safetensors")
        entries[made.name] = {
            "category": category,
            "split": split,
            "parts": list(made.part_names),
            "affordances": _lists(made.affordances),
        }
    return entries


def _write_shard(job: _Job) -> int:
    """Generate and write one shard; return its number of images."""
    config: SynthesisConfig = _STATE["config"]
    plain: dict[str, list[np.ndarray]] = {}
    packed: dict[str, list[bytes]] = {}
    lines, lists, offset = [], [], 0
    for index in range(job.start, job.stop):
        made = make_sample(config, _STATE["bodies"], _STATE["pool"], job.split, index)
        for question, vertices in zip(made.line["queries"], made.contacts, strict=True):
            question["offset"], question["count"] = offset, len(vertices)
            offset += len(vertices)
            lists.append(vertices)
        for key, value in made.tensors.items():
            if key in PACKED:
                packed.setdefault(key, []).append(encode(key, value))
            else:
                plain.setdefault(key, []).append(value)
        lines.append(json.dumps(made.line))
    tensors = {key: np.stack(values) for key, values in plain.items()}
    for key, data in packed.items():
        tensors |= pack(key, data)
    tensors["contact_vertices.zlib"] = pack_vertices(lists)
    stem = job.stem(config.out)
    stem.parent.mkdir(parents=True, exist_ok=True)
    _save(tensors, stem.with_suffix(".safetensors"))
    _write_text(stem.with_suffix(".jsonl"), "\n".join(lines) + "\n")
    return len(lines)


def _save(arrays: dict[str, Any], path: Path) -> None:
    """Write tensors so that the file is there whole or not at all."""
    partial = path.with_suffix(f".partial{os.getpid()}")
    save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, partial)
    partial.chmod(0o644)
    partial.replace(path)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_suffix(f".partial{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_text(path, json.dumps(value, indent=1) + "\n")


def _lists(table: Any) -> dict[str, list[str]]:
    return {key: list(parts) for key, parts in table.items()}

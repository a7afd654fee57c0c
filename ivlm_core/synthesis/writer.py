"""Write a data set: shards by processes, resumable, with its objects and a description.

See `ivlm_core.datasets.synthetic` for the layout.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
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
from ivlm_core.synthesis.objects import CATEGORIES
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


class WorkerError(RuntimeError):
    """A process that generated images has died; the text says what to do."""


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
    tasks = [(category, split) for category in CATEGORIES for split in SPLITS]
    entries: dict[str, Any] = {}
    with _workers(config) as workers:
        for found in _run(workers, _write_objects, tasks, "objects", progress):
            entries |= found
        _write_json(out / "objects" / "index.json", _index(entries))
        start = time.perf_counter()
        made = sum(_run(workers, _write_shard, jobs, "shards", progress))
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


def _run(
    workers: ProcessPoolExecutor | None, work: Any, jobs: list[Any], what: str, progress: bool
) -> Iterator[Any]:
    """Do jobs in processes, or here without; yields results in any order."""
    from tqdm import tqdm

    with tqdm(total=len(jobs), desc=what, disable=not progress) as bar:
        for result in map(work, jobs) if workers is None else _shared(workers, work, jobs):
            yield result
            bar.update()


def _shared(workers: ProcessPoolExecutor, work: Any, jobs: list[Any]) -> Iterator[Any]:
    """Do jobs in processes; yields results in any order."""
    with _uninterrupted():
        futures = [_hand_out(workers, work, job) for job in jobs]
    for future in as_completed(futures):
        yield future.result()


def _hand_out(workers: ProcessPoolExecutor, work: Any, job: Any) -> Future[Any]:
    try:
        return workers.submit(work, job)
    except OSError:
        # Before Python 3.12, one that dies while this starts the next closes pipes under its hands.
        workers.submit(os.getpid)  # raises BrokenProcessPool if that is so
        raise


@contextmanager
def _workers(config: SynthesisConfig) -> Iterator[ProcessPoolExecutor | None]:
    """Provide processes for jobs, which keep the objects that they make; None if this one does all.

    Raises:
        WorkerError: a process has died.
    """
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    if config.workers <= 1:
        _start(config)
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.workers, context, _start_process, (config,)) as processes:
        try:
            yield processes
        except BrokenProcessPool as error:
            _end(processes)  # the pool would wait for one that was just starting
            raise WorkerError(
                "a worker process died (out of memory? fewer --workers need less); run the same "
                "command again, it goes on where it stopped"
            ) from error
        except BaseException:
            _end(processes)
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; processes started meanwhile never get it, so that only this one tells.

    The mask is what they inherit. It does not hold back what another thread gets, and in the middle
    of a submission that could leave a lock of the pool closed, so that it waits for ever.

    Raises:
        KeyboardInterrupt: at the end, if it came.
    """
    came: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    # No other thread is interrupted, and in the background of a script nobody is.
    heeded = threading.current_thread() is threading.main_thread() and callable(handler)
    if heeded:
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if heeded:
            signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _end(processes: ProcessPoolExecutor) -> None:
    """End processes in the middle of their jobs."""
    # Python has no public way before 3.14. The pool takes it as broken and drops what waits.
    for process in list((processes._processes or {}).values()):
        process.terminate()


_STATE: dict[str, Any] = {}


def _start(config: SynthesisConfig) -> None:
    """Prepare a process."""
    _STATE["config"] = config
    _STATE["pool"] = ObjectPool(config.train_objects, config.test_objects)
    _STATE["bodies"] = Bodies.load(config.out / _BODIES)


def _start_process(config: SynthesisConfig) -> None:
    """Prepare a process that shares the machine with others."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _start(config)


def _end_with_parent() -> None:
    """End this process when the one that gives it jobs has gone, which it could not tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_objects(task: tuple[str, str]) -> dict[str, Any]:
    """Write the instances of one category and split; return their entries of the index."""
    category, split = task
    config: SynthesisConfig = _STATE["config"]
    folder = config.out / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for seed in _STATE["pool"].seeds(split):
        made = _STATE["pool"].instance(category, seed)
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

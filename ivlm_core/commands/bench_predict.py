"""Measurements behind `ivlm bench predict`."""

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ivlm_core.cache import ArtifactCache
from ivlm_core.commands import told_mesh
from ivlm_core.geometry.mesh import load_mesh
from ivlm_core.inputs import read_image
from ivlm_core.pipeline import Pipeline, Prediction, Query

if TYPE_CHECKING:
    from ivlm_core.commands.bench import BenchPredict

_WARM_UP = 2


def measure(config: "BenchPredict") -> dict[str, Any]:
    """Time predictions.

    * `cold_ms`: the first prediction with empty caches: renders and encodes the views.
    * `disk_cache_ms`: the first prediction of a new pipeline that finds them on disk.
    * `warm_ms`: later ones, which find them in memory.
    * `uncached_ms`: every prediction renders and encodes anew, as without this design.

    Returns:
        Plain JSON data; times in milliseconds by stage, `total` included.
    """
    with cpu_threads(config.threads):
        return _measure(config)


def _measure(config: "BenchPredict") -> dict[str, Any]:
    image = read_image(config.image) if config.image else example_image()
    mesh = load_mesh(config.mesh) if config.mesh else None
    query = Query(image, config.label, config.task, mesh)
    with tempfile.TemporaryDirectory(prefix="ivlm-bench-") as name:
        cached = Pipeline.from_pretrained(config.model, config.device, Path(name))
        if mesh is None:
            told_mesh.check_shipped(config.task, config.label, cached)
        cold = timed_prediction(cached, query)[0]
        again = Pipeline(cached.model, cached.processor, ArtifactCache(Path(name)))
        from_disk = timed_prediction(again, query)[0]
        for _ in range(_WARM_UP):
            timed_prediction(cached, query)
        warm = [timed_prediction(cached, query)[0] for _ in range(config.runs)]
        off = ArtifactCache(Path(name), memory_items=0, max_bytes=0)
        plain = Pipeline(cached.model, cached.processor, off)
        uncached = [timed_prediction(plain, query)[0] for _ in range(config.uncached_runs)]
    warm_ms, uncached_ms = stage_statistics(warm), stage_statistics(uncached)
    return {
        "command": "bench predict",
        "model": config.model,
        "device": str(cached.device),
        "threads": torch.get_num_threads(),
        "cpu": {"cores": os.cpu_count(), "machine": platform.machine()},
        "torch": torch.__version__,
        "task": config.task,
        "label": config.label,
        "image_size": f"{image.shape[1]}x{image.shape[0]}",
        "runs": config.runs,
        "uncached_runs": config.uncached_runs,
        "cold_ms": {stage: round(1000 * s, 3) for stage, s in cold.items()},
        "disk_cache_ms": {stage: round(1000 * s, 3) for stage, s in from_disk.items()},
        "warm_ms": warm_ms,
        "uncached_ms": uncached_ms,
        "speedup": round(uncached_ms["total"]["p50"] / warm_ms["total"]["p50"], 3),
    }


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use that many CPU threads meanwhile; 0 leaves its default."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def example_image() -> np.ndarray:
    """A smooth colourful picture, uint8 RGB [480, 640, 3]."""
    rows, columns = np.mgrid[0:480, 0:640]
    waves = [np.sin(columns / 37 + rows / 91), np.sin(rows / 53), np.cos((rows - columns) / 71)]
    return np.stack([127.5 + 127.5 * w for w in waves], axis=-1).astype(np.uint8)


def timed_prediction(pipeline: Pipeline, query: Query) -> tuple[dict[str, float], Prediction]:
    """One prediction and its seconds by stage; a GPU's queue is empty before the clock starts."""
    if pipeline.device.type == "cuda":
        torch.cuda.synchronize(pipeline.device)
    prediction = pipeline.predict_batch([query])[0]
    return prediction.timings, prediction


def stage_statistics(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Milliseconds by stage: p50, p99, mean and smallest over the runs."""
    out = {}
    for stage in runs[0]:
        values = 1000 * np.array([run[stage] for run in runs])
        out[stage] = {
            "p50": round(float(np.percentile(values, 50)), 3),
            "p99": round(float(np.percentile(values, 99)), 3),
            "mean": round(float(values.mean()), 3),
            "min": round(float(values.min()), 3),
        }
    return out

"""Measurements behind `ivlm bench query`."""

import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ivlm_core.cache import ArtifactCache
from ivlm_core.commands import query_models
from ivlm_core.commands.bench_predict import (
    cpu_threads,
    example_image,
    stage_statistics,
    timed_prediction,
)
from ivlm_core.commands.plain_query import PlainQuery, PlainResult
from ivlm_core.geometry.mesh import Mesh
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.inputs import read_image
from ivlm_core.model import prompts
from ivlm_core.model.placement import check_device
from ivlm_core.model.vlm import Generated
from ivlm_core.pipeline import Pipeline, Prediction, Query
from ivlm_core.surfaces import render_views

if TYPE_CHECKING:
    from ivlm_core.commands.bench import BenchQuery

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""How far mask probabilities and contact scores of the two ways may be apart."""

_LANGUAGE_RUNS = 3


def measure(config: "BenchQuery") -> dict[str, Any]:
    """Answer one question the plain way and our way, on the same weights and inputs.

    Returns:
        Plain JSON data; times in milliseconds. `equal` says whether both ways gave the same ids,
        masks and scores; without that the times mean nothing.

    Raises:
        ValueError: the size needs another device, or the device does not exist.
    """
    with cpu_threads(config.threads):
        return _measure(config)


def _measure(config: "BenchQuery") -> dict[str, Any]:
    device = check_device(config.device)
    image = read_image(config.image) if config.image else example_image()
    query = Query(image, config.label, "human_contact")
    bench = query_models.load(config.size, config.seed, device, image, config.label)
    with tempfile.TemporaryDirectory(prefix="ivlm-bench-") as name:
        pipeline = Pipeline(bench.model, bench.processor, ArtifactCache(Path(name)))
        _load_modules()
        cold, first = timed_prediction(pipeline, query)
        plain = PlainQuery(pipeline, pipeline.surfaces.body())
        plain_results = [plain(image, config.label) for _ in range(config.plain_runs)]
        timed_prediction(pipeline, query)
        warm = []
        for _ in range(config.runs):
            pipeline.dialogue.forget_answers()  # as for a new picture
            warm.append(timed_prediction(pipeline, query))
        stream = [timed_prediction(pipeline, query)[0] for _ in range(config.runs)]
        language = _language(pipeline, image, config.label)
        ids = language.pop("ids")
        tolerance = TOLERANCE[pipeline.model.vlm.language.dtype]
        equal = _compare(plain_results[0], (first, warm[-1][1]), ids, bench.answer, tolerance)
        compiled = _compiled(pipeline, query, config.runs, warm[-1][1]) if config.compile else None
    plain_ms = stage_statistics([r.seconds for r in plain_results])
    warm_ms = stage_statistics([seconds for seconds, _ in warm])
    stream_ms = stage_statistics(stream)
    cold_ms = {stage: round(1000 * s, 3) for stage, s in cold.items()}
    plain_total = plain_ms["total"]["p50"]
    parameters = bench.model.vlm.language.parameters()
    report: dict[str, Any] = {
        "command": "bench query",
        "size": config.size,
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "dtype": str(pipeline.model.vlm.language.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cpu": {"cores": os.cpu_count(), "machine": platform.machine()},
        "torch": torch.__version__,
        "language_parameters": sum(p.numel() for p in parameters),
        "encoder_parameters": sum(p.numel() for p in bench.model.image_encoder.parameters()),
        "views": [len(plain.surface.rig.views), bench.model.config.sam.image_size],
        "weights": "shipped" if bench.answer is None else f"random, seed {config.seed}",
        "answer": first.answer,
        "answer_forced": bench.answer is not None,
        "runs": config.runs,
        "plain_runs": config.plain_runs,
        "plain_ms": plain_ms,
        "cold_ms": cold_ms,
        "warm_ms": warm_ms,
        "stream_ms": stream_ms,
        "language": language,
        "speedup": {
            "warm": round(plain_total / warm_ms["total"]["p50"], 3),
            "cold": round(plain_total / cold_ms["total"], 3),
            "stream": round(plain_total / stream_ms["total"]["p50"], 3),
        },
        "equal": equal,
    }
    if compiled is not None:
        report["compiled"] = compiled
    return report


def _load_modules() -> None:
    """Import and initialise the renderer, which is no part of a query."""
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    render_views(Mesh(corner, np.array([[0, 1, 2]])), get_rig("object4"), 16, "position")


def _compare(
    plain: PlainResult,
    ours: tuple[Prediction, Prediction],
    ids: tuple[list[int], list[int]],
    forced: list[int] | None,
    tolerance: float,
) -> dict[str, Any]:
    """Say how far our answers, cold and warm, are from the plain one.

    Args:
        plain: of the plain way.
        ours: cold and warm.
        ids: prompt and answer with drafts and token by token.
        forced: the answer that random weights were made to write.
        tolerance: for probabilities.
    """
    masks, scores = plain.masks.float().cpu().numpy(), plain.scores.float().cpu().numpy()
    mask_error = max(float(np.abs(p.mask_probabilities - masks).max()) for p in ours)
    score_error = max(float(np.abs(p.scores - scores).max()) for p in ours)
    same = plain.ids == ids[0] == ids[1] and ours[0].answer == ours[1].answer
    as_forced = forced is None or plain.ids[-len(forced) :] == forced
    return {
        "ids": same,
        "answer_as_forced": as_forced,
        "mask_error": mask_error,
        "score_error": score_error,
        "tolerance": tolerance,
        "ok": same and as_forced and max(mask_error, score_error) <= tolerance,
    }


@torch.inference_mode()
def _language(pipeline: Pipeline, image: np.ndarray, label: str) -> dict[str, Any]:
    """Time the language model alone: with drafts, token by token, and against the memory."""
    model, processor = pipeline.model, pipeline.processor
    prompt = processor.prompt_ids(prompts.question("human_contact", label))
    features = model.vlm.tower(processor.pixel_values([image]).to(pipeline.device))
    tokens = model.vlm.image_tokens(features, [prompt])
    drafter = pipeline.dialogue.drafter("human_contact")
    most = model.config.prompt.max_new_tokens

    def generate(drafted: bool, length: int) -> tuple[float, Generated]:
        best, found = float("inf"), None
        for _ in range(_LANGUAGE_RUNS):
            start = time.perf_counter()
            drafters = [drafter] if drafted else None
            found = model.vlm.generate(tokens, [prompt], length, model.stop_ids, drafters)
            if pipeline.device.type == "cuda":
                torch.cuda.synchronize()
            best = min(best, 1000 * (time.perf_counter() - start))
        assert found is not None
        return best, found

    whole, ours = generate(True, most)
    stepwise, step_by_step = generate(False, most)
    first, _ = generate(False, 1)
    read = model.vlm.language.model.layers  # what every pass reads, beside the output layer
    size = sum(p.numel() * p.element_size() for p in read.parameters())
    head = model.vlm.language.lm_head.weight
    size += head.numel() * head.element_size()
    bandwidth = _memory_bandwidth(pipeline.device)
    limit = 1000 * size / bandwidth
    later = (whole - first) / max(ours.passes - 1, 1)
    return {
        "ids": (ours.ids[0], step_by_step.ids[0]),
        "tokens": len(ours.ids[0]) - len(prompt),
        "passes": ours.passes,
        "drafted_ms": round(whole, 3),
        "token_by_token_ms": round(stepwise, 3),
        "prompt_pass_ms": round(first, 3),
        "later_pass_ms": round(later, 3),
        "weight_bytes": size,
        "memory_bandwidth_gb_s": round(bandwidth / 1e9, 1),
        "memory_limit_ms_per_pass": round(limit, 3),
        "later_pass_over_memory_limit": round(later / limit, 2),
    }


def _memory_bandwidth(device: torch.device) -> float:
    """Bytes per second that a large copy reads and writes here, the best of several."""
    count = 2**28 if device.type == "cuda" else 2**25
    source = torch.ones(count, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * source.numel() * source.element_size() / best


def _compiled(pipeline: Pipeline, query: Query, runs: int, eager: Prediction) -> dict[str, Any]:
    """Time warm queries with the language model through `torch.compile`."""
    pipeline.model.vlm.decoder.graphs = None  # compiled passes cannot be recorded
    pipeline.model.vlm.language.model.compile(dynamic=True)
    start = time.perf_counter()
    timed_prediction(pipeline, query)
    first = time.perf_counter() - start
    timed_prediction(pipeline, query)
    timed = [timed_prediction(pipeline, query) for _ in range(runs)]
    found = timed[-1][1]
    return {
        "first_query_s": round(first, 3),
        "warm_ms": stage_statistics([seconds for seconds, _ in timed]),
        "same_answer": found.answer == eager.answer,
        "score_error": float(np.abs(found.scores - eager.scores).max()),
    }

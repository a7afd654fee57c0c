"""A full GPU costs precision, then the GPU, never the answer; or it is said why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ivlm_core.estimator import Estimator
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model_source import FALLBACKS, ModelSource
from ivlm_core.object_meshes import ObjectMeshes
from ivlm_core.pipeline import Pipeline, Prediction

CUDA_SAYS = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB"
PHOTO = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


class Asker:
    """A model from a source, and what was said."""

    def __init__(self, model: Path, cache: Path, fallback: Any, device: str | None = "cpu") -> None:
        self.said: list[str] = []
        self.source = ModelSource(model, device, cache, fallback, self.said.append)
        self.pipeline = self.source.load()
        meshes = ObjectMeshes(None, Pipeline.default_object_mesh)
        self.estimator = Estimator(self.pipeline, meshes, self.said.append, self.source)

    def ask(self) -> Prediction:
        return self.estimator.estimate(PHOTO, ["bottle"], ["human_contact"])[0]

    def precision(self) -> torch.dtype:
        return next(self.estimator.pipeline.model.parameters()).dtype


@pytest.fixture
def make_asker(answering_model: Path, tmp_path: Path) -> Callable[..., Asker]:
    return lambda *more: Asker(answering_model, tmp_path, *more)


def fill_gpu(
    monkeypatch: pytest.MonkeyPatch, full: Callable[[IvlmModel, int], bool]
) -> list[IvlmModel]:
    """Let the language model meet a full GPU where `full` of model and number of the try says so.

    Returns:
        The models that were tried, which grows.
    """
    tried: list[IvlmModel] = []
    answer = IvlmModel.answer_features

    def limited(self: IvlmModel, *arguments: Any, **more: Any) -> Any:
        tried.append(self)
        if full(self, len(tried)):
            raise torch.OutOfMemoryError(CUDA_SAYS)
        return answer(self, *arguments, **more)

    monkeypatch.setattr(IvlmModel, "answer_features", limited)
    return tried


def in_float32(model: IvlmModel, _: int) -> bool:
    return next(model.parameters()).dtype == torch.float32


def test_a_passing_shortage_costs_nothing(
    make_asker: Callable[..., Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = make_asker("precision")
    usual = asker.ask()
    tried = fill_gpu(monkeypatch, lambda model, number: number == 1)
    np.testing.assert_array_equal(asker.ask().scores, usual.scores)
    assert len(tried) == 2 and asker.said == [] and asker.estimator.pipeline is asker.pipeline


def test_a_full_gpu_halves_the_precision_and_says_so(
    make_asker: Callable[..., Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = make_asker("precision")
    usual = asker.ask()
    fill_gpu(monkeypatch, in_float32)
    found = asker.ask()
    np.testing.assert_allclose(found.scores, usual.scores, atol=0.05)
    assert asker.precision() == torch.bfloat16
    assert asker.pipeline.released, "the first model's memory is given back before the second loads"
    (said,) = asker.said
    assert "GPU memory is full (CUDA out of memory. Tried to allocate 2.00 GiB" in said
    assert "goes on in bfloat16 on cpu" in said and asker.source.reduced == said
    asker.ask()
    assert len(asker.said) == 1


def test_what_is_not_allowed_is_an_error_and_the_model_stays(
    make_asker: Callable[..., Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = make_asker("none")
    with monkeypatch.context() as patch:
        fill_gpu(patch, in_float32)
        with pytest.raises(MemoryError, match="does not fit in float32 on cpu .*free GPU memory"):
            asker.ask()
    assert asker.ask().scores.size and asker.precision() == torch.float32


def test_when_nothing_is_enough_the_next_image_tries_again(
    make_asker: Callable[..., Asker], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker = make_asker("cpu")
    with monkeypatch.context() as patch:
        fill_gpu(patch, lambda model, number: True)
        with pytest.raises(MemoryError, match="bfloat16 on cpu"):
            asker.ask()
    assert asker.ask().scores.size and asker.precision() == torch.bfloat16


def test_loading_goes_on_to_the_cpu_where_that_is_allowed(
    answering_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Pipeline.from_pretrained
    asked: list[tuple[str | None, str]] = []

    def limited(model: Any, device: str | None, cache: Any, *, dtype: str) -> Pipeline:
        asked.append((device, dtype))
        if device != "cpu":
            raise torch.OutOfMemoryError(CUDA_SAYS)
        return load(model, device, cache, dtype=dtype)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "from_pretrained", limited)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    asker = Asker(answering_model, tmp_path, "cpu", "cuda:0")
    assert asked == [("cuda:0", "float32"), ("cuda:0", "bfloat16"), ("cpu", "float32")]
    assert [s.rsplit(" goes on in ", 1)[1] for s in asker.said] == [
        "bfloat16 on cuda:0",
        "float32 on cpu",
    ]
    assert asker.ask().scores.size
    with pytest.raises(MemoryError, match="bfloat16 on cuda:0"):
        Asker(answering_model, tmp_path, "precision", "cuda:0")


def test_the_cpu_is_no_fallback_of_the_cpu(answering_model: Path, tmp_path: Path) -> None:
    for fallback in FALLBACKS:
        said: list[str] = []
        source = ModelSource(answering_model, "cpu", tmp_path, fallback, said.append)
        steps = 0
        with pytest.raises(MemoryError):
            while True:
                source.step_down(CUDA_SAYS)
                steps += 1
        assert steps == len(said) == (fallback != "none")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_that_is_really_full(answering_model: Path, tmp_path: Path) -> None:
    """Memory is limited to hardly more than is taken, so both precisions fail on the GPU."""
    asker = Asker(answering_model, tmp_path, "cpu", "cuda:0")
    usual = asker.ask()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()  # what is cached could be enough for one more answer
    torch.cuda.set_per_process_memory_fraction(1e6 / total)
    try:
        found = asker.ask()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(found.scores, usual.scores, atol=1e-3)
    assert len(asker.said) == 2 and asker.said[-1].endswith("float32 on cpu")
    assert asker.pipeline.released

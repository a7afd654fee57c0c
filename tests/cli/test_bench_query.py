"""`ivlm bench query`: both ways give the same, a difference is noticed, and the report says all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ivlm_core.cache import ArtifactCache
from ivlm_core.cli import main
from ivlm_core.commands import query_models
from ivlm_core.commands.bench import BenchQuery
from ivlm_core.commands.bench_predict import example_image
from ivlm_core.commands.plain_query import PlainQuery
from ivlm_core.model import prompts
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.tokens import ContactTokens
from ivlm_core.pipeline import Pipeline

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench() -> query_models.BenchModel:
    return query_models.load("tiny", 0, CPU, example_image(), "bottle")


def test_report_and_last_line(capsys):
    assert (
        main(["bench", "query", "--size", "tiny", "--runs", "2", "--threads", "1", "--json"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    assert report["equal"]["ok"] and report["equal"]["ids"] and report["equal"]["answer_as_forced"]
    assert max(report["equal"]["mask_error"], report["equal"]["score_error"]) < 1e-4
    assert report["answer_forced"] and report["weights"] == "random, seed 0"
    assert report["language"]["tokens"] == 25
    assert 1 < report["language"]["passes"] < 25
    warm, cold, plain = (report[f"{kind}_ms"] for kind in ("warm", "cold", "plain"))
    assert set(warm) == set(cold) and set(plain) - {"views"} == set(warm) - {"surfaces"}
    assert report["speedup"]["warm"] == pytest.approx(
        plain["total"]["p50"] / warm["total"]["p50"], rel=0.01
    )
    assert report["speedup"]["cold"] == pytest.approx(
        plain["total"]["p50"] / cold["total"], rel=0.01
    )
    assert warm["surfaces"]["p50"] < cold["surfaces"]
    assert any("written by a solved output layer" in line for line in lines)


def test_other_results_fail_the_benchmark(monkeypatch, capsys):
    monkeypatch.setattr(
        "ivlm_core.commands.plain_query.upscale",
        lambda logits, size: torch.zeros(*logits.shape[:2], size, size),
    )
    assert main(["bench", "query", "--size", "tiny", "--runs", "1"]) == 1
    assert "different results" in capsys.readouterr().err


def test_forced_answers_are_as_long_as_promised(bench):
    for size, length in query_models.ANSWER_TOKENS.items():
        ids = query_models.fixed_answer(bench.processor, length)
        assert len(ids) == length, size
    assert ids[-1] == bench.processor.tokenizer.eos_token_id
    assert sum(i in bench.processor.contact_tokens.all for i in ids) == 1


def test_other_questions_are_not_forced(bench):
    """Only the output layer was touched, so another image finds another answer by itself."""
    prompt = bench.processor.prompt_ids(prompts.question("human_contact", "chair"))
    image = np.zeros((64, 64, 3), np.uint8)
    with torch.no_grad():
        found = bench.model.answer(bench.processor.pixel_values([image]), [prompt])
    assert found.ids[0][len(prompt) :] != bench.answer


def test_plain_way_encodes_every_view_every_time(bench):
    pipeline = Pipeline(bench.model, bench.processor, ArtifactCache())
    plain = PlainQuery(pipeline, pipeline.surfaces.body())
    shapes = []
    plain.encoder.register_forward_hook(lambda m, inputs, output: shapes.append(len(inputs[0])))
    reads = []
    bench.model.vlm.language.model.layers[0].register_forward_hook(
        lambda m, inputs, output: reads.append(inputs[0].shape[1])
    )
    for _ in range(2):
        plain(example_image(), "bottle")
    assert shapes == [1] * 8
    length = len(bench.answer)
    assert len(reads) == 2 * length  # the whole sequence, one token longer each time
    assert reads[:length] == list(range(reads[0], reads[0] + length))
    names = {n for n, _ in plain.encoder.named_parameters()}
    ours = dict(bench.model.image_encoder.named_parameters())
    assert names == set(ours)
    assert all(p.data_ptr() == ours[n].data_ptr() for n, p in plain.encoder.named_parameters())


def test_bfloat16_as_on_a_gpu():
    """The path of size 13b, at test size: weights, tables and cache of another type."""
    config = query_models.CONFIGS["tiny"]
    config = replace(config, language=replace(config.language, projector="linear"))
    model, processor = query_models.random_model(config, 0, CPU, torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    query_models.force_answer(
        model, processor, example_image(), "bottle", processor.answer_ids("human_contact", ["head"])
    )
    pipeline = Pipeline(model, processor, ArtifactCache())
    ours = pipeline.predict(example_image(), "bottle")
    plain = PlainQuery(pipeline, pipeline.surfaces.body())(example_image(), "bottle")
    np.testing.assert_allclose(ours.scores, plain.scores.float().numpy(), atol=0.05)


def test_medium_and_13b_are_what_they_say():
    with torch.device("meta"):
        medium = IvlmModel(query_models.MEDIUM, ContactTokens(1, 2))
    language = sum(p.numel() for p in medium.vlm.language.parameters())
    assert 155e6 < language < 170e6
    assert 85e6 < sum(p.numel() for p in medium.image_encoder.parameters()) < 95e6
    assert replace(query_models.CONFIGS["13b"], name="custom") == type(query_models.MEDIUM)()


def test_13b_without_a_gpu_says_what_to_do(capsys):
    assert main(["bench", "query", "--size", "13b", "--device", "cpu"]) == 2
    assert "CUDA GPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [["--runs", "0"], ["--plain-runs", "0"], ["--threads", "-1"], ["--runs", "99999999999"]],
)
def test_counts_are_checked(option):
    with pytest.raises(SystemExit) as stop:
        main(["bench", "query", *option])
    assert stop.value.code == 2
    with pytest.raises(ValueError, match="must be"):
        BenchQuery(**{option[0][2:].replace("-", "_"): int(option[1])})


def test_help_and_guides_tell_the_size_of_the_medium_language_model(repository: Path) -> None:
    model, _ = query_models.random_model(
        query_models.MEDIUM, 0, torch.device("meta"), torch.float32
    )
    count = sum(parameter.numel() for parameter in model.vlm.language.parameters())
    core = repository / "ivlm_core"
    files = (repository / "README.md", core / "official/README.md", core / "commands/bench.py")
    for file in (*files, core / "commands/query_models.py"):
        told = re.findall(r"(\d+) M (?:language model|parameters, CLIP)", file.read_text())
        assert told == [str(round(count / 1e6))], file

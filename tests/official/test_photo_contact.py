"""Contact masks on photographs: the recorded ones, sizes, refusals, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ivlm_core.cache import ArtifactCache
from ivlm_core.cli import main
from ivlm_core.datasets.published.human import read_damon_2d
from ivlm_core.evaluation.photos import evaluate_photos
from ivlm_core.official.load import OfficialCheckpoint
from ivlm_core.photo_contact import check_model, contact_in_photo
from ivlm_core.pipeline import Pipeline
from tests.official.checkpoints import write, write_with_tokenizer
from tests.official.recorded import Recorded, close


@pytest.fixture
def published(parity_dir, tmp_path):
    """A published checkpoint of human contact with the recorded tokenizer."""
    return write_with_tokenizer(tmp_path / "published", parity_dir)


def _write_token(pipeline: Pipeline, token: int, sign: float) -> None:
    """Make the model write `token` if a state is positive (or negative), and else end."""
    language = pipeline.model.vlm.language
    with torch.no_grad():
        language.model.norm.weight.fill_(1.0)
        language.lm_head.weight.zero_()
        language.lm_head.weight[token, 0] = sign
        language.lm_head.weight[pipeline.processor.tokenizer.eos_token_id, 0] = -sign


def test_one_decoding_equals_the_recorded_four(parity_dir) -> None:
    """Published code repeats the photograph for every view and gets one mask four times."""
    folder = parity_dir / "tiny_hcontact"
    model = OfficialCheckpoint.open(folder, folder / "clip_tower").load()
    recorded, case = Recorded(folder, model), "generate_D_2d"
    generated = recorded.generate(case, recorded.meta["cases"][case]["clip"])
    (asked,) = model.contact_prompts(generated, generated.ids)
    with torch.no_grad():
        once = recorded.views("image_2d_uint8")[:1]
        logits, iou = model.localize([asked], once, on_object=False)
    for view in range(len(recorded.golden[f"{case}/low_res_masks"])):
        close(logits[0, 0], recorded.golden[f"{case}/low_res_masks"][view, 0], 5e-4)
        close(iou[0, 0], recorded.golden[f"{case}/iou_predictions"][view, 0], 5e-4)


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (200, 30)])
def test_masks_have_the_photographs_size(published, shape, tmp_path) -> None:
    folder, tower, token = published
    pipeline = Pipeline.from_pretrained(folder, "cpu", tmp_path / "cache", clip=tower)
    photo = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    results = []
    for sign in (1.0, -1.0):
        _write_token(pipeline, token, sign)
        results.append(contact_in_photo(pipeline, photo, "Tennis racket"))
    assert {r.label for r in results} == {"tennis racket"}
    asked = ["[SEG]" in r.answer for r in results]
    assert sorted(asked) == [False, True]
    for result, has_mask in zip(results, asked, strict=True):
        assert result.probabilities.shape == shape and result.probabilities.dtype == np.float32
        assert (result.probabilities > 0).all() == has_mask
        assert (result.probabilities <= 1).all()
        assert (result.iou != 0) == has_mask


def test_other_models_are_refused(answering_model, parity_dir, tmp_path) -> None:
    pipeline = Pipeline.from_pretrained(answering_model, "cpu", tmp_path)
    with pytest.raises(ValueError, match="not trained to mask contact in photographs"):
        contact_in_photo(pipeline, np.zeros((8, 8, 3), np.uint8), "mug")
    folder, tower = write(tmp_path / "oafford", hC_loss_weight=0.0, oC_loss_weight=3.0)
    checkpoint = OfficialCheckpoint.open(folder, tower)
    objects = Pipeline(checkpoint.load(), pipeline.processor, ArtifactCache(tmp_path))
    with pytest.raises(ValueError, match="h2dcontact"):
        check_model(objects)


def test_the_command(published, answering_model, tmp_path, capsys) -> None:
    folder, tower, _ = published
    photo = np.random.default_rng(0).integers(0, 255, (30, 50, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "mug__1.png")
    (tmp_path / "mug__2.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    images = [str(tmp_path / f"mug__{i}.png") for i in (1, 2)]
    options = ["--out", str(out), "--model", str(folder), "--clip", str(tower), "--json"]
    assert main(["segment", *images, *options]) == 1  # one of the two failed, and is named
    printed = capsys.readouterr()
    assert "mug__2.png" in printed.err
    report = json.loads(printed.out.splitlines()[-1])
    assert report["results"][0]["label"] == "mug" and len(report["failed"]) == 1
    with np.load(out / "mug__1.npz") as arrays:
        assert arrays["probabilities"].shape == arrays["contact"].shape == (30, 50)
    width, height = Image.open(out / "mug__1.png").size
    assert width == 720 and 432 < height < 600  # enlarged, with words above it
    other = ["--out", str(out), "--model", str(answering_model)]
    assert main(["segment", images[0], *other]) == 2
    assert "not trained to mask" in capsys.readouterr().err


@pytest.fixture
def damon_2d(tmp_path):
    """Two photographs, three masks."""
    folder = tmp_path / "root" / "damon" / "test"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    contacts = [{"mug": [1], "chair": [2]}, {"supporting": [3]}]
    for name, objects in zip(("a", "b"), contacts, strict=True):
        pixels = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg")
        for label in objects:
            mask = folder / "contact_render_2d" / label / f"{name}_contact_mask.png"
            mask.parent.mkdir(parents=True)
            Image.fromarray((rng.random((30, 40)) > 0.7).astype(np.uint8) * 255).save(mask)
    np.save(folder / "imgname.npy", np.array(["x/a.jpg", "x/b.jpg"]))
    np.save(folder / "contact_label_objectwise.npy", np.array(contacts, dtype=object))
    return tmp_path / "root"


def test_masks_are_scored(published, damon_2d, tmp_path, capsys) -> None:
    folder, tower, token = published
    pipeline = Pipeline.from_pretrained(folder, "cpu", tmp_path / "cache", clip=tower)
    items = read_damon_2d(damon_2d, "test")
    reports = []
    for sign in (1.0, -1.0):
        _write_token(pipeline, token, sign)
        reports.append(evaluate_photos(pipeline, items))
    for report in reports:
        assert set(report.per_object) == {"mug", "chair", "support object or ground"}
        assert report.all.samples == 3 and np.isfinite(report.all.kld)
    blank = next(r for r in reports if r.all.giou == 0)
    assert (blank.all.nss, blank.all.ciou) == (0, 0), "an answer without a mask"
    wrong = replace(items[0], kind="hcontact")
    with pytest.raises(ValueError, match="expected contact in a photograph"):
        evaluate_photos(pipeline, [wrong])
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_photos(pipeline, [])
    Image.new("L", (8, 8)).save(items[0].masks[0])
    with pytest.raises(ValueError, match="8x8 pixels, its photograph 40x30"):
        evaluate_photos(pipeline, items[:1])


def test_the_command_scores_masks(published, damon_2d, tmp_path, capsys) -> None:
    folder, tower, _ = published
    arguments = ["evaluate", "--data", damon_2d, "--dataset", "damon-2d", "--model", folder]
    arguments += ["--clip", tower, "--out", tmp_path / "out", "--cache-dir", tmp_path / "cache"]
    assert main([str(a) for a in [*arguments, "--json", "--device", "cpu"]]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["all"]["samples"] == 3 and report["data"] == "damon-2d"
    assert "gIoU" in (tmp_path / "out" / "report.txt").read_text()

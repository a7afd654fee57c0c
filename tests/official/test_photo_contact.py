"""Contact masks on photographs: the recorded ones, sizes, refusals, the command."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ivlm_core.cache import ArtifactCache
from ivlm_core.cli import main
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


def test_the_command(published, tmp_path, capsys) -> None:
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
    assert Image.open(out / "mug__1.png").size == (50, 30)
    assert main(["segment", images[0], "--out", str(out), "--model", "nano"]) == 2
    assert "not trained to mask" in capsys.readouterr().err

"""Contact on the photograph itself, for models of our own: masks, sizes, refusals, the commands."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from ivlm_core.cache import ArtifactCache
from ivlm_core.cli import main
from ivlm_core.config import ConfigError
from ivlm_core.lift.extent import expected_f1_threshold
from ivlm_core.model import prompts
from ivlm_core.model.checkpoint import WEIGHTS_FILE, load_checkpoint, save_checkpoint
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.prompts import PHOTO_TASK, TASKS
from ivlm_core.photo_contact import contact_in_photo, contact_in_photos
from ivlm_core.pipeline import Pipeline
from tests.datasets.fixtures import write_tiny_dataset


@pytest.fixture(scope="module")
def folder(answering_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answering model, said to be trained for photographs and to know two labels."""
    return _masking(answering_model, tmp_path_factory.mktemp("photo") / "model")


def _masking(model: Path, out: Path) -> Path:
    known, processor = load_checkpoint(model)
    prompt = replace(
        known.config.prompt, tasks=(*TASKS, PHOTO_TASK), labels=("bottle", "chair", "scene")
    )
    lift = replace(known.config.lift, photo_threshold=0.3)
    sam = replace(known.config.sam, photos="tower")
    config = replace(known.config, prompt=prompt, lift=lift, sam=sam)
    torch.manual_seed(0)
    masking = IvlmModel(config, processor.contact_tokens).eval()
    masking.load_state_dict(known.state_dict(), strict=False)
    assert masking.photo_decoder is not None
    torch.nn.init.normal_(masking.photo_decoder.mask.weight, std=0.3)  # a picture shows in masks
    torch.nn.init.zeros_(masking.photo_decoder.mask.bias)
    processor.config = config
    save_checkpoint(out, masking, processor, {"note": "untrained, for tests"})
    return out


@pytest.fixture(scope="module")
def pipeline(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    model, processor = load_checkpoint(folder)
    return Pipeline(model, processor, ArtifactCache(tmp_path_factory.mktemp("cache")))


def _photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_a_mask_is_what_the_decoder_gives_for_the_token(pipeline: Pipeline) -> None:
    """Bars beside the picture are cut off again."""
    model, side = pipeline.model, pipeline.config.vision.image_size
    photo = _photo(side // 2, side)
    found = contact_in_photo(pipeline, photo, "bottle")
    ids = pipeline.processor.prompt_ids(prompts.question("human_contact", "bottle"))
    with torch.inference_mode():
        pixels = pipeline.processor.pixel_values([photo])
        generated = model.answer(pixels, [ids])
        (asked,) = model.contact_prompts(generated, generated.ids)
        assert asked is not None and model.photo_decoder is not None
        embedded = model.embed_photos(pixels, model.vlm.tower(pixels))
        low, iou = model.photo_decoder(asked.embedding[None], embedded)
        fine = torch.nn.functional.interpolate(low[:, None], (side, side), mode="bilinear")
    bar = side // 4
    expected = fine[0, 0, bar : bar + side // 2].sigmoid().numpy()
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert found.iou == pytest.approx(float(iou), abs=1e-5)
    assert found.answer == pipeline.predict(photo, "bottle").answer
    assert found.threshold == 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fit": "crop"}, "needs vision.fit 'pad'"),
        ({"stem": "patch"}, "needs vision.stem 'efficientnet' or 'conv', got 'patch'"),
    ],
)
def test_a_tower_that_cannot_mask_photographs(
    pipeline: Pipeline, change: dict[str, str], message: str
) -> None:
    config = pipeline.config
    with pytest.raises(ConfigError, match=re.escape(f"sam.photos 'tower' {message}")):
        replace(config, vision=replace(config.vision, **change))


def test_a_model_of_before_0_10_masks_no_photographs(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It had a decoder that found next to nothing; all else answers as it did."""
    model = shutil.copytree(folder, tmp_path / "model")
    weights = {
        name: value
        for name, value in load_file(model / WEIGHTS_FILE).items()
        if not name.startswith("photo_decoder.")
    }
    old = ("photo_neck.norm.bias", "localizer.photo_mask_decoder.iou_token.weight")
    save_file(weights | {name: torch.zeros(1) for name in old}, model / WEIGHTS_FILE)
    loaded = Pipeline(*load_checkpoint(model), ArtifactCache(tmp_path / "cache"))
    (told,) = caplog.messages
    assert "no longer known (nano's before 0.10)" in told and f"ivlm train --init {model}" in told
    with pytest.raises(ValueError, match="was not trained to mask contact in photographs"):
        contact_in_photo(loaded, _photo(8, 8), "bottle")
    assert loaded.predict(_photo(8, 8), "bottle").scores.any()


def test_queries_together_are_queries_one_by_one(pipeline: Pipeline) -> None:
    wide, tall = _photo(30, 64), _photo(50, 20, seed=1)
    images, labels = [wide, tall, wide], ["bottle", "scene", "Chair"]
    together = contact_in_photos(pipeline, images, labels)
    for image, label, found in zip(images, labels, together, strict=True):
        alone = contact_in_photo(pipeline, image, label)
        assert found.probabilities.shape == image.shape[:2]
        np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-5)
        assert (found.answer, found.label) == (alone.answer, alone.label)
    assert [found.label_known for found in together] == [True, True, True]
    assert not contact_in_photo(pipeline, wide, "zebra").label_known
    assert contact_in_photos(pipeline, [], []) == []
    with pytest.raises(ValueError, match="1 images and 2 labels"):
        contact_in_photos(pipeline, [wide], ["bottle", "chair"])


def test_boxes_tell_where_objects_are(told_model: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    told = Pipeline(*load_checkpoint(_masking(told_model, tmp_path / "told")), ArtifactCache(None))
    photo, box = _photo(30, 40), (4.0, 5.0, 20.0, 25.0)
    plain, boxed = (contact_in_photo(told, photo, "bottle", b) for b in (None, box))
    assert np.abs(plain.probabilities - boxed.probabilities).max() > 1e-4
    both = contact_in_photos(told, [photo, photo], ["bottle", "bottle"], [None, box])
    for found, alone in zip(both, (plain, boxed), strict=True):
        np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-5)
    for label, where, said in (
        ("scene", box, "is no object"),
        ("bottle", (50.0, 5.0, 60.0, 9.0), "outside"),
    ):
        with pytest.raises(ValueError, match=said):
            contact_in_photo(told, photo, label, where)
    with pytest.raises(ValueError, match="did not learn to be told where the object is"):
        contact_in_photo(pipeline, photo, "bottle", box)
    with pytest.raises(ValueError, match="1 images and 2 boxes"):
        contact_in_photos(told, [photo], ["bottle"], [box, box])


def test_an_answer_without_a_token_gives_an_empty_mask(folder: Path, tmp_path: Path) -> None:
    model, processor = load_checkpoint(folder)
    with torch.no_grad():
        head = model.vlm.language.lm_head.weight
        head.zero_()  # the first token of the vocabulary, for ever
    pipeline = Pipeline(model, processor, ArtifactCache(tmp_path))
    found = contact_in_photo(pipeline, _photo(20, 30), "bottle")
    assert found.probabilities.shape == (20, 30)
    assert not found.probabilities.any() and found.iou == 0


def test_contact_may_reach_as_far_as_the_masks_expect(pipeline: Pipeline) -> None:
    """As on surfaces: where anything is sure enough, the pixels with the highest expected F1."""
    side = pipeline.config.vision.image_size
    for photo in (_photo(side, side), _photo(3 * side, 40 * side)):
        found = {}
        for least in (0.01, 1.0):
            lift = replace(pipeline.config.lift, extent="expected_f1", photo_threshold=least)
            model = replace(pipeline.config, lift=lift)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pipeline.model, "config", model)
                found[least] = contact_in_photo(pipeline, photo, "bottle")
        assert found[1.0].threshold == 1.0 and not found[1.0].contact.any()
        decided = expected_f1_threshold(found[0.01].probabilities.ravel())
        assert found[0.01].threshold == pytest.approx(decided, abs=0.02)
        assert found[0.01].contact.any()


def test_what_is_seen_decides(pipeline: Pipeline) -> None:
    """Another photograph under the same token gives another mask: the encoder reads it."""
    one, other = (contact_in_photo(pipeline, _photo(64, 64, seed), "bottle") for seed in (0, 1))
    assert np.abs(one.probabilities - other.probabilities).max() > 1e-4


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shape in (("bottle__1", (30, 50)), ("zebra__3", (40, 40))):
        Image.fromarray(_photo(*shape)).save(tmp_path / f"{name}.png")
    (tmp_path / "bottle__4.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    images = [str(path) for path in sorted(tmp_path.glob("*.png"))]
    options = ["--out", str(out), "--model", str(folder), "--device", "cpu", "--json"]
    assert main(["segment", *images, *options]) == 1
    printed = capsys.readouterr()
    report = json.loads(printed.out.splitlines()[-1])
    assert [r["label"] for r in report["results"]] == ["bottle", "zebra"]
    assert [r["label_known"] for r in report["results"]] == [True, False]
    sources = [(r["image"], r["frame"], r["model"]) for r in report["results"]]
    assert sources == [(images[0], None, str(folder)), (images[2], None, str(folder))]
    assert (report["out"], report["done"]) == (str(out), 2)
    assert f"2 done, 1 failed; results in {out}" in printed.out
    failed = {Path(f["input"]).name: f["reason"] for f in report["failed"]}
    assert set(failed) == {"bottle__4.png"}
    assert "not trained on 'zebra'" in printed.err
    for result in report["results"]:
        pixels = round(result["contact_share"] * (1500 if result["label"] == "bottle" else 1600))
        said = f"{pixels:,} pixels in contact" if pixels else "no contact found"
        assert f"{result['label']}: {said}" in printed.out
    for name, size in (("bottle__1", (50, 30)), ("zebra__3", (40, 40))):
        with np.load(out / f"{name}.npz") as arrays:
            assert arrays["probabilities"].shape == size[::-1]
            np.testing.assert_array_equal(arrays["contact"], arrays["probabilities"] >= 0.3)
        width, height = Image.open(out / f"{name}.png").size
        photo = width * size[1] / size[0]
        assert width == 720 and photo < height < photo + 200  # enlarged, with words above it
        assert json.loads((out / f"{name}.json").read_text())["threshold"] == 0.3
    with pytest.raises(SystemExit):
        main(["segment", images[0], *options, "--batch", "0"])
    assert "--batch must be 1 or more" in capsys.readouterr().err
    box = ["--box", "1", "2", "30", "40"]
    for given, said in ((images, "give a single IMAGE"), (images[:1], "leave --box out")):
        assert main(["segment", *given, *options, *box]) == 2
        assert said in capsys.readouterr().err


def test_the_command_names_an_unusable_out_and_loads_nothing_for_no_input(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "bottle__1.png"
    Image.fromarray(_photo(30, 50)).save(image)
    options = ["--model", str(folder), "--device", "cpu"]
    assert main(["segment", str(image), "--out", str(image), *options]) == 2
    assert f"--out {image} cannot be made: it is a file" in capsys.readouterr().err
    out, gone = tmp_path / "out", tmp_path / "gone.png"
    assert main(["segment", str(gone), "--out", str(out), "--model", "nowhere"]) == 1
    assert f"failed: {gone}: there is no such file" in capsys.readouterr().err
    assert not out.exists()


def test_a_model_that_never_learned_it_is_refused(
    answering_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    untrained = Pipeline.from_pretrained(answering_model, "cpu", tmp_path / "cache")
    with pytest.raises(ValueError, match="was not trained to mask contact in photographs"):
        contact_in_photo(untrained, _photo(8, 8), "bottle")
    Image.fromarray(_photo(30, 50)).save(tmp_path / "bottle__1.png")
    data = write_tiny_dataset(tmp_path / "data", train=3, test=2)
    model = ["--model", str(answering_model)]
    for arguments in (
        ["segment", str(tmp_path / "bottle__1.png"), "--out", str(tmp_path / "out"), *model],
        ["evaluate", "--data", str(data), "--tasks", PHOTO_TASK, *model],
    ):
        assert main(arguments) == 2
        assert "was not trained to mask contact in photographs" in capsys.readouterr().err


def test_photographs_are_no_task_of_surfaces(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match="unknown task 'photo_contact'"):
        pipeline.predict(_photo(30, 30), "bottle", PHOTO_TASK)  # type: ignore[arg-type]


def test_the_command_judges_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_tiny_dataset(tmp_path / "data", train=6, test=4)
    arguments = ["evaluate", "--data", data, "--model", folder, "--tasks", PHOTO_TASK]
    arguments += ["--out", tmp_path / "out", "--cache-dir", tmp_path / "cache", "--device", "cpu"]
    assert main([str(a) for a in [*arguments, "--json"]]) == 0
    printed = capsys.readouterr().out
    report = json.loads(printed.splitlines()[-1])
    figures = report["photos"]["groups"]["all"]
    assert set(figures["by"]) == {"model", "label_on_parts"}
    assert set(figures["by"]["model"]) == {"giou", "ciou", "f1", "near_f1"}
    assert report["photos"]["empty"]["questions"] == 4, "one absent object a picture"
    assert report["groups"] == {}, "nothing was asked about surfaces"
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["photos"] == report["photos"]
    for name in ("report.txt", "report.md", "report.html"):
        text = (tmp_path / "out" / name).read_text()
        assert "Contact on the photograph" in text and "true body parts told" in text

"""Fine-tuning of a published model: data on disk to a model folder that is better at them."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ivlm_core.cache import ArtifactCache
from ivlm_core.cli import main
from ivlm_core.config import LoraConfig
from ivlm_core.datasets.published.files import DatasetError
from ivlm_core.datasets.published.human import read_damon_raw
from ivlm_core.datasets.published.objects import read_piad_raw
from ivlm_core.datasets.published.prepare_body import BodyMasks, prepare_damon, write_body_views
from ivlm_core.datasets.published.prepare_objects import prepare_piad
from ivlm_core.model.checkpoint import load_checkpoint, save_checkpoint
from ivlm_core.official.losses import LossWeights
from ivlm_core.official.views import SurfaceViews, read_published_views
from ivlm_core.pipeline import Pipeline
from ivlm_core.training.published import FineTuneConfig, PublishedStage, fine_tune
from ivlm_core.training.published_truth import TruthReader
from ivlm_core.training.recipes import RECIPES, Recipe, read_mixture
from ivlm_core.training.run import Schedule
from ivlm_core.training.state import RUN_FILE, WEIGHTS
from tests.datasets.published.sheet import COLUMNS, sheet_views
from tests.official.checkpoints import write_with_tokenizer
from tests.training.stopping import stopped_after_saving

SIZE = 64  # of the test checkpoints' views
DAMON = RECIPES["hcontact-damon"]


@pytest.fixture(scope="module")
def views() -> SurfaceViews:
    return sheet_views(SIZE)


@pytest.fixture(scope="module")
def root(views: SurfaceViews, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root: contact on the body, in photographs and on clouds, and words."""
    root = tmp_path_factory.mktemp("data")
    raw = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    (raw / "photos").mkdir()
    quarter = [r * COLUMNS + c for r in range(32) for c in range(53)]
    half = list(range(3000, 6890))
    objects = np.array([{"cup": quarter}, {"bench": half}], dtype=object)
    names = np.array(["photos/a.jpg", "photos/b.jpg"])
    for name in names:
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(raw / name)
    np.savez(raw / "raw.npz", imgname=names, contact_label_objectwise=objects)
    for view_set in ("4MV-Z_Vitru", DAMON.human_views):
        write_body_views(views, root, view_set)
        items = read_damon_raw(raw / "raw.npz", raw)
        parts = {"left hand": np.arange(3000), "right hand": np.arange(3000, 6890)}
        prepare_damon(items, BodyMasks(views, view_set, parts), root, "train")

    folder = root / "damon" / "train"
    contacts = [{"cup": [1]}, {"bench": [2]}]
    np.save(folder / "contact_label_objectwise.npy", np.array(contacts, dtype=object))
    for name, label in (("a", "cup"), ("b", "bench")):
        mask = folder / "contact_render_2d" / label / f"{name}_contact_mask.png"
        mask.parent.mkdir(parents=True)
        Image.fromarray((rng.random((40, 40)) > 0.7).astype(np.uint8) * 255).save(mask)

    (raw / "Data" / "Seen").mkdir(parents=True)
    (raw / "clouds").mkdir()
    points = rng.normal(size=(2048, 3))
    heat = (points[:, :1] > 0) * np.eye(17)[:1]
    np.savetxt(raw / "clouds" / "Mug_4.txt", np.hstack([points, heat]))
    lines = {"Img": "Img_Train_Mug_grasp_1.png", "Point": "clouds/Mug_4.txt"}
    for name, line in lines.items():
        for split in ("Train", "Test"):
            (raw / "Data" / "Seen" / f"{name}_{split}.txt").write_text(line)
    clouds = read_piad_raw(raw, "Seen", "Test")
    prepare_piad(clouds, root, "seen", size=SIZE)
    piad = root / "piad_ocontact_seen"
    for name, line in lines.items():
        (piad / f"{name}_Train.txt").write_text(line)
    import pickle

    ranked = {lines["Img"]: [lines["Point"]]}
    (piad / "piad_lookup_results_Train.pkl").write_bytes(pickle.dumps(ranked))
    (piad / "clouds").mkdir(exist_ok=True)
    (piad / "clouds" / "Mug_4.txt").write_text((raw / "clouds" / "Mug_4.txt").read_text())
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(piad / lines["Img"])

    (root / "llava_dataset" / "coco" / "train2017").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
        root / "llava_dataset" / "coco" / "train2017" / "1.jpg"
    )
    said = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A cup."},
        {"from": "human", "value": "What colour?"},
        {"from": "gpt", "value": "Red."},
    ]
    (root / "llava_dataset" / "llava_instruct_150k.json").write_text(
        json.dumps([{"id": "1", "image": "1.jpg", "conversations": said}])
    )
    return root


@pytest.fixture(scope="module")
def published(parity_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A published checkpoint with the recorded tokenizer, and its CLIP."""
    folder = tmp_path_factory.mktemp("published") / "published"
    return write_with_tokenizer(folder, parity_dir)[:2]


@pytest.fixture(scope="module")
def base(published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in our format, its norms no longer so small that nothing comes through."""
    pipeline = Pipeline.from_pretrained(
        published[0], "cpu", tmp_path_factory.mktemp("cache"), clip=published[1]
    )
    with torch.no_grad():
        for name, parameter in pipeline.model.named_parameters():
            if parameter.ndim == 1 and name.endswith("weight"):
                parameter.fill_(1.0)
    folder = tmp_path_factory.mktemp("base") / "converted"
    save_checkpoint(folder, pipeline.model, pipeline.processor, {})
    return folder


def config_of(base: Path, root: Path, out: Path, **fields: object) -> object:
    steps = Schedule(160, 7e-4, warmup=2, decay="linear", final_fraction=0.0, weight_decay=0.0)
    defaults = {
        "base": base,
        "data": root,
        "out": out,
        "recipe": DAMON,
        "lora": LoraConfig(rank=2, alpha=4, dropout=0.0),
        "schedule": steps,
        "batch": 2,
        "precision": "fp32",
        "save_every": 10,
        "cache_dir": out / "cache",
    }
    return FineTuneConfig(**(defaults | fields))


def test_a_model_learns_and_loads(base: Path, root: Path, tmp_path: Path) -> None:
    config = config_of(base, root, tmp_path / "run")
    folder = fine_tune(config)
    start, _ = load_checkpoint(base)
    merged, _ = load_checkpoint(folder)
    assert merged.config.language.lora is None
    before, after = start.state_dict(), merged.state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    layer = "vlm.language.model.layers.0.self_attn"
    assert {f"{layer}.q_proj.weight", "vlm.language.lm_head.weight"} <= moved
    assert any(name.startswith("localizer.mask_decoder") for name in moved)
    for fixed in ("vlm.tower", "vlm.mm_projector", "image_encoder", "localizer.prompt_encoder"):
        assert not any(name.startswith(fixed) for name in moved), fixed
    assert f"{layer}.k_proj.weight" not in moved
    told = json.loads((folder / "provenance.json").read_text())["source_provenance"]
    assert told["recipe"] == "hcontact-damon" and told["datasets"] == ["damon"]
    assert fine_tune(config) == folder, "a finished run is finished"
    run = json.loads((tmp_path / "run" / RUN_FILE).read_text())
    assert run["recipe"] == "hcontact-damon" and run["init"] == base.name
    assert run["data"] == {"folder": root.name, "datasets": ["damon"], "items": [[2]]}
    for other, told in (
        (replace(config, seed=5), "seed 0, not 5"),
        (replace(config, batch=3), "batches.items 2, not 3"),
        (replace(config, lora=replace(config.lora, rank=4)), "network.lora.rank 2, not 4"),
        (replace(config, recipe=RECIPES["hcontact-damon-no-parts"]), "no-parts'"),
    ):
        with pytest.raises(ValueError, match=f"has another run, of .*{told}.*another --out$"):
            fine_tune(other)
    longer = replace(config, schedule=replace(config.schedule, steps=999))
    assert fine_tune(longer) == folder, "steps may change"

    stage = stage_of(start, config)
    learned = stage_of(merged, config)
    with torch.no_grad():
        first, last = ({k: float(v) for k, v in s.eval()(99).items()} for s in (stage, learned))
    assert last["text"] < 0.9 * first["text"]
    assert last["mask_bce"] < 0.95 * first["mask_bce"]
    assert first["object"] == first["affordance"] == 0


def test_a_stopped_run_goes_on_with_the_same_dropout(
    base: Path, root: Path, tmp_path: Path
) -> None:
    short = {"schedule": Schedule(4, 7e-4, warmup=1), "save_every": 2}
    dropping = {"lora": LoraConfig(rank=2, alpha=4, dropout=0.5)}
    whole, parts = (
        config_of(base, root, tmp_path / name, **short, **dropping) for name in ("whole", "parts")
    )
    fine_tune(whole)
    with stopped_after_saving("contact", step=2):
        fine_tune(parts)
    fine_tune(parts)
    got, expected = (load_file(c.out / "contact" / WEIGHTS) for c in (parts, whole))
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=0, msg=name)


def stage_of(model, config) -> PublishedStage:
    body = read_published_views(config.data, config.recipe.human_views)
    processor = Pipeline.from_pretrained(config.base, "cpu", config.out).processor
    return PublishedStage(
        model,
        processor,
        read_mixture(config.recipe, config.data, config.datasets),
        TruthReader(body, SIZE),
        config,
        ArtifactCache(config.out / "cache"),
    )


EVERYTHING = Recipe(
    "everything",
    ((1, ("damon",)), (1, ("damon-2d",)), (1, ("piad",)), (1, ("llava",))),
    LossWeights(),
)


def test_every_kind_has_its_losses_and_gradients(base: Path, root: Path, tmp_path: Path) -> None:
    config = config_of(base, root, tmp_path / "run", recipe=EVERYTHING, batch=12)
    model = Pipeline.from_pretrained(config.base, "cpu", tmp_path).model
    stage = stage_of(model, config).train()
    parts = stage(0)
    assert all(torch.isfinite(value) for value in parts.values())
    assert {name for name, value in parts.items() if value > 0} >= {
        *("text", "mask_bce", "mask_dice", "mask_mse", "human", "affordance"),
    }
    again = stage(0)
    for name, value in parts.items():
        torch.testing.assert_close(value, again[name])
    sum(parts.values()).backward()
    for module in stage.trained:
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    assert all(p.grad is None for p in model.vlm.tower.parameters())


def test_conversations_are_worded_as_published(base: Path, root: Path, tmp_path: Path) -> None:
    config = config_of(base, root, tmp_path / "run", recipe=EVERYTHING)
    model = Pipeline.from_pretrained(config.base, "cpu", tmp_path).model
    stage = stage_of(model, config)
    rng = random.Random(0)
    by_kind: dict[str, list] = {}
    for _ in range(60):
        item = stage.mixture.draw(rng)
        by_kind.setdefault(item.kind, []).append(stage.turns(item, rng))
    assert set(by_kind) == {"hcontact", "h2dcontact", "oafford", "vqa"}
    assert by_kind["vqa"][0][1].answer == "Red."
    human = [turns[0].answer for turns in by_kind["hcontact"]]
    assert all("[SEG]" in answer for answer in human)
    named = ["hand" in answer for answer in human]
    assert any(named) and not all(named), "body parts are dropped half of the time"
    assert all("grasp" in turns[0].answer for turns in by_kind["oafford"])


def test_what_does_not_fit_is_refused(base: Path, root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no dataset pico; it has damon"):
        read_mixture(DAMON, root, ["pico"])
    with pytest.raises(DatasetError):
        read_mixture(RECIPES["hcontact-scene"], root)
    config = config_of(base, root, tmp_path / "run")
    (item,) = (i for i in read_mixture(DAMON, root).shares[0].subsets[0] if i.label == "cup")
    body = read_published_views(root, DAMON.human_views)
    with pytest.raises(DatasetError, match="masks of 64x64 pixels, but the model's views have 32"):
        TruthReader(body, 32).read(item)
    with pytest.raises(ValueError, match="needs the body's views"):
        TruthReader(None, SIZE).read(item)
    with pytest.raises(ValueError, match="no published model"):
        fine_tune(replace(config, base=Path("nano")))


def test_the_command(published, root: Path, tmp_path: Path, capsys) -> None:
    arguments = ["train", "--recipe", "h2dcontact", "--base", published[0], "--clip", published[1]]
    arguments += ["--data", root, "--out", tmp_path / "run", "--steps", "1", "--batch", "1"]
    assert main([str(a) for a in [*arguments, "--json"]]) == 0, capsys.readouterr().err
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert not any("lora" in name for name in weights)
    assert main(["train", "--data", str(root), "--out", str(tmp_path), "--recipe", "joint"]) == 2
    assert "--base" in capsys.readouterr().err
    wrong = [str(a) for a in arguments]
    wrong[2] = "no-such"
    assert main(wrong) == 2
    assert "hcontact-damon" in capsys.readouterr().err

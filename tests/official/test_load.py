"""Loading: every kind and file layout, and nothing half-loaded from what does not fit."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from ivlm_core.cli import main
from ivlm_core.config import ConfigError, VisionConfig
from ivlm_core.model.checkpoint import CheckpointError, load_checkpoint
from ivlm_core.model.placement import Placement
from ivlm_core.model.processor import Processor
from ivlm_core.model.prompts import TASKS
from ivlm_core.model.skeleton import expected_shapes, skeleton
from ivlm_core.official import load as official_load
from ivlm_core.official.config import OfficialConfig, is_official_folder, to_ivlm_config
from ivlm_core.official.convert import convert
from ivlm_core.official.keys import plan_keys, published_name
from ivlm_core.official.load import OfficialCheckpoint, load_official
from ivlm_core.official.prompts import answers, demo_prompt, demo_question
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.pipeline import Pipeline, Query
from tests.official.checkpoints import FIELDS, weights, write, write_shards, write_with_tokenizer

JOINT = {
    "token_type": "Gen-Hu-Obj",
    "hseg_token_idx": 61,
    "oseg_token_idx": 62,
    "oC_loss_weight": 3.0,
    "oC_sam_view_type": "4MV-Z_HM_BM",
}
KINDS = {
    "damon": {},
    "damon-fix": {"hC_sam_view_type": "4MV-Z_Vitru_mv2", "hC_question_type": "parts"},
    "damon-noParts": {"hC_question_type": "simple"},
    "wScene": {"hC_sam_view_type": "4MV-Z_Vitru_FootGround"},
    "oafford": {"hC_loss_weight": 0.0, "oC_loss_weight": 3.0},
    "joint": JOINT,
    "joint DifDe": JOINT | {"token_type": "Gen-Hu-Obj-DifDe"},
    "one token for both": JOINT | {"token_type": "Gen-Int", "oseg_token_idx": 61},
    "no conditioning": {"multiview_cam_cond": False},
    "simple cameras": {"cam_encoder_type": "simple"},
    "indexed cameras": {"cam_encoder_type": "view_index"},
}


@pytest.fixture
def published(tmp_path) -> tuple[Path, Path]:
    return write(tmp_path / "published")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(tmp_path, kind) -> None:
    folder, tower = write(tmp_path / "published", **KINDS[kind])
    assert is_official_folder(folder)
    checkpoint = OfficialCheckpoint.open(folder, tower)
    model = checkpoint.load()
    expected, _ = weights(FIELDS | KINDS[kind])
    for name, tensor in model.state_dict().items():
        assert not tensor.is_meta
        if not name.startswith("vlm.tower"):
            torch.testing.assert_close(tensor, expected[published_name(name)].float())
    assert checkpoint.official.kind == {"oafford": "oafford"}.get(
        kind, "hcontact-ocontact" if "oC_loss_weight" in KINDS[kind] else "hcontact"
    )
    assert (
        checkpoint.config.prompt.tasks
        == {
            "hcontact": ("human_contact",),
            "oafford": ("object_affordance",),
            "hcontact-ocontact": TASKS,
        }[checkpoint.official.kind]
    )


def test_where_the_file_does_not_say_nothing_is_refused(tmp_path) -> None:
    folder, tower = write(tmp_path / "published", hC_loss_weight=0.0)
    assert OfficialCheckpoint.open(folder, tower).config.prompt.tasks == ()


def test_tokens_and_conditioning_of_the_joint_model(tmp_path) -> None:
    folder, tower = write(tmp_path / "published", **JOINT)
    ours = OfficialCheckpoint.open(folder, tower)
    assert (ours.tokens.human, ours.tokens.object, ours.tokens.generic) == (61, 62, 60)
    assert ours.config.views.object_condition == "object4"
    assert ours.config.views.affordance_condition == "object4_far"
    demo = OfficialCheckpoint.open(folder, tower, ReferenceQuirks(demo_conditioning_distance=True))
    assert demo.config.views.object_condition == "object4_far"


def test_layouts_give_one_model(tmp_path) -> None:
    folder, tower = write(tmp_path / "three", shards=3)
    sharded = OfficialCheckpoint.open(folder, tower).load().state_dict()
    state, _ = weights(FIELDS)
    for name, save in (
        ("pytorch_model.bin", torch.save),
        ("model.safetensors", save_file),
    ):
        other = tmp_path / name
        other.mkdir()
        shutil.copy(folder / "config.json", other)
        save(state, other / name)
        found = OfficialCheckpoint.open(other, tower).load().state_dict()
        assert found.keys() == sharded.keys()
        assert all(torch.equal(found[n], sharded[n]) for n in found)


def test_rotary_frequencies_of_the_file_are_not_used(published) -> None:
    checkpoint = OfficialCheckpoint.open(*published)
    assert len(checkpoint.keys.ignored) == FIELDS["num_hidden_layers"]
    rotary = checkpoint.load().vlm.language.model.rotary_emb.inv_freq
    size = FIELDS["hidden_size"] // FIELDS["num_attention_heads"]
    torch.testing.assert_close(rotary, 10000.0 ** -(torch.arange(0, size, 2) / size))


def _change(folder: Path, change) -> None:
    state, _ = weights(FIELDS)
    change(state)
    for file in folder.glob("pytorch_model*"):
        file.unlink()
    write_shards(folder, state, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("lm_head.weight"), "missing lm_head.weight"),
        (
            lambda s: s.update({"model.extra.weight": torch.ones(1)}),
            r"unknown model.extra.weight \(in pytorch_model-0000",
        ),
        (
            lambda s: s.update({"model.norm.weight": torch.ones(33)}),
            r"expected \(32,\), got \(33,\)",
        ),
        (lambda s: s.pop("model.visual_model.image_encoder.pos_embed"), "pos_embed"),
    ],
)
def test_weights_that_do_not_fit(published, change, message, monkeypatch) -> None:
    monkeypatch.setattr(official_load, "load_weights", lambda *_: pytest.fail("it was loaded"))
    _change(published[0], change)
    with pytest.raises((CheckpointError, ConfigError), match=message):
        load_official(*published)


def test_damaged_shards(published) -> None:
    folder, tower = published
    shard = sorted(folder.glob("*.bin"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        OfficialCheckpoint.open(folder, tower)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="lacks 1 of 2 shards"):
        OfficialCheckpoint.open(folder, tower)


class _Harmful:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return (os.mkdir, (str(self.file),))


def test_code_in_a_file_is_not_run(published, tmp_path) -> None:
    folder, tower = published
    shard = sorted(folder.glob("*.bin"))[0]
    torch.save({"model.norm.weight": _Harmful(tmp_path / "harm")}, shard)
    with pytest.raises(CheckpointError, match="could run code"):
        OfficialCheckpoint.open(folder, tower)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"token_type": "Gen-Other"}, "token_type"),
        ({"cam_encoder_type": "vi_v9"}, "cam_encoder_type"),
        ({"multiview_channels": 6}, "multiview_channels"),
        ({"use_fusion": True}, "use_fusion"),
        ({"num_key_value_heads": 1}, "num_key_value_heads"),
        ({"vocab_size": None}, "vocab_size"),
        ({"hidden_size": "32"}, "hidden_size"),
        ({"img_emb_len": 255}, "img_emb_len"),
        ({"oC_sam_view_type": "9MV"}, "oC_sam_view_type"),
    ],
)
def test_configurations_that_are_refused(published, fields, message) -> None:
    folder, tower = published
    (folder / "config.json").write_text(json.dumps(FIELDS | fields))
    with pytest.raises(ConfigError, match=message):
        OfficialCheckpoint.open(folder, tower)


def test_vision_tower_has_to_be_given(published, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="download it"):
        OfficialCheckpoint.open(published[0])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        OfficialCheckpoint.open(published[0], tmp_path / "nowhere")
    fields = FIELDS | {"mm_vision_tower": str(published[1])}
    (published[0] / "config.json").write_text(json.dumps(fields))
    assert OfficialCheckpoint.open(published[0]).tower_files.folder == published[1]


def test_ours_is_not_taken_for_published(answering_model) -> None:
    assert not is_official_folder(answering_model)
    with pytest.raises(ValueError, match="published checkpoints"):
        Pipeline.from_pretrained(answering_model, device="cpu", reference_quirks="all")


def test_all_weights_of_the_13b_model_have_a_place(parity_dir) -> None:
    """On the meta device: no memory is taken."""
    recorded = json.loads((parity_dir / "official_keys_13b.json").read_text())
    shapes = {n: tuple(s) for n, s in recorded["Gen"].items()}
    vision = VisionConfig()
    fields = {
        "vocab_size": shapes["model.embed_tokens.weight"][0],
        "hidden_size": shapes["model.embed_tokens.weight"][1],
        "intermediate_size": shapes["model.layers.0.mlp.up_proj.weight"][0],
        "num_hidden_layers": sum(n.endswith("input_layernorm.weight") for n in shapes),
        "num_attention_heads": shapes["model.embed_tokens.weight"][1] // 128,
        "img_emb_len": vision.num_patches - 1,
    }
    for kind, extra in (
        ({}, {}),
        (JOINT, recorded["extra_Gen_Hu_Obj"]),
        (
            JOINT | {"token_type": "Gen-Hu-Obj-DifDe"},
            recorded["extra_Gen_Hu_Obj"] | recorded["extra_DifDe"],
        ),
    ):
        present = shapes | {n: tuple(s) for n, s in extra.items()}
        data = FIELDS | fields | kind
        official = OfficialConfig(
            **{k: data[k] for k in OfficialConfig.__dataclass_fields__ if k in data},
            rope_theta=10000.0,
            human_views=data["hC_sam_view_type"],
            object_views=data["oC_sam_view_type"],
            human_weight=data["hC_loss_weight"],
            object_weight=data["oC_loss_weight"],
            views=4,
            camera_conditioning=True,
            camera_encoder=data["cam_encoder_type"],
            dtype="bfloat16",
        )
        for shared in (False, True):
            quirks = ReferenceQuirks(shared_mask_decoder=shared)
            config = to_ivlm_config(official, present, vision, quirks)
            tokens = official.contact_tokens
            assert tokens is not None
            model = skeleton(config, tokens)
            assert all(p.is_meta for p in model.parameters())
            plan = plan_keys(present, shared)
            assert not plan.unknown
            assert len(plan.renamed) + len(plan.ignored) == len(present)
            got = {ours: present[theirs] for theirs, ours in plan.renamed.items()}
            tower = {n: s for n, s in expected_shapes(model).items() if "tower" in n}
            assert got | tower == expected_shapes(model)
    assert config.sam.window_size == 14 and config.sam.global_attention == (7, 15, 23, 31)


@pytest.fixture
def with_tokenizer(parity_dir, tmp_path) -> tuple[Path, Path]:
    """A published checkpoint of affordances with the recorded tokenizer."""
    folder = tmp_path / "published"
    return write_with_tokenizer(folder, parity_dir, hC_loss_weight=0.0, oC_loss_weight=3.0)[:2]


def test_pipeline_recognises_a_published_folder(with_tokenizer, sphere) -> None:
    folder, tower = with_tokenizer
    pipeline = Pipeline.from_pretrained(folder, device="cpu", clip=tower)
    assert pipeline.config.name == "interactvlm-oafford"
    prompt = pipeline.processor.prompt_ids("What?")
    assert prompt.count(-200) == 1 and max(prompt) < pipeline.config.language.vocab_size


PHOTO = np.zeros((40, 40, 3), np.uint8)


@pytest.mark.parametrize("converted", [False, True])
def test_tasks_without_training_are_refused(with_tokenizer, sphere, tmp_path, converted) -> None:
    folder, tower = with_tokenizer
    if converted:
        folder, tower = convert(folder, tmp_path / "ours", tower), None
    pipeline = Pipeline.from_pretrained(folder, device="cpu", clip=tower)
    for task in ("human_contact", "object_contact"):
        mesh = None if task == "human_contact" else sphere
        with pytest.raises(ValueError, match=f"not trained for {task}.* for object_affordance"):
            pipeline.predict(PHOTO, "mug", task, mesh)
    assert pipeline.check_task("object_affordance") == "object_affordance"
    with pytest.raises(ValueError, match="unknown task"):
        pipeline.check_task("eating")


def test_the_command_takes_a_published_folder(with_tokenizer, tmp_path, capsys) -> None:
    folder, tower = with_tokenizer
    Image.fromarray(PHOTO).save(tmp_path / "mug__1.png")
    arguments = [
        *("predict", tmp_path / "mug__1.png", "--out", tmp_path / "out", "--model", folder),
        *("--clip", tower, "--task", "object_affordance", "--files", "json", "npz"),
        *("--reference-quirks", "shared_mask_decoder", "--dtype", "bfloat16"),
        *("--cache-dir", tmp_path / "cache"),
    ]
    assert main([str(a) for a in arguments]) == 0, capsys.readouterr().err
    with np.load(tmp_path / "out" / "mug__1.npz") as found:
        assert np.isfinite(found["scores"]).all()
    arguments[arguments.index("shared_mask_decoder")] = "no_such_quirk"
    assert main([str(a) for a in arguments]) == 2
    assert "no_such_quirk" in capsys.readouterr().err


def test_deviations_in_questions_are_asked(with_tokenizer, sphere, monkeypatch) -> None:
    folder, tower = with_tokenizer
    asked: list[str] = []
    kept = Processor.prompt_ids
    monkeypatch.setattr(
        Processor, "prompt_ids", lambda self, text: asked.append(text) or kept(self, text)
    )

    def questions(quirks: str, times: int = 1) -> list[str]:
        pipeline = Pipeline.from_pretrained(
            folder, device="cpu", clip=tower, reference_quirks=quirks
        )
        asked.clear()
        for _ in range(times):
            pipeline.ask(Query(PHOTO, "tennis racket", "object_affordance", sphere))
        return list(asked)

    assert questions("demo_object_prompt") == [
        demo_question("oafford", "tennis_racket", ReferenceQuirks(demo_object_prompt=True))
    ]
    (plain,) = questions("none")
    assert plain == demo_question("oafford", "tennis_racket") != asked
    random.seed(0)
    assert len(set(questions("random_question", 3))) > 1


def test_deviations_of_scores_alone_are_refused_by_what_answers(
    with_tokenizer, tmp_path, capsys
) -> None:
    folder, tower = with_tokenizer
    with pytest.raises(ValueError, match="meter_epsilon would change nothing here"):
        Pipeline.from_pretrained(folder, clip=tower, reference_quirks=["meter_epsilon"])
    options = ["--clip", str(tower), "--reference-quirks", "demo_object_prompt"]
    assert main(["convert", str(folder), str(tmp_path / "converted"), *options]) == 2
    assert "demo_object_prompt would change nothing here" in capsys.readouterr().err
    assert not (tmp_path / "converted").exists()


def test_the_tokenizer_may_be_that_of_training_and_evaluation(with_tokenizer, tmp_path) -> None:
    """The demo takes what the files say; converted folders have the choice, too."""
    folder, tower = with_tokenizer
    said = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(said | {"legacy": False}))
    converted = convert(folder, tmp_path / "converted", tower)
    question = demo_question("oafford", "mug")
    ids = {
        (place, legacy): Pipeline.from_pretrained(
            place, device="cpu", clip=tower if place == folder else None, legacy=legacy
        ).processor.prompt_ids(question)
        for place in (folder, converted)
        for legacy in (None, True)
    }
    assert ids[folder, None] == ids[converted, None] != ids[folder, True] == ids[converted, True]
    expected = OfficialCheckpoint.open(folder, tower).processor(True).prompt_ids(question)
    assert ids[folder, True] == expected


@pytest.mark.parametrize("question_type", ["afford", "simple"])
def test_published_answers_are_guessed(with_tokenizer, question_type) -> None:
    """Whichever wording a model begins, the rest of it is guessed."""
    folder, tower = with_tokenizer
    pipeline = Pipeline.from_pretrained(folder, device="cpu", clip=tower)
    drafter, processor = pipeline.dialogue.drafter("object_affordance"), pipeline.processor
    for wording in answers("oafford", question_type):
        ids = processor.answer_ids("object_affordance", ["grasp"], wording)
        free = len(processor._encode("grasp"))
        read, passes = 0, 0
        while read < len(ids):
            guess = [*drafter(ids[:read]), None]
            right = next(i for i, g in enumerate(guess) if g is None or g != ids[read + i])
            read, passes = read + right + 1, passes + 1  # the token after the guess comes free
        assert passes < len(ids) and passes <= free + 5


@pytest.mark.parametrize("label", ["tennis racket", "tennis_racket"])
def test_questions_keep_underscores_and_results_show_spaces(
    with_tokenizer, sphere, monkeypatch, label
) -> None:
    folder, tower = with_tokenizer
    pipeline = Pipeline.from_pretrained(folder, device="cpu", clip=tower)
    asked: list[str] = []
    encode = pipeline.processor.prompt_ids
    monkeypatch.setattr(
        pipeline.processor, "prompt_ids", lambda text: asked.append(text) or encode(text)
    )
    answer = pipeline.predict(PHOTO, label, "object_affordance", sphere)
    assert answer.label == "tennis racket"
    assert len(asked) == 1 and asked[0] in demo_prompt("oafford", "tennis_racket")


def test_tokenizer_of_another_model(with_tokenizer) -> None:
    folder, tower = with_tokenizer
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(data | {"seg_token_idx": 5}))
    with pytest.raises(CheckpointError, match="do not belong together"):
        load_official(folder, tower)


@pytest.mark.parametrize("shard_bytes", [1 << 30, 200_000])
def test_converted_folder_is_the_same_model(with_tokenizer, tmp_path, shard_bytes) -> None:
    folder, tower = with_tokenizer
    model, processor = load_official(folder, tower)
    out = convert(folder, tmp_path / "ours", tower, shard_bytes=shard_bytes)
    assert len(list(out.glob("*.safetensors"))) == 1 or shard_bytes < 1 << 30
    ours, own = load_checkpoint(out)
    assert ours.config == model.config and ours.tokens == model.tokens
    expected = model.state_dict()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert own.prompt_ids("Which parts?") == processor.prompt_ids("Which parts?")
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["kind"] == "oafford" and provenance["ignored_weights"]
    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(FileExistsError):
        convert(folder, out, tower)


def test_convert_keeps_the_stored_type(with_tokenizer, tmp_path) -> None:
    folder, tower = with_tokenizer
    out = convert(folder, tmp_path / "ours", tower)
    kinds = {n: t.dtype for n, t in load_file(out / "model.safetensors").items()}
    assert kinds["vlm.language.lm_head.weight"] == torch.bfloat16
    assert convert(folder, tmp_path / "half", tower, dtype=torch.float16).is_dir()


def test_failed_conversion_leaves_nothing(with_tokenizer, tmp_path) -> None:
    folder, tower = with_tokenizer
    shard = sorted(folder.glob("*.bin"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(CheckpointError):
        convert(folder, tmp_path / "ours", tower)
    assert not list(tmp_path.glob("ours*"))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_whole(published, dtype) -> None:
    checkpoint = OfficialCheckpoint.open(*published)
    model = checkpoint.load(Placement(dtype=dtype))
    assert {p.dtype for p in model.parameters()} == {dtype}
    answer = [1, 3, -200, 4, 60]
    tokens = model.vlm.image_tokens(model.vlm.tower(torch.randn(1, 3, 28, 28)), [answer])
    scored = model.vlm.score(tokens, [answer], [4])
    prompts = [p for p in model.contact_prompts(scored, [answer]) if p is not None]
    views = model.embed_views(torch.randn(4, 3, 64, 64))
    masks, _ = model.localize(prompts, views, on_object=True)
    assert masks.dtype == dtype and masks.isfinite().all()


@pytest.mark.parametrize("between", [" ", ","])
def test_quirks_to_build_in_are_named_as_for_predicting(
    with_tokenizer, between, tmp_path, capsys
) -> None:
    folder, tower = with_tokenizer
    names = between.join(("shared_mask_decoder", "demo_conditioning_distance")).split()
    converted = tmp_path / "converted"
    options = ["--clip", str(tower), "--reference-quirks", *names]
    assert main(["convert", str(folder), str(converted), *options]) == 0, capsys.readouterr().err
    assert (converted / "config.json").is_file()

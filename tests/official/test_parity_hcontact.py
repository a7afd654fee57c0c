"""Model of human contact: every recorded number of the published implementation."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.sam import normalise_views
from ivlm_core.official.contact_type import task_of
from ivlm_core.official.load import OfficialCheckpoint
from tests.official.recorded import Recorded, close

ANSWERED = ["generate_A", "generate_C", "generate_D_2d"]
SILENT = "generate_B_no_seg"


@pytest.fixture(scope="module")
def model(parity_dir) -> IvlmModel:
    folder = parity_dir / "tiny_hcontact"
    return OfficialCheckpoint.open(folder, folder / "clip_tower").load()


@pytest.fixture(scope="module")
def recorded(parity_dir, model) -> Recorded:
    return Recorded(parity_dir / "tiny_hcontact", model)


def test_views_stand_in_the_recorded_order(recorded, model) -> None:
    assert tuple(recorded.inputs["view_names"]) == get_rig(model.config.views.human_rig).view_names


@torch.no_grad()
def test_vision(recorded, model) -> None:
    golden, case = recorded.golden, recorded.meta["cases"]["generate_A"]
    features = model.vlm.tower(recorded.clip(case["clip"]))
    close(features, golden["shared/clip_features_A"], 1e-4)
    projected = model.vlm.image_tokens(features, [recorded.ids("generate_A/input_ids")])
    close(projected, golden["shared/projected_features_A"], 1e-4)
    close(recorded.views(case["images"]), golden["shared/sam_image_embeddings"], 1e-4)
    encoder = model.localizer.prompt_encoder
    close(encoder.get_dense_pe(), golden["shared/dense_pe"], 1e-4)


def test_renders_are_normalised_as_photographs(recorded) -> None:
    """A render fills SAM's square, so both ways give one input."""
    from ivlm_core.official.preprocess import pad_for_sam

    pixels = recorded.inputs["images_uint8"][0]
    as_view = normalise_views(torch.from_numpy(pixels)[None])[0]
    torch.testing.assert_close(pad_for_sam(pixels, recorded.size), as_view)


@pytest.mark.parametrize("case", ["generate_A", SILENT, "generate_C", "generate_D_2d"])
def test_answers(recorded, case) -> None:
    generated = recorded.generate(case, recorded.meta["cases"][case]["clip"])
    assert generated.ids[0] == recorded.ids(f"{case}/output_ids")
    close(generated.hidden, recorded.golden[f"{case}/hidden_states"], 1e-4)
    if recorded.has(f"{case}/logits_last_step"):
        logits = recorded.model.vlm.language.lm_head(generated.hidden)
        close(logits, recorded.golden[f"{case}/logits_last_step"], 1e-4)


@torch.no_grad()
def test_cameras(recorded, model) -> None:
    for case, info in recorded.meta["cases"].items():
        if recorded.has(f"{case}/view_encodings"):
            gates = model.view_encoder.gates(recorded.cameras(info["cam"]))
            close(gates, recorded.golden[f"{case}/view_encodings"][0], 1e-4)


@torch.no_grad()
@pytest.mark.parametrize("case", ANSWERED)
def test_masks_and_contact(recorded, case) -> None:
    golden, info = recorded.golden, recorded.meta["cases"][case]
    generated = recorded.generate(case, info["clip"])
    images = info["images"].split()[0]
    found = recorded.localize(
        generated,
        generated.ids,
        0,
        images,
        recorded.cameras(info["cam"]),
        on_object=False,
        fitted=tuple(info["resize"]),
        original=tuple(info["original"]),
    )
    assert found is not None
    assert found.hidden_index == int(golden[f"{case}/hidden_index"])
    assert found.prompt.token == generated.ids[0][int(golden[f"{case}/seg_index_in_output_ids"])]
    close(found.state, golden[f"{case}/contact_hidden"][0], 1e-4)
    close(found.prompt.embedding, golden[f"{case}/contact_embedding"][0], 1e-4)
    close(found.view_prompts, golden[f"{case}/text_embeds"], 1e-4)
    close(found.low_res, golden[f"{case}/low_res_masks"][:, 0], 5e-4)
    close(found.iou, golden[f"{case}/iou_predictions"][:, 0], 5e-4)
    if recorded.has(f"{case}/pred_masks"):
        close(found.masks, golden[f"{case}/pred_masks"], 5e-4)
    stats = torch.stack([found.masks.mean(), found.masks.abs().max()])
    close(stats, golden[f"{case}/pred_masks_stats"], 5e-4)
    task = task_of(info["contact_type"])
    if task is None:
        assert not recorded.has(f"{case}/pred_contact_3d")
        return
    close(recorded.lift(found.masks, task), golden[f"{case}/pred_contact_3d"], 1e-4)


def test_answer_without_token_gives_no_masks(recorded, model) -> None:
    generated = recorded.generate(SILENT, recorded.meta["cases"][SILENT]["clip"])
    assert model.contact_prompts(generated, generated.ids) == [None]
    assert len(recorded.golden[f"{SILENT}/text_embeds"]) == 0
    assert not recorded.has(f"{SILENT}/pred_contact_3d")


@torch.no_grad()
def test_teacher_forced(recorded, model) -> None:
    golden, case = recorded.golden, "forward_inference_A"
    row, ids = recorded.meta["cases"][case]["clip"], [recorded.ids(f"{case}/input_ids")]
    scored = recorded.teacher_forced(ids, golden[f"{case}/labels"], [row])
    close(scored.hidden, golden[f"{case}/hidden_states"], 1e-4)
    close(scored.logits, golden[f"{case}/logits"], 1e-4)
    close(model.projection(scored.hidden), golden[f"{case}/fcs_out_full"], 1e-4)
    cameras = recorded.cameras("cam_params")
    found = recorded.localize(scored, ids, 0, "images_uint8", cameras, on_object=False)
    assert found is not None
    close(found.view_prompts, golden[f"{case}/text_embeds"], 1e-4)
    close(found.low_res, golden[f"{case}/low_res_masks"][:, 0], 5e-4)
    close(found.iou, golden[f"{case}/iou_predictions"][:, 0], 5e-4)
    scores = recorded.lift(found.masks, "human_contact")
    close(scores, golden[f"{case}/pred_human_3d_contact"], 1e-4)


def test_training_step(recorded) -> None:
    names = recorded.meta["cases"]["train_forward"]["ds_names"]
    recorded.check_training(
        [
            (name, "images_uint8", "cam_params") if "hcontact" in name else (name, None, None)
            for name in names
        ]
    )


def test_adapters_merge_into_the_recorded_weights(parity_dir) -> None:
    """`peft` merges what our training writes as the published merge does."""
    import peft

    folder = parity_dir / "tiny_hcontact"
    info = json.loads((folder / "lora_merge.json").read_text())
    tensors = load_file(folder / "lora_merge.safetensors")
    suffix = ".weight_merged"
    names = [key.removesuffix(suffix) for key in tensors if key.endswith(suffix)]
    assert names
    for name in names:
        base = tensors[f"{name}.weight_base"]
        layer = torch.nn.ModuleDict({"projection": torch.nn.Linear(*base.T.shape, bias=False)})
        config = peft.LoraConfig(
            r=info["r"], lora_alpha=info["alpha"], target_modules=["projection"]
        )
        peft.inject_adapter_in_model(config, layer)
        adapted = layer["projection"]
        with torch.no_grad():
            adapted.base_layer.weight.copy_(base)
            for half in ("A", "B"):
                key = f"base_model.model.{name}.lora_{half}.default.weight"
                getattr(adapted, f"lora_{half}")["default"].weight.copy_(tensors[key])
        adapted.merge()
        close(adapted.base_layer.weight, tensors[f"{name}{suffix}"], 1e-6)

"""What the properties the weights were trained with are worth, on the recorded small models.

Each is done otherwise and the masks move by far more than rounding; `pytest -rP` prints by how
much, the figures of the table in `ivlm_core/official/README.md`.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.model.ivlm import ContactPrompt, IvlmModel
from ivlm_core.official.load import OfficialCheckpoint
from tests.official.recorded import Localized, Recorded

ROUNDING = 5e-4
"""Tolerance of mask logits in the parity tests."""


@pytest.fixture(scope="module")
def recorded(parity_dir) -> Recorded:
    folder = parity_dir / "tiny_hcontact"
    return Recorded(folder, OfficialCheckpoint.open(folder, folder / "clip_tower").load())


@pytest.fixture(scope="module")
def answered(recorded) -> Localized:
    return _answer(recorded)


def _answer(recorded: Recorded, case: str = "generate_A") -> Localized:
    info = recorded.meta["cases"][case]
    generated = recorded.generate(case, info["clip"])
    cameras = recorded.cameras(info["cam"])
    with torch.no_grad():
        found = recorded.localize(generated, generated.ids, 0, _images(info), cameras, False)
    assert found is not None
    return found


def _images(info: dict) -> str:
    name = info["images"]
    return name if name.endswith("uint8") else f"{name}_images_uint8"


def _decode(recorded: Recorded, view_prompts: Tensor, images: str = "images_uint8") -> Tensor:
    """Logits of given view prompts `[1, view, dim]`."""
    with torch.no_grad():
        logits, _ = recorded.model.localizer(view_prompts, recorded.views(images))
    return logits[0]


def _effect(recorded: Recorded, plain: Localized, low_res: Tensor, name: str) -> None:
    """Print the largest difference of logits and of contact, and require one."""
    logits = float((low_res - plain.low_res).abs().max())
    scale = recorded.size // low_res.shape[-1]
    whole = torch.nn.functional.interpolate(low_res[None], scale_factor=scale, mode="bilinear")[0]
    scores = [recorded.lift(masks, "human_contact") for masks in (whole, plain.masks)]
    contact = float((scores[0] - scores[1]).abs().max())
    print(f"{name}: {logits:.1f}; {contact:.2f}")
    assert logits > 100 * ROUNDING and contact > 0.01


def _prompt(model: IvlmModel, state: Tensor) -> ContactPrompt:
    with torch.no_grad():
        return ContactPrompt(0, model.projection(state[None])[0])


def test_state_at_the_token(recorded, answered) -> None:
    case = "generate_A"
    ids = [recorded.ids(f"{case}/output_ids")]
    labels = torch.tensor(ids)
    labels[:, : len(recorded.ids(f"{case}/input_ids"))] = -100
    with torch.no_grad():
        scored = recorded.teacher_forced(ids, labels, [recorded.meta["cases"][case]["clip"]])
        at = _prompt(recorded.model, scored.hidden[0, answered.hidden_index + 1])
        prompts = recorded.model.view_prompts([at], recorded.cameras("cam_params"))
    _effect(recorded, answered, _decode(recorded, prompts), "state at the token")


def test_each_view_with_its_own_prompt_only(recorded, answered) -> None:
    own = [
        _decode(recorded, answered.view_prompts[:, v : v + 1])[v]
        for v in range(answered.view_prompts.shape[1])
    ]
    _effect(recorded, answered, torch.stack(own), "one prompt each")


def test_cameras_that_are_added_or_not_normalised(recorded, answered) -> None:
    model, cameras = recorded.model, recorded.cameras("cam_params")
    with torch.no_grad():
        added = answered.prompt.embedding + model.view_encoder.gates(cameras)
        views = get_rig("human4").views
        raw = [(v.distance, v.elevation_deg, v.azimuth_deg, v.shift_x, v.shift_y) for v in views]
        wild = model.view_prompts([answered.prompt], torch.tensor(raw))
    _effect(recorded, answered, _decode(recorded, added[None]), "cameras added")
    _effect(recorded, answered, _decode(recorded, wild), "cameras not normalised")


def test_last_layer_of_the_tower(recorded, answered) -> None:
    tower = recorded.model.vlm.tower
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tower, "select_layer", -1)
        other = _answer(recorded)
    _effect(recorded, answered, other.low_res, "last layer")


def test_pooling_over_views(recorded, answered) -> None:
    lift, masks = recorded.lifts["human_contact"], answered.masks.sigmoid()[None]
    difference = lift.lift(masks).scores - lift.lift(masks, by_pixels=True).scores
    print(f"pooled over views: {float(difference.abs().max()):.2f} in contact")
    assert difference.abs().max() > 0.01


@pytest.fixture(scope="module")
def joint(parity_dir) -> Recorded:
    tower = parity_dir / "tiny_hcontact" / "clip_tower"
    folder: Path = parity_dir / "tiny_joint"
    return Recorded(folder, OfficialCheckpoint.open(folder, tower).load())


def test_object_gate_and_camera_distance(joint) -> None:
    case = "generate_O"
    info = joint.meta["cases"][case]
    generated = joint.generate(case, info["clip"])
    near = joint.cameras(info["cam"])
    far = near.clone()
    far[:, 0] = 0.2  # 2 metres in place of 1.5
    with torch.no_grad():
        found, other = (
            joint.localize(generated, generated.ids, 0, _images(info), cameras, True)
            for cameras in (near, far)
        )
    assert found is not None and other is not None
    lift, masks = joint.lifts["object_contact"], found.masks.sigmoid()[None]
    gated = lift.lift(masks, gate=joint.model.config.lift.object_gate).scores
    ungated = float((gated - lift.lift(masks).scores).abs().max())
    moved = float((found.low_res - other.low_res).abs().max())
    contact = joint.lift(other.masks, "object_contact") - gated
    print(f"no gate: {ungated:.2f} in contact")
    print(f"conditioned as if at 2: {moved:.1f}; {float(contact.abs().max()):.2f}")
    assert ungated > 0.01 and moved > 10 * ROUNDING

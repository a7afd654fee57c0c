"""The published training loss: recorded values and gradients, what is ours, and ugly input."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.lift.lift import LiftOperator
from ivlm_core.model.losses import affordance_loss
from ivlm_core.official.losses import (
    LossSample,
    LossWeights,
    affordance_points_loss,
    branch_of,
    combine,
    heat_map_probabilities,
    human_loss,
    mask_dice,
    mask_focal,
    object_loss,
)
from ivlm_core.official.quirks import ReferenceQuirks

PUBLISHED = ReferenceQuirks.all()
PARTS = {
    "total": "total",
    "mask_bce": "mask_bce",
    "mask_dice": "mask_dice",
    "mask_l2": "mask_mse",
    "hC": "human",
    "oA": "affordance",
    "oC": "object",
}


def close(value: torch.Tensor, recorded: float) -> None:
    """Within 1e-5, relative for large values."""
    assert value.item() == pytest.approx(recorded, rel=1e-5, abs=1e-5)


class Recorded:
    """The recorded file, as samples."""

    def __init__(self, folder) -> None:
        self.tensors = load_file(folder / "losses" / "losses.safetensors")
        self.info = json.loads((folder / "losses" / "losses.json").read_text())
        self.lifts = {
            kind: LiftOperator.from_indices(
                self.tensors[f"maps/{kind}_p2v"].numpy(),
                self.tensors[f"maps/{kind}_bary"].numpy(),
                self.info[f"num_vertices_{kind}"],
            )
            for kind in ("human", "object")
        }
        self.lifts["affordance"] = LiftOperator.from_point_map(
            self.tensors["maps/pc_map"].numpy(), self.info["num_points"]
        )

    def sample(self, name: str, truth: str | None = None) -> LossSample:
        dataset = self.info["samples"][name]["ds_name"]
        truth = truth or self.info["gt3_of_sample"].get(name)
        return LossSample(
            dataset,
            self.tensors[f"sample/{name}/pred"].clone().requires_grad_(),
            self.tensors[f"sample/{name}/gt"],
            self.tensors[f"gt3/{truth}"] if truth else None,
            self.lifts.get(branch_of(dataset)),
        )

    def weights(self) -> LossWeights:
        given = self.info["combined_weights"]
        return LossWeights(
            mask_bce=given["bce_loss_weight"],
            mask_alpha=given["bce_loss_alpha"],
            mask_dice=given["dice_loss_weight"],
            dice_scale=given["dice_loss_scale"],
            human=given["hC_loss_weight"],
            object=given["oC_loss_weight"],
        )


@pytest.fixture(scope="module")
def recorded(parity_dir) -> Recorded:
    return Recorded(parity_dir)


def test_each_sample(recorded):
    for name, expected in recorded.info["samples"].items():
        sample = recorded.sample(name)
        close(mask_focal(sample), expected["focal"])
        close(mask_focal(sample, alpha=0.25), expected["focal_alpha0p25"])
        close(mask_dice(sample, quirks=PUBLISHED), expected["dice"])
        close(mask_dice(sample, scale=4, quirks=PUBLISHED), expected["dice_scale4"])
        if "mse" in expected:
            losses = combine([sample], LossWeights(mask_mse=1.0))
            close(losses.mask_mse, expected["mse"])


def test_batches_with_their_gradients(recorded):
    for name, expected in recorded.info["combined"].items():
        samples = {s: recorded.sample(s) for s in expected["samples"]}
        losses = combine(list(samples.values()), recorded.weights(), PUBLISHED)
        for part, ours in PARTS.items():
            close(getattr(losses, ours), expected["values"][part])
        if losses.total.requires_grad:
            losses.total.backward()
        for sample_name, sample in samples.items():
            key = f"combined/{name}/grad/{sample_name}"
            if key in recorded.tensors:
                gradient = recorded.tensors[key]
                torch.testing.assert_close(sample.masks.grad, gradient, atol=1e-5, rtol=1e-5)
                # gradients of single pixels are far below 1e-5
                worst = (sample.masks.grad - gradient).abs().max()
                assert worst <= 1e-4 * gradient.abs().max()
            else:
                assert not sample.has_masks


def test_lifted_contact(recorded):
    """Keys name the samples joined by `+`."""
    expected = recorded.info["loss3d"]
    of = recorded.sample
    human = [of("h_basic"), of("h_emptyview")]
    close(human_loss(human), expected["human/h_basic+h_emptyview"])
    close(human_loss([of("h_extreme", "h1")]), expected["human/h_extreme"])
    close(human_loss([of("h_basic", "h2"), of("o_basic")]), expected["human/only_first_of_mixed"])
    close(human_loss([of("o_basic"), of("vqa_zero_rows")]), expected["human/none"])
    objects = [of("o_basic"), of("o_emptyview"), of("h_basic")]
    close(object_loss(objects[:1]), expected["object/o_basic"])
    close(object_loss(objects), expected["object/o_basic+o_emptyview+skip_h"])
    close(object_loss([of("h_basic")]), expected["object/none"])
    low = of("o_basic")
    low = LossSample(
        low.dataset, torch.full_like(low.masks, -3.0), low.target, low.vertices, low.lift
    )
    close(object_loss([low]), expected["object/all_below_threshold"])


def test_affordance_as_shipped_and_as_meant(recorded):
    expected = recorded.info["loss3d"]
    one, two = recorded.sample("a_basic"), recorded.sample("a_empty")
    close(affordance_points_loss([one], PUBLISHED), expected["afford/as_shipped_a_basic"])
    both = affordance_points_loss([one, two], PUBLISHED)
    close(both, expected["afford/as_shipped_a_basic+a_empty"])
    assert both.requires_grad == bool(expected["afford/as_shipped_requires_grad"])
    assert affordance_points_loss([one, two]).requires_grad
    other = LossSample(one.dataset, two.masks, one.target, one.vertices, one.lift)
    close(
        affordance_points_loss([other], PUBLISHED), expected["afford/as_shipped_other_pred_same_gt"]
    )
    assert affordance_points_loss([other]) != affordance_points_loss([one])

    truths = [recorded.tensors["gt3/a0"], recorded.tensors["gt3/a1"]]
    pairs = {"0": torch.stack(truths), "1": truths[1][None]}
    for name, truth in pairs.items():
        scores = recorded.tensors[f"afford_formula/pred{name}"]
        close(affordance_loss(scores, truth).mean(), expected[f"afford_formula/{name}"])


def test_lifted_values(recorded):
    human, thing = recorded.sample("h_basic"), recorded.sample("o_basic")
    points = recorded.sample("a_basic")
    lifted = {
        "human_h_basic": human.lift.lift(human.masks.sigmoid()[None]),
        "object_o_basic": thing.lift.lift(thing.masks.sigmoid()[None], gate=0.3),
        "afford_a_basic": points.lift.lift(points.masks[None]),
    }
    for name, found in lifted.items():
        expected = recorded.tensors[f"pred3/{name}"]
        torch.testing.assert_close(found.scores, expected, atol=1e-6, rtol=1e-6)


def test_our_default_differs_where_the_published_code_errs(recorded):
    sample, text = recorded.sample("h_basic"), recorded.sample("vqa_zero_rows")
    with_text, alone = combine([sample, text]), combine([sample])
    close(with_text.total, alone.total.item())
    diluted = combine([sample, text], quirks=ReferenceQuirks(vqa_dilutes_masks=True))
    close(diluted.mask_bce, alone.mask_bce.item() / 2)
    assert mask_dice(recorded.sample("refseg_ignore")) < 1
    heat = recorded.sample("a_basic")
    own = combine([heat], LossWeights(mask_bce=5.0))
    swapped = combine([heat], LossWeights(mask_bce=5.0), ReferenceQuirks(mse_uses_bce_weight=True))
    close(swapped.mask_mse, own.mask_mse.item() * 5 / 2)


def lift_of(vertices: int) -> LiftOperator:
    ids = torch.randint(0, vertices, (2, 6, 6, 3)).numpy()
    return LiftOperator.from_indices(ids, torch.rand(2, 6, 6, 3).numpy(), vertices)


def test_names_decide_the_branch():
    assert branch_of("damon_hcontact") == "human"
    assert branch_of("h2dcontact") == "flat"
    assert branch_of("piad_oafford") == "affordance"
    assert branch_of("pico_ocontact") == "object"
    assert branch_of("llava") == "flat"


@pytest.mark.parametrize("dataset", ["damon_hcontact", "pico_ocontact", "piad_oafford", "refer"])
def test_fully_ignored_and_extreme_masks_stay_finite(dataset):
    torch.manual_seed(0)
    target = torch.full((2, 6, 6), -1.0)
    target[1, :3] = 1.0
    logits = (torch.randn(2, 6, 6) * 300).requires_grad_()
    masks = heat_map_probabilities(logits, target) if dataset == "piad_oafford" else logits
    sample = LossSample(dataset, masks, target, torch.zeros(9), lift_of(9))
    losses = combine([sample])
    losses.total.backward()
    assert torch.isfinite(losses.total) and torch.isfinite(logits.grad).all()
    nothing = LossSample(dataset, logits, torch.full((2, 6, 6), -1.0))
    ignored = combine([nothing])
    assert ignored.mask_bce.item() == 0 and ignored.mask_dice.item() == pytest.approx(0, abs=1e-4)


def test_ignored_pixels_may_be_nan():
    target = torch.tensor([[[1.0, 0.0], [-1.0, 1.0]]])
    masks = torch.tensor([[[2.0, -1.0], [float("nan"), 0.5]]], requires_grad=True)
    losses = combine([LossSample("damon_hcontact", masks, target)])
    losses.total.backward()
    assert torch.isfinite(losses.total) and torch.isfinite(masks.grad).all()


def test_samples_of_different_sizes_and_nothing_but_text():
    objects = [
        LossSample(
            "pico_ocontact",
            torch.randn(2, 6, 6),
            torch.ones(2, 6, 6),
            torch.ones(n),
            lift_of(n),
        )
        for n in (5, 11)
    ]
    assert torch.isfinite(combine(objects).total)
    empty = torch.zeros(0, 6, 6)
    losses = combine([LossSample("llava", empty, empty)])
    assert losses.total.item() == 0


def test_bad_input_is_refused():
    masks = torch.zeros(2, 6, 6)
    with pytest.raises(ValueError, match="at least one"):
        combine([])
    with pytest.raises(ValueError, match="no masks"):
        LossSample("damon_hcontact", masks[:0], masks)
    with pytest.raises(ValueError, match="lift"):
        LossSample("damon_hcontact", masks, masks, torch.zeros(3))
    with pytest.raises(ValueError, match="dice_scale"):
        LossWeights(dice_scale=0.0)
    with pytest.raises(ValueError, match="human"):
        LossWeights(human=float("nan"))

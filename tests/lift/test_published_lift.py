"""The lift against recorded results of the published implementation."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.lift.lift import LiftOperator
from ivlm_core.lift.votes import VoteLift


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return load_file(parity_dir / "lift" / "lift.safetensors")


@pytest.fixture(scope="module")
def info(parity_dir):
    return json.loads((parity_dir / "lift" / "lift.json").read_text())


@pytest.fixture(scope="module")
def counts(info):
    return {name: info[f"num_{name}"] for name in ("vertices_human", "vertices_object", "points")}


@pytest.fixture(scope="module")
def inputs(info):
    """Names of the recorded logits."""
    assert info["inputs"]
    return info["inputs"]


def same(scores: torch.Tensor, expected: torch.Tensor, name: str, rtol: float = 0.0) -> None:
    torch.testing.assert_close(
        scores, expected, atol=1e-6, rtol=rtol, msg=lambda text: f"{name}: {text}"
    )


@pytest.fixture(scope="module")
def operators(recorded, counts):
    def of(kind: str, count: int) -> LiftOperator:
        return LiftOperator.from_indices(
            recorded[f"maps/{kind}_p2v"].numpy(), recorded[f"maps/{kind}_bary"].numpy(), count
        )

    return {
        "human": of("human", counts["vertices_human"]),
        "object": of("object", counts["vertices_object"]),
        "points": LiftOperator.from_point_map(recorded["maps/pc_map"].numpy(), counts["points"]),
    }


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.clamp(-20, 20).sigmoid()[None]


def test_body_mode(recorded, operators, inputs):
    for name in inputs:
        scores = operators["human"].lift(probabilities(recorded[f"{name}/logits"])).scores
        same(scores, recorded[f"{name}/human"], name)


def test_body_mode_before_the_revision(recorded, counts, inputs):
    votes = VoteLift.from_indices(
        recorded["maps/human_p2v"].numpy(),
        recorded["maps/human_bary"].numpy(),
        counts["vertices_human"],
    )
    for name in inputs:
        lifted = votes.lift(probabilities(recorded[f"{name}/logits"]))
        assert torch.equal(lifted.scores, recorded[f"{name}/human_legacy"]), name


def test_a_batch_is_its_samples(recorded, operators):
    """Recorded: body and point cloud in one batch, each with zeros in the other's row."""
    logits = torch.stack([recorded["random/logits"], recorded["spatial/logits"]])
    scores = operators["human"].lift(logits.clamp(-20, 20).sigmoid()).scores
    torch.testing.assert_close(scores[0], recorded["batch2/human"][0], atol=1e-6, rtol=0)
    torch.testing.assert_close(scores[1:], recorded["spatial/human"], atol=1e-6, rtol=0)
    scores = operators["points"].lift(logits).scores
    torch.testing.assert_close(scores[1], recorded["batch2/pointcloud"][1], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(scores[:1], recorded["random/pointcloud"], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("path", ["inference", "train"])
def test_object_mode_with_its_gate(recorded, operators, inputs, path):
    for name in inputs:
        values = recorded[f"{name}/logits"].sigmoid()[None]
        scores = operators["object"].lift(values, gate=0.3).scores
        same(scores, recorded[f"{name}/object_mesh_{path}"], name)


def test_point_cloud_mode_takes_values_as_they_are(recorded, operators, inputs):
    for name in inputs:
        scores = operators["points"].lift(recorded[f"{name}/logits"][None]).scores
        same(scores, recorded[f"{name}/pointcloud"], name, rtol=1e-6)


def test_gradients(recorded, operators):
    logits = recorded["random/logits"].clone().requires_grad_()
    scores = operators["human"].lift(logits.clamp(-20, 20).sigmoid()[None]).scores
    (scores[0] * recorded["grad_human/weights"]).sum().backward()
    torch.testing.assert_close(logits.grad, recorded["grad_human/grad"], atol=1e-6, rtol=0)
    logits = recorded["random/logits"].clone().requires_grad_()
    scores = operators["object"].lift(logits.sigmoid()[None], gate=0.3).scores
    (scores[0] * recorded["grad_object/weights"]).sum().backward()
    torch.testing.assert_close(logits.grad, recorded["grad_object/grad"], atol=1e-6, rtol=0)


def test_seen_vertices_are_those_with_a_valid_pixel(recorded, operators):
    ids = recorded["maps/human_p2v"].numpy()
    weights = recorded["maps/human_bary"].numpy()
    count = operators["human"].num_vertices
    valid = ((ids >= 0) & (ids < count)).all(-1)
    mass = np.zeros(count)
    np.add.at(mass, ids[valid], weights[valid])
    np.testing.assert_array_equal(operators["human"].seen.numpy(), mass > 0)

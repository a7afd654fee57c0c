"""The lift against recorded results of the published implementation."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ivlm_core.lift.lift import LiftOperator

INPUTS = ["random", "negative", "extreme", "all_negative", "zeros", "spatial"]


@pytest.fixture(scope="module")
def recorded(parity_dir):
    return load_file(parity_dir / "lift" / "lift.safetensors")


@pytest.fixture(scope="module")
def operators(recorded):
    def of(kind: str, count: int) -> LiftOperator:
        return LiftOperator.from_indices(
            recorded[f"maps/{kind}_p2v"].numpy(), recorded[f"maps/{kind}_bary"].numpy(), count
        )

    return {
        "human": of("human", 150),
        "object": of("object", 110),
        "points": LiftOperator.from_point_map(recorded["maps/pc_map"].numpy(), 2048),
    }


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.clamp(-20, 20).sigmoid()[None]


@pytest.mark.parametrize("name", INPUTS)
def test_body_mode(recorded, operators, name):
    scores = operators["human"].lift(probabilities(recorded[f"{name}/logits"])).scores
    torch.testing.assert_close(scores, recorded[f"{name}/human"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("path", ["inference", "train"])
def test_object_mode_with_its_gate(recorded, operators, name, path):
    values = recorded[f"{name}/logits"].sigmoid()[None]
    scores = operators["object"].lift(values, gate=0.3).scores
    torch.testing.assert_close(scores, recorded[f"{name}/object_mesh_{path}"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", INPUTS)
def test_point_cloud_mode_takes_values_as_they_are(recorded, operators, name):
    scores = operators["points"].lift(recorded[f"{name}/logits"][None]).scores
    torch.testing.assert_close(scores, recorded[f"{name}/pointcloud"], atol=1e-6, rtol=1e-6)


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
    valid = ((ids >= 0) & (ids < 150)).all(-1)
    mass = np.zeros(150)
    np.add.at(mass, ids[valid], weights[valid])
    np.testing.assert_array_equal(operators["human"].seen.numpy(), mass > 0)

"""A tiny model with every real part, made once."""

import pytest
import torch

from ivlm_core.model.build import build
from ivlm_core.model.ivlm import IvlmModel
from ivlm_core.model.presets import TINY
from ivlm_core.model.processor import Processor


@pytest.fixture(scope="session")
def tiny() -> tuple[IvlmModel, Processor]:
    torch.manual_seed(0)
    model, processor = build(TINY, ["bottle", "chair"], ["left hand", "right hand", "grasp"])
    return model.eval(), processor

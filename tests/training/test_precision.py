"""In which arithmetic training multiplies."""

import logging

import pytest
import torch

from ivlm_core.training.precision import autocast_precision, multiplies_bfloat16

CPU = torch.device("cpu")


def _processor(monkeypatch: pytest.MonkeyPatch, *has: str) -> None:
    known = dict.fromkeys(has, True) | {"avx2": True, "architecture": "any"}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "bf16", "sve_bf16"])
def test_auto_is_bfloat16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _processor(monkeypatch, name)
    assert autocast_precision("auto", CPU) == "bf16"
    assert autocast_precision("fp32", CPU) == "no"


@pytest.mark.parametrize("has", [(), ("avx512_f", "avx512_vnni")])
def test_auto_is_float32_where_it_would_be_emulated(
    monkeypatch: pytest.MonkeyPatch, has: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    _processor(monkeypatch, *has)
    with caplog.at_level(logging.WARNING):
        assert autocast_precision("auto", CPU) == "no"
        assert not caplog.records
        assert autocast_precision("bf16", CPU) == "bf16", "who asks for it gets it"
    assert "emulates" in caplog.text and "auto" in caplog.text


def test_a_torch_that_cannot_tell_is_taken_for_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not multiplies_bfloat16(CPU)
    assert not multiplies_bfloat16(torch.device("mps"))

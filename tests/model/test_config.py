"""Configurations are checked where they are made and survive a round trip."""

from dataclasses import replace
from pathlib import Path

import pytest

from ivlm_core.config import ConfigError, IvlmConfig, LanguageConfig, LoraConfig, SamConfig
from ivlm_core.model.presets import NANO, TINY


@pytest.mark.parametrize("config", [IvlmConfig(), NANO, TINY])
def test_round_trip(config: IvlmConfig, tmp_path: Path) -> None:
    config.save(tmp_path / "config.json")
    assert IvlmConfig.load(tmp_path / "config.json") == config


def test_lora_survives_a_round_trip() -> None:
    config = replace(TINY, language=replace(TINY.language, lora=LoraConfig(rank=4)))
    assert IvlmConfig.from_dict(config.to_dict()) == config


def test_defaults_are_the_reference() -> None:
    config = IvlmConfig()
    assert (config.vision.num_patches, config.sam.grid_size) == (256, 64)
    assert config.language.hidden_size == 5120


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sam": {"imgsize": 3}}, r"config\.sam: unknown key \['imgsize'\]; known keys"),
        ({"sam": {"image_size": "big"}}, r"config\.sam\.image_size: expected int, got 'big'"),
        ({"sam": {"image_size": True}}, r"config\.sam\.image_size: expected int, got True"),
        ({"sam": []}, r"config\.sam: expected an object, got list"),
        ({"views": {"encoder": "fancy"}}, r"config\.views\.encoder: expected one of"),
        ({"sam": {"global_attention": [0, "x"]}}, r"global_attention\[1\]"),
        ({"lift": {"human_threshold": 1.5}}, r"human_threshold must be in \[0, 1\], got 1.5"),
    ],
)
def test_bad_values_are_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IvlmConfig.from_dict(change)


def test_sizes_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="global_attention names blocks"):
        SamConfig(encoder_depth=2)
    with pytest.raises(ConfigError, match="divisible by heads"):
        LanguageConfig(hidden_size=10, heads=4)


def test_file_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        IvlmConfig.load(tmp_path / "config.json")

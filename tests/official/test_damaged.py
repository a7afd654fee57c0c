"""Damaged published folders: each is refused with file, place and remedy, and nothing is made."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ivlm_core.cli import main
from ivlm_core.config import ConfigError, LanguageConfig, SamConfig, VisionConfig
from ivlm_core.model.weight_files import CheckpointError
from ivlm_core.official.config import is_official_folder
from ivlm_core.official.convert import convert
from ivlm_core.official.load import OfficialCheckpoint, load_official
from tests.official.checkpoints import write, write_with_tokenizer

ENCODER = "model.visual_model.image_encoder."


@pytest.fixture
def published(tmp_path) -> tuple[Path, Path]:
    return write(tmp_path / "published")


@pytest.fixture
def with_tokenizer(parity_dir, tmp_path) -> tuple[Path, Path]:
    folder, tower, _ = write_with_tokenizer(tmp_path / "published", parity_dir)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder, tower


def _set_weight(folder: Path, name: str, value: torch.Tensor) -> Path:
    """Replace a weight in the shard that has it; return that shard."""
    index = json.loads((folder / "pytorch_model.bin.index.json").read_text())
    shard = folder / index["weight_map"][name]
    torch.save(torch.load(shard) | {name: value}, shard)
    return shard


def _set_fields(file: Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def _refusal(folder: Path, tower: Path) -> str:
    with pytest.raises((CheckpointError, ConfigError)) as caught:
        OfficialCheckpoint.open(folder, tower)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (f"{ENCODER}pos_embed", (16, 4, 16)),
        (f"{ENCODER}pos_embed", (1, 4, 4, 0)),
        (f"{ENCODER}patch_embed.proj.weight", ()),
        (f"{ENCODER}blocks.0.attn.rel_pos_h", (7,)),
        (f"{ENCODER}blocks.0.attn.rel_pos_h", (7, 0)),
        ("cam_pose_encoder.spatial_encoder.0.weight", ()),
    ],
)
def test_weights_that_no_size_can_be_read_from(published, name, shape) -> None:
    shard = _set_weight(published[0], name, torch.ones(shape))
    message = _refusal(*published)
    assert str(shard) in message and name in message
    assert f"got shape {shape}" in message and "download it again" in message


def test_weights_that_are_no_floating_point_numbers(published) -> None:
    shard = _set_weight(published[0], "lm_head.weight", torch.zeros(64, 32, dtype=torch.int8))
    message = _refusal(*published)
    assert str(shard) in message and "lm_head.weight" in message
    assert "expected floating-point numbers, got int8" in message and "download" in message


def test_weights_have_their_published_names_and_files_in_errors(published) -> None:
    folder, tower = published
    state = load_file(tower / "model.safetensors")
    lost = "vision_model.pre_layrnorm.weight"
    state["vision_model.pre_layernorm.weight"] = state.pop(lost)
    save_file(state, tower / "model.safetensors")
    message = _refusal(folder, tower)
    assert str(tower) in message and f"missing {lost}" in message
    assert "unknown vision_model.pre_layernorm.weight (in model.safetensors)" in message
    assert "download it again, or name the folder" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_attention_heads": 0, "num_key_value_heads": 0}, "num_attention_heads must be 1"),
        ({"num_attention_heads": 3, "num_key_value_heads": 3}, "divisible by num_attention_heads"),
        ({"hidden_size": 0}, "hidden_size must be 1 or more, got 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must be 1 or more, got -1"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers 1000000000, but the weights have 2"),
        ({"vocab_size": 10**12}, r"vocab_size 1000000000000 .*embed_tokens.weight .*\(64, 32\)"),
        ({"intermediate_size": 10**12}, r"intermediate_size 10.*gate_proj.weight .*\(48, 32\)"),
        ({"out_dim": 128}, r"out_dim 128, but model.text_hidden_fcs.0.2.weight .*\(256, 32\)"),
        ({"rope_theta": 0}, "rope_theta must be a positive number, got 0"),
        ({"rope_theta": float("nan")}, "rope_theta must be a positive number, got nan"),
        ({"mm_vision_select_layer": 9}, "mm_vision_select_layer .* is 9.* states -3 to 2"),
        ({"mm_vision_select_layer": -9}, "mm_vision_select_layer .* is -9.* states -3 to 2"),
        ({"mm_vision_select_layer": None}, "'mm_vision_select_layer' is missing"),
        ({"token_type": ["Gen"]}, "token_type: expected str"),
        ({"token_type": "Gen-Other"}, "unknown token_type 'Gen-Other'"),
        ({"hidden_act": "gelu"}, 'hidden_act must be "silu", got "gelu"'),
        ({"rope_scaling": {"factor": 2}}, 'rope_scaling must be null, got {"factor": 2}'),
        ({"num_key_value_heads": 1}, "num_key_value_heads must be 2, got 1"),
        ({"mm_use_im_patch_token": True}, "mm_use_im_patch_token must be false, got true"),
        ({"multiview_channels": 6}, "multiview_channels must be 4, got 6"),
    ],
)
def test_fields_that_no_model_can_have(published, fields, message) -> None:
    folder, tower = published
    _set_fields(folder / "config.json", **fields)
    with pytest.raises(ConfigError, match=message) as caught:
        OfficialCheckpoint.open(folder, tower)
    assert "config.json" in str(caught.value) and "again" in str(caught.value)


@pytest.mark.parametrize("layer", [-3, 0, 2])
def test_every_hidden_state_of_the_tower_can_be_read(published, layer) -> None:
    folder, tower = published
    _set_fields(folder / "config.json", mm_vision_select_layer=layer)
    pixels = torch.ones(1, 3, 28, 28)
    assert OfficialCheckpoint.open(folder, tower).load().vlm.tower(pixels).shape == (1, 4, 32)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patch_size", 0),
        ("num_attention_heads", 0),
        ("hidden_size", 10**12),
        ("intermediate_size", 10**12),
        ("num_hidden_layers", 10**9),
    ],
)
def test_sizes_of_the_tower(published, field, value) -> None:
    folder, tower = published
    data = json.loads((tower / "config.json").read_text())
    data["vision_config"][field] = value
    (tower / "config.json").write_text(json.dumps(data))
    message = _refusal(folder, tower)
    assert str(tower / "config.json") in message and field in message and "again" in message


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (VisionConfig, "patch_size"),
        (VisionConfig, "heads"),
        (LanguageConfig, "heads"),
        (LanguageConfig, "hidden_size"),
        (SamConfig, "patch_size"),
        (SamConfig, "encoder_heads"),
        (SamConfig, "decoder_heads"),
    ],
)
def test_sizes_of_any_model_are_1_or_more(kind, size) -> None:
    with pytest.raises(ConfigError, match=f"{size} must be 1 or more, got 0"):
        kind(**{size: 0})


def test_a_tower_is_read_at_a_layer_that_it_has() -> None:
    with pytest.raises(
        ConfigError, match="select_layer must be one of the hidden states -25 to 24"
    ):
        VisionConfig(select_layer=25)


def test_an_index_that_names_no_files(published) -> None:
    index = published[0] / "pytorch_model.bin.index.json"
    placed = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": dict.fromkeys(placed, 5)}))
    message = _refusal(*published)
    assert str(index) in message and "names of files" in message and "again" in message


def test_shards_without_their_index(published) -> None:
    folder, tower = published
    (folder / "model-00001-of-00002.safetensors").touch()  # left behind; the others are complete
    OfficialCheckpoint.open(folder, tower)
    (folder / "model-00001-of-00002.safetensors").unlink()
    (folder / "pytorch_model.bin.index.json").unlink()
    expected = r"has 2 shards \(pytorch_model-00001-of-00002.bin.* no pytorch_model.bin.index.json"
    with pytest.raises(FileNotFoundError, match=f"{expected}.*download"):
        OfficialCheckpoint.open(folder, tower)
    for shard in folder.glob("*.bin"):
        save_file(torch.load(shard), shard.with_suffix(".safetensors"))
        shard.unlink()
    with pytest.raises(FileNotFoundError, match=r"has 2 shards .* no model.safetensors.index.json"):
        OfficialCheckpoint.open(folder, tower)


def test_an_index_of_nothing(published) -> None:
    index = published[0] / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {}}))
    message = _refusal(*published)
    assert str(index) in message and "weight_map is empty" in message and "again" in message


@pytest.mark.parametrize("size", [-1, 40, 0])
def test_truncated_safetensors(published, size) -> None:
    """Cut at its end, in its header, and to nothing."""
    folder, tower = published
    file = tower / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    message = _refusal(folder, tower)
    assert str(file) in message and "truncated or damaged" in message and "again" in message


def test_tokenizer_without_the_contact_token(with_tokenizer, tmp_path) -> None:
    folder, tower = with_tokenizer
    (folder / "added_tokens.json").unlink()
    lacks = r"no token '\[SEG\]'.*tokenizer files again"
    with pytest.raises(CheckpointError, match=lacks) as caught:
        convert(folder, tmp_path / "ours", tower)
    assert str(folder) in str(caught.value) and not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"added_tokens_decoder": {"5": {}}}, "added_tokens_decoder must map ids .*'5'"),
        ({"added_tokens_decoder": {"5": None}}, "added_tokens_decoder must map ids .*None"),
        ({"added_tokens_decoder": {"x": {"content": "a"}}}, "added_tokens_decoder must .*'x'"),
        ({"added_tokens_decoder": [5]}, r"added_tokens_decoder must map ids .*\[5\]"),
        ({"legacy": "false"}, "legacy: expected true, false or null, got 'false'"),
    ],
)
def test_tokenizer_files(with_tokenizer, content, message) -> None:
    folder, tower = with_tokenizer
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        load_official(folder, tower)
    assert "tokenizer_config.json" in str(caught.value)
    assert str(folder) in str(caught.value) and "again" in str(caught.value)


@pytest.mark.parametrize("legacy", [True, False, None])
def test_legacy_is_a_choice_or_left_open(with_tokenizer, legacy) -> None:
    folder, tower = with_tokenizer
    _set_fields(folder / "tokenizer_config.json", legacy=legacy)
    tokenizer = OfficialCheckpoint.open(folder, tower).processor().tokenizer
    assert tokenizer.legacy is (legacy is not False)


@pytest.mark.parametrize("content", [b"", b'{"token_type": "Ge', b'{"token_type": "\xe9"}'])
def test_a_damaged_config_is_not_called_another_kind_of_folder(
    published, tmp_path, capsys, content
) -> None:
    folder, tower = published
    (folder / "config.json").write_bytes(content)
    (tmp_path / "mug__1.png").touch()
    out = tmp_path / "out"
    for command in (
        ("convert", folder, out),
        ("predict", tmp_path / "mug__1.png", "--out", out, "--model", folder),
    ):
        assert main([*map(str, command), "--clip", str(tower)]) != 0
        error = capsys.readouterr().err
        assert f"{folder / 'config.json'} is not valid JSON" in error and "copy it again" in error
    assert not (out / "config.json").exists()


def test_only_files_without_the_fields_are_of_another_kind(tmp_path) -> None:
    assert not is_official_folder(tmp_path)
    (tmp_path / "config.json").write_text('{"name": "nano"}')
    assert not is_official_folder(tmp_path)


def test_a_refused_folder_leaves_nothing(with_tokenizer, tmp_path, capsys) -> None:
    folder, tower = with_tokenizer
    _set_fields(folder / "tokenizer_config.json", legacy="false")
    before = sorted(tmp_path.iterdir())
    assert main(["convert", str(folder), str(tmp_path / "a" / "b"), "--clip", str(tower)]) == 1
    assert "legacy" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_convert_into_the_current_folder(with_tokenizer, tmp_path, monkeypatch, capsys) -> None:
    folder, tower = with_tokenizer
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["convert", str(folder), ".", "--clip", str(tower)]) == 0, capsys.readouterr().err
    assert Path("config.json").is_file() and Path("model.safetensors").is_file()


def test_convert_names_a_full_disk(with_tokenizer, tmp_path) -> None:
    folder, tower = with_tokenizer
    before = sorted(tmp_path.iterdir())

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "ivlm_core.cli", "convert", folder, tmp_path / "ours"]
        + ["--clip", tower],
        preexec_fn=small_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert str(tmp_path / "ours") in done.stderr and "File too large" in done.stderr
    assert "make room" in done.stderr
    assert sorted(tmp_path.iterdir()) == before

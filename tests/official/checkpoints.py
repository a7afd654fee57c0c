"""Published checkpoints of test size, made from nothing: random weights, real file layouts."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ivlm_core.config import (
    IvlmConfig,
    LanguageConfig,
    SamConfig,
    TokenConfig,
    ViewConfig,
    VisionConfig,
)
from ivlm_core.model.skeleton import skeleton
from ivlm_core.model.tokens import ContactTokens
from ivlm_core.official.keys import TOWER, published_name

FIELDS: dict[str, Any] = {
    "model_type": "llava",
    "architectures": ["InteractVLMForCausalLM"],
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "mm_vision_tower": "openai/clip-vit-large-patch14",
    "mm_vision_select_layer": -2,
    "mm_use_im_start_end": True,
    "img_emb_len": 3,
    "out_dim": 256,
    "train_mask_decoder": True,
    "token_type": "Gen",
    "seg_token_idx": 60,
    "hseg_token_idx": None,
    "oseg_token_idx": None,
    "hC_sam_view_type": "4MV-Z_Vitru",
    "oC_sam_view_type": "4MV-Z_HM",
    "hC_loss_weight": 3.0,
    "oC_loss_weight": 0.0,
    "multiview_channels": 4,
    "multiview_cam_cond": True,
    "cam_encoder_type": "vi_v1",
    "use_fusion": False,
    "use_uncertainty": False,
    "torch_dtype": "bfloat16",
}

VISION = VisionConfig(
    image_size=28,
    patch_size=14,
    hidden_size=32,
    intermediate_size=48,
    layers=2,
    heads=2,
)


def weights(fields: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return random weights under their published names: of the checkpoint, of the tower."""
    sam = SamConfig(
        image_size=64,
        encoder_dim=16,
        encoder_depth=2,
        encoder_heads=2,
        window_size=2,
        global_attention=(1,),
        embed_dim=256,
        decoder_depth=1,
        decoder_mlp_dim=16,
        separate_decoders=fields["token_type"].endswith("-DifDe"),
    )
    encoder = fields["cam_encoder_type"] if fields["multiview_cam_cond"] else "none"
    encoder = "two_layer" if encoder == "vi_v1" else encoder
    config = IvlmConfig(
        vision=VISION,
        language=LanguageConfig(
            vocab_size=fields["vocab_size"],
            hidden_size=fields["hidden_size"],
            intermediate_size=fields["intermediate_size"],
            layers=fields["num_hidden_layers"],
            heads=fields["num_attention_heads"],
            max_positions=fields["max_position_embeddings"],
        ),
        sam=sam,
        tokens=TokenConfig(splitter=fields["token_type"].removesuffix("-DifDe") != "Gen"),
        views=ViewConfig(encoder=encoder, hidden_size=16),
    )
    torch.manual_seed(0)
    ours = skeleton(config, ContactTokens(1, 2)).state_dict()
    values = {n: torch.randn(t.shape) * 0.05 for n, t in ours.items()}
    model = {published_name(n): t.bfloat16() for n, t in values.items() if not n.startswith(TOWER)}
    for layer in range(fields["num_hidden_layers"]):
        frequencies = torch.rand(fields["hidden_size"] // fields["num_attention_heads"] // 2)
        name = f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"
        model[name] = frequencies.bfloat16()
    tower = {
        f"vision_model.{n.removeprefix(TOWER)}": t for n, t in values.items() if n.startswith(TOWER)
    }
    tower["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    tower["text_model.final_layer_norm.weight"] = torch.ones(8)
    tower["logit_scale"] = torch.tensor(4.6)
    return model, tower


def write_shards(folder: Path, state: dict[str, Tensor], count: int) -> None:
    """Write a state dict as torch shards with an index."""
    placed = {}
    names = list(state)
    for i in range(count):
        file = f"pytorch_model-{i + 1:05d}-of-{count:05d}.bin"
        part = {n: state[n] for n in names[i::count]}
        torch.save(part, folder / file)
        placed |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": placed}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def write_tower(folder: Path, state: dict[str, Tensor]) -> Path:
    """Write a CLIP folder."""
    folder.mkdir(parents=True)
    vision = {
        "image_size": VISION.image_size,
        "patch_size": VISION.patch_size,
        "hidden_size": VISION.hidden_size,
        "intermediate_size": VISION.intermediate_size,
        "num_hidden_layers": VISION.layers,
        "num_attention_heads": VISION.heads,
        "hidden_act": "quick_gelu",
    }
    (folder / "config.json").write_text(json.dumps({"vision_config": vision}))
    save_file(state, folder / "model.safetensors")
    return folder


def write(folder: Path, shards: int = 2, **fields: Any) -> tuple[Path, Path]:
    """Write a published checkpoint and its tower; return both folders."""
    merged = FIELDS | fields
    merged["num_key_value_heads"] = merged["num_attention_heads"]
    model, tower = weights(merged)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(merged))
    write_shards(folder, model, shards)
    return folder, write_tower(folder.with_name(f"{folder.name}_clip"), tower)


def write_with_tokenizer(folder: Path, parity_dir: Path, **fields: Any) -> tuple[Path, Path, int]:
    """Write a published checkpoint with the recorded tokenizer.

    Returns:
        Both folders, as `write` does, and the id of the contact token.
    """
    files = parity_dir / "preprocess" / "tokenizer" / "gen"
    added = json.loads((files / "added_tokens.json").read_text())
    sizes = {"vocab_size": max(added.values()) + 1, "max_position_embeddings": 1024}
    written = write(folder, seg_token_idx=added["[SEG]"], **sizes, **fields)
    for file in files.iterdir():
        shutil.copy(file, folder)
    return *written, added["[SEG]"]

"""A published checkpoint's `config.json`, and the configuration of ours that it amounts to.

The file states the language model, the tokens and the views; the sizes of SAM, of the projection
and of the camera encoder follow from the shapes of the weights, those of CLIP from its own file.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ivlm_core.config import (
    ConfigError,
    IvlmConfig,
    LanguageConfig,
    LiftConfig,
    PromptConfig,
    SamConfig,
    TokenConfig,
    ViewConfig,
    VisionConfig,
    read_json,
)
from ivlm_core.geometry.view_rig import get_rig
from ivlm_core.model.prompts import TASKS, Task
from ivlm_core.model.tokens import ContactTokens
from ivlm_core.official.quirks import ReferenceQuirks
from ivlm_core.official.tokenizer import contact_token_texts

CONFIG_FILE = "config.json"

Shapes = Mapping[str, tuple[int, ...]]
Kind = Literal["hcontact", "oafford", "hcontact-ocontact", "untrained"]

_TASKS: dict[Kind, tuple[Task, ...]] = {
    "hcontact": ("human_contact",),
    "oafford": ("object_affordance",),
    "hcontact-ocontact": TASKS,
    "untrained": (),
}
"""What each kind was trained for; nothing is refused where the file does not say."""

_MARKS = ("token_type", "seg_token_idx", "train_mask_decoder", "hC_sam_view_type")
"""Fields that only published checkpoints have."""

_ENCODERS: dict[str, Literal["simple", "view_index", "two_layer"]] = {
    "simple": "simple",
    "view_index": "view_index",
    "vi_v1": "two_layer",
}
_HUMAN_SETS = ("4MV-Z_Vitru",)
_OBJECT_SETS = ("4MV-Z_HM",)
_SAM = "model.visual_model.image_encoder."
_DECODER = "model.visual_model.mask_decoder.transformer."
_WINDOW = 14  # SAM's own; only read where every block is global

_STATED = (
    (("vocab_size", "hidden_size"), "model.embed_tokens.weight"),
    (("intermediate_size", "hidden_size"), "model.layers.0.mlp.gate_proj.weight"),
    (("out_dim",), "model.text_hidden_fcs.0.2.weight"),
)
"""Sizes that a published `config.json` states, and the weight that has them in this order."""
_TOWER_STATED = (
    (("hidden_size",), "embeddings.class_embedding"),
    (("intermediate_size", "hidden_size"), "encoder.layers.0.mlp.fc1.weight"),
)
"""The same of CLIP's vision half; names without their `vision_model.`."""
_FIXED: tuple[tuple[str, Any], ...] = (
    ("hidden_act", "silu"),
    ("tie_word_embeddings", False),
    ("rope_scaling", None),
    ("mm_vision_select_feature", "patch"),
    ("mm_use_im_patch_token", False),
    ("use_fusion", False),
    ("use_uncertainty", False),
)
"""What all published models have in common; another value would change what they compute."""
_APART = "they do not belong together, copy or download both again"


class ShapeError(ConfigError):
    """A weight from whose shape a size is read is missing, or has another kind of shape.

    Attributes:
        weight: its published name.
    """

    def __init__(self, weight: str, problem: str) -> None:
        super().__init__(problem)
        self.weight = weight


@dataclass(frozen=True)
class OfficialConfig:
    """The fields of a published `config.json` that decide what a model computes."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    mm_vision_tower: str
    mm_vision_select_layer: int
    mm_use_im_start_end: bool
    img_emb_len: int
    """Image tokens less one: what an image adds to the length of a sequence."""
    out_dim: int
    token_type: str
    seg_token_idx: int | None
    hseg_token_idx: int | None
    oseg_token_idx: int | None
    human_views: str
    object_views: str
    human_weight: float
    """Weight of the loss on human contact; positive where the model was trained for it."""
    object_weight: float
    views: int
    camera_conditioning: bool
    camera_encoder: str
    dtype: str
    """Type that the weights are stored in, as the file states it."""

    @property
    def kind(self) -> Kind:
        """Which of the published models this is, by what it was trained for.

        The variants of `hcontact` (damon, damon-fix, damon-noParts, wScene, and the 2D model
        h2dcontact) do not differ in structure, so they count as one kind.
        """
        human, object_ = self.human_weight > 0, self.object_weight > 0
        if human and object_:
            return "hcontact-ocontact"
        return "hcontact" if human else "oafford" if object_ else "untrained"

    @property
    def separate_decoders(self) -> bool:
        """Whether the checkpoint has three mask decoders (`DifDe`)."""
        return self.token_type.endswith("-DifDe")

    @property
    def contact_tokens(self) -> ContactTokens | None:
        """Ids of the contact tokens; None where the file has lost them."""
        base = self.token_type.removesuffix("-DifDe")
        seg, human, object_ = self.seg_token_idx, self.hseg_token_idx, self.oseg_token_idx
        if base == "Gen":
            return None if seg is None else ContactTokens(seg, seg, seg)
        if human is None and object_ is None:
            return None
        human = object_ if human is None else human  # Gen-Int has one id for both
        object_ = human if object_ is None else object_
        assert human is not None and object_ is not None
        return ContactTokens(human, object_, seg)


def is_official_folder(folder: Path) -> bool:
    """Whether a folder holds a published checkpoint: its `config.json` has their fields.

    Raises:
        ConfigError: that file is damaged, so that nobody can say.
    """
    path = folder / CONFIG_FILE
    return path.is_file() and not read_json(path).keys().isdisjoint(_MARKS)


def read_official_config(folder: Path) -> OfficialConfig:
    """Read and check the `config.json` of a published checkpoint.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: a field is missing, has a wrong type or a value that is not supported.
    """
    data = read_json(folder / CONFIG_FILE)
    read = _Fields(data, folder / CONFIG_FILE)
    heads = read.size("num_attention_heads")
    for name, wanted in (*_FIXED, ("num_key_value_heads", heads)):
        read.expect(name, wanted)
    config = OfficialConfig(
        vocab_size=read.size("vocab_size"),
        hidden_size=read.size("hidden_size"),
        intermediate_size=read.size("intermediate_size"),
        num_hidden_layers=read.size("num_hidden_layers"),
        num_attention_heads=heads,
        max_position_embeddings=read.size("max_position_embeddings"),
        rms_norm_eps=read.positive("rms_norm_eps"),
        rope_theta=read.positive("rope_theta", 10000.0),
        mm_vision_tower=read.get("mm_vision_tower", str, "") or read.get("vision_tower", str, ""),
        mm_vision_select_layer=read.get("mm_vision_select_layer", int),
        mm_use_im_start_end=read.get("mm_use_im_start_end", bool, True),
        img_emb_len=read.get("img_emb_len", int),
        out_dim=read.size("out_dim"),
        token_type=read.get("token_type", str),
        seg_token_idx=read.get("seg_token_idx", int, None),
        hseg_token_idx=read.get("hseg_token_idx", int, None),
        oseg_token_idx=read.get("oseg_token_idx", int, None),
        human_views=read.get("hC_sam_view_type", str, "4MV-Z_Vitru"),
        object_views=read.get("oC_sam_view_type", str, "4MV-Z_HM"),
        human_weight=read.get("hC_loss_weight", float, 0.0),
        object_weight=read.get("oC_loss_weight", float, 0.0),
        views=read.get("multiview_channels", int, 4),
        camera_conditioning=read.get("multiview_cam_cond", bool, True),
        camera_encoder=read.get("cam_encoder_type", str, "simple"),
        dtype=read.get("torch_dtype", str, "bfloat16"),
    )
    if config.hidden_size % heads:
        raise read.wrong(
            f"hidden_size ({config.hidden_size}) must be divisible by num_attention_heads ({heads})"
        )
    _check(config, read)
    return config


def to_ivlm_config(
    official: OfficialConfig,
    shapes: Shapes,
    vision: VisionConfig,
    quirks: ReferenceQuirks = ReferenceQuirks(),  # noqa: B008 - frozen
) -> IvlmConfig:
    """Return our configuration of a published model.

    Args:
        official: its `config.json`.
        shapes: shapes of its weights, under their published names.
        vision: the CLIP tower (`read_vision_config`).
        quirks: `shared_mask_decoder` and `demo_conditioning_distance` are used.

    Raises:
        ShapeError: a size cannot be read off a weight.
        ConfigError: fields and shapes contradict each other.
    """
    _check_stated(official, shapes)
    if official.img_emb_len != vision.num_patches - 1:
        raise ConfigError(
            f"img_emb_len is {official.img_emb_len}, but the vision tower gives "
            f"{vision.num_patches} patches (expected one more than img_emb_len); "
            "it is not the tower that this checkpoint was trained with; give the folder of the "
            f"CLIP that {CONFIG_FILE} names"
        )
    generic, human, object_ = contact_token_texts(official.token_type)
    base = official.token_type.removesuffix("-DifDe")
    # Affordance was learned on point clouds conditioned by distance 2, contact on meshes by the
    # distance of their renders where the view set has one of its own (`BM`).
    far = None if _near_views(official) and not quirks.demo_conditioning_distance else "object4_far"
    return IvlmConfig(
        name=f"interactvlm-{official.kind}",
        vision=vision,
        language=LanguageConfig(
            vocab_size=official.vocab_size,
            hidden_size=official.hidden_size,
            intermediate_size=official.intermediate_size,
            layers=official.num_hidden_layers,
            heads=official.num_attention_heads,
            max_positions=official.max_position_embeddings,
            rope_theta=official.rope_theta,
            rms_norm_eps=official.rms_norm_eps,
            projector="linear",
        ),
        sam=_sam_config(shapes, official.separate_decoders and not quirks.shared_mask_decoder),
        tokens=TokenConfig(
            human=human,
            object=object_,
            generic=generic,
            position="before",
            splitter=base != "Gen",
        ),
        prompt=PromptConfig(
            conversation="llava_v1",
            mark_image=official.mm_use_im_start_end,
            max_new_tokens=512,
            stop_at_contact=False,
            label_words="underscores",
            tasks=_TASKS[official.kind],
            answers="published",
        ),
        views=ViewConfig(
            encoder=(
                _ENCODERS[official.camera_encoder] if official.camera_conditioning else "none"
            ),
            hidden_size=_shape(shapes, "cam_pose_encoder.spatial_encoder.0.weight", 2)[0]
            if official.camera_conditioning and official.camera_encoder == "vi_v1"
            else ViewConfig.hidden_size,
            human_rig="human4",
            published_set=official.human_views,
            object_rig="object4",
            cloud_rig="object4_far",
            object_conditioning_rig=far,
            affordance_conditioning_rig="object4_far",
        ),
        lift=LiftConfig(object_gate=0.3),
        body="smplh",
    )


def read_vision_config(folder: Path, select_layer: int) -> VisionConfig:
    """Read a CLIP folder's `config.json`, of the whole model or of its vision half.

    Args:
        folder: of the CLIP model.
        select_layer: `mm_vision_select_layer` of the checkpoint that it belongs to.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: a field is missing or not supported, or there is no such layer.
    """
    path = folder / CONFIG_FILE
    data = read_json(path)
    data = data["vision_config"] if isinstance(data.get("vision_config"), dict) else data
    read = _Fields(data, path)
    for name, wanted in (("hidden_act", "quick_gelu"), ("layer_norm_eps", 1e-5)):
        if data.get(name, wanted) != wanted:
            raise read.wrong(f"{name} must be {wanted!r}, got {data[name]!r}")
    layers = read.size("num_hidden_layers", 12)  # left out by older files: CLIP's own defaults
    if not -layers - 1 <= select_layer <= layers:
        raise ConfigError(
            f"mm_vision_select_layer of the checkpoint is {select_layer}, but the {layers} layers "
            f"of {path} give hidden states {-layers - 1} to {layers}; give the folder of the tower "
            f"that it was trained with, or copy the checkpoint's {CONFIG_FILE} again"
        )
    try:
        return VisionConfig(
            image_size=read.size("image_size", 224),
            patch_size=read.size("patch_size", 32),
            hidden_size=read.size("hidden_size", 768),
            intermediate_size=read.size("intermediate_size", 3072),
            layers=layers,
            heads=read.size("num_attention_heads", 12),
            select_layer=select_layer,
            stem="patch",
            fit="crop",
        )
    except ConfigError as error:
        raise read.wrong(str(error)) from error


def check_tower_sizes(vision: VisionConfig, shapes: Shapes, path: Path) -> None:
    """Compare a CLIP tower's configuration with its weights, before anything of it is laid out.

    Args:
        vision: what its `config.json` says (`read_vision_config`).
        shapes: shapes of its weights, under their published names.
        path: that file.

    Raises:
        ConfigError: they contradict each other.
    """
    own = {name.removeprefix("vision_model."): shape for name, shape in shapes.items()}
    _compare(vision, own, _TOWER_STATED, str(path))
    _compare_layers(vision.layers, own, r"encoder\.layers\.(\d+)\.", str(path))


_REQUIRED = object()


@dataclass(frozen=True)
class _Fields:
    """Typed access to the fields of a file."""

    data: dict[str, Any]
    path: Path

    def get(self, name: str, kind: type, default: Any = _REQUIRED) -> Any:
        """Return a field; one that is absent or null has its default."""
        value = self.data.get(name)
        if value is None:
            if default is _REQUIRED:
                raise self.wrong(f"field {name!r} is missing")
            return default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise self.wrong(f"{name}: expected {kind.__name__}, got {value!r}")
        return value

    def expect(self, name: str, wanted: Any) -> None:
        """Refuse a field that has another value than the only one supported."""
        value = self.data.get(name)
        if value is not None and value != wanted:
            raise self.wrong(
                f"{name} must be {json.dumps(wanted)}, got {json.dumps(value)}; no published model "
                "has that, so it is not supported"
            )

    def size(self, name: str, default: Any = _REQUIRED) -> int:
        """Return a field that counts something."""
        value: int = self.get(name, int, default)
        if value < 1:
            raise self.wrong(f"{name} must be 1 or more, got {value}")
        return value

    def positive(self, name: str, default: Any = _REQUIRED) -> float:
        """Return a field that is a finite number above 0."""
        value: float = self.get(name, float, default)
        if not 0 < value < math.inf:
            raise self.wrong(f"{name} must be a positive number, got {value}")
        return value

    def wrong(self, problem: str) -> ConfigError:
        """Return an error that names the file and says what to do."""
        return ConfigError(f"{self.path}: {problem}; copy or download the file again")


def _check(config: OfficialConfig, read: _Fields) -> None:
    try:
        contact_token_texts(config.token_type)
    except ValueError as error:
        raise read.wrong(str(error)) from error
    if config.camera_encoder not in _ENCODERS:
        raise read.wrong(
            f"cam_encoder_type must be one of {', '.join(_ENCODERS)}, got {config.camera_encoder!r}"
        )
    views = len(get_rig("human4").views)
    if config.views != views:
        raise read.wrong(f"multiview_channels must be {views}, got {config.views}")
    for field, value, known in (
        ("hC_sam_view_type", config.human_views, _HUMAN_SETS),
        ("oC_sam_view_type", config.object_views, _OBJECT_SETS),
    ):
        if not value.startswith(known):
            raise read.wrong(
                f"{field} {value!r} is not supported; expected {known[0]!r} or a variant"
            )


def _near_views(official: OfficialConfig) -> bool:
    """Whether contact on meshes was conditioned by the distance of their renders."""
    return "_BM" in official.object_views


def _check_stated(official: OfficialConfig, shapes: Shapes) -> None:
    """Compare the sizes that the file states with the weights."""
    _compare(official, shapes, _STATED, CONFIG_FILE)
    _compare_layers(official.num_hidden_layers, shapes, r"model\.layers\.(\d+)\.", CONFIG_FILE)


def _compare(
    config: OfficialConfig | VisionConfig,
    shapes: Shapes,
    stated: tuple[tuple[tuple[str, ...], str], ...],
    file: str,
) -> None:
    """Compare fields with the leading sizes of weights; those that are missing are named later."""
    for fields, weight in stated:
        wanted = {field: getattr(config, field) for field in fields}
        if weight in shapes and shapes[weight][: len(fields)] != tuple(wanted.values()):
            told = " and ".join(f"{field} {value}" for field, value in wanted.items())
            raise ConfigError(
                f"{file} states {told}, but {weight} has shape {shapes[weight]}; {_APART}"
            )


def _compare_layers(layers: int, shapes: Shapes, pattern: str, file: str) -> None:
    found = _count(shapes, pattern)
    if layers != found:
        raise ConfigError(
            f"{file} states num_hidden_layers {layers}, but the weights have {found}; {_APART}"
        )


def _shape(shapes: Shapes, name: str, rank: int) -> tuple[int, ...]:
    """Return the shape of a weight from which a size is read."""
    if name not in shapes:
        raise ShapeError(name, f"the checkpoint has no weight {name!r}, from which a size is read")
    shape = shapes[name]
    if len(shape) != rank or min(shape) < 1:
        raise ShapeError(
            name, f"{name}: expected {rank} dimensions, none of them 0, got shape {shape}"
        )
    return shape


def _count(shapes: Shapes, pattern: str) -> int:
    """Number of repeated modules whose index the pattern captures."""
    found = [int(m[1]) for name in shapes if (m := re.match(pattern, name))]
    return max(found, default=-1) + 1


def _sam_config(shapes: Shapes, separate_decoders: bool) -> SamConfig:
    """Read SAM's sizes off its weights; heads of the decoder are SAM's own 8."""
    _, grid, _, dim = _shape(shapes, f"{_SAM}pos_embed", 4)
    patch = _shape(shapes, f"{_SAM}patch_embed.proj.weight", 4)[-1]
    depth = _count(shapes, re.escape(_SAM) + r"blocks\.(\d+)\.")
    tables = [_shape(shapes, f"{_SAM}blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)]
    if not tables:
        raise ConfigError("the checkpoint has no blocks of SAM's image encoder")
    whole = 2 * grid - 1  # rows of a table that spans the image
    windows = {rows for rows, _ in tables if rows != whole}
    if len(windows) > 1:
        raise ConfigError(f"windows of SAM's image encoder differ: tables of {sorted(windows)}")
    return SamConfig(
        image_size=grid * patch,
        patch_size=patch,
        encoder_dim=dim,
        encoder_depth=depth,
        encoder_heads=dim // tables[0][1],
        window_size=(windows.pop() + 1) // 2 if windows else _WINDOW,
        global_attention=tuple(i for i, (rows, _) in enumerate(tables) if rows == whole),
        embed_dim=_shape(shapes, f"{_SAM}neck.0.weight", 4)[0],
        decoder_depth=_count(shapes, re.escape(_DECODER) + r"layers\.(\d+)\."),
        decoder_mlp_dim=_shape(shapes, f"{_DECODER}layers.0.mlp.lin1.weight", 2)[0],
        separate_decoders=separate_decoders,
    )

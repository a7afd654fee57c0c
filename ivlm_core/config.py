"""Typed configuration of a model: pure data, checked when it is made, saved with every checkpoint.

Nothing here imports other modules of the package. Every default stands here and nowhere else; the
defaults describe the reference (13B) model, `NANO` in `ivlm_core.model.presets` the shipped one.
"""

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

Settings = TypeVar("Settings")
"""Any dataclass of settings."""


class ConfigError(ValueError):
    """A configuration value is missing, unknown, of the wrong type or out of range."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _require_sizes(settings: Any, section: str, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        _require(value > 0, f"{section}.{name} must be 1 or more, got {value}")


@dataclass(frozen=True)
class VisionConfig:
    """The CLIP vision tower that reads the camera image."""

    image_size: int = 224
    """Side of the square input, pixels."""
    patch_size: int = 14
    hidden_size: int = 1024
    intermediate_size: int = 4096
    layers: int = 24
    heads: int = 16
    select_layer: int = -2
    """Which entry of the hidden states is read (-2: the layer before the last)."""
    stem: Literal["patch", "conv", "efficientnet"] = "patch"
    """`patch`: CLIP's single convolution. `conv`: residual convolutions down to one vector a patch
    (early convolutions make small towers learn faster, Xiao et al. 2021). `efficientnet`: the first
    layers of EfficientNet-Lite0, which ImageNet taught (`model.efficientnet`)."""
    stem_width: int = 32
    """Channels of the first stage of the `conv` stem; they double at each of its stages."""
    fit: Literal["crop", "pad"] = "crop"
    """How a non-square image becomes square: CLIP's centre crop, or padding that loses nothing."""

    def __post_init__(self) -> None:
        _require_sizes(
            self, "vision", "patch_size", "hidden_size", "intermediate_size", "layers", "heads"
        )
        _require(
            self.image_size > 0 and self.image_size % self.patch_size == 0,
            f"vision.image_size ({self.image_size}) must be a positive multiple of "
            f"vision.patch_size ({self.patch_size})",
        )
        _require(
            self.hidden_size % self.heads == 0,
            f"vision.hidden_size ({self.hidden_size}) must be divisible by heads ({self.heads})",
        )
        _require(
            -self.layers - 1 <= self.select_layer <= self.layers,
            f"vision.select_layer must be one of the hidden states {-self.layers - 1} to "
            f"{self.layers}, got {self.select_layer}",
        )
        _require(
            self.stem != "conv" or self.patch_size in (8, 16, 32),
            f"vision.stem 'conv' halves the image at each stage: patch_size must be 8, 16 or 32, "
            f"got {self.patch_size}",
        )
        _require(
            self.stem != "efficientnet" or self.patch_size == 16,
            f"vision.stem 'efficientnet' gives one vector for 16 pixels: patch_size must be 16, "
            f"got {self.patch_size}",
        )

    @property
    def num_patches(self) -> int:
        """Features that the tower gives for an image."""
        return self.grid_size**2

    @property
    def grid_size(self) -> int:
        """Patches along a side of the image."""
        return self.image_size // self.patch_size


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on the language model, made by `peft`."""

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: tuple[str, ...] = ("q_proj", "v_proj")

    def __post_init__(self) -> None:
        _require(self.rank > 0, f"lora.rank must be positive, got {self.rank}")
        _require(0 <= self.dropout < 1, f"lora.dropout must be in [0, 1), got {self.dropout}")


@dataclass(frozen=True)
class LanguageConfig:
    """The Llama language model."""

    vocab_size: int = 32003
    hidden_size: int = 5120
    intermediate_size: int = 13824
    layers: int = 40
    heads: int = 40
    max_positions: int = 4096
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5
    projector: Literal["linear", "mlp", "resampler"] = "linear"
    """Between tower and language model: one linear layer, two with GELU between, or learned
    queries that read the question and then the patches (`model.resampler`)."""
    resampler_queries: int = 8
    """Image tokens that a resampler gives; the other projectors give one a patch."""
    resampler_layers: int = 2
    resampler_boxes: bool = False
    """A resampler can be told where the object is, by a detector's box (`model.box_reader`)."""
    lora: LoraConfig | None = None

    def __post_init__(self) -> None:
        _require(
            self.vocab_size > 0, f"language.vocab_size must be positive, got {self.vocab_size}"
        )
        _require_sizes(
            self,
            "language",
            "hidden_size",
            "intermediate_size",
            "layers",
            "heads",
            "max_positions",
        )
        _require(
            self.hidden_size % self.heads == 0,
            f"language.hidden_size ({self.hidden_size}) must be divisible by heads ({self.heads})",
        )
        _require(
            self.resampler_queries > 0 and self.resampler_layers > 0,
            f"language.resampler_queries ({self.resampler_queries}) and resampler_layers "
            f"({self.resampler_layers}) must be positive",
        )
        _require(
            self.projector == "resampler" or not self.resampler_boxes,
            f"language.resampler_boxes needs language.projector 'resampler', got "
            f"{self.projector!r}",
        )


@dataclass(frozen=True)
class SamConfig:
    """Segment Anything: image encoder, prompt encoder, mask decoder."""

    image_size: int = 1024
    """Side of the rendered views, pixels."""
    patch_size: int = 16
    encoder_dim: int = 1280
    encoder_depth: int = 32
    encoder_heads: int = 16
    window_size: int = 14
    global_attention: tuple[int, ...] = (7, 15, 23, 31)
    embed_dim: int = 256
    """Width of prompts, image embeddings and decoder."""
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    decoder: Literal["sam", "queries"] = "sam"
    """What makes the masks of views: SAM's two-way transformer, as published; or a product of query
    and pixel features (`model.query_decoder`), which learns and answers in a fraction of the
    time."""
    decoder_channels: int = 64
    """Pixel features that `decoder="queries"` multiplies; SAM's has an eighth of `embed_dim`."""
    separate_decoders: bool = False
    """Own mask decoders for human and object tokens beside the one for generic tokens (`DifDe`)."""
    photos: Literal["encoder", "tower", "none"] = "encoder"
    """What masks on photographs are decoded from: what SAM's encoder sees in them, by its decoder,
    as published; or what the vision tower does, by `model.photo_decoder`, since an encoder that was
    not pretrained knows renders only; or none are made."""
    photo_channels: int = 64
    """Width of `model.photo_decoder`, a multiple of 8."""

    def __post_init__(self) -> None:
        _require_sizes(
            self,
            "sam",
            "patch_size",
            "encoder_dim",
            "encoder_depth",
            "encoder_heads",
            "window_size",
            "embed_dim",
            "decoder_depth",
            "decoder_heads",
            "decoder_mlp_dim",
        )
        _require(
            self.image_size > 0 and self.image_size % self.patch_size == 0,
            f"sam.image_size ({self.image_size}) must be a positive multiple of "
            f"sam.patch_size ({self.patch_size})",
        )
        _require(
            self.encoder_dim % self.encoder_heads == 0,
            f"sam.encoder_dim ({self.encoder_dim}) must be divisible by encoder_heads "
            f"({self.encoder_heads})",
        )
        _require(
            self.embed_dim % (2 * self.decoder_heads) == 0 and self.embed_dim % 8 == 0,
            f"sam.embed_dim ({self.embed_dim}) must be divisible by 8 and by twice "
            f"decoder_heads ({self.decoder_heads})",
        )
        _require(
            self.decoder == "sam" or self.photos != "encoder",
            'sam.decoder "queries" asks views only; masks on photographs need sam.photos "tower"',
        )
        _require(
            self.decoder_channels > 0,
            f"sam.decoder_channels must be positive, got {self.decoder_channels}",
        )
        _require(
            self.photo_channels > 0 and self.photo_channels % 8 == 0,
            f"sam.photo_channels must be a positive multiple of 8, got {self.photo_channels}",
        )
        outside = [i for i in self.global_attention if not 0 <= i < self.encoder_depth]
        _require(
            not outside,
            f"sam.global_attention names blocks {outside}, but encoder_depth is "
            f"{self.encoder_depth}",
        )

    @property
    def grid_size(self) -> int:
        """Side of the image embedding."""
        return self.image_size // self.patch_size


@dataclass(frozen=True)
class TokenConfig:
    """Contact tokens and where their embedding is read."""

    human: str = "<HCON>"
    object: str = "<OCON>"
    generic: str | None = None
    """A token for both (`[SEG]` of the reference); it bypasses the splitter."""
    position: Literal["before", "at"] = "before"
    """Hidden state that predicts the token (reference), or the one at the token."""
    splitter: bool = False
    """Attention that separates human and object prompts (InteractVLM, `Gen-Hu-Obj`)."""

    def __post_init__(self) -> None:
        _require(bool(self.human and self.object), "tokens.human and tokens.object must be set")


@dataclass(frozen=True)
class PromptConfig:
    """The conversation around question and answer."""

    conversation: Literal["llava_v1", "plain"] = "llava_v1"
    """`llava_v1`: system sentence and roles of LLaVA 1; `plain`: roles only."""
    mark_image: bool = True
    """Put `<im_start>` and `<im_end>` around the image tokens."""
    max_new_tokens: int = 64
    stop_at_contact: bool = False
    """End generation at the contact token instead of at the end of the sentence."""
    labels: tuple[str, ...] = ()
    """Object labels that training asked about; empty where the model takes any."""
    label_words: Literal["spaces", "underscores"] = "spaces"
    """What stands between the words of a label in the question, as the model learned it."""
    tasks: tuple[
        Literal["human_contact", "object_contact", "object_affordance", "photo_contact"], ...
    ] = ()
    """Tasks that the model was trained for, the only ones it takes; empty where it takes all but
    `photo_contact`: masks on the photograph itself, asked for by the token as it is, since no
    camera of a rig belongs to a photograph."""
    token_place: Literal["last", "first"] = "last"
    """Where the contact token stands in answers: behind the body parts or affordances that they
    name, as published models learned it, or before them. Behind them it follows what was said, also
    where that is a guess; before them it follows what is seen, and stays as unsure."""
    none_is_empty: bool = False
    """An answer that names no body part means that nothing touches, whatever its token would show:
    words and masks agree. Published models write no such answers."""
    answers: Literal["single", "published"] = "single"
    """Wordings of the answers it learned: one a task, or all of the published models'. Only guesses
    of how an answer goes on depend on it."""

    def __post_init__(self) -> None:
        _require(
            self.max_new_tokens > 0,
            f"prompt.max_new_tokens must be positive, got {self.max_new_tokens}",
        )


@dataclass(frozen=True)
class ViewConfig:
    """How the token embedding becomes camera-aware (FeatLift), and which cameras there are."""

    encoder: Literal["none", "simple", "view_index", "two_layer"] = "two_layer"
    hidden_size: int = 128
    human_rig: str = "human4"
    object_rig: str = "object4"
    cloud_rig: str | None = None
    """Rig of point clouds that are scaled into the unit sphere, as PIAD's are; None shows them as
    meshes, by `object_rig`."""
    object_conditioning_rig: str | None = None
    """Rig whose parameters condition the prompt where they differ from the rendering one."""
    affordance_conditioning_rig: str | None = None
    """The same for affordance, where a model learned it with other parameters than contact."""
    published_set: str | None = None
    """Published name of the human view set that the model was trained on; tells where the published
    pictures and maps lie."""

    @property
    def object_condition(self) -> str:
        """Rig that conditions prompts about contact on objects."""
        return self.object_conditioning_rig or self.object_rig

    @property
    def affordance_condition(self) -> str:
        """Rig that conditions prompts about affordance of objects."""
        return self.affordance_conditioning_rig or self.object_condition


@dataclass(frozen=True)
class LiftConfig:
    """How masks in views become scores on vertices, and when a score means contact."""

    human_mode: Literal["mean", "votes"] = "mean"
    """`votes`: the published lift before 2026-04, contact or not by barycentric votes
    (`lift.votes`), for checkpoints tuned with it."""
    human_gate: float | None = None
    """Only pixels above this probability count (None: all)."""
    object_gate: float | None = None
    weighting: Literal["mean", "pixels", "confidence"] = "mean"
    """Views that see a vertex count alike (reference), by the pixels they spend on it (for rigs
    with close-ups), or by predicted mask IoU times the cosine of the viewing angle."""
    unseen: Literal["zero", "nearest"] = "zero"
    """Score of vertices that no view shows: 0, as published, or that of the nearest seen vertex,
    along the mesh's edges (`lift.unseen`)."""
    extent: Literal["threshold", "expected_f1"] = "threshold"
    """What is in contact: all that scores the threshold of its task, as published; or, where
    anything does, the vertices, or pixels of a photograph, with the highest expected F1
    (`lift.extent`), for models whose scores are probabilities."""
    token_share: float = 0.75
    """Weight, in [0, 1], of what the contact token itself says of the body's vertices beside lifted
    masks, where the model has a `body_head`; 0 leaves it out, 1 takes it alone."""
    human_temperature: float = 1.0
    """The log odds of scores of the body are divided by this (`lift.temper`), for models that are
    too sure of what they have not learned."""
    human_threshold: float = 0.5
    object_threshold: float = 0.5
    photo_threshold: float = 0.5
    """Of pixels of a photograph."""
    pool: int = 1
    """Surfaces are rendered this many times finer for the lift than for the masks, so that small
    masks still reach the dense vertices of hands and face."""

    def __post_init__(self) -> None:
        _require(self.pool >= 1, f"lift.pool must be at least 1, got {self.pool}")
        _require(
            self.human_mode == "mean" or self.pool == 1,
            f"lift.human_mode 'votes' needs lift.pool 1, got {self.pool}",
        )
        _require(
            0 < self.human_temperature < math.inf,
            f"lift.human_temperature must be above 0 and finite, got {self.human_temperature}",
        )
        gates, tasks = ("human_gate", "object_gate"), ("human", "object", "photo")
        for name in ("token_share", *gates, *(f"{task}_threshold" for task in tasks)):
            value = getattr(self, name)
            _require(
                value is None or 0 <= value <= 1, f"lift.{name} must be in [0, 1], got {value}"
            )


@dataclass(frozen=True)
class BodyHeadConfig:
    """What reads the body's vertices off a contact token, without renders (`model.body_head`)."""

    hidden: int = 512
    width: int = 160
    """Of the last layer before the vertices; nearly all of the head's weights are there."""
    vertices: int = 13718
    """Of the body (`IvlmConfig.body`); Anny's by default."""

    def __post_init__(self) -> None:
        for name in ("hidden", "width", "vertices"):
            value = getattr(self, name)
            _require(value >= 1, f"body_head.{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class IvlmConfig:
    """Everything that decides a model's structure."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    sam: SamConfig = field(default_factory=SamConfig)
    tokens: TokenConfig = field(default_factory=TokenConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    body: str = "anny"
    """Body topology that human contact is given on."""
    body_head: BodyHeadConfig | None = None
    """None: contact on the body comes from masks alone, as published."""
    name: str = "custom"

    def __post_init__(self) -> None:
        _require(
            self.sam.photos != "tower" or self.vision.fit == "pad",
            f"sam.photos {self.sam.photos!r} needs vision.fit 'pad': a tower that is shown a crop "
            "sees no borders to mask",
        )
        _require(
            self.sam.photos != "tower" or self.vision.stem != "patch",
            f"sam.photos {self.sam.photos!r} needs vision.stem 'efficientnet' or 'conv', got "
            f"{self.vision.stem!r}: masks on photographs are finer than patches",
        )

    @property
    def num_image_tokens(self) -> int:
        """Image tokens that enter the language model."""
        if self.language.projector == "resampler":
            return self.language.resampler_queries
        return self.vision.num_patches

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "IvlmConfig":
        """Build from JSON data.

        Raises:
            ConfigError: an unknown key, a wrong type or a value out of range, named with its path.
        """
        return settings_from(cls, data, "config")

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "IvlmConfig":
        """Read a JSON file written by `save`.

        Raises:
            FileNotFoundError: there is no such file.
            ConfigError: the file is not JSON or not a valid configuration.
        """
        return read_config(cls, path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: it is not a JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; the folder is incomplete")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}; copy it again") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected an object, got {type(data).__name__}")
    return data


def read_config(cls: type[Settings], path: Path) -> Settings:
    """Read a dataclass of settings written as JSON.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: the file is not JSON or does not fit the dataclass.
    """
    return settings_from(cls, read_json(path), "config")


def settings_from(cls: type[Settings], data: Any, path: str) -> Settings:
    """Make a dataclass of settings from JSON data.

    Raises:
        ConfigError: names the path, which begins with `path`, of what does not fit.
    """
    _require(isinstance(data, dict), f"{path}: expected an object, got {type(data).__name__}")
    hints = typing.get_type_hints(cls)
    known = {f.name for f in dataclasses.fields(typing.cast(Any, cls))}
    unknown = sorted(set(data) - known)
    _require(not unknown, f"{path}: unknown key {unknown}; known keys: {sorted(known)}")
    values = {key: _convert(hints[key], value, f"{path}.{key}") for key, value in data.items()}
    return cls(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        return _convert(next(o for o in options if o is not type(None)), value, path)
    if dataclasses.is_dataclass(hint):
        return settings_from(typing.cast(type, hint), value, path)
    if origin is Literal:
        allowed = typing.get_args(hint)
        _require(value in allowed, f"{path}: expected one of {list(allowed)}, got {value!r}")
        return value
    if origin is tuple:
        _require(isinstance(value, list | tuple), f"{path}: expected a list, got {value!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, f"{path}[{i}]") for i, v in enumerate(value))
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    _require(fits, f"{path}: expected {hint.__name__}, got {value!r}")
    return value

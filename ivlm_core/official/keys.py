"""Names of weights in published checkpoints, and in ours.

Every published name either becomes one of ours or is left out for a reason that stands here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LAYOUT = (
    ("model.embed_tokens.", "vlm.language.model.embed_tokens."),
    ("model.layers.", "vlm.language.model.layers."),
    ("model.norm.", "vlm.language.model.norm."),
    ("lm_head.", "vlm.language.lm_head."),
    ("model.mm_projector.", "vlm.mm_projector."),
    ("model.text_hidden_fcs.0.", "projection."),
    ("cam_pose_encoder.", "view_encoder."),
    ("attention_splitter.", "splitter."),
    ("model.visual_model.image_encoder.", "image_encoder."),
    ("model.visual_model.prompt_encoder.", "localizer.prompt_encoder."),
    ("model.visual_model.mask_decoder.", "localizer.mask_decoder."),
    ("model.visual_model.human_mask_decoder.", "localizer.human_mask_decoder."),
    ("model.visual_model.object_mask_decoder.", "localizer.object_mask_decoder."),
)
"""Published beginning of a name, and ours."""

DECODERS = tuple(f"model.visual_model.{kind}mask_decoder." for kind in ("", "human_", "object_"))
"""Beginnings of the three mask decoders of a `DifDe` checkpoint."""

_ROTARY = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")

TOWER = "vlm.tower.clip."
"""Ours for the vision tower, which published checkpoints leave out."""

_TOWER_IGNORED = {
    "text_model.": "the text half of CLIP",
    "text_projection.": "the text half of CLIP",
    "visual_projection.": "maps to the space shared with texts, which is not used",
    "logit_scale": "scales similarities with texts, which are not used",
    "vision_model.embeddings.position_ids": "0, 1, 2, ..., computed",
}


@dataclass(frozen=True)
class KeyPlan:
    """What becomes of each name in a checkpoint."""

    renamed: dict[str, str]
    """Published name to ours."""
    ignored: dict[str, str]
    """Published name to the reason why it is left out."""
    unknown: tuple[str, ...]
    """Names that no published checkpoint has."""


def plan_keys(names: Iterable[str], shared_decoder: bool = False) -> KeyPlan:
    """Decide what becomes of the names of a published checkpoint.

    Args:
        names: names in the checkpoint.
        shared_decoder: of several mask decoders take only the object's, for all prompts, as the
            published code does (`reference_quirks.shared_mask_decoder`).
    """
    renamed: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unknown: list[str] = []
    names = list(names)
    last = DECODERS[2]
    overwritten = shared_decoder and any(name.startswith(last) for name in names)
    for name in names:
        if _ROTARY.fullmatch(name):
            ignored[name] = "rounded to bfloat16; computed from rope_theta instead"
        elif overwritten and name.startswith(DECODERS[:2]):
            ignored[name] = "overwritten by the object decoder (shared_mask_decoder)"
        elif overwritten and name.startswith(last):
            renamed[name] = f"localizer.mask_decoder.{name.removeprefix(last)}"
        elif (found := _rename(name)) is not None:
            renamed[name] = found
        else:
            unknown.append(name)
    return KeyPlan(renamed, ignored, tuple(unknown))


def plan_tower_keys(names: Iterable[str]) -> KeyPlan:
    """Decide what becomes of the names of a CLIP checkpoint (whole, or its vision half)."""
    renamed: dict[str, str] = {}
    ignored: dict[str, str] = {}
    for name in names:
        reason = next((r for start, r in _TOWER_IGNORED.items() if name.startswith(start)), None)
        if reason is not None:
            ignored[name] = reason
        else:
            renamed[name] = TOWER + name.removeprefix("vision_model.")
    return KeyPlan(renamed, ignored, ())


def published_name(name: str) -> str:
    """Return the published name of one of our weights.

    Raises:
        ValueError: published checkpoints have no such weight (the vision tower, say).
    """
    for theirs, ours in _LAYOUT:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise ValueError(f"published checkpoints have no weight {name!r}")


def _rename(name: str) -> str | None:
    for theirs, ours in _LAYOUT:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return None

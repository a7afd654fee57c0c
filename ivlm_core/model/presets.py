"""Named model sizes."""

from ivlm_core.config import (
    BodyHeadConfig,
    IvlmConfig,
    LanguageConfig,
    LiftConfig,
    PromptConfig,
    SamConfig,
    TokenConfig,
    ViewConfig,
    VisionConfig,
)

NANO = IvlmConfig(
    name="nano",
    vision=VisionConfig(
        image_size=192,
        patch_size=16,
        hidden_size=192,
        intermediate_size=768,
        layers=4,
        heads=6,
        select_layer=-1,
        stem="efficientnet",
        fit="pad",
    ),
    language=LanguageConfig(
        vocab_size=700,
        hidden_size=192,
        intermediate_size=512,
        layers=4,
        heads=6,
        max_positions=512,
        projector="resampler",
        resampler_boxes=True,
    ),
    sam=SamConfig(
        image_size=256,
        encoder_dim=96,
        encoder_depth=4,
        encoder_heads=4,
        window_size=8,
        global_attention=(1, 3),
        embed_dim=128,
        decoder_heads=4,
        decoder_mlp_dim=256,
        decoder="queries",
        separate_decoders=True,
        photos="tower",
    ),
    prompt=PromptConfig(
        conversation="plain", mark_image=False, max_new_tokens=40, token_place="first"
    ),
    views=ViewConfig(hidden_size=64, human_rig="human8_near"),
    lift=LiftConfig(
        pool=4, weighting="pixels", unseen="nearest", extent="expected_f1", human_temperature=1.4
    ),
    tokens=TokenConfig(),
    body_head=BodyHeadConfig(),
)
"""The shipped model: trained from scratch on synthetic interactions, runs on two CPU cores."""

TINY = IvlmConfig(
    name="tiny",
    vision=VisionConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        intermediate_size=64,
        layers=2,
        heads=2,
        stem="conv",
        stem_width=8,
        fit="pad",
    ),
    language=LanguageConfig(
        vocab_size=450,
        hidden_size=32,
        intermediate_size=64,
        layers=2,
        heads=2,
        max_positions=256,
        projector="resampler",
        resampler_queries=4,
        resampler_layers=1,
    ),
    sam=SamConfig(
        image_size=64,
        encoder_dim=16,
        encoder_depth=2,
        encoder_heads=2,
        window_size=4,
        global_attention=(1,),
        embed_dim=32,
        decoder_heads=2,
        decoder_mlp_dim=32,
    ),
    prompt=PromptConfig(
        conversation="plain", mark_image=True, max_new_tokens=24, stop_at_contact=True
    ),
    views=ViewConfig(hidden_size=16),
    lift=LiftConfig(pool=2),
)
"""For tests: every part is real, none is trained."""

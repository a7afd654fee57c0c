"""Synthetic interactions: parametric objects, scenes and their labels from geometry.

`generate(SynthesisConfig(out=...))` writes a data set; it needs the extra `synth`. The objects
alone (`ivlm_core.synthesis.objects`) need nothing beyond the core.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ivlm_core.synthesis.config import SynthesisConfig
    from ivlm_core.synthesis.writer import generate

__all__ = ["SynthesisConfig", "generate"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that the objects do not pull in the renderer."""
    if name == "SynthesisConfig":
        from ivlm_core.synthesis.config import SynthesisConfig

        return SynthesisConfig
    if name == "generate":
        from ivlm_core.synthesis.writer import generate

        return generate
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")

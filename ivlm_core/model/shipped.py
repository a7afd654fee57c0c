"""Models inside the package, by name."""

from importlib import resources
from pathlib import Path

SHIPPED = ("nano",)
"""Models inside the package."""


def model_folder(model: str | Path) -> Path:
    """Return the folder of a shipped model's name or of a path."""
    if str(model) in SHIPPED:
        return Path(str(resources.files("ivlm_core") / "assets" / "models" / str(model)))
    return Path(model)

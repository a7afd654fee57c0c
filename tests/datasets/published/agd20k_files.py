"""A sample of AGD20K, written as it is released."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_sample(root: Path, affordance: str, object_name: str, name: str) -> Path:
    """Write a photograph and its heat map in the setting Seen; return the heat map."""
    test = root / "Seen" / "testset"
    photo = test / "egocentric" / affordance / object_name / f"{name}.jpg"
    heat = test / "GT" / affordance / object_name / f"{name}.png"
    rng = np.random.default_rng(len(name))
    for path, shape in ((photo, (30, 40, 3)), (heat, (30, 40))):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(path)
    return heat

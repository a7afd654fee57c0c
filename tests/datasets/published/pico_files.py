"""A sample of PICO-db, written as it is released."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CUBE = """\
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 1
v 1 0 1
v 1 1 1
v 0 1 1
f 1 3 2
f 1 4 3
f 5 6 7
f 5 7 8
f 1 2 6
f 1 6 5
f 3 4 8
f 3 8 7
f 2 3 7
f 2 7 6
f 4 1 5
f 4 5 8
"""


def contacts(human: list[str], on_object: list[str], tail: str = "_1") -> dict[str, Any]:
    """Return what the file of contacts holds."""
    return {
        "data": [
            {"name": f"humanShape{tail}", "contactPoints": human},
            {"name": f"objShape{tail}", "contactPoints": on_object},
        ]
    }


def write_sample(folder: Path, told: Any = None) -> Path:
    """Write a folder with photograph, mesh and contacts (two pairs unless told)."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "image.jpg")
    (folder / "object.obj").write_text(CUBE)
    pairs = contacts(["v 12", "v 6889"], ["f 0 0.7 0.2 0.1", "f 3 0.1 0.1 0.8"])
    (folder / "corresponding_contacts.json").write_text(json.dumps(told or pairs))
    return folder

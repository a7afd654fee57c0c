"""What every HTML page that we write is made of: a template, a style, pictures within the file."""

import base64
import io
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image


def resource(name: str) -> str:
    """Return the text of a file beside this module."""
    return files("ivlm_core.visualize").joinpath(name).read_text(encoding="utf-8")


def write_page(template: str, values: Mapping[str, str], path: str | Path) -> Path:
    """Put values in the places of a template; a value's own text is left alone.

    Args:
        template: name of a file beside this module; it has places `{{name}}`, and `{{style}}`.
        values: name of the place to text.
        path: an .html file; its folder must exist.

    Returns:
        The path written.
    """
    filled = {"style": resource("style.css"), **values}
    path = Path(path)
    page = re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], resource(template))
    path.write_text(page, encoding="utf-8")
    return path


def base64_text(values: np.ndarray) -> str:
    """Return the bytes of an array as text."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def jpeg_address(image: np.ndarray) -> str:
    """Return a data address of a picture, uint8 `[height, width, 3]`."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
